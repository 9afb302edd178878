"""Memory at its peak for small and large files, and how long programs take to start."""

import contextlib
import json
import subprocess
import threading

from ground import seconds_of
from harness.media import ffmpeg

TITLE = "Memory and start"
SAMPLE_BYTES = 44100 * 4  # of WAV, a second


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


def files(ground):
    """Sources by size; uploaded directly where they are over the limit of a request."""
    wav = lambda megabytes: ground.media.tone("wav", seconds=megabytes * 1_000_000 // SAMPLE_BYTES)
    film = ground.media.once("large.mp4", lambda path: ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30:duration=3", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt",
        "yuv420p", path))
    sizes = ground.few((5, 200, 2000), (5, 200))
    return [(f"{size:,} MB wav → flac", wav(size), "flac", None) for size in sizes] + [
        ("1080p → mp4", film, "mp4", {"crf": 23}), ("1080p → webm", film, "webm", None)]


def upload(stack, client, source, target, options):
    """By curl, which does not read the whole file first."""
    fields = ["-F", f"newFormat={target}", *(["-F", f"options={json.dumps(options)}"] if options else [])]
    done = subprocess.run(["curl", "-sS", "--fail-with-body", "-F", f"fileName=@{source}", *fields, "-H",
                           f"Authorization: Bearer {client.token}", f"{stack.url}/api/tasks"], capture_output=True, check=True)
    return json.loads(done.stdout)["task"]


def measure(ground):
    with ground.stack(web_settings={"MAX_UPLOAD_BYTES": 3 << 30}) as stack:
        client = stack.client()
        for name, source, target, options in files(ground):
            with peak_of_children(stack.worker) as peak:
                client.finish(upload(stack, client, source, target, options), 600)
            ground.table.add(f"child, {name}: peak", "MiB", peak)
            ground.table.add(f"web after {name}: peak", "MiB", [stack.web.peak_rss_mib()])
            ground.table.add(f"worker's parent after {name}: peak", "MiB", [stack.worker.peak_rss_mib()])
        for program in (stack.web, stack.worker):
            program.stop()
        for program in (stack.web, stack.worker):
            ground.table.add(f"start of {program.name}", "ms", [seconds_of(program.start) * 1000])
