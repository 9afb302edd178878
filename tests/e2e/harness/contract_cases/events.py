"""Cases of event streams."""

import contextlib
import json

import requests

from ..contract_environment import CONTRACT
from ..waiting import wait_for
from .table import case


def parse_events(text):
    """The events of a stream: fields by name, data as JSON. Comments and retry are skipped."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            events.append({**fields, "data": json.loads(fields["data"])})
    return events


def check_events(text):
    events = parse_events(text)
    assert events
    for event in events:
        assert event["event"] in ("state", "progress", "result", "deleted") and event["id"].isdigit()
        if event["event"] != "deleted":
            assert CONTRACT.errors({"$ref": "#/components/schemas/Task"}, event["data"]) == []
    return events


@case("taskEvents", 200)
def _until_the_result(env, call):
    answer = call(who=env.user, path={"id": env.new_task()["id"]})
    assert check_events(answer.text)[-1]["event"] == "result"
    return answer


@case("taskEvents", 204)
def _after_the_last_event(env, call):
    last = check_events(call(who=env.user, path={"id": env.done["id"]}).text)[-1]["id"]
    return call(who=env.user, path={"id": env.done["id"]}, headers={"Last-Event-ID": last})


@case("taskEvents", 400)
def _invalid_last_event_id(env, call):
    return call(who=env.user, path={"id": env.done["id"]}, headers={"Last-Event-ID": "x"})


@case("taskEvents", 404)
def _of_the_task_of_another_user(env, call):
    return call(who=env.other, path={"id": env.done["id"]})


def open_stream(env):
    """Opens a stream of the events of all tasks of the user. Returns None if it is refused."""
    answer = requests.get(env.stack.url + "/api/events", headers={"Authorization": f"Bearer {env.user.token}"},
                          stream=True, timeout=30)
    return answer if answer.status_code == 200 else None


def with_all_streams_open(env, ask):
    """MAX_EVENT_STREAMS is 2. A stream is free again a moment after its client has closed it."""
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(wait_for(lambda: open_stream(env), "an event stream", 20))
        return ask()


@case("taskEvents", 429)
def _too_many_streams_for_a_task(env, call):
    task = env.new_task()
    return with_all_streams_open(env, lambda: call(who=env.user, path={"id": task["id"]}))


@case("events", 429)
def _too_many_streams(env, call):
    return with_all_streams_open(env, lambda: call(who=env.user))


@case("events", 400)
def _negative_last_event_id(env, call):
    return call(who=env.user, headers={"Last-Event-ID": "-1"})


@case("events", 200)
def _of_all_tasks(env, call):
    """The stream has no end, so it is read up to the result of a task that is created meanwhile."""
    with wait_for(lambda: open_stream(env), "an event stream", 20) as answer:
        task, text = env.new_task(), ""
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
            text += line + "\n"
            if not line and any(event["data"]["id"] == task["id"] and event["event"] == "result" for event in parse_events(text)):
                break
        check_events(text)
    answer._content = text.encode()  # pylint: disable=protected-access — what has been read
    CONTRACT.check_answer(CONTRACT.operations["events"], answer)
    return answer


def get(env, path, token, **kwargs):
    return requests.get(f"{env.stack.url}{path}", params={"token": token}, timeout=20, **kwargs)


@case("createStreamToken", 201)
def _for_events(env, call):
    answer = call(who=env.user, json={"purpose": "events"})
    token, task = answer.json()["token"], env.new_task()
    assert check_events(get(env, f"/api/tasks/{task['id']}/events", token).text)[-1]["event"] == "result"
    with get(env, "/api/events", token, stream=True) as stream:
        assert stream.status_code == 200
    for path in (f"/api/files/{task['file_id']}", f"/api/files/{task['id']}"):
        assert get(env, path, token).json()["code"] == "bad_stream_token"
    assert get(env, "/api/tasks", token).status_code in (400, 401)
    assert requests.get(f"{env.stack.url}/api/tasks", headers={"Authorization": f"Bearer {token}"}, timeout=20).status_code == 401
    assert get(env, "/api/events", env.user.token).json()["code"] == "bad_stream_token", "a login token in a URL"
    assert token not in env.stack.web.whole_log()
    return answer


@case("createStreamToken", 201)
def _for_the_files_of_a_task(env, call):
    answer = call(who=env.user, data={"purpose": "files", "task_id": env.done["file_id"]})
    token, whole = answer.json()["token"], env.user.download(env.done)
    for key in (env.done["file_id"], env.done["id"]):
        assert get(env, f"/api/files/{key}", token).content == whole
    assert get(env, f"/api/files/{env.done['id']}", token, headers={"Range": "bytes=0-9"}).status_code == 206
    for path in ("/api/events", f"/api/files/{env.new_task()['id']}", f"/api/files/{env.done['original_file']}"):
        assert get(env, path, token).json()["code"] == "bad_stream_token"
    return answer


@case("createStreamToken", 201)
def _by_a_key_that_is_revoked(env, call):
    key = env.key("read")
    answer = call(who=key, json={"purpose": "files", "task_id": env.done["id"]})
    assert get(env, f"/api/files/{env.done['id']}", answer.json()["token"]).status_code == 200
    assert env.user.delete(f"/api/keys/{key.key_id}").status_code == 200
    assert get(env, f"/api/files/{env.done['id']}", answer.json()["token"]).json()["code"] == "bad_stream_token"
    return answer


@case("createStreamToken", 400)
def _for_nothing(env, call):
    for body in ({}, {"purpose": "files"}, {"purpose": "events", "task_id": env.done["id"]}, {"purpose": "all"}):
        assert call(who=env.user, json=body).status_code == 400
    return call(who=env.user, json={"purpose": "files", "task_id": True})


@case("createStreamToken", 404)
def _for_the_task_of_another_user(env, call):
    return call(who=env.other, json={"purpose": "files", "task_id": env.done["id"]})
