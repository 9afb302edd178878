"""A database that changes, is away, or says nothing, under a running system."""

import concurrent.futures
import os
import signal
import time

import pytest
import requests

from harness.jobs import start_job
from harness.relay import Relay
from harness.waiting import wait_for


@pytest.fixture
def relay(postgres):
    relay = Relay(postgres)
    yield relay
    relay.close()


def behind(relay, stack, *programs):
    """Starts the stack; these programs reach PostgreSQL through the relay."""
    for program in programs:
        program.env["DATABASE_URL"] = relay.url(program.env["DATABASE_URL"])
    return stack.start()


def attempts_and_fence(stack, task):
    return stack.sql(f"SELECT attempts, fence FROM tasks WHERE id = {task['id']}")[0]


def test_migrations_forward_and_back(make_stack, media):
    """Columns come and go while tasks are created, converted and delivered: nothing fails, and no program is restarted."""
    stack = make_stack()
    user = stack.client()
    pids = [program.pid for program in stack.programs]
    user.convert(media.tone(), "mp3")  # every statement of a conversion is prepared
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        uploads = [pool.submit(user.upload, media.tone(), "flac") for _ in range(12)]
        for number in range(4):
            for table in ("tasks", "outputs", "deliveries", "uploads", "users"):
                stack.sql(f"ALTER TABLE {table} " + ("DROP COLUMN added" if number % 2 else "ADD COLUMN added text DEFAULT 'x'"))
            user.convert(media.tone(), "mp3")
        for upload in uploads:
            assert user.finish(upload.result())["attempts"] == 1
    assert stack.anonymous().get("/converter-health?wait=1").status_code == 200
    assert [program.pid for program in stack.programs] == pids


def test_health_sees_what_does_not_fit(make_stack):
    """A missing column, as after a rollback of the schema, shows although the database answers."""
    stack = make_stack()
    assert stack.anonymous().get("/api-health").status_code == 200
    stack.sql("ALTER TABLE tasks RENAME COLUMN priority TO away")
    answer = stack.anonymous().get("/api-health")
    assert answer.status_code == 503 and answer.json()["code"] == "database_unavailable"
    assert "away" not in answer.text and "priority" not in answer.text
    assert any("42703" in str(record) for record in stack.web.records() if record["severity"] == "ERROR")
    stack.sql("ALTER TABLE tasks RENAME COLUMN away TO priority")
    assert stack.anonymous().get("/api-health").status_code == 200


def test_a_conversion_survives_an_outage(make_stack, relay, media):
    """Six seconds without database: ledger, heartbeats and commit wait, and the work is not thrown away."""
    stack = make_stack(start=False)
    behind(relay, stack, stack.worker)
    user = stack.client()
    task, child = start_job(stack, user, media.noise(30), "wav")
    until = time.monotonic() + 6
    relay.refuse()
    os.kill(child, signal.SIGCONT)
    wait_for(lambda: time.monotonic() > until, "the end of the outage", 10)
    assert user.task(task["id"])["status"] == "processing"
    relay.listen()
    done = user.finish(task)
    assert done["outputs"][0]["size"] > 1 << 20, "large enough for the ledger to be asked in the middle"
    assert attempts_and_fence(stack, task) == ["1", "1"]
    messages = [record["message"] for record in stack.worker.records()]
    assert "heartbeats fail" in messages and "heartbeats are stored again" in messages


def test_a_database_that_says_nothing_does_not_delay_the_end(make_stack, relay, media):
    """SIGTERM takes effect while statements wait for an answer: in the worker's job, in requests to web and in
    the many of a sweep."""
    stack = make_stack(start=False)
    behind(relay, stack, stack.worker, stack.web)
    user = stack.client()
    _, child = start_job(stack, user, media.noise(10), "wav")
    relay.speaks.clear()
    stack.sweep()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        requests_of_users = [pool.submit(user.get, "/api/tasks"), pool.submit(user.try_upload, media.tone(), "mp3")]
        os.kill(child, signal.SIGCONT)
        wait_for(lambda: "heartbeats fail" in stack.worker.log(), "a heartbeat without an answer", 10)
        began = time.monotonic()
        for program in (stack.worker, stack.web):
            program.signal(signal.SIGTERM)
        for program in (stack.worker, stack.web):
            assert program.wait() == 0
        assert time.monotonic() - began < 6
        for request in requests_of_users:
            try:
                assert request.result().status_code == 503
            except requests.ConnectionError:
                pass  # it had not been accepted yet
    relay.speaks.set()
    stack.web.start()
    stack.worker.start()
