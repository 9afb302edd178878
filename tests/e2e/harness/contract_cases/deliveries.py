"""Cases of deliveries, of open uploads, and of deleting many tasks."""

import requests

from ..contract_environment import NOWHERE
from ..waiting import wait_for
from .files import begin_upload
from .table import case


def webhook(env, status):
    """A webhook of a new task that nobody receives, in that state."""
    task = env.user.wait(env.user.post("/api/tasks", json={"kind": "insert_records", "records": 1,
                                                           "callback_url": "https://example.com/nobody"}).json()["task"])
    found = wait_for(lambda: [one for one in env.user.get("/api/deliveries").json() if one["task_id"] == task["id"]], "a delivery")[0]
    env.stack.sql(f"UPDATE deliveries SET status = '{status}', lease_expires_at = NULL, fence = fence + 1 WHERE id = {found['id']} RETURNING id")
    return found["id"]


@case("listDeliveries", 200)
def _one(env, call):
    first, second = webhook(env, "failed"), webhook(env, "failed")
    answer = call(who=env.user, params={"max": 1, "status": "failed"})
    assert answer.json()[0]["id"] == second and 'rel="next"' in answer.headers["Link"]
    assert call(who=env.user, params={"before": second, "max": 1}).json()[0]["id"] == first
    assert call(who=env.other).json() == []
    return answer


@case("listDeliveries", 400)
def _of_no_state(env, call):
    return call(who=env.user, params={"status": "lost"})


@case("replayDelivery", 202)
def _again(env, call):
    number = webhook(env, "failed")
    before = int(env.stack.sql(f"SELECT fence FROM deliveries WHERE id = {number}")[0][0])
    answer = call(who=env.user, path={"id": number})
    wait_for(lambda: int(env.stack.sql(f"SELECT fence FROM deliveries WHERE id = {number}")[0][0]) > before, "another attempt")
    return answer


@case("replayDelivery", 400)
def _no_number(env, call):
    return call(who=env.user, path={"id": "x"})


@case("replayDelivery", 404)
def _of_another(env, call):
    return call(who=env.other, path={"id": webhook(env, "failed")})


@case("replayDelivery", 409)
def _still_to_be_sent(env, call):
    answer = call(who=env.user, path={"id": webhook(env, "pending")})
    assert answer.json()["code"] == "not_replayable"
    return answer


@case("replayDelivery", 429)
def _over_the_quota(env, call):
    return call(who=env.user_over("deliveries"), path={"id": NOWHERE})


@case("listUploads", 200)
def _uploads(env, call):
    upload = begin_upload(env, 10)
    answer = call(who=env.user)
    assert answer.json()[0]["upload_id"] == upload["upload_id"]
    assert upload["upload_id"] not in call(who=env.other).text and "upload_url" not in answer.text
    return answer


@case("cancelUpload", 200)
def _cancel(env, call):
    upload = begin_upload(env, 10)
    answer = call(who=env.user, path={"upload_id": upload["upload_id"]})
    assert upload["upload_id"] not in env.user.get("/api/uploads").text
    assert requests.put(upload["upload_url"], data=bytes(10), timeout=20).status_code >= 400
    return answer


@case("cancelUpload", 404)
def _cancel_that_of_another(env, call):
    return call(who=env.other, path={"upload_id": begin_upload(env, 10)["upload_id"]})


@case("deleteTasks", 200)
def _many(env, call):
    user = env.new_user()
    for name in ("a", "b"):
        user.wait(user.post("/api/tasks", json={"name": name, "description": "x", "records": 1}).json()["task"])
    kept = user.wait(user.upload(b"no media" * 100, "wav", name="c.mp3"))
    which = {"kind": "insert_records", "status": "processed,failed"}
    assert call(who=user, params={**which, "dry_run": 1}).json()["left"] == 2
    answer = call(who=user, params=which)
    assert (answer.json()["deleted"], answer.json()["left"]) == (2, 0)
    assert [task["id"] for task in user.get("/api/tasks").json()] == [kept["id"]]
    return answer


@case("deleteTasks", 400)
def _without_a_filter(env, call):
    answer = call(who=env.user, params={"dry_run": 1})
    assert answer.json()["code"] == "no_filter"
    return answer
