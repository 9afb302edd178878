"""What storing costs: conversions whose output is large beside the ffmpeg program, uploads beside a server that only writes
and syncs (sink.c), downloads beside nginx. Rounds of both alternate; medians."""

import contextlib
import os
import shutil
import statistics
import subprocess
import time

from harness.paths import BUILD
from harness.waiting import free_port, wait_for

ROUNDS = 3
SONG_SECONDS = 327
FILES = 16  # of a batch
UPLOAD_BYTES = 5_200_000
# measure → how much of the reference's rate it must have; of one job: how much more of its time it may take
TARGETS = {"wav, 2 slots": 0.85, "flac, 2 slots": 0.95, "uploads, 8 clients": 0.6, "uploads, 32 clients": 0.6,
           "downloads, 1 client": 0.85, "downloads, 8 clients": 0.85}
ONE_JOB_LIMIT = 1.3


def seconds_of(work):
    started = time.monotonic()
    work()
    return time.monotonic() - started


def alternate(ours, reference, rounds=ROUNDS):
    """Medians of two measures."""
    pairs = [(ours(), reference()) for _ in range(rounds)]
    return tuple(statistics.median(column) for column in zip(*pairs, strict=True))


def ffmpeg_batch(source, target, files, scratch, at_once):
    """Seconds of the ffmpeg program for a number of files; what it writes is on the disk at the end, as ours is."""
    command = (f"seq {files} | xargs -P{at_once} -I{{}} sh -c 'ffmpeg -v error -nostdin -y -threads 1 -i {source} "
               f"{scratch}/out-{{}}.{target} && sync -d {scratch}/out-{{}}.{target}'")
    spent = seconds_of(lambda: subprocess.run(["sh", "-c", command], check=True))
    for number in range(1, files + 1):
        (scratch / f"out-{number}.{target}").unlink()
    return spent


def job_batch(stack, client, source, target, files):
    """Seconds from the first claim to the last commit of a number of tasks that wait when the worker starts."""
    stack.worker.stop()
    tasks = [client.upload(source, target) for _ in range(files)]
    stack.worker.start()
    ids = [task["id"] for task in tasks]
    ended = f"SELECT id, extract(epoch FROM processed_at) FROM tasks WHERE id IN ({','.join(map(str, ids))}) AND status = 'processed'"
    wait_for(lambda: len(stack.sql(ended)) == files, "the batch", 300)
    ends = {int(number): float(end) for number, end in stack.sql(ended)}
    spent = dict(zip(ids, stack.job_ms(ids), strict=True))
    return max(ends.values()) - min(ends[number] - spent[number] / 1000 for number in ids)


def conversions(stack, client, media, scratch):
    source = media.tone("mp3", seconds=SONG_SECONDS)
    rates = {}
    for target in ("wav", "flac"):
        ours, reference = alternate(lambda: job_batch(stack, client, source, target, FILES),
                                    lambda: ffmpeg_batch(source, target, FILES, scratch, 2))
        rates[f"{target}, 2 slots"] = (FILES / ours, FILES / reference)
    return rates


def one_job(stack, client, media, scratch):
    """Milliseconds from claim to commit of one job to wav, and of the ffmpeg program."""
    source = media.tone("mp3", seconds=SONG_SECONDS)

    def ours():
        task = client.finish(client.upload(source, "wav"))
        return stack.job_ms([task["id"]])[0]

    return alternate(ours, lambda: ffmpeg_batch(source, "wav", 1, scratch, 1) * 1000, 7)


def curl(clients, transfers):
    """Requests per second of one curl that has `clients` connections; transfers: the arguments of each."""
    config = "\nnext\n".join("\n".join(lines) for lines in transfers)
    command = ["curl", "-s", "-Z", "--parallel-immediate", "--parallel-max", str(clients), "--config", "-"]
    return len(transfers) / seconds_of(
        lambda: subprocess.run(command, input=config.encode(), check=True, capture_output=True))


@contextlib.contextmanager
def sink(scratch):
    directory = scratch / "sink"
    directory.mkdir()
    with subprocess.Popen([BUILD / "bench" / "sink", directory, "64"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        process.stdin.close()


def uploads(stack, client, scratch):
    """The worker must be stopped: what is measured is the way of the bytes into storage."""
    source = scratch / "upload.bin"
    source.write_bytes(os.urandom(UPLOAD_BYTES))
    rates = {}
    with sink(scratch) as url:
        for clients in (8, 32):
            count = clients * 8
            common = ['header = "Expect:"', f'form = "fileName=@{source};filename=a.mp3"', 'form = "newFormat=wav"', "output = /dev/null", "fail"]
            ours = [[f'url = "{stack.url}/api/tasks"', f'header = "Authorization: Bearer {client.token}"', *common]] * count
            plain = [[f'url = "{url}"', *common]] * count
            rates[f"uploads, {clients} clients"] = alternate(lambda: curl(clients, ours), lambda: curl(clients, plain))
    return rates


@contextlib.contextmanager
def nginx(directory, scratch):
    port = free_port()
    config = scratch / "nginx.conf"
    config.write_text(
        f"worker_processes 2; daemon off; pid {scratch}/nginx.pid; error_log {scratch}/nginx.log; events {{}}\n"
        f"http {{ access_log off; sendfile on; client_body_temp_path {scratch}/n1; proxy_temp_path {scratch}/n2;"
        f" fastcgi_temp_path {scratch}/n3; uwsgi_temp_path {scratch}/n4; scgi_temp_path {scratch}/n5;\n"
        f" server {{ listen 127.0.0.1:{port}; root {directory}; }} }}\n")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with subprocess.Popen([program, "-c", str(config), "-e", str(scratch / "nginx.log")]) as process:
        try:
            wait_for(lambda: subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/"], check=False,
                                            stdout=subprocess.DEVNULL).returncode == 0, "nginx", 10)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def downloads(stack, client, media, scratch):
    """Of an output of 57 MB."""
    task = client.finish(client.upload(media.tone("mp3", seconds=SONG_SECONDS), "wav"))
    directory = scratch / "www"
    directory.mkdir()
    client.download(task, directory / "file.wav")
    rates = {}
    with nginx(directory, scratch) as url:
        for clients in (1, 8):
            common = ["output = /dev/null", "fail"]
            count = 16
            ours = [[f'url = "{stack.url}/api/files/{task["file_id"]}"', f'header = "Authorization: Bearer {client.token}"',
                     *common]] * count
            plain = [[f'url = "{url}/file.wav"', *common]] * count
            rates[f"downloads, {clients} client{'s' if clients > 1 else ''}"] = alternate(
                lambda: curl(clients, ours), lambda: curl(clients, plain), 5)
    return rates


def storing(stack, client, media, scratch):
    """Prints a line for each measure; true if all reach their targets."""
    ours, reference = one_job(stack, client, media, scratch)
    good = ours / reference <= ONE_JOB_LIMIT
    print(f"{'one wav job, ms':24}{ours:12.0f}{reference:12.0f}{ours / reference:8.2f}  (at most {ONE_JOB_LIMIT})")
    rates = conversions(stack, client, media, scratch) | downloads(stack, client, media, scratch)
    stack.worker.stop()
    rates |= uploads(stack, client, scratch)
    stack.worker.start()
    for measure, (ours, reference) in rates.items():
        good &= ours / reference >= TARGETS[measure]
        print(f"{measure + ', per s':24}{ours:12.2f}{reference:12.2f}{ours / reference:8.2f}  (at least {TARGETS[measure]})")
    return good
