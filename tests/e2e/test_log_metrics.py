"""The log-based metrics of infra/monitoring, tested on lines that web and worker have logged."""

import json
import time

import pytest

from harness.log_filter import entry_of, point_of
from harness.paths import ROOT
from harness.waiting import wait_for

METRICS = {path.stem: json.loads(path.read_text("utf-8"))
           for path in (ROOT / "infra" / "monitoring" / "metrics").glob("*.json")}
SERVICES = {"web": "mediarun-web", "worker0": "mediarun-worker"}


def points(name, program, belongs):
    """(labels, value) of each line of a program that satisfies belongs() and that the metric records."""
    found = [point_of(METRICS[name], entry_of(record, SERVICES[program.name])) for record in program.records() if belongs(record)]
    return [point for point in found if point]


def of_tasks(*tasks):
    ids = {task["id"] for task in tasks}
    return lambda record: record.get("task_id") in ids


def ended(stack, *tasks):
    """Waits until the worker has logged the end of the tasks, which is after clients can see it."""
    lines = lambda: {record["task_id"] for record in stack.worker.records() if record["message"] == "job"}
    wait_for(lambda: {task["id"] for task in tasks} <= lines(), "the worker's lines", 10)


def redo_late(stack, task, attempts=0):
    """Does what PUT does, but two minutes ago, with this number of attempts since, and with a lost message."""
    stack.sql(f"DELETE FROM outputs WHERE task_id = {task['id']}")
    stack.sql(f"UPDATE tasks SET status = 'uploaded', generation = 2, attempts = {attempts}, published_at = NULL,"
              f" uploaded_at = now() - interval '2 minutes' WHERE id = {task['id']}")
    stack.sweep()


@pytest.fixture
def work(stack, user, media):
    """Tasks that are converted, failed and inserted, and how many seconds all of them took at most."""
    begin = time.monotonic()
    good = user.upload(media.tone("mp3"), "wav")
    bad = user.upload(b"this is no audio" * 1000, "flac", name="bad.mp3")
    records = user.post("/api/tasks", json={"kind": "insert_records", "records": 3}).json()["task"]
    states = [user.wait(task)["status"] for task in (good, bad, records)]
    assert states == ["processed", "failed", "processed"]
    ended(stack, good, bad, records)
    return good, bad, records, time.monotonic() - begin


def test_tasks_finished(stack, work):
    found = [labels for labels, value in points("mediarun_tasks_finished", stack.worker, of_tasks(*work[:3])) if value == 1]
    assert sorted(found, key=str) == sorted([
        {"kind": "convert", "format": "wav", "outcome": "committed"},
        {"kind": "convert", "format": "flac", "outcome": "failed"},
        {"kind": "insert_records", "format": "", "outcome": "committed"}], key=str)


def test_task_out_of_attempts_is_counted(stack, user, media):
    task = user.finish(user.upload(media.tone("mp3"), "wav"))
    ended(stack, task)
    redo_late(stack, task, attempts=5)
    assert user.wait(task)["error"]["code"] == "attempts_exhausted"
    again = lambda: points("mediarun_tasks_finished", stack.worker, of_tasks(task))[1:]
    assert wait_for(again, "the second line", 10) == [({"kind": "convert", "format": "", "outcome": "exhausted"}, 1)]


def test_conversion_seconds(stack, work):
    good, bad, records, seconds = work
    [(labels, value)] = points("mediarun_conversion_seconds", stack.worker, of_tasks(good, bad, records))
    assert labels == {"kind": "convert", "format": "wav"}
    assert 0.001 < value < seconds


def test_queue_seconds(stack, work):
    *tasks, seconds = work
    found = points("mediarun_queue_seconds", stack.worker, of_tasks(*tasks))
    assert sorted(labels["kind"] for labels, _ in found) == ["convert", "convert", "insert_records"]
    assert all(0 <= value < seconds for _, value in found)


def test_long_wait_is_measured(stack, user, media):
    """A task whose message was late by two minutes."""
    task = user.finish(user.upload(media.tone("mp3"), "wav"))
    ended(stack, task)
    redo_late(stack, task)
    again = lambda: points("mediarun_queue_seconds", stack.worker, of_tasks(task))[1:]
    [(labels, value)] = wait_for(again, "the second line", 20)
    assert labels == {"kind": "convert"} and 120 <= value < 180


def test_request_latencies(stack, user, work):
    """Requests that wait by design are not measured."""
    begin = time.monotonic()
    assert user.get(f"/api/tasks/{work[0]['id']}").status_code == 200
    assert user.get("/api/tasks/no-such-task").status_code == 404
    longest = (time.monotonic() - begin) * 1000
    assert user.get(f"/api/tasks/{work[0]['id']}/events").status_code == 200
    assert user.get("/ping").status_code == 200
    stack.sweep_whole()
    paths = {f"/api/tasks/{work[0]['id']}", "/api/tasks/no-such-task"}
    not_measured = {f"/api/tasks/{work[0]['id']}/events", "/ping", "/internal/sweep"}
    logged = lambda: {record.get("path") for record in stack.web.records()}
    wait_for(lambda: paths | not_measured <= logged(), "web's lines", 10)
    for path in paths:
        values = points("mediarun_request_latencies", stack.web, lambda record, path=path: record.get("path") == path)
        labels, value = values[-1]
        assert labels == {"method": "GET"} and 0 < value < longest
    assert points("mediarun_request_latencies", stack.web, lambda record: record.get("path") in not_measured) == []
