"""Conversions with Google's Pub/Sub emulator between web and worker that infra/local/run.sh starts. Skipped where it is not installed."""

import concurrent.futures
import subprocess

import pytest
import requests

from harness.client import Client
from harness.drain import assert_drains_without_refusals
from harness.google_pubsub import find_jar, google_pubsub
from harness.paths import SANITIZED
from harness.run_sh import Run
from harness.stack import emulator_program


@pytest.fixture(scope="module")
def google(tmp_path_factory):
    """host:port of Google's emulator."""
    jar, reason = find_jar()
    if not jar:
        pytest.skip(f"Google's Pub/Sub emulator: {reason}")
    with google_pubsub(jar, tmp_path_factory.mktemp("google")) as host:
        yield host


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


@pytest.mark.slow
def test_a_backlog_is_drained_without_refusals(google, make_stack):
    assert_drains_without_refusals(make_stack(pubsub_host=google, settings={"PUSH_AUTH": "none"}))
