"""Judges of videos: what can be told of a finished one by its pictures, its logo, its frame rate."""

import fractions
import subprocess

THUMBNAIL = (64, 36)


def video_stream(info):
    return next(stream for stream in info["streams"] if stream["codec_type"] == "video")


def frame_rate(info):
    return float(fractions.Fraction(video_stream(info)["avg_frame_rate"]))


def length(info):
    return float(info["format"]["duration"])


def picture(path, at, filters=""):
    """The picture at a time, after further filters, as a small grey thumbnail (bytes)."""
    width, height = THUMBNAIL
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-ss", str(at), "-i", str(path), "-frames:v", "1", "-vf",
                           f"{filters + ',' if filters else ''}scale={width}:{height},format=gray", "-f", "rawvideo", "-"],
                          capture_output=True, check=False)
    assert done.returncode == 0 and len(done.stdout) == width * height, f"{path} at {at} s: {done.stderr.decode()}"
    return done.stdout


def difference(one, other):
    """The mean difference of two pictures, 0 to 255."""
    return sum(abs(a - b) for a, b in zip(one, other)) / len(one)


def assert_logo_second(path, starts, source, source_at, filters):
    """From `starts` on, for a second, stands one picture that is not the source's."""
    early, late = picture(path, starts + 0.15), picture(path, starts + 0.8)
    assert difference(early, late) < 3, "the logo stands still"
    assert difference(early, picture(source, source_at, filters)) > 20, "the logo is not the film"

