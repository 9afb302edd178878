"""The speed of the preset fpv, compared with what it replaces: two ffmpeg commands with a file between them."""

import collections
import statistics
import subprocess
import time

from . import timecode
from .edit_checks import LOGO
from .media import ffmpeg

SECONDS, CLIP, LOGO_SECONDS = 20, 18, 1
FRAME = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1,setsar=1"
ONE_THREAD = ["-threads", "1", "-filter_threads", "1", "-filter_complex_threads", "1"]

# Arguments before each input and before each output. AS_IT_COMES uses as many threads as there are cores; AS_OURS encodes as
# mediarun does, on one thread.
Settings = collections.namedtuple("Settings", "reading writing")
AS_IT_COMES = Settings([], [])
AS_OURS = Settings(ONE_THREAD, ["-preset", "veryfast", "-crf", "23", "-threads", "1"])

Times = collections.namedtuple("Times", "job as_it_comes as_ours")  # milliseconds


class Baseline:
    """The two ffmpeg commands. The clip of the logo and all other files are in a directory."""

    def __init__(self, directory):
        self.directory = directory
        self.logo = directory / "logo.mp4"
        ffmpeg("-loop", "1", "-framerate", 30, "-t", LOGO_SECONDS, "-i", LOGO, "-f", "lavfi", "-t", LOGO_SECONDS,
               "-i", "anullsrc=r=44100:cl=stereo", "-vf", FRAME, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", "aac", self.logo)

    def fpv(self, video, settings):
        """Runs both: trim, scale and pad into a file; join that file with the clip of the logo. Returns milliseconds."""
        between, result = self.directory / "between.mp4", self.directory / "result.mp4"
        joined = "[0:v][0:a][1:v][1:a][2:v][2:a]concat=n=3:v=1:a=1[v][a]"
        begin = ["ffmpeg", "-v", "error", "-nostdin", "-y", *settings.reading]
        started = time.monotonic()
        subprocess.run([*begin, "-i", video, "-t", str(CLIP), "-vf", FRAME, *settings.writing, between], check=True)
        subprocess.run([*begin, "-i", self.logo, "-i", between, "-i", self.logo, "-filter_complex", joined, "-map", "[v]",
                        "-map", "[a]", *settings.writing, result], check=True)
        return (time.monotonic() - started) * 1000


def video(media):
    """1280×720 with motion and noise, so that encoding takes time."""
    return media.once("real.mp4", lambda path: ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,scroll=h=0.002:v=0.001,noise=alls=6:allf=t", *timecode.audio(SECONDS),
        "-t", SECONDS, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2",
        path))


def rounds(stack, client, media, directory, count, settings=(AS_IT_COMES,)):
    """Each round runs the job, then the commands with each of the settings. Returns the Times of the rounds."""
    baseline, source, found = Baseline(directory), video(media), []
    data = source.read_bytes()
    for _ in range(count):
        answer = client.post("/api/tasks", files={"fileName": (source.name, data)})
        task = client.finish(answer.json()["task"], 300)
        assert task["preset"] == "fpv"
        others = [baseline.fpv(source, one) if one in settings else None for one in (AS_IT_COMES, AS_OURS)]
        found.append(Times(stack.job_ms([task["id"]])[0], *others))
    return found


def ratio(times, other):
    """The median over the rounds of job / other."""
    return statistics.median(one.job / getattr(one, other) for one in times)
