"""One job on an idle machine: what it costs beyond libav's own work, and beside the ffmpeg program."""

import json
import os
import subprocess

from ground import alternate, seconds_of
from harness.paths import BUILD
from table import Target

TITLE = "One job on an idle machine"
SONG_SECONDS = 327
# (input format, seconds, output format): tiny files, where what is around libav is all
TINY = [("mp3", 1, "wav"), ("mp3", 1, "mp3"), ("wav", 2, "opus")]


def job_ms(stack, client, source, target, **fields):
    return stack.job_ms([client.finish(client.upload(source, target, **fields), 300)["id"]])[0]


def libav_ms(source, target):
    return float(subprocess.run([BUILD / "bench" / "direct", target, "1", source], check=True, capture_output=True).stdout)


def ffmpeg_ms(source, result, before=(), after=()):
    """What it writes is on the disk at the end, as ours is."""
    def run():
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *before, "-i", source, *after, result], check=True)
        with open(result, "rb") as file:
            os.fdatasync(file.fileno())
    return seconds_of(run) * 1000


def tiny_files(ground, stack, client):
    for file_format, seconds, target in TINY:
        source = ground.media.tone(file_format, seconds=seconds)
        ours, libav = alternate(lambda: job_ms(stack, client, source, target), lambda: libav_ms(source, target), ground.few(25, 7))
        ground.table.add(f"beyond libav: {seconds} s {file_format} → {target}", "ms",
                         [whole - own for whole, own in zip(ours, libav, strict=True)], target=Target(at_most=60))


def whole_files(ground, stack, client):
    song = ground.media.tone("mp3", seconds=SONG_SECONDS)
    film = ground.media.video(6, "640x360")
    rounds = ground.few(7, 3)
    ours, program = alternate(lambda: job_ms(stack, client, song, "wav"),
                              lambda: ffmpeg_ms(song, ground.scratch / "one.wav", ["-threads", "1"]), rounds)
    ground.table.add(f"{SONG_SECONDS} s mp3 → wav", "ms", ours, program, "ffmpeg, one thread", Target(at_most=1.3))
    two = ["-threads", "2", "-filter_threads", "2"]
    h264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-threads", "2", "-c:a", "copy"]
    ours, program = alternate(lambda: job_ms(stack, client, film, "mkv", options=json.dumps({"crf": 24})),
                              lambda: ffmpeg_ms(film, ground.scratch / "one.mkv", two, h264), rounds)
    ground.table.add("6 s 640×360 → H.264", "ms", ours, program, "ffmpeg, two threads", Target(at_most=1.15))


def measure(ground):
    with ground.stack() as stack:
        client = stack.client()
        tiny_files(ground, stack, client)
        whole_files(ground, stack, client)
