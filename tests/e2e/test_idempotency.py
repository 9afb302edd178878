"""Requests with an Idempotency-Key."""

import concurrent.futures
import threading
import uuid

import pytest
import requests

from harness.client import Client
from harness.problems import refused


def post_json(user, body, path="/api/tasks", **headers):
    return user.post(path, json=body, headers=headers)


def inputs(stack):
    return {name for name in stack.objects() if name.startswith("inputs/")}


def keyed(user, source, key, new_format="mp3", name="a.wav", **fields):
    return user.post("/api/tasks", data={"newFormat": new_format, **fields}, files={"fileName": (name, source)},
                     headers={"Idempotency-Key": key})


@pytest.mark.sanitized
def test_repeated_request_returns_the_same_task(stack, user, media):
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
    for change in ({"new_format": "ogg"}, {"name": "b.wav"}, {"priority": "high"}, {"reuse": "true"}, {"source": data + b"x"}):
        refused(keyed(user, **{"source": data, "key": key, **change}), 409, "idempotency_key_reused", "Idempotency-Key")
    assert len(user.tasks()) == 1
    assert inputs(stack) - before == {f"inputs/{task['file_id']}"}, "the files of repeated requests are deleted"
    assert keyed(stack.client(), data, key, "ogg").status_code == 201, "keys of different users are independent"
    done = user.finish(task)
    replay = keyed(user, data, key).json()["task"]
    assert replay == done, "its current state"


@pytest.mark.sanitized
def test_two_requests_with_one_key_at_once(stack, user, media):
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


def test_key_is_kept_for_a_day_after_its_task(stack, user, media):
    data, key = media.tone(seconds=1).read_bytes(), str(uuid.uuid4())
    task = user.finish(keyed(user, data, key).json()["task"])
    assert user.delete(f"/api/tasks/{task['id']}").status_code == 200
    refused(keyed(user, data, key), 409, "idempotency_key_spent", "Idempotency-Key")
    stack.sql(f"UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = '{key}'")
    again = keyed(user, data, key, "ogg")
    assert again.status_code == 201 and again.json()["task"]["id"] != task["id"]
    user.finish(again.json()["task"])
    stack.sql(f"UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = '{key}'")
    stack.sweep_whole()
    assert stack.sql(f"SELECT count(*) FROM idempotency_keys WHERE key = '{key}'") == [["0"]]


def test_key_of_a_request_without_a_file(user):
    key, fields = str(uuid.uuid4()), {"name": "upload", "description": "user upload", "records": 2}
    first = post_json(user, fields, **{"Idempotency-Key": key})
    again = user.post("/tasks", data=fields, headers={"Idempotency-Key": key})  # the same fields as a form
    assert first.status_code == again.status_code == 201, again.text
    assert first.json()["task"]["id"] == again.json()["task"]["id"] and again.headers["Idempotency-Replayed"] == "true"
    refused(post_json(user, {**fields, "records": 3}, **{"Idempotency-Key": key}), 409, "idempotency_key_reused")


def test_key_of_a_request_with_an_upload(user, media):
    data, key = media.tone(seconds=1).read_bytes(), str(uuid.uuid4())
    upload = user.post("/api/uploads", json={"fileName": "up.wav", "size": len(data), "contentType": "audio/wav"}).json()
    assert requests.put(upload["upload_url"], data=data, timeout=20).status_code in (200, 201)
    fields = {"upload_id": upload["upload_id"].upper(), "newFormat": "mp3"}
    first = post_json(user, fields, **{"Idempotency-Key": key})
    again = post_json(user, fields, **{"Idempotency-Key": key})
    assert first.status_code == again.status_code == 201, again.text
    assert again.headers["Idempotency-Replayed"] == "true"
    task = user.finish(first.json()["task"])
    assert again.json()["task"]["id"] == task["id"]
    assert task["original_file"] == "up.wav" and task["original_format"] == "wav" and task["original_size"] == len(data)
    refused(post_json(user, fields), 404, "unknown_upload", "upload_id")
    refused(post_json(user, fields, **{"Idempotency-Key": key + "2"}), 404, "unknown_upload", "upload_id")


def test_refused_request_does_not_use_its_key(user, media):
    data, key = media.tone(seconds=1).read_bytes(), str(uuid.uuid4())
    refused(keyed(user, data, key, "mp5"), 400, "unsupported_format")
    answer = keyed(user, data, key)
    assert answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers
    user.finish(answer.json()["task"])


@pytest.mark.parametrize("key", ["", "with blank", "x" * 256, "ñ".encode().decode("latin-1")])
def test_invalid_keys(user, key):
    refused(post_json(user, {"kind": "insert_records", "records": 1}, **{"Idempotency-Key": key}), 400,
            "invalid_idempotency_key", "Idempotency-Key")
    assert user.tasks() == []


def test_longest_key(user):
    assert post_json(user, {"kind": "insert_records", "records": 1}, **{"Idempotency-Key": "k" * 255}).status_code == 201
