"""The push endpoint of the worker and the internal endpoints of web: who may call them, and their responses."""

import base64
import concurrent.futures
import json

import pytest
import requests

from harness.paths import PATIENCE
from harness.stack import ACCOUNT, PROJECT
from harness.waiting import wait_for

pytestmark = pytest.mark.sanitized


def envelope(message, attributes=None, **further):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    return {"message": {"data": base64.b64encode(data).decode(), "messageId": "1", "publishTime": "2026-01-01T00:00:00Z",
                        "attributes": attributes or {}}, "subscription": f"projects/{PROJECT}/subscriptions/s", **further}


@pytest.fixture
def token(stack):
    return stack.token_of_platform(stack.worker_url)


def push(stack, body, token, **kwargs):
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return requests.post(stack.worker_url + "/", json=body, headers=headers, timeout=30, **kwargs)


UNKNOWN = {"v": 1, "kind": "convert", "task_id": 999999999, "generation": 1}


def test_valid_token(stack, token):
    answer = push(stack, envelope(UNKNOWN), token)
    assert answer.status_code == 204 and answer.content == b""


def test_invalid_tokens(stack, token):
    head, body, signature = token.split(".")
    other_claims = json.dumps({"aud": stack.worker_url, "email": ACCOUNT, "email_verified": True, "exp": 2 ** 33, "iat": 1,
                        "iss": "https://accounts.google.com"}).encode()
    none_head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    other_claims = base64.urlsafe_b64encode(other_claims).rstrip(b"=").decode()
    cases = {
        "none": (None, 401), "empty": ("", 401), "garbage": ("abc", 401), "another algorithm": (f"{none_head}.{other_claims}.", 401),
        "other claims": (f"{head}.{other_claims}.{signature}", 401), "truncated": (f"{head}.{body}.{signature[:-8]}", 401),
        "stripped": (f"{head}.{body}.SIGNATURE_REMOVED_BY_GOOGLE", 401),
        "another audience": (stack.token_of_platform("https://elsewhere.example.com"), 403),
        "web's audience": (stack.token_of_platform(stack.url), 403),
        "another account": (stack.token_of_platform(stack.worker_url, "mallory@example.com"), 403),
        "a user's token": (stack.client().token, 401),
    }
    for name, (value, status) in cases.items():
        assert push(stack, envelope(UNKNOWN), value).status_code == status, name


@pytest.mark.parametrize("body", [{}, [], "text", 5, None, {"message": None}, {"message": []}, {"message": {"data": 5}},
                                  {"message": {"data": "***"}}], ids=str)
def test_invalid_envelope(stack, token, body):
    assert push(stack, body, token).status_code == 400


def test_malformed_bodies(stack, token):
    for data in (b"", b"{", b"\xff\xff", b'{"message":' * 2000):
        answer = requests.post(stack.worker_url + "/", data=data, timeout=10, headers={
            "Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        assert answer.status_code == 400
    big = requests.post(stack.worker_url + "/", data=b" " * (2 << 20), timeout=10, headers={
        "Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    assert big.status_code == 413


@pytest.mark.parametrize("message", [
    UNKNOWN, b"", b"not json", [], {"v": 2, "kind": "convert", "task_id": 1, "generation": 1}, {"v": 1, "kind": "convert"},
    {"v": 1, "kind": "convert", "task_id": -1, "generation": 1}, {"v": 1, "kind": "dance", "task_id": 999999999, "generation": 1},
    {"v": 1, "kind": "convert", "task_id": "1; DROP TABLE tasks", "generation": 1},
], ids=str)
def test_invalid_messages_are_acknowledged(stack, token, message):
    """Retries cannot help, so they are acknowledged."""
    assert push(stack, envelope(message), token).status_code == 204


def test_repeated_and_late_messages_have_no_effect(stack, user, media, token):
    task = user.finish(user.upload(media.tone(), "mp3"))
    before = stack.sql(f"SELECT * FROM tasks WHERE id = {task['id']}")
    for generation in (0, 1, 2, 99):
        message = {"v": 1, "kind": "convert", "task_id": task["id"], "generation": generation}
        assert push(stack, envelope(message, deliveryAttempt=3), token).status_code == 204
    assert stack.sql(f"SELECT * FROM tasks WHERE id = {task['id']}") == before


def test_same_message_many_times_at_once(make_stack, media):
    """The first one claims the task; the others have no effect."""
    stack = make_stack(worker_settings={"SLOTS": 8})
    user = stack.client()
    task = user.upload(media.noise(30), "mp3")
    message = envelope({"v": 1, "kind": "convert", "task_id": task["id"], "generation": 1})
    token = stack.token_of_platform(stack.worker_url)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: push(stack, message, token).status_code, range(24)))
    assert set(answers) <= {204, 429}
    user.finish(task)
    assert stack.sql(f"SELECT attempts, fence FROM tasks WHERE id = {task['id']}") == [["1", "1"]]


def test_busy_worker_answers_429(make_stack, media):
    stack = make_stack(worker_settings={"SLOTS": 1})
    user = stack.client()
    first = user.upload(media.noise(240), "mp3")
    wait_for(lambda: user.task(first["id"])["status"] != "uploaded", "the start of the first task", interval=0.01)
    answer = push(stack, envelope(UNKNOWN), stack.token_of_platform(stack.worker_url))
    if user.task(first["id"])["status"] == "processing":
        assert answer.status_code == 429
    user.finish(first)


def test_busy_lanes_do_not_block_each_other(make_stack):
    """With every normal slot taken, high priority, deliveries and pings are answered, and normal tasks are refused."""
    stack = make_stack(worker_settings={"SLOTS": 1, "HIGH_SLOTS": 1}, web_settings={"QUOTA_RECORDS_PER_TASK": 3_000_000})
    user = stack.client()
    running = user.post("/api/tasks", json={"kind": "insert_records", "records": 3_000_000}).json()["task"]
    wait_for(lambda: user.task(running["id"])["status"] == "processing", "the start of the work", interval=0.01)
    token = stack.token_of_platform(stack.worker_url)
    for message, attributes in ((UNKNOWN, {"priority": "high"}), ({"v": 1, "kind": "deliver", "id": 999999999}, {}),
                                ({"v": 1, "kind": "ping", "id": 999999999}, {"traceparent": "x" * 500})):
        answer = push(stack, envelope(message, attributes), token)
        assert answer.status_code == 204 and answer.elapsed.total_seconds() < 5 * PATIENCE, message
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        normal = list(pool.map(lambda priority: push(stack, envelope(UNKNOWN, {"priority": priority}), token).status_code,
                               ("normal", "unknown")))
    assert normal == [429, 429]
    assert user.delete(f"/api/tasks/{running['id']}").status_code == 200


def test_mode_none(make_stack, media):
    stack = make_stack(settings={"PUSH_AUTH": "none"})
    assert push(stack, envelope(UNKNOWN), None).status_code == 204


def test_mode_iam(make_stack, media):
    """Cloud Run has checked the signature; audience and account are still checked."""
    stack = make_stack(settings={"PUSH_AUTH": "iam"})
    head, body, _ = stack.token_of_platform(stack.worker_url).split(".")
    stripped = f"{head}.{body}.SIGNATURE_REMOVED_BY_GOOGLE"
    assert push(stack, envelope(UNKNOWN), stripped).status_code == 204
    assert push(stack, envelope(UNKNOWN), None).status_code == 401
    assert push(stack, envelope(UNKNOWN), stack.token_of_platform("https://elsewhere.example.com")).status_code == 403
    stack.client().convert(media.tone(), "mp3")


@pytest.mark.parametrize("path", ["/internal/sweep", "/internal/dead-letters"])
def test_internal_paths_are_for_the_platform(stack, user, path):
    body = envelope(UNKNOWN)
    ask = lambda token: stack.anonymous().post(path, json=body, headers={"Authorization": f"Bearer {token}"} if token else {})
    assert ask(None).status_code == 401
    assert ask(user.token).status_code == 401
    assert ask(stack.token_of_platform(stack.worker_url)).status_code == 403
    assert ask(stack.token_of_platform(stack.url, "mallory@example.com")).status_code == 403
    assert ask(stack.token_of_platform(stack.url)).status_code in (200, 204)


def test_dead_letter_fails_the_task(make_stack, media):
    stack = make_stack()
    user = stack.client()
    stack.worker.stop()
    task = user.upload(media.tone(), "mp3")
    stack.sql(f"UPDATE tasks SET attempts = 3 WHERE id = {task['id']}")
    letter = envelope({"v": 1, "kind": "convert", "task_id": task["id"], "generation": 1})
    answer = stack.anonymous().post("/internal/dead-letters", json=letter, headers={
        "Authorization": f"Bearer {stack.token_of_platform(stack.url)}"})
    assert answer.status_code == 204
    failed = user.task(task["id"])
    assert failed["status"] == "failed" and failed["error"]["code"] == "delivery_exhausted" and failed["error"]["detail"]
    stack.worker.start()


def test_dead_letter_of_a_delivery_does_not_fail_the_task(make_stack, media):
    stack = make_stack()
    user = stack.client()
    stack.worker.stop()
    task = user.upload(media.tone(), "mp3")
    stack.sql(f"UPDATE tasks SET attempts = 3 WHERE id = {task['id']}")
    letter = envelope({"v": 1, "kind": "deliver", "task_id": task["id"], "generation": 1, "id": 5})
    answer = stack.anonymous().post("/internal/dead-letters", json=letter, headers={
        "Authorization": f"Bearer {stack.token_of_platform(stack.url)}"})
    assert answer.status_code == 204
    assert user.task(task["id"])["status"] == "uploaded"
    stack.worker.start()


def test_a_failed_sweep_job_is_named_in_the_log(make_stack):
    stack = make_stack()
    stack.sql("ALTER TABLE pings RENAME TO pings_away")
    answer = stack.anonymous().post("/internal/sweep", json={}, headers={
        "Authorization": f"Bearer {stack.token_of_platform(stack.url)}"})
    assert answer.status_code >= 500
    failed = [line for line in stack.web.records() if line.get("sweep_job")]
    assert [line["sweep_job"] for line in failed] == ["pings_expired"] and failed[0]["severity"] == "ERROR"


def test_attempts_are_bounded(make_stack, media):
    """A task that ends its worker each time fails in the end."""
    stack = make_stack(worker_settings={"MAX_ATTEMPTS": 2})
    user = stack.client()
    stack.worker.stop()
    task = user.upload(media.tone(), "mp3")
    stack.sql(f"UPDATE tasks SET attempts = 2 WHERE id = {task['id']}")
    stack.worker.start()
    failed = user.wait(task, 30)
    assert failed["status"] == "failed" and failed["error"]["code"], failed


def test_alive(stack):
    assert requests.get(stack.worker_url + "/alive", timeout=5).status_code == 200
    assert requests.get(stack.worker_url + "/", timeout=5).status_code == 405
