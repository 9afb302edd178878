"""Videos beside the ffmpeg program with the same encoders and settings; the preset fpv beside the two commands that it
replaces; the memory of a child that encodes 1080p."""

import contextlib
import json
import statistics
import subprocess
import threading
import time

from harness import baseline
from harness.media import ffmpeg

ROUNDS = 3
FPV_LIMIT = 0.75  # of the two commands' time
# name, source, target, what the ffmpeg program is told to do the same
CASES = [
    ("20 s 720p mp4 → mp4, copied", "real", "mp4", ["-c", "copy", "-movflags", "+faststart"]),
    ("20 s 720p mp4 → mp3", "real", "mp3", ["-vn", "-c:a", "libmp3lame", "-b:a", "192k"]),
    ("6 s 360p mp4 → webm", "small", "webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "6", "-b:v", "0",
                                              "-crf", "32", "-c:a", "libopus", "-b:a", "128k"]),
    ("6 s 360p mp4 → mkv, H.264 encoded again", "small", "mkv", ["-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-c:a", "copy"]),
]
OPTIONS = {"mkv": {"crf": 24}}


@contextlib.contextmanager
def peak_of_children(program):
    """Yields a list that holds the most MiB that a child of the program has had, once the block is left."""
    peak, ended = [0.0], threading.Event()

    def watch():
        while not ended.wait(0.02):
            for pid in program.descendants():
                with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as status:
                    sizes = [int(line.split()[1]) for line in status if line.startswith("VmHWM:")]
                    peak[0] = max([peak[0], *(size / 1024 for size in sizes)])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def program(source, target, arguments, scratch):
    """Milliseconds of the ffmpeg program."""
    started = time.monotonic()
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *baseline.ONE_THREAD, "-i", source, *arguments, "-threads", "1",
                    scratch / f"out.{target}"], check=True)
    return (time.monotonic() - started) * 1000


def conversions(stack, client, media, scratch):
    sources = {"real": baseline.video(media), "small": media.video(6, "640x360")}
    print(f"{'video':34}{'job ms':>10}{'ffmpeg ms':>11}{'job/ffmpeg':>12}")
    for name, source, target, arguments in CASES:
        jobs, programs = [], []
        for _ in range(ROUNDS):
            task = client.finish(client.upload(sources[source], target, **fields(OPTIONS.get(target))), 300)
            jobs += stack.job_ms([task["id"]])
            programs.append(program(sources[source], target, arguments, scratch))
        job, other = statistics.median(jobs), statistics.median(programs)
        print(f"{name:34}{job:10.0f}{other:11.0f}{job / other:12.2f}")


def fields(options):
    return {"options": json.dumps(options)} if options else {}


def fpv(stack, client, media, scratch):
    """Prints the times; the ratio that counts."""
    times = baseline.rounds(stack, client, media, scratch, ROUNDS, (baseline.AS_IT_COMES, baseline.AS_OURS))
    ratio = baseline.ratio(times, "as_it_comes")
    words_of = {"as_it_comes": "by the program's own defaults and threads", "as_ours": "with our settings, on one thread"}
    for name, words in words_of.items():
        print(f"fpv of 20 s 720p: {statistics.median(one.job for one in times):.0f} ms; two ffmpeg commands {words}: "
              f"{statistics.median(getattr(one, name) for one in times):.0f} ms; ratio {baseline.ratio(times, name):.2f}")
    return ratio


def memory(stack, client, media):
    large = media.once("large.mp4", lambda path: ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30:duration=3", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt",
        "yuv420p", path))
    for target, options in (("mp4", {"crf": 23}), ("webm", None)):
        with peak_of_children(stack.worker) as peak:
            client.finish(client.upload(large, target, **fields(options)), 300)
        print(f"peak memory of the child, 1080p → {target}: {peak[0]:.0f} MiB")


def videos(stack, client, media, scratch):
    """All of it; the ratio of the preset fpv, which must not be over FPV_LIMIT."""
    conversions(stack, client, media, scratch)
    memory(stack, client, media)
    return fpv(stack, client, media, scratch)
