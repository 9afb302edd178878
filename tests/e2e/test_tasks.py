"""Tasks, whole: ordered in every way, once per key, ordered anew, listed, deleted."""

import base64
import concurrent.futures
import json
import os
import signal
import socket
import threading
import time
import uuid

import pytest
import requests

from harness.client import Client
from harness.paths import PATIENCE, SANITIZED
from harness.stack import PROJECT
from harness.waiting import wait_for

NOBODY = "00000000-0000-4000-8000-000000000000"
FAR_URL = "https://media.example.invalid/songs/Canci%C3%B3n%20uno.OGG?v=1"


@pytest.fixture
def long_file(media):
    return media.noise(60 if SANITIZED else 240)


def start_job(stack, user, source, new_format="aac"):
    """Uploads and waits until a child decodes it. Returns (task, the child's process id); the child is stopped, so that it
    cannot end by itself."""
    zygote = set(stack.worker.descendants())
    task = user.upload(source, new_format)
    child = wait_for(lambda: set(stack.worker.descendants()) - zygote, "a child for the job", 20, 0.005).pop()
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: user.task(task["id"])["status"] == "processing", "task in processing")
    return task, child


def gone_within(stack, child, seconds):
    wait_for(lambda: child not in stack.worker.descendants(), "end of the child", seconds, 0.02)


def refused(answer, status, code, word=""):
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert body["code"] == code, body
    assert word in body["detail"] and body["message"], body
    return body


def post_json(user, body, path="/api/tasks", **headers):
    return user.post(path, json=body, headers=headers)


def inputs(stack):
    return {name for name in stack.objects() if name.startswith("inputs/")}


# ---- PUT ----

@pytest.mark.sanitized
@pytest.mark.parametrize("how", ["json", "data", "multipart"])
@pytest.mark.parametrize("prefix", ["/api/tasks", "/tasks"])
def test_put_makes_a_new_result(stack, user, media, how, prefix):
    task = user.finish(user.upload(media.tone(), "mp3"))
    old = [name for name in stack.objects() if name.startswith("results/") and task["file_id"] in name]
    assert len(old) == 1
    body = {"files": {"newFormat": (None, "ACC")}} if how == "multipart" else {how: {"newFormat": "ACC"}}
    answer = user.request("PUT", f"{prefix}/{task['id']}", **body)
    assert answer.status_code == 200, answer.text
    anew = answer.json()["task"]
    assert answer.json()["message"]
    assert anew["id"] == task["id"] and anew["file_id"] == task["file_id"] and anew["new_format"] == "aac"
    assert anew["status"] == "uploaded" and anew["outputs"] == [] and anew["attempts"] == 0 and anew["progress"] == 0
    assert anew["processed_file"] is anew["processed_at"] is anew["receipt"] is anew["error"] is None
    assert old[0] not in stack.objects(), "the old result is deleted at once"
    done = user.finish(anew)
    assert done["processed_format"] == "aac" and done["attempts"] == 1
    assert user.download(done)[:1] == b"\xff", "ADTS"
    assert user.get(done["outputs"][0]["url"]).content == user.download(done)


def test_put_of_a_failed_task(user, media):
    task = user.wait(user.upload(b"no music at all" * 100, "mp3", "story.mp3"))
    assert task["status"] == "failed"
    answer = user.request("PUT", f"/api/tasks/{task['file_id']}", json={"newFormat": "wav"})
    assert answer.status_code == 200 and answer.json()["task"]["error"] is None
    again = user.wait(task)
    assert again["status"] == "failed" and again["error"]["code"] == task["error"]["code"]


def test_put_while_it_waits(make_stack, media):
    """Nobody has begun: the message of the old order finds nothing to do."""
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
def test_put_while_it_runs(stack, user, long_file):
    task, child = start_job(stack, user, long_file)
    answer = user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "WAV"})
    assert answer.status_code == 200 and answer.json()["task"]["status"] == "uploaded"
    gone_within(stack, child, 2)
    done = user.finish(task, 120)
    assert done["processed_format"] == "wav" and done["attempts"] == 1 and len(done["outputs"]) == 1

    def one_result():
        stack.sweep()
        return len([name for name in stack.objects() if name.startswith("results/") and task["file_id"] in name]) == 1

    wait_for(one_result, "removal of what the first order had stored", 20, 0.3)


def test_put_with_pubsub_down_is_left_to_the_sweep(make_stack, media):
    stack = make_stack()
    user = stack.client()
    task = user.finish(user.upload(media.tone(), "mp3"))
    topic = f"{stack.emulator.url}/v1/projects/{PROJECT}/topics/mediarun-tasks"
    assert requests.delete(topic, timeout=10).status_code == 200
    began = time.monotonic()
    assert user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "ogg"}).status_code == 200
    assert time.monotonic() - began < 5 * PATIENCE
    assert stack.sql(f"SELECT published_at IS NULL FROM tasks WHERE id = {task['id']}") == [["t"]]


def test_put_that_cannot_be(stack, user, media):
    task = user.finish(user.upload(media.tone(), "mp3"))
    path = f"/api/tasks/{task['id']}"
    stranger = stack.client()
    for answer in (stranger.request("PUT", path, json={"newFormat": "wav"}),
                   user.request("PUT", "/api/tasks/999999999", json={"newFormat": "wav"}),
                   user.request("PUT", f"/api/tasks/{NOBODY}", json={"newFormat": "wav"}),
                   user.request("PUT", "/api/tasks/abc", json={"newFormat": "wav"})):
        refused(answer, 404, "not_found")
    assert stack.anonymous().request("PUT", path, json={"newFormat": "wav"}).status_code == 401
    for body, code, word in (({}, "missing_field", "newFormat"), ({"newFormat": "mp5"}, "unsupported_format", "newFormat"),
                             ({"newFormat": 3}, "wrong_type", "newFormat"), ({"newformat": "mp3"}, "unknown_field", "newformat"),
                             ({"newFormat": "mp3", "priority": "high"}, "unknown_field", "priority"),
                             ({"options": {"speed": 3}}, "unknown_option", "speed"),
                             ({"options": []}, "wrong_type", "options")):
        refused(user.request("PUT", path, json=body), 400, code, word)
    refused(user.request("PUT", path, data=b"newFormat=mp3&newFormat=wav",
                         headers={"Content-Type": "application/x-www-form-urlencoded"}), 400, "repeated_field", "newFormat")
    refused(user.request("PUT", path, data=b"{", headers={"Content-Type": "application/json"}), 400, "invalid_json")
    refused(user.request("PUT", path, data=b"<a/>", headers={"Content-Type": "text/xml"}), 415, "unsupported")
    refused(user.request("PUT", path, json={"newFormat": "x" * 70_000}), 413, "too_large")
    same = user.task(task["id"])
    assert same == task, "nothing happened to it"


def test_put_of_options_alone_keeps_the_format(user, media):
    task = user.finish(user.upload(media.tone(), "ogg"))
    answer = user.request("PUT", f"/api/tasks/{task['id']}", json={"options": {}})
    assert answer.status_code == 200 and answer.json()["task"]["new_format"] == "ogg"
    assert user.finish(task)["processed_format"] == "ogg"


# ---- DELETE ----

@pytest.mark.sanitized
def test_delete_of_a_running_task_ends_its_child(stack, user, long_file):
    task, child = start_job(stack, user, long_file)
    answer = user.delete(f"/api/tasks//{task['id']}")
    assert answer.status_code == 200 and answer.json()["message"]
    gone_within(stack, child, 2)
    refused(user.get(f"/api/tasks/{task['id']}"), 404, "not_found")
    refused(user.delete(f"/api/tasks/{task['id']}"), 404, "not_found")


# ---- lists ----

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
def test_everybodys_tasks_are_for_operators(stack, media):
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
    assert user.get("/api/files/a%20song.wav").status_code == 200, "by the name it was uploaded with"
    refused(stack.client().get("/api/files/a%20song.wav"), 404, "not_found")
    assert user.delete(f"/tasks//{task['id']}/").status_code == 200
    refused(user.get("/api/files/a%20song.wav"), 404, "not_found")


# ---- creation from fields ----

def test_from_an_url(stack, user):
    trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
    answer = post_json(user, {"url": FAR_URL, "newFormat": "Mp3", "priority": "high", "options": {},
                              "callback_url": "https://hooks.example.invalid/x"}, traceparent=trace)
    assert answer.status_code == 201, answer.text
    task = answer.json()["task"]
    user.delete(f"/api/tasks/{task['id']}")
    assert task["url"] == FAR_URL and task["original_file"] == "Canción uno.OGG" and task["original_format"] == "ogg"
    assert task["original_size"] is None and task["kind"] == "convert" and task["new_format"] == "mp3"
    assert task["callback_url"] == "https://hooks.example.invalid/x" and task["priority"] == "high"
    assert task["status"] == "uploaded" and task["uploaded_at"] and task["deliveries"] == []


def test_traceparent_is_kept_when_well_formed(stack, user):
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for trace, kept in ((good, good), (good[:-1], ""), (good + "0", ""), (good.replace("-", "_"), ""),
                        (good.upper(), ""), ("00-" + "g" * 32 + good[35:], "")):
        task = post_json(user, {"kind": "insert_records", "records": 1}, traceparent=trace).json()["task"]
        assert stack.sql(f"SELECT coalesce(traceparent, '') FROM tasks WHERE id = {task['id']}") == [[kept]] or \
            not kept and stack.sql(f"SELECT traceparent IS NULL FROM tasks WHERE id = {task['id']}") == [["t"]]


@pytest.mark.parametrize("how", ["json", "data", "multipart"])
def test_records_are_ordered(user, how):
    fields = {"name": "upload", "description": "user upload", "records": 3 if how == "json" else "3"}
    body = {"files": {key: (None, value) for key, value in fields.items()}} if how == "multipart" else {how: fields}
    answer = user.post("/tasks", **body)
    assert answer.status_code == 201, answer.text
    task = answer.json()["task"]
    assert task["kind"] == "insert_records" and task["new_format"] is None and task["original_file"] is None
    assert task["options"] == {"records": 3, "name": "upload", "description": "user upload"}
    refused(user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "mp3"}), 409, "not_convertible")


@pytest.mark.parametrize("body, code, word", [
    ({}, "missing_field", "fileName"),
    ({"newFormat": "mp3"}, "missing_field", "fileName"),
    ({"kind": "convert", "newFormat": "mp3"}, "missing_field", "fileName"),
    ({"url": FAR_URL}, "missing_field", "newFormat"),
    ({"name": "a"}, "missing_field", "description"),
    ({"url": FAR_URL, "newFormat": "mp3", "upload_id": NOBODY}, "too_many_sources", "upload_id"),
    ({"url": FAR_URL, "newFormat": "mp3", "records": 5}, "unknown_field", "records"),
    ({"url": FAR_URL, "newFormat": "mp3", "bitrate": 5}, "unknown_field", "bitrate"),
    ({"url": FAR_URL, "newFormat": "mp3", "user_id": 1}, "unknown_field", "user_id"),
    ({"x" + "ñ" * 200: 1}, "unknown_field", "xñ"),
    ({"kind": "insert_records", "newFormat": "mp3"}, "unknown_field", "newFormat"),
    ({"kind": "insert_records", "records": 0}, "out_of_range", "records"),
    ({"kind": "insert_records", "records": 10**12}, "out_of_range", "records"),
    ({"kind": "insert_records", "records": "5"}, "wrong_type", "records"),
    ({"kind": "insert_records", "records": 1.5}, "wrong_type", "records"),
    ({"kind": "insert_records", "records": 10**30}, "invalid_json", ""),
    ({"kind": "deliver"}, "unknown_kind", "kind"),
    ({"kind": ["convert"]}, "wrong_type", "kind"),
    ({"name": "x" * 1001, "description": "y"}, "too_long", "name"),
    ({"name": "x", "description": {}}, "wrong_type", "description"),
    ({"url": FAR_URL, "newFormat": 5}, "wrong_type", "newFormat"),
    ({"url": FAR_URL, "newFormat": "mp3", "options": "x"}, "wrong_type", "options"),
    ({"url": FAR_URL, "newFormat": "mp3", "options": {"speed": 3}}, "unknown_option", "speed"),
    ({"url": FAR_URL, "newFormat": "mp3", "priority": "urgent"}, "unknown_priority", "priority"),
    ({"url": FAR_URL, "newFormat": "mp3", "priority": 1}, "wrong_type", "priority"),
    ({"url": FAR_URL, "newFormat": "mp3", "preset": "none"}, "unknown_preset", "preset"),
    ({"fileName": "a.mp3", "newFormat": "mp3"}, "wrong_type", "fileName"),
    ({"file": None, "newFormat": "mp3"}, "wrong_type", "file"),
    ({"url": 5, "newFormat": "mp3"}, "wrong_type", "url"),
    ({"url": "ftp://example.com/a.mp3", "newFormat": "mp3"}, "url_scheme", "url"),
    ({"url": "https://user:secret@example.com/a.mp3", "newFormat": "mp3"}, "url_credentials", "url"),
    ({"url": "http://127.0.0.1/a.mp3", "newFormat": "mp3"}, "address_refused", "url"),
    ({"url": "http://[::1]/a.mp3", "newFormat": "mp3"}, "address_refused", "url"),
    ({"url": "https://", "newFormat": "mp3"}, "url_malformed", "url"),
    ({"url": "https://example.com/" + "a" * 3000, "newFormat": "mp3"}, "url_malformed", "url"),
    ({"url": FAR_URL, "newFormat": "mp3", "callback_url": "http://example.com/"}, "url_scheme", "callback_url"),
    ({"url": FAR_URL, "newFormat": "mp3", "callback_url": "https://10.0.0.1/"}, "address_refused", "callback_url"),
    ({"url": FAR_URL, "newFormat": "mp3", "callback_url": True}, "wrong_type", "callback_url"),
    ({"upload_id": "7", "newFormat": "mp3"}, "malformed_id", "upload_id"),
    ({"upload_id": 7, "newFormat": "mp3"}, "wrong_type", "upload_id"),
], ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "")
def test_orders_that_make_no_sense(user, body, code, word):
    refused(post_json(user, body), 400, code, word)
    assert user.tasks() == []


def test_an_upload_that_is_not_there(user):
    refused(post_json(user, {"upload_id": NOBODY, "newFormat": "mp3"}), 404, "unknown_upload", "upload_id")


@pytest.mark.parametrize("fields, code, word", [
    ([("bitrate", "5")], "unknown_field", "bitrate"),
    ([("newFormat", "wav")], "repeated_field", "newFormat"),
    ([("url", FAR_URL)], "too_many_sources", "url"),
    ([("records", "5")], "unknown_field", "records"),
    ([("priority", "urgent")], "unknown_priority", "priority"),
    ([("options", "[]")], "wrong_type", "options"),
    ([("kind", "insert_records")], "unknown_field", "newFormat"),
    ([("priority", "x" * 20_000)], None, "priority"),
])
@pytest.mark.parametrize("first", [False, True])
def test_forms_that_make_no_sense(stack, user, media, fields, code, word, first):
    """Before the file or after it: nothing is left behind."""
    before = inputs(stack)
    parts = [("newFormat", (None, "mp3")), ("fileName", ("a.wav", media.tone().read_bytes()))]
    extra = [(name, (None, value)) for name, value in fields]
    answer = user.post("/api/tasks", files=parts[:1] + (extra + parts[1:] if first else parts[1:] + extra))
    if code:
        refused(answer, 400, code, word)
    else:
        assert answer.status_code in (400, 413) and word in answer.json()["detail"]
    assert user.tasks() == []
    assert inputs(stack) <= before


def test_empty_fields_of_a_form_mean_nothing(user, media):
    with open(media.tone(), "rb") as file:
        answer = user.post("/api/tasks", files={"file": ("a.wav", file)},
                           data={"newFormat": "mp3", "options": "", "priority": "", "callback_url": "", "url": ""})
    assert answer.status_code == 201, answer.text
    user.finish(answer.json()["task"])


def raw_answer(stack, head, body=b""):
    with socket.create_connection(("127.0.0.1", int(stack.url.rsplit(":", 1)[1])), timeout=20) as sock:
        sock.sendall(head.replace("\n", "\r\n").encode() + body)
        return sock.recv(65536).decode("utf-8", "replace")


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=b", "application/json"])
def test_ten_gigabytes_announced(stack, user, content_type):
    """Refused by the head alone."""
    began = time.monotonic()
    answer = raw_answer(stack, f"POST /api/tasks HTTP/1.1\nHost: x\nAuthorization: Bearer {user.token}\n"
                               f"Content-Type: {content_type}\nContent-Length: 10737418240\n\n")
    assert answer.startswith("HTTP/1.1 413 "), answer
    assert time.monotonic() - began < 5 * PATIENCE


@pytest.mark.parametrize("path, method", [("/api/tasks", "POST"), ("/api/tasks/1", "PUT")])
def test_chunks_without_end(user, path, method):
    """JSON and forms without a file are small, whatever the route takes."""
    def endless():
        yield b'{"name": "'
        for _ in range(40):
            yield b"x" * 4096

    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        answer = user.request(method, path, data=endless(), headers={"Content-Type": content_type})
        refused(answer, 413, "too_large")


def test_json_is_small(user):
    refused(post_json(user, {"name": "a", "description": "x" * 70_000}), 413, "too_large")


# ---- lanes ----

def test_high_priority_goes_to_its_topic(stack, user, media):
    def subscribe(name, topic):
        url = f"{stack.emulator.url}/v1/projects/{PROJECT}/subscriptions/{name}"
        answer = requests.put(url, json={"topic": f"projects/{PROJECT}/topics/{topic}"}, timeout=10)
        assert answer.status_code == 200, answer.text
        return url

    urls = {"high": subscribe("look-high", "mediarun-tasks-high"), "normal": subscribe("look-normal", "mediarun-tasks")}
    try:
        for priority, url in urls.items():
            task = user.upload(media.tone(), "wav", priority=priority)
            assert task["priority"] == priority

            def pulled():
                got = requests.post(url + ":pull", json={"maxMessages": 100, "returnImmediately": True}, timeout=10).json()
                return [one["message"]["attributes"] for one in got.get("receivedMessages", [])]

            attributes = wait_for(pulled, f"a message in the {priority} lane")
            assert [one["priority"] for one in attributes] == [priority] and attributes[0]["kind"] == "convert"
            user.finish(task)
    finally:
        for url in urls.values():
            requests.delete(url, timeout=10)


# ---- idempotency keys ----

def keyed(user, source, key, new_format="mp3", name="a.wav", **fields):
    return user.post("/api/tasks", data={"newFormat": new_format, **fields}, files={"fileName": (name, source)},
                     headers={"Idempotency-Key": key})


@pytest.mark.sanitized
def test_a_repeated_request_gets_the_same_task(stack, user, media):
    data, key = media.tone().read_bytes(), f"key-{uuid.uuid4()}"
    before = inputs(stack)
    first = keyed(user, data, key)
    assert first.status_code == 201 and "Idempotency-Replayed" not in first.headers
    task = first.json()["task"]
    for new_format in ("mp3", "MP3"):
        again = keyed(user, data, key, new_format)
        assert again.status_code == 201, again.text
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json()["task"]["id"] == task["id"] and again.headers["Location"] == first.headers["Location"]
    for change in ({"new_format": "ogg"}, {"name": "b.wav"}, {"priority": "high"}, {"source": data + b"x"}):
        refused(keyed(user, **{"source": data, "key": key, **change}), 409, "idempotency_key_reused", "Idempotency-Key")
    assert len(user.tasks()) == 1
    assert inputs(stack) - before == {f"inputs/{task['file_id']}"}, "the files of repetitions are dropped"
    assert keyed(stack.client(), data, key, "ogg").status_code == 201, "another user's key is another key"
    done = user.finish(task)
    replay = keyed(user, data, key).json()["task"]
    assert replay == done, "as it is by now"


@pytest.mark.sanitized
def test_a_key_used_by_two_at_once(stack, user, media):
    data = media.tone(seconds=1).read_bytes()
    clients = [Client(stack.url).use_token(user.token) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            key, barrier = str(uuid.uuid4()), threading.Barrier(2)

            def send(client):
                barrier.wait(20)
                return keyed(client, data, key)

            answers = list(pool.map(send, clients))
            assert [answer.status_code for answer in answers] == [201, 201], [answer.text for answer in answers]
            assert len({answer.json()["task"]["id"] for answer in answers}) == 1
            assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 1
    tasks = user.tasks()
    assert len(tasks) == 10
    for task in tasks:
        user.finish(task)
    assert inputs(stack) >= {f"inputs/{task['file_id']}" for task in tasks}


def test_a_key_outlives_its_task_for_a_day(stack, user, media):
    data, key = media.tone(seconds=1).read_bytes(), str(uuid.uuid4())
    task = user.finish(keyed(user, data, key).json()["task"])
    assert user.delete(f"/api/tasks/{task['id']}").status_code == 200
    refused(keyed(user, data, key), 409, "idempotency_key_spent", "Idempotency-Key")
    stack.sql(f"UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = '{key}'")
    again = keyed(user, data, key, "ogg")
    assert again.status_code == 201 and again.json()["task"]["id"] != task["id"]
    user.finish(again.json()["task"])
    stack.sql(f"UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = '{key}'")
    stack.sweep()
    assert stack.sql(f"SELECT count(*) FROM idempotency_keys WHERE key = '{key}'") == [["0"]]


def test_keys_of_orders_without_a_file(user):
    key, order = str(uuid.uuid4()), {"name": "upload", "description": "user upload", "records": 2}
    first = post_json(user, order, **{"Idempotency-Key": key})
    again = user.post("/tasks", data=order, headers={"Idempotency-Key": key})  # the same order as a form
    assert first.status_code == again.status_code == 201, again.text
    assert first.json()["task"]["id"] == again.json()["task"]["id"] and again.headers["Idempotency-Replayed"] == "true"
    refused(post_json(user, {**order, "records": 3}, **{"Idempotency-Key": key}), 409, "idempotency_key_reused")


def test_an_upload_ordered_again_with_its_key(user, media):
    data, key = media.tone(seconds=1).read_bytes(), str(uuid.uuid4())
    upload = user.post("/api/uploads", json={"fileName": "up.wav", "size": len(data), "contentType": "audio/wav"}).json()
    assert requests.put(upload["upload_url"], data=data, timeout=20).status_code in (200, 201)
    order = {"upload_id": upload["upload_id"].upper(), "newFormat": "mp3"}
    first = post_json(user, order, **{"Idempotency-Key": key})
    again = post_json(user, order, **{"Idempotency-Key": key})
    assert first.status_code == again.status_code == 201, again.text
    assert again.headers["Idempotency-Replayed"] == "true"
    task = user.finish(first.json()["task"])
    assert again.json()["task"]["id"] == task["id"]
    assert task["original_file"] == "up.wav" and task["original_format"] == "wav" and task["original_size"] == len(data)
    refused(post_json(user, order), 404, "unknown_upload", "upload_id")
    refused(post_json(user, order, **{"Idempotency-Key": key + "2"}), 404, "unknown_upload", "upload_id")


def test_a_refused_order_does_not_spend_its_key(user, media):
    data, key = media.tone(seconds=1).read_bytes(), str(uuid.uuid4())
    refused(keyed(user, data, key, "mp5"), 400, "unsupported_format")
    answer = keyed(user, data, key)
    assert answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers
    user.finish(answer.json()["task"])


@pytest.mark.parametrize("key", ["", "with blank", "x" * 256, "ñ".encode().decode("latin-1")])
def test_keys_that_are_none(user, key):
    refused(post_json(user, {"kind": "insert_records", "records": 1}, **{"Idempotency-Key": key}), 400,
            "invalid_idempotency_key", "Idempotency-Key")
    assert user.tasks() == []


def test_the_longest_key(user):
    assert post_json(user, {"kind": "insert_records", "records": 1}, **{"Idempotency-Key": "k" * 255}).status_code == 201


# ---- who am I ----

@pytest.mark.sanitized
def test_me(stack, user):
    for path in ("/api/auth/me", "/auth/me/"):
        answer = user.get(path)
        assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
        me = answer.json()
        assert me["username"] == user.username and me["email"] == f"{user.username}@example.com"
        assert me["is_operator"] is False and me["webhook_secret"].startswith("whsec_")
    [[number, secret]] = stack.sql(f"SELECT id, webhook_secret FROM users WHERE username = '{user.username}'")
    assert me["id"] == int(number)
    assert base64.b64decode(me["webhook_secret"].removeprefix("whsec_")) == bytes.fromhex(secret)
    assert stack.anonymous().get("/api/auth/me").status_code == 401


def test_signup_says_who(stack):
    name = f"eva-{uuid.uuid4().hex[:8]}"
    body = stack.anonymous().post("/auth/signup", json={
        "username": name, "email": f"{name}@example.com", "password": "Admin123", "password_2": "Admin123"}).json()
    assert body["username"] == name and body["id"] == body["user_id"] and body["access_token"] == body["token"]
