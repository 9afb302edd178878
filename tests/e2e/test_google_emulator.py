"""Conversions with Google's Pub/Sub emulator between web and worker that infra/local/run.sh starts. Skipped where it is not installed."""

import concurrent.futures
import pathlib
import shutil
import subprocess

import pytest
import requests

from harness.client import Client
from harness.paths import SANITIZED
from harness.program import Program
from harness.run_sh import Run
from harness.stack import emulator_program
from harness.waiting import free_port, wait_for


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


@pytest.fixture(scope="module")
def google(tmp_path_factory):
    """host:port of Google's emulator."""
    jar, reason = find_jar()
    if not jar:
        pytest.skip(f"Google's Pub/Sub emulator: {reason}")
    port = free_port()
    program = Program("google-pubsub", ["java", "-jar", jar, "--host=127.0.0.1", f"--port={port}"], {},
                      tmp_path_factory.mktemp("google") / "pubsub.log", "Server started")
    program.start()
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}"), "a response of Google's emulator", 30)
        yield f"127.0.0.1:{port}"
    finally:
        program.kill()


def answers(url):
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.ConnectionError:
        return False


@pytest.fixture
def run(google, tmp_path):
    """run.sh as docs/configuration.md says; another mediarun-emulator stands for the other Cloud Storage."""
    storage = emulator_program(tmp_path).start()
    run = Run(tmp_path, PUBSUB_EMULATOR_HOST=google, STORAGE_EMULATOR_HOST=storage.url + "/", PUSH_AUTH="none")
    run.storage_url = storage.url
    try:
        yield run.start()
    finally:
        run.end()
        storage.stop()


def rows(run, statement):
    sockets = (run.data / "sockets").read_text().strip()
    return subprocess.run(["psql", "-XAtq", "-h", sockets, "-U", "mediarun", "mediarun", "-c", statement], capture_output=True, text=True,
                          check=True).stdout.split()


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="run.sh runs the release build")
@pytest.mark.xdist_group("run_sh")  # each of them calls make
def test_upload_convert_download(google, run, media):
    """It sends no token, so the worker requires none."""
    user = Client(run.url).signup()
    for target in ("mp3", "flac", "opus"):
        task, data = user.convert(media.tone("ogg"), target)
        assert len(data) == task["processed_size"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(lambda _: Client(run.url).use_token(user.token).upload(media.tone(), "mp3"), range(8)))
    for task in tasks:
        user.finish(task, 120)
    assert rows(run, "SELECT DISTINCT attempts, fence, (SELECT count(*) FROM outputs WHERE task_id = id) FROM tasks") == ["1|1|1"]
    objects = requests.get(f"{run.storage_url}/storage/v1/b/mediarun-local/o", timeout=5).json()["items"]
    assert len(objects) == 2 * 11  # input and output
    topics = requests.get(f"http://{google}/v1/projects/mediarun-local/topics", timeout=5).json()["topics"]
    assert "projects/mediarun-local/topics/mediarun-tasks" in [topic["name"] for topic in topics]
    failed = user.wait(user.upload(b"no music at all", "mp3", "a.mp3"))
    assert failed["status"] == "failed"
