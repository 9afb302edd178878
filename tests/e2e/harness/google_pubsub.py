"""Google's Pub/Sub emulator, where the Cloud SDK has it."""

import contextlib
import pathlib
import shutil
import subprocess

import requests

from .program import Program
from .waiting import free_port, wait_for


def find_jar():
    """(path, "") or (None, the reason why there is none)."""
    if not shutil.which("gcloud"):
        return None, "gcloud is not installed"
    if not shutil.which("java"):
        return None, "java is not installed"
    root = subprocess.run(["gcloud", "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True,
                          check=False).stdout.strip()
    jars = sorted(pathlib.Path(root).glob("platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar")) if root else []
    return (jars[-1], "") if jars else (None, "the Cloud SDK has no pubsub-emulator component")


def answers(url):
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.ConnectionError:
        return False


@contextlib.contextmanager
def google_pubsub(jar, directory):
    """Runs it. Yields host:port."""
    port = free_port()
    program = Program("google-pubsub", ["java", "-jar", jar, "--host=127.0.0.1", f"--port={port}"], {}, directory / "pubsub.log",
                      "Server started")
    program.start()
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}"), "a response of Google's emulator", 30)
        yield f"127.0.0.1:{port}"
    finally:
        program.kill()
