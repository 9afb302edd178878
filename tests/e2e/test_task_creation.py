"""POST /api/tasks with a URL, an upload or records instead of a file, and invalid fields."""

import json
import socket
import time
import uuid

import pytest
import requests

from harness.paths import PATIENCE
from harness.problems import refused
from harness.stack import PROJECT
from harness.waiting import wait_for

NOBODY = "00000000-0000-4000-8000-000000000000"
FAR_URL = "https://media.example.invalid/songs/Canci%C3%B3n%20uno.OGG?v=1"


def post_json(user, body, path="/api/tasks", **headers):
    return user.post(path, json=body, headers=headers)


def inputs(stack):
    return {name for name in stack.objects() if name.startswith("inputs/")}


def test_from_a_url(stack, user):
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


def test_valid_traceparent_is_stored(stack, user):
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for trace, kept in ((good, good), (good[:-1], ""), (good + "0", ""), (good.replace("-", "_"), ""),
                        (good.upper(), ""), ("00-" + "g" * 32 + good[35:], "")):
        task = post_json(user, {"kind": "insert_records", "records": 1}, traceparent=trace).json()["task"]
        assert stack.sql(f"SELECT coalesce(traceparent, '') FROM tasks WHERE id = {task['id']}") == [[kept]] or \
            not kept and stack.sql(f"SELECT traceparent IS NULL FROM tasks WHERE id = {task['id']}") == [["t"]]


@pytest.mark.parametrize("how", ["json", "data", "multipart"])
def test_insert_records(user, how):
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
def test_invalid_fields(user, body, code, word):
    refused(post_json(user, body), 400, code, word)
    assert user.tasks() == []


def test_unknown_upload(user):
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
def test_invalid_form_fields(stack, user, media, fields, code, word, first):
    """Before the file or after it. Nothing of the file is kept."""
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


def test_empty_form_fields_are_ignored(user, media):
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
def test_content_length_of_ten_gigabytes(stack, user, content_type):
    """Refused without reading the body."""
    began = time.monotonic()
    answer = raw_answer(stack, f"POST /api/tasks HTTP/1.1\nHost: x\nAuthorization: Bearer {user.token}\n"
                               f"Content-Type: {content_type}\nContent-Length: 10737418240\n\n")
    assert answer.startswith("HTTP/1.1 413 "), answer
    assert time.monotonic() - began < 5 * PATIENCE


@pytest.mark.parametrize("path, method", [("/api/tasks", "POST"), ("/api/tasks/1", "PUT")])
def test_endless_chunks(user, path, method):
    """JSON and forms without a file have a low limit on every route."""
    def endless():
        yield b'{"name": "'
        for _ in range(40):
            yield b"x" * 4096

    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        answer = user.request(method, path, data=endless(), headers={"Content-Type": content_type})
        refused(answer, 413, "too_large")


def test_json_over_the_limit(user):
    refused(post_json(user, {"name": "a", "description": "x" * 70_000}), 413, "too_large")


def test_each_priority_has_its_topic(stack, user, media):
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

            attributes = wait_for(pulled, f"a message of {priority} priority")
            assert [one["priority"] for one in attributes] == [priority] and attributes[0]["kind"] == "convert"
            user.finish(task)
    finally:
        for url in urls.values():
            requests.delete(url, timeout=10)
