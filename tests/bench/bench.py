"""What a job costs beyond libav's own work, and beside the ffmpeg program; videos (bench_video.py); and records beside
psql's \\copy of the same rows. Everything runs on this machine, with durability (fsync), sandbox, token checks and logs on,
as in production. Medians of several rounds."""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import bench_storage
import bench_video
from harness.media import Media
from harness.paths import BUILD
from harness.postgres import Postgres
from harness.stack import Stack

OVERHEAD_LIMIT_MS = 60
ROUNDS = 25
RECORDS = 200_000  # of each of three tables
RECORDS_ROUNDS = 3
RECORDS_LIMIT = 200_000  # rows per second
# (input format, seconds, output format): a tiny file, where overhead is all, and an ordinary song
CASES = [("mp3", 1, "wav"), ("mp3", 1, "mp3"), ("wav", 2, "opus"), ("mp3", 327, "wav"), ("mp3", 327, "mp3")]


def milliseconds(work):
    started = time.monotonic()
    work()
    return (time.monotonic() - started) * 1000


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
    return statistics.median(stack.job_ms(tasks)), statistics.median(whole)


def conversions(stack, client, media, scratch):
    """Prints a line for each case; the most milliseconds that a job took beyond libav's own work."""
    worst = 0.0
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
    return worst


def psql_copy(stack, task, scratch):
    """Milliseconds that psql takes to copy the rows of a task from files into three tables like its own."""
    tables = ("users", "products", "order_items")
    stack.sql("DROP SCHEMA IF EXISTS plain CASCADE; CREATE SCHEMA plain")
    commands = []
    for table in tables:
        stack.sql(f"CREATE TABLE plain.{table} (LIKE records.{table} INCLUDING ALL)")
        stack.sql(f"\\copy (SELECT * FROM records.{table} WHERE task_id = {task['id']} ORDER BY n) TO '{scratch / table}'")
        commands += ["-c", f"\\copy plain.{table} FROM '{scratch / table}'"]
    command = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", stack.postgres.url(stack.database), *commands]
    return milliseconds(lambda: subprocess.run(command, check=True))


def records(stack, client, scratch):
    """Prints rows per second of the kind insert_records and of psql; returns the former."""
    own, plain = [], []
    for _ in range(RECORDS_ROUNDS):
        answer = client.post("/api/tasks", json={"kind": "insert_records", "records": RECORDS})
        assert answer.status_code == 201, answer.text
        task = client.finish(answer.json()["task"])
        own += stack.job_ms([task["id"]])
        plain.append(psql_copy(stack, task, scratch))
    job, psql = (3 * RECORDS / statistics.median(times) * 1000 for times in (own, plain))
    print(f"insert_records, {3 * RECORDS} rows, claim to commit: {job:,.0f} rows/s; psql \\copy in one transaction: {psql:,.0f} rows/s; "
          f"ratio {job / psql:.2f}")
    return job


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        scratch.chmod(0o755)
        media = Media(scratch)
        postgres = Postgres(scratch)
        postgres.start()
        stack = Stack(scratch, postgres)
        try:
            client = stack.start().client()
            worst = conversions(stack, client, media, scratch)
            fpv = bench_video.videos(stack, client, media, scratch)
            stored = bench_storage.storing(stack, client, media, scratch)
            rate = records(stack, client, scratch)
            print(f"peak memory: web {stack.web.peak_rss_mib():.0f} MiB, worker's parent {stack.worker.peak_rss_mib():.0f} MiB")
        finally:
            stack.stop()
            postgres.end()
    print(f"overhead of a job beyond libav's own work: {worst:.1f} ms (limit {OVERHEAD_LIMIT_MS} ms)")
    print(f"records: {rate:,.0f} rows/s (at least {RECORDS_LIMIT:,})")
    print(f"fpv beside the two ffmpeg commands that it replaces: {fpv:.2f} (at most {bench_video.FPV_LIMIT})")
    return 0 if stored and worst < OVERHEAD_LIMIT_MS and rate >= RECORDS_LIMIT and fpv <= bench_video.FPV_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
