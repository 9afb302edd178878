"""Accounts that are deleted, names that differ in case alone, and login tokens that are ended."""

import contextlib
import threading
import time
import unicodedata
import uuid

import pytest
import requests

from harness.client import PASSWORD
from harness.waiting import wait_for

OWNED = ("tasks", "uploads", "idempotency_keys", "api_keys", "user_usage", "deliveries")


def rows_of(stack, user_id):
    """How many rows each table has of a user."""
    found = {table: int(stack.sql(f"SELECT count(*) FROM {table} WHERE user_id = {user_id}")[0][0]) for table in OWNED}
    found["users"] = int(stack.sql(f"SELECT count(*) FROM users WHERE id = {user_id}")[0][0])
    for table in ("outputs", "download_links", "stray_objects", "records.runs", "records.users", "records.products", "records.order_items"):
        found[table] = int(stack.sql(f"SELECT count(*) FROM {table}")[0][0])
    return {table: count for table, count in found.items() if count}


def fill(stack, user, media):
    """A bit of everything that an account can have."""
    done = user.finish(user.upload(media.tone(), "mp3"))
    user.finish(user.post("/api/tasks", json={"kind": "insert_records", "records": 500}, headers={"Idempotency-Key": "k"}).json()["task"])
    user.upload(media.tone(), "wav")
    assert user.post("/api/uploads", json={"fileName": "a.wav", "size": 1000}).status_code == 201
    assert user.post(f"/api/tasks/{done['id']}/links").status_code == 201
    assert user.post("/api/keys", json={"name": "x", "scopes": ["read"]}).status_code == 201


@pytest.mark.sanitized
def test_deletion_that_is_killed_leaves_nothing(make_stack, media):
    """The sweep is killed in the midst of it; the next ones do the rest. Another user keeps everything."""
    stack = make_stack()
    user, other = stack.client(), stack.client()
    kept = other.finish(other.upload(media.tone(), "mp3"))
    objects, others = stack.objects(), rows_of(stack, other.get("/api/auth/me").json()["id"])
    user_id = user.get("/api/auth/me").json()["id"]
    fill(stack, user, media)
    stack.sql("INSERT INTO tasks (file_id, user_id, kind, status, processed_at) SELECT gen_random_uuid(), "
              f"{user_id}, 'insert_records', 'processed', now() FROM generate_series(1, 700) RETURNING id")
    assert user.delete("/api/auth/me", json={"password": PASSWORD}).status_code == 202
    assert user.get("/api/tasks").status_code == 401

    def left():
        return int(stack.sql(f"SELECT count(*) FROM tasks WHERE user_id = {user_id}")[0][0])
    platform = stack.token_of_platform(stack.url)

    def sweep_until_it_is_cut():
        with contextlib.suppress(requests.RequestException):
            requests.post(f"{stack.url}/internal/sweep", headers={"Authorization": f"Bearer {platform}"}, timeout=30)
    before = left()
    sweep = threading.Thread(target=sweep_until_it_is_cut)
    sweep.start()
    wait_for(lambda: left() < before, "the first tasks to be deleted", 10, 0.002)
    stack.web.kill()
    sweep.join()
    assert left() > 0, "it was killed in the midst"
    stack.web.start()

    def gone():
        stack.sweep()
        return rows_of(stack, user_id) == {key: count for key, count in others.items() if key in ("outputs",)} and stack.objects() == objects
    wait_for(gone, "nothing of the user is left", 30, 0.5)
    assert stack.sql(f"SELECT count(*) FROM users WHERE id = {user_id}") == [["0"]]
    assert other.download(kept) and rows_of(stack, other.get("/api/auth/me").json()["id"]) == others
    assert stack.client(username=user.username), "the name is free again"


def sign_up(stack, username, email):
    return stack.anonymous().post("/api/auth/signup", json={"username": username, "email": email, "password1": PASSWORD, "password2": PASSWORD})


def test_names_are_compared_as_people_read_them(stack):
    tail = uuid.uuid4().hex[:8]
    assert sign_up(stack, f"élise{tail}", f"Straße{tail}@example.com").status_code == 201
    for taken in (f"ÉLISE{tail.upper()}", unicodedata.normalize("NFD", f"élise{tail}")):
        assert sign_up(stack, taken, f"{uuid.uuid4().hex}@example.com").json()["code"] == "username_taken", taken
        assert stack.anonymous().post("/api/auth/login", json={"username": taken, "password": PASSWORD}).status_code == 200
    assert sign_up(stack, f"x{uuid.uuid4().hex}", f"STRASSE{tail}@EXAMPLE.com").json()["code"] == "email_taken"
    assert sign_up(stack, f"elise{tail}", f"{uuid.uuid4().hex}@example.com").status_code == 201, "another letter, another name"


def test_lengths_are_counted_in_characters(stack):
    def with_name(name):
        return sign_up(stack, name, f"{uuid.uuid4().hex}@example.com").status_code
    tail = uuid.uuid4().hex[:8]
    assert with_name("é" * 72 + tail) == 201
    assert with_name("e\u0301" * 72 + tail[::-1]) == 201, "counted in NFC"
    assert with_name("é" * 73 + tail) == 400
    assert with_name("a\u200bb" + tail) == with_name("a\u00a0b" + tail) == 400, "invisible or blank"


def test_other_instances_refuse_ended_tokens_within_a_second(stack):
    """As if another instance had ended them: this one has kept the version."""
    user = stack.client()
    assert user.get("/api/tasks").status_code == 200
    stack.sql(f"UPDATE users SET token_version = token_version + 1 WHERE username = '{user.username}' RETURNING id")
    began = time.monotonic()
    wait_for(lambda: user.get("/api/tasks").status_code == 401, "the end of the token", 5, 0.02)
    assert time.monotonic() - began < 1.5
