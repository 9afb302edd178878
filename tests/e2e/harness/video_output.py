"""Makes videos with the API, and reads single frames and properties of the results."""

import fractions
import json
import subprocess

THUMBNAIL = (64, 36)


def video_stream(info):
    return next(stream for stream in info["streams"] if stream["codec_type"] == "video")


def frame_rate(info):
    return float(fractions.Fraction(video_stream(info)["avg_frame_rate"]))


def length(info):
    return float(info["format"]["duration"])


def picture(path, at, filters=""):
    """The frame at a time, after further filters, as a small grey thumbnail (bytes)."""
    width, height = THUMBNAIL
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-ss", str(at), "-i", str(path), "-frames:v", "1", "-vf",
                           f"{filters + ',' if filters else ''}scale={width}:{height},format=gray", "-f", "rawvideo", "-"],
                          capture_output=True, check=False)
    assert done.returncode == 0 and len(done.stdout) == width * height, f"{path} at {at} s: {done.stderr.decode()}"
    return done.stdout


def difference(one, other):
    """The mean difference of two thumbnails, 0 to 255."""
    return sum(abs(a - b) for a, b in zip(one, other)) / len(one)


def pixels(path, at, filters):
    """Red, green and blue of all pixels of the frame at a time, after further filters."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-ss", str(at), "-i", str(path), "-frames:v", "1", "-vf",
                           f"{filters},format=rgb24", "-f", "rawvideo", "-"], capture_output=True, check=False)
    assert done.returncode == 0 and done.stdout, f"{path} at {at} s: {done.stderr.decode()}"
    return done.stdout


def make(user, path, new_format, directory, seconds=120, **options):
    """Runs a conversion and downloads its first output. Returns (task, path)."""
    fields = {"options": json.dumps(options)} if options else {}
    task = user.finish(user.upload(path, new_format, **fields), seconds)
    return task, fetch(user, task, directory)


def fetch(user, task, directory, n=0):
    """Downloads output n of a task. Returns its path."""
    path = directory / f"{n}-{task['outputs'][n]['file_name']}"
    user.download(task, path, params={"n": n})
    assert path.stat().st_size == task["outputs"][n]["size"]
    return path
