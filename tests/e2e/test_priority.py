"""Priorities: many normal tasks do not delay tasks of high priority."""

import concurrent.futures
import time

import pytest

from harness.waiting import wait_for

MANY = 200
LONG = 1_000_000  # records: several seconds
START_WITHIN = 2


def create(user, records, **fields):
    answer = user.post("/api/tasks", json={"kind": "insert_records", "records": records, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["task"]


def delete_all(user, tasks):
    for task in tasks:
        assert user.delete(f"/api/tasks/{task['id']}").status_code == 200


@pytest.fixture
def busy(make_stack):
    """(stack, user): MANY normal tasks of several seconds each are queued, and both slots are busy."""
    stack = make_stack(web_settings={"QUOTA_RECORDS_STORED": 2 * MANY * LONG}, worker_settings={"SLOTS": 2})
    user = stack.client()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(lambda _: create(user, LONG), range(MANY)))
    running = "SELECT count(*) FROM tasks WHERE status = 'processing'"
    wait_for(lambda: stack.sql(running) == [["2"]], "busy slots", 10, 0.02)
    yield stack, user
    delete_all(user, tasks)
    wait_for(lambda: stack.sql(running) == [["0"]], "end of the work", 5)


def waiting(stack):
    return int(stack.sql("SELECT count(*) FROM tasks WHERE status = 'uploaded' AND priority = 'normal'")[0][0])


def seconds_to_start(user, task):
    """Seconds until the task has started."""
    began = time.monotonic()
    user.wait(task, START_WITHIN, ("processing", "processed"))
    return time.monotonic() - began


@pytest.mark.slow
def test_high_priority_starts_within_two_seconds(busy, media):
    stack, user = busy
    records = create(user, 1000, priority="high")
    assert records["priority"] == "high"
    assert seconds_to_start(user, records) < START_WITHIN
    user.finish(records, 10)
    conversion = user.upload(media.tone(), "mp3", priority="high")
    assert seconds_to_start(user, conversion) < START_WITHIN
    user.finish(conversion, 20)
    assert waiting(stack) > MANY // 2, "the normal tasks still wait"


@pytest.mark.slow
def test_several_of_high_priority(busy):
    """They share the slots reserved for them and those that become free, and end while the normal tasks wait."""
    stack, user = busy
    high = [create(user, 1000, priority="high") for _ in range(6)]
    for task in high:
        user.finish(task, 20)
    assert waiting(stack) > MANY // 2


def test_normal_tasks_run_beside_high_priority(make_stack):
    """When tasks of high priority take every slot that they may, a normal task still gets done."""
    stack = make_stack(worker_settings={"SLOTS": 1, "HIGH_SLOTS": 1})
    user = stack.client()
    high = [create(user, 50_000, priority="high") for _ in range(4)]
    normal = create(user, 10)
    user.finish(normal, 60)
    for task in high:
        user.finish(task, 60)


def test_high_priority_first_without_reserved_slots(make_stack):
    """With HIGH_SLOTS=0 it takes a normal slot before the normal tasks that wait."""
    stack = make_stack(worker_settings={"SLOTS": 1, "HIGH_SLOTS": 0})
    user = stack.client()
    normal = [create(user, 100_000) for _ in range(10)]
    wait_for(lambda: user.task(normal[0]["id"])["status"] != "uploaded", "the start", 10, 0.02)
    high = user.finish(create(user, 10, priority="high"), 30)
    assert high["status"] == "processed" and waiting(stack) > 0
    delete_all(user, normal)


def test_invalid_priority(user):
    for priority in ("urgent", "", 1, None):
        answer = user.post("/api/tasks", json={"kind": "insert_records", "records": 1, "priority": priority})
        if answer.status_code == 201 and not priority:
            assert answer.json()["task"]["priority"] == "normal"  # the same as no value
        else:
            assert answer.status_code == 400 and "priority" in answer.json()["message"]
