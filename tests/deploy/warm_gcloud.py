"""
The real gcloud without its start. It loads modules for a second at each call, and infra/deploy.sh calls it hundreds of times.

A server loads them once, in the Python of the SDK, and forks for each call. What a call loads beyond that, the server loads,
too, for the next one. `gcloud`, put before the real one in PATH, is a client: it sends its arguments, environment, directory
and standard files, and ends with the status of the call.
"""

import array
import importlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading

# With GCLOUD_MEMORY, the port of memory.Memory, what a command has printed is printed again.
CLIENT = """#!/usr/bin/python3 -IS
import json, os, socket, sys
def remember(**call):
    with socket.create_connection(("127.0.0.1", int(os.environ["GCLOUD_MEMORY"]))) as memory:
        memory.sendall(json.dumps({{"arguments": sys.argv[1:], "recorder": os.environ["CLOUDSDK_PROXY_PORT"], **call}}).encode() + b"\\n")
        return json.loads(b"".join(iter(lambda: memory.recv(65536), b"")))
known = remember() if "GCLOUD_MEMORY" in os.environ else {{"wanted": False}}
if known.get("output") is not None:
    sys.stdout.write(known["output"])
    sys.exit(0)
standard_output = 1
if known["wanted"]:
    standard_output = os.memfd_create("output")
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
call = json.dumps({{"arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}})
socket.send_fds(server, [b"0"], [0, standard_output, 2])
server.sendall(call.encode())
server.shutdown(socket.SHUT_WR)
status = int(server.recv(8) or b"70")
if known["wanted"]:
    os.lseek(standard_output, 0, os.SEEK_SET)
    output = open(standard_output, encoding="utf-8").read()
    sys.stdout.write(output)
    if status == 0:
        remember(output=output)
sys.exit(status)
"""


def sdk():
    """The directory of the Google Cloud SDK."""
    return pathlib.Path(shutil.which("gcloud")).resolve().parents[1]


class WarmGcloud:
    """`path` is the directory of the client."""

    def __init__(self, directory, environment):
        self.path = directory
        client, address = directory / "gcloud", str(directory / "socket")
        client.write_text(CLIENT.format(path=address), encoding="ascii")
        client.chmod(0o755)
        python = sdk() / "platform/bundledpythonunix/bin/python3"
        self.server = subprocess.Popen([python if python.exists() else "python3", "-S", __file__, sdk(), address], env=environment,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.server.stdout.readline() == b"listening\n", "gcloud did not load"

    def stop(self):
        self.server.kill()
        self.server.wait()


def receive_call(client):
    """The call, with its standard files in the place of the server's."""
    _, ancillary, _, _ = client.recvmsg(1, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    files = array.array("i", ancillary[0][2])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    return json.loads(b"".join(iter(lambda: client.recv(65536), b"")))


def end_with(client):
    """Ends this process when the client does: who kills a command means all of it."""
    watch = select.poll()
    watch.register(client, 0)  # which reports that the other side is gone
    watch.poll()
    os._exit(70)


def run_call(client, gcloud):
    call = receive_call(client)
    threading.Thread(target=end_with, args=(client,), daemon=True).start()
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["directory"])
    sys.argv = ["gcloud", *call["arguments"]]
    status = 70
    try:
        gcloud.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        client.sendall(b"%d" % status)


def load(names):
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # one that loads in a call alone; the next call does so again
            pass


def loaded():
    return {name for name in sys.modules if name.startswith("googlecloudsdk.")}


def serve(root, address):
    sys.path.insert(0, os.path.join(root, "lib"))
    import gcloud
    importlib.import_module("googlecloudsdk.gcloud_main")
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    print("listening", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    news, teller = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    while True:
        client, _ = server.accept()
        while select.select([news], [], [], 0)[0]:
            load(news.recv(1 << 18).decode().split())
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            known = loaded()
            try:
                run_call(client, gcloud)
                teller.send(" ".join(sorted(loaded() - known)).encode())
            finally:
                os._exit(0)
        client.close()


if __name__ == "__main__":
    serve(*sys.argv[1:])
