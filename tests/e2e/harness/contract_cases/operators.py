"""Cases of the routes for operators."""

import json

from ..contract_environment import NOWHERE
from ..waiting import wait_for
from .operations import envelope
from .table import case


def failed_task(env):
    return env.user.wait(env.user.upload(b"no media" * 100, "wav", name="broken.mp3"))


def logged(env, action, **fields):
    """The line of the log that says what the operator did."""
    wanted = {"message": "operator", "severity": "NOTICE", "action": action, "operator": env.operator.username, **fields}
    return [record for record in env.stack.web.records() if wanted.items() <= record.items()]


@case("listFailures", 200)
def _by_code(env, call):
    task = failed_task(env)
    answer = call(who=env.operator, params={"hours": 1})
    found = next(one for one in answer.json() if one["code"] == task["error"]["code"])
    assert found["count"] >= 1 and found["tasks"][0] >= task["id"] and logged(env, "list failures")
    return answer


@case("listFailures", 400)
def _no_hours(env, call):
    return call(who=env.operator, params={"hours": 0})


@case("listFailedTasks", 200)
def _in_pages(env, call):
    first, second = failed_task(env), failed_task(env)
    code = first["error"]["code"]
    answer = call(who=env.operator, params={"code": code, "max": 1})
    assert [one["id"] for one in answer.json()] == [second["id"]]
    link = answer.headers["Link"]
    assert f"before={second['id']}&code={code}>" in link and 'rel="next"' in link
    page = call(who=env.operator, params={"code": code, "max": 1, "before": second["id"]}).json()
    assert [(one["id"], one["user_id"], one["reason"]) for one in page] == [(first["id"], first["user_id"], "failed")]
    assert call(who=env.operator, params={"code": "delivery_exhausted"}).json() == []
    return answer


@case("listFailedTasks", 400)
def _of_no_code(env, call):
    return call(who=env.operator, params={"code": "bad_luck"})


@case("listFailedTasks", 403)
def _by_a_user(env, call):
    answer = call(who=env.user)
    assert answer.json()["detail"] == "routes of /api/operator are for operators only"
    return answer


@case("listStuckTasks", 200)
def _waiting_and_expired(env, call):
    with env.worker_stopped():
        waits, expired = env.records_task(), env.records_task()
        env.stack.sql(f"UPDATE tasks SET status = 'processing', fence = fence + 1, lease_expires_at = now() - interval '1 second' WHERE id = {expired['id']} RETURNING id")
        found = {one["id"]: one["reason"] for one in call(who=env.operator, params={"seconds": 0}).json()}
        assert (found[waits["id"]], found[expired["id"]]) == ("waiting", "lease_expired")
        answer = call(who=env.operator)
        assert waits["id"] not in [one["id"] for one in answer.json()], "it has not waited for ten minutes"
        assert env.operator.post(f"/api/operator/tasks/{expired['id']}/requeue").status_code == 200
    for task in (waits, expired):
        env.user.finish(task)
    return answer


@case("listStuckTasks", 400)
def _no_seconds(env, call):
    return call(who=env.operator, params={"seconds": -1})


@case("listDeadLetters", 200)
def _given_up_twice(env, call):
    with env.worker_stopped():
        tasks = [env.records_task(), env.records_task()]
        for task in (*tasks, tasks[0]):
            push = envelope({"v": 1, "kind": "insert_records", "task_id": task["id"], "generation": 1})
            assert env.platform.post("/internal/dead-letters", json=push).status_code == 204
        answer = call(who=env.operator, params={"max": 1})
        assert [one["task_id"] for one in answer.json()] == [tasks[1]["id"]] and f"before={tasks[1]['id']}>" in answer.headers["Link"]
        older = call(who=env.operator, params={"max": 1, "before": tasks[1]["id"]}).json()[0]
        assert (older["task_id"], older["times"], older["status"], older["requeued_at"]) == (tasks[0]["id"], 2, "uploaded", None)
        assert env.operator.post(f"/api/operator/tasks/{tasks[0]['id']}/requeue").status_code == 200
        assert call(who=env.operator, params={"before": tasks[1]["id"]}).json()[0]["requeued_at"]
    env.user.finish(tasks[0])
    return answer


@case("listDeadLetters", 400)
def _no_page(env, call):
    return call(who=env.operator, params={"max": 1001})


@case("showLeases", 200)
def _one_runs(env, call):
    with env.worker_stopped():
        task = env.records_task()
        env.stack.sql(f"UPDATE tasks SET status = 'processing', fence = fence + 1, lease_expires_at = now() + interval '1 hour' WHERE id = {task['id']} RETURNING id")
        answer = call(who=env.operator)
        lanes = {lane["lane"]: lane for lane in answer.json()["lanes"]}
        assert answer.json()["live"] >= 1 and lanes["normal"]["live"] >= 1
        assert lanes["normal"]["oldest"]["seconds"] >= 0
        env.stack.sql(f"UPDATE tasks SET lease_expires_at = now() - interval '1 second' WHERE id = {task['id']} RETURNING id")
        assert call(who=env.operator).json()["expired"] >= 1
        assert env.operator.post(f"/api/operator/tasks/{task['id']}/requeue").status_code == 200
    env.user.finish(task)
    wait_for(lambda: call(who=env.operator).json()["lanes"][0]["live"] == 0, "the end of all conversions")
    return answer


@case("showUsage", 200)
def _by_name_address_and_number(env, call):
    user = env.new_user()
    task = user.wait(user.post("/api/tasks", json={"kind": "insert_records", "records": 3}).json()["task"])
    answer = call(who=env.operator, path={"name": user.username.upper()})
    assert (answer.json()["id"], answer.json()["used"]["records"], answer.json()["used"]["tasks"]) == (task["user_id"], 3, 0)
    assert answer.json()["limits"]["tasks"] == 10000
    for name in (f"{user.username}@example.com", task["user_id"]):
        assert call(who=env.operator, path={"name": name}).json()["id"] == task["user_id"]
    assert call(who=env.operator, path={"name": env.operator.username}).json()["limits"]["tasks"] is None
    assert logged(env, "show the usage of a user", target=user.username.upper())
    return answer


@case("showUsage", 404)
def _of_nobody(env, call):
    return call(who=env.operator, path={"name": "nobody-of-this-name"})


@case("requeueTask", 200)
def _a_failed_one(env, call):
    task = failed_task(env)
    answer = call(who=env.operator, path={"id": task["file_id"]})
    assert answer.json()["generation"] == 2
    again = env.user.wait(task, states=("failed",))
    assert again["error"]["code"] == task["error"]["code"]
    wait_for(lambda: [record for record in env.stack.worker.records()
                      if record.get("task_id") == task["id"] and record.get("generation") == 2], "the second run")
    assert logged(env, "requeue a task", task_id=task["id"], was="failed", code=task["error"]["code"], owner_id=task["user_id"])
    return answer


@case("requeueTask", 404)
def _of_no_task(env, call):
    return call(who=env.operator, path={"id": NOWHERE})


@case("requeueTask", 409)
def _that_runs_or_is_done(env, call):
    assert call(who=env.operator, path={"id": env.done["id"]}).json()["code"] == "not_requeuable"
    with env.worker_stopped():
        task = env.records_task()
        env.stack.sql(f"UPDATE tasks SET status = 'processing', fence = fence + 1, lease_expires_at = now() + interval '1 hour' WHERE id = {task['id']} RETURNING id")
        answer = call(who=env.operator, path={"id": task["id"]})
        assert "lease" in answer.json()["detail"]
        env.user.delete(f"/api/tasks/{task['id']}")
    return answer


@case("metrics", 200)
def _of_web(env, call):
    answer = call(who=env.operator)
    assert "mediarun_http_requests_total" in answer.text
    return answer


@case("requeueTask", 403)
def _by_its_owner(env, call):
    answer = call(who=env.user, path={"id": env.done["id"]})
    assert not logged(env, "requeue a task", task_id=env.done["id"]), json.dumps(env.stack.web.records()[-3:])
    return answer
