"""What a job costs beyond libav's own work, and beside the ffmpeg program. Everything runs on this machine, with
durability, sandbox, token checks and logs on, as in production. Medians of several rounds."""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from harness.media import Media
from harness.paths import BUILD
from harness.postgres import Postgres
from harness.stack import Stack
from harness.waiting import wait_for

OVERHEAD_LIMIT_MS = 60
ROUNDS = 25
# (input format, seconds, output format): a tiny file, where overhead is all, and an ordinary song
CASES = [("mp3", 1, "wav"), ("mp3", 1, "mp3"), ("wav", 2, "opus"), ("mp3", 327, "wav"), ("mp3", 327, "mp3")]


def milliseconds(work):
    started = time.monotonic()
    work()
    return (time.monotonic() - started) * 1000


def jobs(stack):
    """Milliseconds of each committed job from claim to commit, as the worker logged them, by task."""
    return {record["task_id"]: record["ms"] for record in stack.worker.records() if record.get("end") == "committed"}


def direct(source, new_format, rounds):
    done = subprocess.run([BUILD / "bench" / "direct", new_format, str(rounds), source], check=True, capture_output=True)
    return float(done.stdout)


def ffmpeg(source, new_format, scratch, rounds):
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "1", "-i", str(source), str(scratch / f"out.{new_format}")]
    return statistics.median(milliseconds(lambda: subprocess.run(command, check=True)) for _ in range(rounds))


def measure(stack, client, source, new_format, rounds):
    """(job, whole): medians from claim to commit, and from the upload's first byte to `processed` as a client sees it."""
    tasks, whole = [], []
    for _ in range(rounds):
        task = {}

        def convert():
            task.update(client.upload(source, new_format))
            client.finish(task)

        whole.append(milliseconds(convert))
        tasks.append(task["id"])
    wait_for(lambda: set(tasks) <= set(jobs(stack)), "the worker's log lines", 10)
    logged = jobs(stack)
    return statistics.median(logged[task] for task in tasks), statistics.median(whole)


def main():
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        scratch.chmod(0o755)
        media = Media(scratch)
        postgres = Postgres(scratch)
        postgres.start()
        stack = Stack(scratch, postgres)
        try:
            client = stack.start().client()
            print(f"{'conversion':24}{'job ms':>10}{'libav ms':>10}{'overhead':>10}{'ffmpeg ms':>11}{'job/ffmpeg':>12}{'upload→done':>13}")
            for file_format, seconds, new_format in CASES:
                source = media.tone(file_format, seconds=seconds)
                rounds = ROUNDS if seconds < 10 else 5
                own = direct(source, new_format, rounds)
                job, whole = measure(stack, client, source, new_format, rounds)
                program = ffmpeg(source, new_format, scratch, rounds)
                worst = max(worst, job - own) if seconds < 10 else worst
                print(f"{f'{seconds} s {file_format} → {new_format}':24}{job:10.1f}{own:10.1f}{job - own:10.1f}"
                      f"{program:11.1f}{job / program:12.2f}{whole:13.1f}")
            print(f"peak memory: web {stack.web.peak_rss_mib():.0f} MiB, worker's parent {stack.worker.peak_rss_mib():.0f} MiB")
        finally:
            stack.stop()
            postgres.end()
    print(f"overhead of a job beyond libav's own work: {worst:.1f} ms (limit {OVERHEAD_LIMIT_MS} ms)")
    return 0 if worst < OVERHEAD_LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
