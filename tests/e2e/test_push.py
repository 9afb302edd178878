"""The push endpoint of the worker and the internal endpoints of web: who may call them, and their responses."""

import base64
import concurrent.futures
import json
import os
import signal
import time

import pytest
import requests

from harness.drain import assert_drains_without_refusals
from harness.jobs import start_job
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


RECORDS = 3_000_000  # many seconds of work
LONG_TASKS = {"QUOTA_RECORDS_PER_TASK": RECORDS, "QUOTA_RECORDS_STORED": 100 * RECORDS}


def create(user, records, **fields):
    return user.post("/api/tasks", json={"kind": "insert_records", "records": records, **fields}).json()["task"]


def ends(stack):
    return [record["end"] for record in stack.worker.records() if "end" in record]


def test_pushes_wait_for_a_slot(make_stack):
    """None is refused: a refusal would slow down the whole subscription."""
    stack = make_stack(worker_settings={"SLOTS": 1})
    user = stack.client()
    for task in [create(user, 50_000) for _ in range(6)]:
        assert user.finish(task)["attempts"] == 1
    assert set(ends(stack)) == {"committed"}


@pytest.mark.slow
def test_a_backlog_is_drained_without_refusals(make_stack):
    """The push window grows to what the slots can do, and stays there."""
    assert_drains_without_refusals(make_stack())


def test_full_queue_answers_429(make_stack):
    stack = make_stack(web_settings=LONG_TASKS, worker_settings={"SLOTS": 1, "PARKED_PUSHES": 1})
    user = stack.client()
    tasks = [create(user, RECORDS)]
    wait_for(lambda: stack.sql("SELECT sum(attempts) FROM tasks") == [["1"]], "the claim of the only slot", interval=0.01)
    tasks += [create(user, RECORDS) for _ in range(2)]
    wait_for(lambda: "busy" in ends(stack), "a refused push")
    assert stack.sql("SELECT sum(attempts) FROM tasks") == [["1"]]
    for task in tasks:
        user.delete(f"/api/tasks/{task['id']}")


def test_busy_lanes_do_not_block_each_other(make_stack):
    """With every normal slot taken, high priority, deliveries and pings are served, and so are stale messages."""
    stack = make_stack(web_settings=LONG_TASKS, worker_settings={"SLOTS": 1, "HIGH_SLOTS": 1})
    user = stack.client()
    running = create(user, RECORDS)
    wait_for(lambda: user.task(running["id"])["status"] == "processing", "the start of the work", interval=0.01)
    token = stack.token_of_platform(stack.worker_url)
    for message, attributes in ((UNKNOWN, {"priority": "high"}), ({"v": 1, "kind": "deliver", "id": 999999999}, {}),
                                ({"v": 1, "kind": "ping", "id": 999999999}, {"traceparent": "x" * 500}), (UNKNOWN, {})):
        answer = push(stack, envelope(message, attributes), token)
        assert answer.status_code == 204 and answer.elapsed.total_seconds() < 5 * PATIENCE, message
    high = user.finish(create(user, 10, priority="high"))
    assert high["status"] == "processed" and user.task(running["id"])["status"] == "processing"
    assert user.delete(f"/api/tasks/{running['id']}").status_code == 200


def test_a_push_is_held_while_another_lease_lives(make_stack):
    """Until the task is final, then it is acknowledged; without a slot, and without a second attempt."""
    stack = make_stack(web_settings=LONG_TASKS, worker_settings={"SLOTS": 1})
    user = stack.client()
    running = create(user, RECORDS)
    wait_for(lambda: user.task(running["id"])["status"] == "processing", "the start of the work", interval=0.01)
    token = stack.token_of_platform(stack.worker_url)
    message = envelope({"v": 1, "kind": "insert_records", "task_id": running["id"], "generation": 1})
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        held = [pool.submit(push, stack, message, token) for _ in range(40)]  # more than there are request threads
        assert push(stack, envelope(UNKNOWN), token).status_code == 204
        assert not concurrent.futures.wait(held, 1.2, concurrent.futures.FIRST_COMPLETED).done  # the time of a look at the lease
        assert user.delete(f"/api/tasks/{running['id']}").status_code == 200
        assert {one.result(10).status_code for one in held} == {204}


def test_held_pushes_take_over_when_the_lease_ends(make_stack):
    stack = make_stack(web_settings=LONG_TASKS, worker_settings={"LEASE_SECONDS": 3, "PARKED_PUSHES": 2})
    user = stack.client()
    stack.worker.stop()
    task = create(user, 10)
    stack.sql(f"UPDATE tasks SET status = 'processing', lease_expires_at = now() + interval '3 s', fence = 1 WHERE id = {task['id']}")
    stack.worker.start()  # the emulator pushes: the lease is of a worker that is dead
    done = user.finish(task, 3 + 4)
    assert done["status"] == "processed" and "elsewhere" not in ends(stack)


@pytest.mark.slow
def test_a_request_is_open_while_a_long_job_runs(make_stack, media):
    """For longer than two ack deadlines: each repeat of the push is held until its own, and nothing runs twice."""
    secret = "m" * 32
    stack = make_stack(worker_settings={"SLOTS": 1, "ACK_DEADLINE_SECONDS": 10, "METRICS_TOKEN": secret})
    for queue in ("mediarun-tasks", "mediarun-tasks-high"):
        name = f"projects/{PROJECT}/subscriptions/{queue}-worker"
        answer = requests.patch(f"{stack.emulator.url}/v1/{name}", timeout=10, json={
            "subscription": {"name": name, "ackDeadlineSeconds": 10}, "updateMask": "ackDeadlineSeconds"})
        assert answer.status_code == 200, answer.text

    def held():
        lines = requests.get(stack.worker_url + "/metrics", headers={"Authorization": f"Bearer {secret}"}, timeout=10).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("mediarun_pushes_held"))

    user = stack.client()
    task, child = start_job(stack, user, media.noise(20), "flac")
    wait_for(lambda: held() == 1, "the first repeat", 20)
    wait_for(lambda: "busy" in ends(stack), "its deadline", 20)
    wait_for(lambda: held() == 1, "the second repeat", 10)
    assert user.task(task["id"])["status"] == "processing"
    os.kill(child, signal.SIGCONT)
    assert user.finish(task)["attempts"] == 1
    wait_for(lambda: held() == 0, "the end of the repeat", 5)
    assert ends(stack).count("committed") == 1 and set(ends(stack)) <= {"committed", "busy", "stale"}


def test_held_and_waiting_pushes_end_with_the_worker(make_stack):
    """On SIGTERM all are answered 429, so that another worker gets them at once."""
    stack = make_stack(web_settings=LONG_TASKS, worker_settings={"SLOTS": 1})
    user = stack.client()
    tasks = [create(user, RECORDS) for _ in range(2)]
    wait_for(lambda: stack.sql("SELECT count(*) FROM tasks WHERE status = 'processing'") == [["1"]], "the start of the work")
    token = stack.token_of_platform(stack.worker_url)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(push, stack, envelope({"v": 1, "kind": "insert_records", "task_id": task["id"], "generation": 1}),
                               token) for task in tasks]
        assert not concurrent.futures.wait(answers, 0.5, concurrent.futures.FIRST_COMPLETED).done
        assert stack.worker.stop(15) == 0
        assert [one.result(10).status_code for one in answers] == [429, 429]
    for task in tasks:
        user.delete(f"/api/tasks/{task['id']}")


def test_one_user_does_not_keep_all_slots(make_stack):
    """Twenty long tasks of one user, then one of another, in both lanes: it runs within seconds, and none is lost or failed."""
    stack = make_stack(web_settings=LONG_TASKS, worker_settings={"SLOTS": 2, "HIGH_SLOTS": 1})
    greedy, other = stack.client(), stack.client()
    tasks = [create(greedy, RECORDS, priority="high" if n % 2 else "normal") for n in range(20)]
    running = f"SELECT count(*) FROM tasks WHERE status = 'processing' AND id <= {tasks[-1]['id']}"
    wait_for(lambda: stack.sql(running) == [["3"]], "busy slots")  # nobody else waits: all slots are used
    for priority in ("normal", "high"):
        began = time.monotonic()
        assert other.finish(create(other, 10, priority=priority), 6)["status"] == "processed"
        print(f"{priority}: {time.monotonic() - began:.1f} s")
    states = {greedy.task(task["id"])["status"] for task in tasks}
    assert states <= {"uploaded", "processing"}
    assert stack.sql("SELECT max(attempts) FROM tasks") == [["1"]]
    assert "busy" not in ends(stack)
    for task in tasks:
        greedy.delete(f"/api/tasks/{task['id']}")


def test_what_was_put_off_keeps_the_slots_busy(make_stack):
    """Two users with a backlog each: what one's share puts off runs as soon as slots are idle, and waits for no sweep."""
    stack = make_stack(worker_settings={"SLOTS": 2, "HIGH_SLOTS": 1})
    users = stack.client(), stack.client()
    began = time.monotonic()
    tasks = [(user, create(user, 10000, priority="high" if n % 4 == 3 else "normal")) for user in users for n in range(24)]
    for user, task in tasks:
        assert user.finish(task, 30)["status"] == "processed"
    print(f"{len(tasks)} tasks: {time.monotonic() - began:.1f} s")
    assert "deferred" in ends(stack)
    overtaken = stack.sql("SELECT avg((SELECT count(*) FROM tasks b WHERE b.user_id = a.user_id AND b.priority = a.priority"
                          " AND b.id > a.id AND b.processed_at < a.processed_at))::float FROM tasks a")
    assert float(overtaken[0][0]) < 3.5, "a user's tasks run in their order, more or less; without any it is 3.5"


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
    """Only a task that has waited for too long: the others are published again."""
    stack = make_stack()
    user = stack.client()
    stack.worker.stop()
    task = user.upload(media.tone(), "mp3")
    stack.sql(f"UPDATE tasks SET uploaded_at = now() - interval '25 h' WHERE id = {task['id']}")
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
