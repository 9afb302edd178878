"""The lanes: a flood of normal work does not delay work of priority high."""

import concurrent.futures
import time

import pytest

from harness.waiting import wait_for

FLOOD = 200
LONG = 1_000_000  # records: several seconds
START_WITHIN = 2


def order(user, records, **fields):
    answer = user.post("/api/tasks", json={"kind": "insert_records", "records": records, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["task"]


def delete_all(user, tasks):
    for task in tasks:
        assert user.delete(f"/api/tasks/{task['id']}").status_code == 200


@pytest.fixture
def flood(make_stack):
    """(stack, user, tasks): FLOOD normal tasks of several seconds each are queued, and both slots are busy."""
    stack = make_stack(worker_settings={"SLOTS": 2})
    user = stack.client()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(lambda _: order(user, LONG), range(FLOOD)))
    busy = "SELECT count(*) FROM tasks WHERE status = 'processing'"
    wait_for(lambda: stack.sql(busy) == [["2"]], "busy slots", 10, 0.02)
    yield stack, user, tasks
    delete_all(user, tasks)
    wait_for(lambda: stack.sql(busy) == [["0"]], "end of the work", 5)


def waiting(stack):
    return int(stack.sql("SELECT count(*) FROM tasks WHERE status = 'uploaded' AND priority = 'normal'")[0][0])


def starts_in_time(user, task):
    """Seconds until the task was seen to have begun."""
    began = time.monotonic()
    user.wait(task, START_WITHIN, ("processing", "processed"))
    return time.monotonic() - began


def test_high_work_starts_within_two_seconds(flood, media):
    stack, user, _ = flood
    records = order(user, 1000, priority="high")
    assert records["priority"] == "high"
    assert starts_in_time(user, records) < START_WITHIN
    user.finish(records, 10)
    conversion = user.upload(media.tone(), "mp3", priority="high")
    assert starts_in_time(user, conversion) < START_WITHIN
    user.finish(conversion, 20)
    assert waiting(stack) > FLOOD // 2, "the flood must have been there all the time"


def test_several_of_high_priority(flood):
    """They share the slots that are kept for them, and those that come free: all are done while the flood waits."""
    stack, user, _ = flood
    high = [order(user, 1000, priority="high") for _ in range(6)]
    for task in high:
        user.finish(task, 20)
    assert waiting(stack) > FLOOD // 2


def test_normal_work_goes_on_beside_high_work(make_stack):
    """High work that fills every slot it may have ends, and then the normal task's turn has come."""
    stack = make_stack(worker_settings={"SLOTS": 1, "HIGH_SLOTS": 1})
    user = stack.client()
    high = [order(user, 50_000, priority="high") for _ in range(4)]
    normal = order(user, 10)
    user.finish(normal, 60)
    for task in high:
        user.finish(task, 60)


def test_without_slots_of_its_own_high_work_goes_first(make_stack):
    """HIGH_SLOTS=0: it takes a normal slot, before the normal work that waits."""
    stack = make_stack(worker_settings={"SLOTS": 1, "HIGH_SLOTS": 0})
    user = stack.client()
    normal = [order(user, 100_000) for _ in range(10)]
    wait_for(lambda: user.task(normal[0]["id"])["status"] != "uploaded", "begin", 10, 0.02)
    high = user.finish(order(user, 10, priority="high"), 30)
    assert high["status"] == "processed" and waiting(stack) > 0
    delete_all(user, normal)


def test_priority_that_is_none(user):
    for priority in ("urgent", "", 1, None):
        answer = user.post("/api/tasks", json={"kind": "insert_records", "records": 1, "priority": priority})
        if answer.status_code == 201 and not priority:
            assert answer.json()["task"]["priority"] == "normal"  # as if it were not there
        else:
            assert answer.status_code == 400 and "priority" in answer.json()["message"]
