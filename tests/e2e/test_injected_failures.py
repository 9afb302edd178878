"""Memory that runs out at any allocation of a request, calls that are short or interrupted, a full disk."""

import requests
import pytest

from harness.inject import Injection
from harness.paths import SANITIZED
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("injected_failures"),
              pytest.mark.skipif(SANITIZED, reason="a sanitizer has its own malloc")]

EVERY_UP_TO = 150  # allocations: each one fails once; beyond, one of several does
ONE_OF = 13
SILENCE_MS = 1000  # where civetweb lacks memory for its copy of the path, the request gets no answer before this time is over
OF_THE_CHILD = ("resource_limit", "decoder_crashed", "sandbox_violation", "invalid_media")


@pytest.fixture(scope="module")
def injections(workdir):
    """Of web and of the worker."""
    made = []
    for name in ("web", "worker"):
        directory = workdir / f"injected-{name}"
        directory.mkdir()
        made.append(Injection(directory))
    yield made
    for injection in made:
        injection.close()


@pytest.fixture(scope="module")
def of_web(injections):
    return injections[0]


@pytest.fixture(scope="module")
def of_worker(injections):
    return injections[1]


@pytest.fixture(scope="module")
def stack(workdir, postgres, of_web, of_worker):
    directory = workdir / "injected"
    directory.mkdir()
    web_settings = {**of_web.settings, "QUOTA_OPEN_UPLOADS": 100000, "CLIENT_TIMEOUT_MS": SILENCE_MS}
    made = Stack(directory, postgres, web_settings=web_settings, worker_settings=of_worker.settings)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(scope="module")
def user(stack):
    return stack.client()


@pytest.fixture(scope="module")
def task(user, media):
    return user.finish(user.upload(media.tone("ogg", seconds=1), "mp3"))


def requests_of(user, task, song):
    key = f"/api/tasks/{task['id']}"
    return {
        "health": lambda: user.get("/api-health"),
        "me": lambda: user.get("/api/auth/me"),
        "signup": lambda: user.post("/api/auth/signup", json={"username": user.username, "email": "a@example.com",
                                                               "password1": "Secret12", "password2": "Secret12"}),
        "list": lambda: user.get("/api/tasks"),
        "get": lambda: user.get(key),
        "file": lambda: user.get(f"/api/files/{task['file_id']}"),
        "create": lambda: user.try_upload(song, "flac"),
        "form": lambda: user.post("/api/tasks", data={"newFormat": "mp3", "url": "http://192.0.2.1/a.wav", "name": "n"}),
        "redo": lambda: user.request("PUT", key, json={"newFormat": "nope"}),
        "upload": lambda: user.post("/api/uploads", json={"fileName": "a.wav", "size": 100}),
        "not found": lambda: user.get("/api/tasks/999999"),
        "broken JSON": lambda: user.post("/api/auth/login", data=b"{", headers={"Content-Type": "application/json"}),
        "document": lambda: user.get("/openapi.json"),
    }


def outcome(call):
    try:
        return call()
    except requests.exceptions.RequestException:
        return None  # the connection was closed: as good as an error


@pytest.mark.parametrize("name", list(requests_of(None, {"id": 0, "file_id": 0}, None)))
def test_allocations_of_a_request(stack, user, task, media, of_web, name):
    """Each allocation fails once. The answer is the usual one or an error, and the next request gets the usual one."""
    call = requests_of(user, task, media.tone("ogg", seconds=1).read_bytes())[name]
    pid, usual = stack.web.pid, call()
    number, failures = 1, 0
    while True:
        of_web.fail_allocation(number)
        answer = outcome(call)
        failed = of_web.has_failed()
        of_web.fail_allocation(0)
        if answer is not None and answer.status_code != usual.status_code:
            assert answer.status_code >= 500 or answer.status_code == 429, f"allocation {number}: {answer.status_code} {answer.text}"
        if not failed:
            break
        failures += 1
        number += 1 if number < EVERY_UP_TO else ONE_OF
    assert failures > 10
    assert stack.web.pid == pid and stack.web.process.poll() is None
    assert call().status_code == usual.status_code
    wait_for(lambda: requests.get(stack.url + "/alive", timeout=5).status_code == 200, "web after all failures")


def test_allocations_of_a_job(stack, user, media, of_worker):
    """The allocations of the worker, and of the sandboxed child: its memory is limited, so they may end the task.
    libav calls some files invalid when its memory ran out. Where libseccomp lacks memory, the filter has fewer calls, and the child is killed at the first that is missing."""
    pids = [worker.pid for worker in stack.workers]
    song = media.tone("ogg", seconds=1)
    for number in (*range(1, 20), 30, 50, 100, 300, 1000, 3000):
        of_worker.fail_allocation(0)
        created = user.upload(song, "wav")
        of_worker.fail_allocation(number)
        task = user.wait(created, 60)
        of_worker.fail_allocation(0)
        assert task["status"] == "processed" or task["error"]["code"] in OF_THE_CHILD, task
    assert [worker.pid for worker in stack.workers] == pids


def test_short_and_interrupted_calls(user, media, injections):
    song = media.tone("wav", seconds=2)
    whole = user.convert(song, "flac")[1]
    for injection in injections:
        injection.break_calls(True)
    try:
        broken = user.convert(song, "flac")[1]
    finally:
        for injection in injections:
            injection.break_calls(False)
    assert broken == whole


def test_full_disk(user, media, injections):
    """Logs cannot be written: the service goes on."""
    for injection in injections:
        injection.fill_disk(True)
    try:
        user.convert(media.tone("ogg", seconds=1), "mp3")
    finally:
        for injection in injections:
            injection.fill_disk(False)
