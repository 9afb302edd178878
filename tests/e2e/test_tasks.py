"""Tasks: PUT, DELETE, lists, aliases."""

import signal
import time

import pytest
import requests

from harness.jobs import start_job
from harness.paths import PATIENCE, SANITIZED
from harness.problems import refused
from harness.stack import PROJECT
from harness.waiting import wait_for

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def long_file(media):
    return media.noise(60 if SANITIZED else 240)


def wait_for_end(stack, child, seconds):
    wait_for(lambda: child not in stack.worker.descendants(), "end of the child", seconds, 0.02)


@pytest.mark.sanitized
@pytest.mark.parametrize("how", ["json", "data", "multipart"])
@pytest.mark.parametrize("prefix", ["/api/tasks", "/tasks"])
def test_put_converts_again(stack, user, media, how, prefix):
    task = user.finish(user.upload(media.tone(), "mp3"))
    old = [name for name in stack.objects() if name.startswith("results/") and task["file_id"] in name]
    assert len(old) == 1
    body = {"files": {"newFormat": (None, "ACC")}} if how == "multipart" else {how: {"newFormat": "ACC"}}
    answer = user.request("PUT", f"{prefix}/{task['id']}", **body)
    assert answer.status_code == 200, answer.text
    redone = answer.json()["task"]
    assert answer.json()["message"]
    assert redone["id"] == task["id"] and redone["file_id"] == task["file_id"] and redone["new_format"] == "aac"
    assert redone["status"] == "uploaded" and redone["outputs"] == [] and redone["attempts"] == 0 and redone["progress"] == 0
    assert redone["processed_file"] is redone["processed_at"] is redone["receipt"] is redone["error"] is None
    assert old[0] not in stack.objects(), "the old result is deleted at once"
    done = user.finish(redone)
    assert done["processed_format"] == "aac" and done["attempts"] == 1
    assert user.download(done)[:1] == b"\xff", "ADTS"
    assert user.get(done["outputs"][0]["url"]).content == user.download(done)


def test_put_of_a_failed_task(user, media):
    task = user.wait(user.upload(b"this is no audio" * 100, "mp3", "story.mp3"))
    assert task["status"] == "failed"
    answer = user.request("PUT", f"/api/tasks/{task['file_id']}", json={"newFormat": "wav"})
    assert answer.status_code == 200 and answer.json()["task"]["error"] is None
    again = user.wait(task)
    assert again["status"] == "failed" and again["error"]["code"] == task["error"]["code"]


def test_put_of_a_waiting_task(make_stack, media):
    """The message of the first request has no effect."""
    stack = make_stack(start=True)
    user = stack.client()
    stack.worker.signal(signal.SIGSTOP)
    try:
        task = user.upload(media.tone(), "mp3")
        answer = user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "flac"})
        assert answer.status_code == 200 and answer.json()["task"]["status"] == "uploaded"
    finally:
        stack.worker.signal(signal.SIGCONT)
    done = user.finish(task)
    assert done["processed_format"] == "flac"
    assert stack.sql(f"SELECT generation, attempts, fence FROM tasks WHERE id = {task['id']}") == [["2", "1", "1"]]
    assert len([name for name in stack.objects() if name.startswith("results/")]) == 1


@pytest.mark.sanitized
def test_put_of_a_running_task(stack, user, long_file):
    task, child = start_job(stack, user, long_file, "aac")
    answer = user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "WAV"})
    assert answer.status_code == 200 and answer.json()["task"]["status"] == "uploaded"
    wait_for_end(stack, child, 2)
    done = user.finish(task, 120)
    assert done["processed_format"] == "wav" and done["attempts"] == 1 and len(done["outputs"]) == 1

    def one_result():
        stack.sweep()
        return len([name for name in stack.objects() if name.startswith("results/") and task["file_id"] in name]) == 1

    wait_for(one_result, "removal of what the first conversion has stored", 20, 0.3)


def test_put_without_pubsub_is_left_to_the_sweep(make_stack, media):
    stack = make_stack()
    user = stack.client()
    task = user.finish(user.upload(media.tone(), "mp3"))
    topic = f"{stack.emulator.url}/v1/projects/{PROJECT}/topics/mediarun-tasks"
    assert requests.delete(topic, timeout=10).status_code == 200
    began = time.monotonic()
    assert user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "ogg"}).status_code == 200
    assert time.monotonic() - began < 5 * PATIENCE
    assert stack.sql(f"SELECT published_at IS NULL FROM tasks WHERE id = {task['id']}") == [["t"]]


def test_invalid_put(stack, user, media):
    task = user.finish(user.upload(media.tone(), "mp3"))
    path = f"/api/tasks/{task['id']}"
    other = stack.client()
    for answer in (other.request("PUT", path, json={"newFormat": "wav"}),
                   user.request("PUT", "/api/tasks/999999999", json={"newFormat": "wav"}),
                   user.request("PUT", f"/api/tasks/{NOBODY}", json={"newFormat": "wav"}),
                   user.request("PUT", "/api/tasks/abc", json={"newFormat": "wav"})):
        refused(answer, 404, "not_found")
    assert stack.anonymous().request("PUT", path, json={"newFormat": "wav"}).status_code == 401
    for body, code, word in (({}, "missing_field", "newFormat"), ({"newFormat": "mp5"}, "unsupported_format", "newFormat"),
                             ({"newFormat": 3}, "wrong_type", "newFormat"), ({"newformat": "mp3"}, "unknown_field", "newformat"),
                             ({"newFormat": "mp3", "priority": "urgent"}, "unknown_priority", "priority"),
                             ({"options": {"speed": 3}}, "unknown_option", "speed"),
                             ({"options": []}, "wrong_type", "options")):
        refused(user.request("PUT", path, json=body), 400, code, word)
    refused(user.request("PUT", path, data=b"newFormat=mp3&newFormat=wav",
                         headers={"Content-Type": "application/x-www-form-urlencoded"}), 400, "repeated_field", "newFormat")
    refused(user.request("PUT", path, data=b"{", headers={"Content-Type": "application/json"}), 400, "invalid_json")
    refused(user.request("PUT", path, data=b"<a/>", headers={"Content-Type": "text/xml"}), 415, "unsupported")
    refused(user.request("PUT", path, json={"newFormat": "x" * 70_000}), 413, "too_large")
    same = user.task(task["id"])
    assert same == task, "the task is unchanged"


def test_put_of_options_alone_keeps_the_format(user, media):
    task = user.finish(user.upload(media.tone(), "ogg"))
    answer = user.request("PUT", f"/api/tasks/{task['id']}", json={"options": {}})
    assert answer.status_code == 200 and answer.json()["task"]["new_format"] == "ogg"
    assert user.finish(task)["processed_format"] == "ogg"


@pytest.mark.sanitized
def test_delete_of_a_running_task(stack, user, long_file):
    task, child = start_job(stack, user, long_file, "aac")
    answer = user.delete(f"/api/tasks//{task['id']}")
    assert answer.status_code == 200 and answer.json()["message"]
    wait_for_end(stack, child, 2)
    refused(user.get(f"/api/tasks/{task['id']}"), 404, "not_found")
    refused(user.delete(f"/api/tasks/{task['id']}"), 404, "not_found")


def test_lists(stack, media):
    user = stack.client()
    ids = [user.upload(media.tone(), "wav")["id"] for _ in range(4)]
    for one in ids:
        user.finish(one)
    for prefix in ("/api/tasks", "/tasks", "/api/tasks/", "//api//tasks//"):
        answer = user.get(f"{prefix}?max=2&order=1&status=processed")
        assert [task["id"] for task in answer.json()] == ids[:1:-1], prefix
        url = answer.links["next"]["url"]
        assert url.startswith("/tasks?" if prefix.startswith("/tasks") else "/api/tasks?")
        rest = user.get(url)
        assert [task["id"] for task in rest.json()] == ids[1::-1] and "next" in rest.links
        assert user.get(rest.links["next"]["url"]).json() == []


@pytest.mark.sanitized
def test_all_tasks_are_for_operators(stack, media):
    operator, other = stack.client(), stack.client()
    mine, theirs = operator.upload(media.tone(), "mp3"), other.upload(media.tone(), "mp3")
    assert stack.anonymous().get("/api/tasks/all").status_code == 401
    for path in ("/api/tasks/all", "/tasks/all", "/api/tasks/all/"):
        refused(operator.get(path), 403, "denied")
    stack.sql(f"UPDATE users SET is_operator = true WHERE username = '{operator.username}'")
    for path in ("/api/tasks/all", "/tasks/all", "/api/tasks/all/"):
        page = operator.get(f"{path}?max=2&order=1")
        assert [task["id"] for task in page.json()] == [theirs["id"], mine["id"]], path
        assert page.links["next"]["url"].startswith(path.rstrip("/") + "?")
    assert {task["user_id"] for task in operator.get("/api/tasks/all?max=2&order=1").json()} == \
        {mine["user_id"], theirs["user_id"]}
    assert operator.get(f"/api/tasks/all?after={mine['id']}&max=1").json()[0]["id"] == theirs["id"]
    refused(other.get("/api/tasks/all"), 403, "denied")
    refused(operator.get("/api/tasks/all?max=0"), 400, "invalid", "max")
    refused(operator.get(f"/api/tasks/{theirs['id']}"), 404, "not_found")
    for user, task in ((operator, mine), (other, theirs)):
        user.finish(task)


def test_slashes_and_aliases(stack, user, media):
    with open(media.tone(), "rb") as file:
        answer = user.post("//tasks//", data={"newFormat": "OGG"}, files={"file": ("a song.wav", file)})
    assert answer.status_code == 201, answer.text
    task = user.finish(answer.json()["task"])
    assert answer.headers["Location"] == f"/api/tasks/{task['id']}"
    for path in ("/api/tasks/{}/", "//api//tasks//{}", "/tasks/{}", "/tasks//{}//"):
        for key in (task["id"], task["file_id"]):
            assert user.get(path.format(key)).json() == task, path
    assert user.get("/api/files/a%20song.wav").status_code == 200, "by its uploaded name"
    refused(stack.client().get("/api/files/a%20song.wav"), 404, "not_found")
    assert user.delete(f"/tasks//{task['id']}/").status_code == 200
    refused(user.get("/api/files/a%20song.wav"), 404, "not_found")
