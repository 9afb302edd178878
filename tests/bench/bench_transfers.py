"""Uploads beside a server that only writes and syncs (sink.c), downloads beside nginx."""

import contextlib
import os
import shutil
import subprocess

from ground import alternate, seconds_of
from harness.paths import BUILD
from harness.waiting import free_port, wait_for
from table import Target

TITLE = "Transfers"
UPLOAD_BYTES = 5_200_000
SONG_SECONDS = 327  # as WAV: 57 MB


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


def uploads(ground, stack, client):
    """The worker must be stopped: what is measured is the way of the bytes into storage."""
    source = ground.scratch / "upload.bin"
    source.write_bytes(os.urandom(UPLOAD_BYTES))
    with sink(ground.scratch) as url:
        for clients in (8, 32):
            count = clients * ground.few(8, 3)
            common = ['header = "Expect:"', f'form = "fileName=@{source};filename=a.mp3"', 'form = "newFormat=wav"', "output = /dev/null", "fail"]
            ours = [[f'url = "{stack.url}/api/tasks"', f'header = "Authorization: Bearer {client.token}"', *common]] * count
            plain = [[f'url = "{url}"', *common]] * count
            rates = alternate(lambda: curl(clients, ours), lambda: curl(clients, plain), ground.few(5, 3))
            ground.table.add(f"uploads of 5.2 MB, {clients} clients", "per s", *rates, "sink with fdatasync", Target(at_least=0.6))


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


def downloads(ground, stack, client):
    task = client.finish(client.upload(ground.media.tone("mp3", seconds=SONG_SECONDS), "wav"))
    directory = ground.scratch / "www"
    directory.mkdir()
    client.download(task, directory / "file.wav")
    megabytes = (directory / "file.wav").stat().st_size / 1e6
    common, count = ["output = /dev/null", "fail"], ground.few(16, 8)
    ours = [[f'url = "{stack.url}/api/files/{task["file_id"]}"', f'header = "Authorization: Bearer {client.token}"', *common]] * count
    with nginx(directory, ground.scratch) as url:
        plain = [[f'url = "{url}/file.wav"', *common]] * count
        for clients in (1, 8):
            rates = alternate(lambda: curl(clients, ours) * megabytes, lambda: curl(clients, plain) * megabytes, ground.few(5, 3))
            ground.table.add(f"downloads of 57 MB, {clients} client{'s' if clients > 1 else ''}", "MB/s", *rates, "nginx", Target(at_least=0.85))


def measure(ground):
    with ground.stack() as stack:
        client = stack.client()
        downloads(ground, stack, client)
        stack.worker.stop()
        uploads(ground, stack, client)
