"""Conversions with Google's Pub/Sub emulator between web and worker, also when infra/local/run.sh starts these. Skipped where it is not installed."""

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


@pytest.mark.slow
def test_upload_convert_download(google, make_stack, media):
    """It sends no token, so the worker requires none."""
    stack = make_stack(settings={"PUSH_AUTH": "none"}, pubsub_host=google)
    user = stack.client()
    for target in ("mp3", "flac", "opus"):
        task, data = user.convert(media.tone("ogg"), target)
        assert len(data) == task["processed_size"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(lambda _: Client(stack.url).use_token(user.token).upload(media.tone(), "mp3"), range(8)))
    for task in tasks:
        user.finish(task, 120)
    assert stack.sql("SELECT DISTINCT attempts, fence, (SELECT count(*) FROM outputs WHERE task_id = id) FROM tasks") == [
        ["1", "1", "1"]]
    failed = user.wait(user.upload(b"no music at all", "mp3", "a.mp3"))
    assert failed["status"] == "failed"


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="run.sh runs the release build")
def test_run_sh_with_other_emulators(google, media, tmp_path):
    """As docs/configuration.md says; another emulator of ours stands for the other Cloud Storage."""
    storage = emulator_program(tmp_path).start()
    run = Run(tmp_path, PUBSUB_EMULATOR_HOST=google, STORAGE_EMULATOR_HOST=storage.url + "/", PUSH_AUTH="none")
    try:
        user = Client(run.start().url).signup()
        task, data = user.convert(media.tone("ogg"), "flac")
        assert len(data) == task["processed_size"]
        objects = requests.get(f"{storage.url}/storage/v1/b/mediarun-local/o", timeout=5).json()["items"]
        assert len(objects) == 2  # input and output
        topics = requests.get(f"http://{google}/v1/projects/mediarun-local/topics", timeout=5).json()["topics"]
        assert "projects/mediarun-local/topics/mediarun-tasks" in [topic["name"] for topic in topics]
    finally:
        run.end()
        storage.stop()
    assert run.process.returncode == 0, run.log()[-3000:]
