"""Tasks that insert records: exact counts in every case, progress, deletion, and cleaning up."""

import time

import pytest
import requests

from harness.paths import PATIENCE
from harness.waiting import wait_for

TABLES = ("users", "products", "order_items")
MANY = 300_000


def create(user, **fields):
    answer = user.post("/api/tasks", json={"kind": "insert_records", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["task"]


def counts(stack, task):
    """(rows, distinct numbers, highest number) of each of the three tables, as text."""
    return [stack.sql(f"SELECT count(*), count(DISTINCT n), coalesce(max(n), 0) FROM records.{table} WHERE task_id = {task['id']}")[0]
            for table in TABLES]


def exactly(n):
    return [[str(n)] * 3] * 3


def rows_left(stack, task):
    return stack.sql("SELECT " + " + ".join(
        f"(SELECT count(*) FROM records.{table} WHERE task_id = {task['id']})" for table in (*TABLES, "runs")))[0][0]


def wait_until_running(stack, user, task, least=0):
    """Waits until the task has inserted more than `least` records."""
    done = lambda: stack.sql(f"SELECT done FROM records.runs WHERE task_id = {task['id']} AND done > {least}")
    wait_for(done, "the first records", 30, 0.01)
    assert user.task(task["id"])["status"] == "processing"


def job_ends(worker, task):
    return [record["end"] for record in worker.records() if record.get("message") == "job" and record["task_id"] == task["id"]]


@pytest.mark.sanitized
@pytest.mark.parametrize("records", [1, 2, 9_999, 10_000, 10_001])
def test_counts(stack, user, records):
    task = user.finish(create(user, records=records))
    assert task["result"] == {"insertedRecords": dict.fromkeys(TABLES, records)}
    assert counts(stack, task) == exactly(records)
    assert task["progress"] == 100 and task["outputs"] == []


@pytest.mark.sanitized
def test_default_and_names(stack, user):
    answer = user.post("/tasks", json={"name": "upload", "description": "user upload"})
    assert answer.status_code == 201
    task = user.finish(answer.json()["task"])
    assert task["result"]["insertedRecords"] == dict.fromkeys(TABLES, 1000)
    assert counts(stack, task) == exactly(1000)
    assert task["options"] == {"records": 1000, "name": "upload", "description": "user upload"}


def test_progress_rises(stack, user):
    records = 2 * MANY
    task = create(user, records=records)
    seen = []

    def final():
        view = user.task(task["id"])
        seen.append(view["progress"])
        return view if view["status"] == "processed" else None
    wait_for(final, "end of the task", 60, 0.1)
    assert seen == sorted(seen) and seen[-1] == 100
    assert len(set(seen)) >= 4, seen
    assert task["progress"] == 0 and user.task(task["id"])["result"]["insertedRecords"]["users"] == records
    user.delete(f"/api/tasks/{task['id']}")


def test_delete_of_a_running_task(make_stack):
    """The work stops within two seconds. The sweep removes the rows inserted so far."""
    stack = make_stack()
    user = stack.client()
    task = create(user, records=MANY)
    wait_until_running(stack, user, task)
    began = time.monotonic()
    assert user.delete(f"/api/tasks/{task['id']}").status_code == 200
    wait_for(lambda: job_ends(stack.worker, task) == ["lost"], "end of the work", 2, 0.02)
    assert time.monotonic() - began < 2 * PATIENCE, "the deletion must not wait for all transactions of the work"
    left = rows_left(stack, task)
    assert 0 < int(left) < 3 * MANY

    def swept():
        stack.sweep()
        return rows_left(stack, task) == "0"
    wait_for(swept, "removal of the rows", 60, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["kill", "stop"])
def test_worker_ends_during_a_task(make_stack, stop):
    """After SIGKILL, and after SIGTERM as Cloud Run sends it, the next attempt continues, and no row is inserted twice."""
    stack = make_stack(worker_settings={"LEASE_SECONDS": 3})
    user = stack.client()
    task = create(user, records=MANY)
    wait_until_running(stack, user, task, MANY // 10)
    getattr(stack.worker, stop)()
    done = int(stack.sql(f"SELECT done FROM records.runs WHERE task_id = {task['id']}")[0][0])
    assert MANY // 10 < done < MANY
    assert counts(stack, task) == exactly(done), "only complete batches are stored"
    stack.worker.start()

    def finished():
        stack.sweep()
        view = user.task(task["id"])
        return view if view["status"] == "processed" else None
    view = wait_for(finished, "end of the task", 90, 0.3)
    assert view["result"]["insertedRecords"] == dict.fromkeys(TABLES, MANY)
    assert counts(stack, task) == exactly(MANY)
    assert view["attempts"] == (2 if stop == "kill" else 1)


@pytest.mark.slow
def test_takeover_by_another_worker(make_stack):
    """A worker whose lease has expired while it was running (a pause, a network partition) adds no rows."""
    stack = make_stack(workers=2, worker_settings={"LEASE_SECONDS": 3})
    user = stack.client()
    task = create(user, records=MANY)
    wait_until_running(stack, user, task, MANY // 20)
    stack.sql(f"UPDATE tasks SET lease_expires_at = now() - interval '1 s', fence = fence + 1,"
              f" published_at = now() - interval '9 s' WHERE id = {task['id']}")
    stack.sweep()

    def finished():
        stack.sweep()
        view = user.task(task["id"])
        return view if view["status"] == "processed" else None
    view = wait_for(finished, "end of the task", 90, 0.3)
    assert view["attempts"] == 2 and counts(stack, task) == exactly(MANY)
    ends = [end for worker in stack.workers for end in job_ends(worker, task)]
    assert sorted(ends)[:2] == ["committed", "lost"]


@pytest.mark.slow
def test_lost_database_connections(make_stack):
    """The attempt ends, is not counted, and the next one continues."""
    stack = make_stack()
    user = stack.client()
    task = create(user, records=MANY)
    for least in (0, MANY // 3):
        wait_until_running(stack, user, task, least)
        wait_for(lambda: stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY records%'"
                                   " AND state = 'active' AND datname = current_database()"), "a COPY to terminate", 10, 0.01)
    view = user.finish(task, 90)
    assert counts(stack, task) == exactly(MANY)
    assert view["attempts"] == 1


def test_database_refuses_rows(make_stack):
    """When a table accepts no rows (such as a full disk), no batch is stored in part, and the task continues later."""
    stack = make_stack(worker_settings={"LEASE_SECONDS": 3})
    user = stack.client()
    stack.sql("""CREATE FUNCTION records.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.n > 15000 THEN RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON records.order_items FOR EACH ROW EXECUTE FUNCTION records.refuse()""")
    task = create(user, records=30_000)
    wait_for(lambda: "released" in job_ends(stack.worker, task), "the first refusal", 20)
    assert counts(stack, task) == exactly(10_000), "the failed batch left nothing"
    stack.sql("DROP TRIGGER refuse ON records.order_items")
    user.finish(task, 90)
    assert counts(stack, task) == exactly(30_000)


def test_constraint_violation_is_not_the_tasks_fault(make_stack):
    """It says nothing about what was asked for: the task runs again until it is given up."""
    stack = make_stack(settings={"GIVE_UP_AFTER_SECONDS": 2})
    user = stack.client()
    stack.sql("""CREATE FUNCTION records.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON records.users FOR EACH ROW EXECUTE FUNCTION records.refuse()""")
    task = user.wait(create(user, records=10))
    assert task["status"] == "failed" and task["error"]["code"] == "service_fault", task
    assert "records" not in task["error"]["detail"], "no word of the database"
    assert "released" in job_ends(stack.worker, task)
    assert rows_left(stack, task) == "1", "only the run"
    user.delete(f"/api/tasks/{task['id']}")
    stack.sweep()
    wait_for(lambda: rows_left(stack, task) == "0", "removal of the run")


@pytest.mark.sanitized
def test_invalid_options_in_the_database(stack, user):
    """The API refuses them; in a row written otherwise they fail the task."""
    user_id = stack.sql(f"SELECT id FROM users WHERE username = '{user.username}'")[0][0]
    for options in ("null", "'{}'", "'{\"records\":0}'", "'{\"records\":\"5\"}'", "'[5]'"):
        task_id = stack.sql(
            "INSERT INTO tasks (file_id, user_id, kind, options, uploaded_at) VALUES"
            f" (gen_random_uuid(), {user_id}, 'insert_records', {options}, now() - interval '1 min') RETURNING id")[0][0]
        stack.sweep()
        task = user.wait(int(task_id))
        assert task["status"] == "failed" and task["error"]["code"] == "bad_option"


def test_put_is_refused(stack, user):
    task = user.finish(create(user, records=1))
    answer = requests.put(f"{stack.url}/api/tasks/{task['id']}", json={"newFormat": "mp3"}, timeout=10,
                          headers={"Authorization": f"Bearer {user.token}"})
    assert answer.status_code == 409 and counts(stack, task) == exactly(1)
