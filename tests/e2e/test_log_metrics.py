"""What infra/monitoring counts, measures and alerts on in the logs, tested on lines that web and worker have logged."""

import json
import os
import signal
import subprocess
import time

import pytest

from harness.jobs import start_job
from harness.log_filter import Query, entry_of, point_of
from harness.paths import BUILD, ROOT
from harness.waiting import wait_for

METRICS = {path.stem: json.loads(path.read_text("utf-8"))
           for path in (ROOT / "infra" / "monitoring" / "metrics").glob("*.json")}
NAMES = {"WEB_SERVICE": "mediarun-web", "WORKER_SERVICE": "mediarun-worker"}
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


def redo_late(stack, task, attempts=0, generation=2):
    """Does what PUT does, but two minutes ago, with this number of attempts since, and with a lost message."""
    stack.sql(f"DELETE FROM outputs WHERE task_id = {task['id']}")
    stack.sql(f"UPDATE tasks SET status = 'uploaded', generation = {generation}, attempts = {attempts}, published_at = NULL,"
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


def test_requests_that_are_measured_are_counted(stack, user, work):
    """The number that the percentile needs is of the same requests."""
    lines = stack.web.records()
    measured = [record for record in lines if point_of(METRICS["mediarun_request_latencies"], entry_of(record, "mediarun-web"))]
    counted = points("mediarun_requests", stack.web, lambda record: record in measured)
    assert len(counted) == len(measured) > 3 and {labels["method"] for labels, _ in counted} >= {"GET", "POST"}


def test_orders_of_tasks(stack, user, media):
    """Both paths, whatever the answer; nothing that only looks similar."""
    before = len(points("mediarun_submits", stack.web, lambda record: True))
    task = user.finish(user.upload(media.tone("mp3"), "wav"))
    assert user.post("/tasks", json={"name": "upload", "kind": "insert_records", "records": 1}).status_code == 201
    assert user.post("/api/tasks", data={"newFormat": "no-such"}, files={"fileName": ("a.mp3", b"x")}).status_code == 400
    assert user.post(f"/api/tasks/{task['id']}/cancel").status_code == 409
    found = lambda: sorted(labels["status"] for labels, _ in points("mediarun_submits", stack.web, lambda record: True)[before:])
    assert wait_for(lambda: len(found()) >= 3 and found(), "web's lines", 10) == ["201", "201", "400"]


def test_an_order_that_the_service_fails_is_an_order_with_5xx(stack, user, media):
    """What slo-submit counts as failed."""
    before = len(points("mediarun_submits", stack.web, lambda record: True))
    stack.storage_faults(("storage.objects.insert", "return-403", -1))
    try:
        answer = user.post("/api/tasks", data={"newFormat": "wav"}, files={"fileName": ("a.mp3", media.tone("mp3").read_bytes())})
    finally:
        stack.storage_faults()
    assert answer.status_code == 503, answer.text
    found = lambda: points("mediarun_submits", stack.web, lambda record: True)[before:]
    assert wait_for(found, "web's line", 10) == [({"status": "503"}, 1)]


def test_sweeps(stack):
    """Only those that succeed: a call without a token of the platform is none."""
    count = lambda: len(points("mediarun_sweeps", stack.web, lambda record: True))
    refused = lambda: [record for record in stack.web.records() if record.get("path") == "/internal/sweep" and record["status"] == 401]
    before, refused_before = count(), len(refused())
    assert stack.anonymous().post("/internal/sweep", json={}).status_code == 401
    wait_for(lambda: len(refused()) > refused_before, "web's line", 10)
    assert count() == before
    stack.sweep_whole()
    assert count() > before


def test_late_tasks(stack, user, media):
    """One that was in time, one whose message came two minutes late, one that ran out of attempts."""
    task = user.finish(user.upload(media.tone("mp3"), "wav"))
    ended(stack, task)
    late = lambda: points("mediarun_tasks_late", stack.worker, of_tasks(task))
    assert late() == []
    redo_late(stack, task)
    assert wait_for(late, "the second line", 20) == [({"kind": "convert"}, 1)]
    user.wait(task)
    redo_late(stack, task, attempts=5, generation=3)
    assert wait_for(lambda: late()[1:], "the third line", 20) == [({"kind": "convert"}, 1)]


def alerts(name, entry):
    """Whether a policy of infra/monitoring that watches for log entries opens an incident for this one."""
    text = (ROOT / "infra" / "monitoring" / "policies" / f"{name}.json").read_text("utf-8")
    for key, value in NAMES.items():
        text = text.replace("${%s}" % key, value)
    [condition] = json.loads(text)["conditions"]
    return Query(condition["conditionMatchedLog"]["filter"]).matches(entry)


def test_a_single_sandbox_violation_alerts(stack, user, media):
    """The child gets the signal that the kernel's filter sends."""
    task, child = start_job(stack, user, media.noise(20), "flac")
    os.kill(child, signal.SIGSYS)
    os.kill(child, signal.SIGCONT)
    assert user.wait(task)["error"]["code"] == "sandbox_violation"
    other = user.wait(user.upload(b"this is no audio" * 1000, "flac", name="bad.mp3"))
    ended(stack, task, other)
    told = {record["task_id"]: alerts("sandbox-violation", entry_of(record, "mediarun-worker"))
            for record in stack.worker.records() if record["message"] == "job"}
    assert told[task["id"]] and not told[other["id"]]
    assert not any(alerts("critical-logs", entry_of(record, "mediarun-worker")) for record in stack.worker.records())


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_program_that_cannot_start_alerts(name):
    done = subprocess.run([BUILD / f"mediarun-{name}"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    entries = [entry_of(json.loads(line), f"mediarun-{name}") for line in done.stderr.splitlines() if line.startswith("{")]
    assert [entry for entry in entries if alerts("critical-logs", entry)], done.stderr
