"""Bad input gets a clear 4xx, or a task that fails with a clear error. Nothing crashes, and other users are not affected."""

import os
import random

import pytest

from harness.media import FORMATS, mutations
from harness.paths import SANITIZED

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]


def is_problem(answer, status):
    """RFC 9457, plus `message` for clients of the older systems. No internals are shown."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and body["message"] and body["detail"]
    for internal in ("SELECT ", "PGRES", "libpq", ".c:"):
        assert internal not in answer.text
    return body


def fails(user, data, name, target="mp3", codes=("invalid_media", "no_audio", "truncated", "not_media", "unsupported_input")):
    """Refused at once (4xx), or a task that fails with a clear error."""
    answer = user.try_upload(data, target, name)
    if answer.status_code != 201:
        assert 400 <= answer.status_code < 500
        return is_problem(answer, answer.status_code)
    task = user.wait(answer.json()["task"])
    assert task["status"] == "failed", task
    assert task["error"]["code"] in codes and len(task["error"]["detail"]) > 5, task["error"]
    assert user.get(f"/api/files/{task['file_id']}").status_code == 400
    return task


@pytest.fixture(autouse=True)
def neighbour(stack, media):
    """Somebody else's work goes on, whatever a test sends; so does the worker's process (fixture stack)."""
    other = stack.client()
    task = other.upload(media.tone("ogg"), "mp3")
    yield other
    other.finish(task, 120)


def test_empty_file(user):
    assert is_problem(user.try_upload(b"", "mp3", "empty.wav"), 400)["code"] == "empty_file"


@pytest.mark.parametrize("data, name", [
    (b"Plain text, which is not audio.\n" * 200, "story.mp3"),
    (random.Random(1).randbytes(100_000), "random.bin"),
    (random.Random(2).randbytes(100_000), "random.flac"),
    (b"\0" * 50_000, "zeros.wav"),
    (b"x", "one.byte"),
    (b'{"json": true}', "data.json"),
    (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:1/secret.ts\n", "list.m3u8"),
    (b"ffconcat version 1.0\nfile /etc/passwd\n", "list.ffconcat"),
    (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "picture.svg"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_not_media(user, data, name):
    fails(user, data, name)


def test_audio_without_samples(user, media):
    fails(user, media.silence_without_samples(), "empty.wav")


def test_picture(user, media):
    fails(user, media.picture(), "cover.jpg")


@pytest.mark.parametrize("source", FORMATS)
def test_truncated_file(user, media, source):
    """The task fails, or the receipt warns that the input is truncated."""
    whole = media.tone(source, seconds=10)
    task = user.wait(user.upload(media.cut(whole, 0.5), "flac"))
    if task["status"] == "processed":
        assert "truncated" in str(task["receipt"]["warnings"]), task
    else:
        assert task["status"] == "failed" and task["error"]["code"] in ("truncated", "invalid_media"), task


def test_unknown_format(user, media):
    problem = is_problem(user.try_upload(media.tone(), "mp5"), 400)
    assert problem["code"] == "unsupported_format" and "mp3" in problem["detail"]


@pytest.mark.parametrize("field", ["fileName", "newFormat"])
def test_missing_field(user, field):
    fields = {"newFormat": (None, "mp3"), "fileName": ("a.wav", b"data")}
    del fields[field]
    answer = user.post("/api/tasks", files=fields)
    assert field in is_problem(answer, 400)["detail"]


def test_two_files(user, media):
    data = media.tone().read_bytes()
    files = [("newFormat", (None, "mp3")), ("fileName", ("a.wav", data)), ("fileName", ("b.wav", data))]
    is_problem(user.post("/api/tasks", files=files), 400)


@pytest.mark.parametrize("content_type, body, status", [
    ("text/plain", b"hello", 415),
    ("application/xml", b"<a/>", 415),
    (None, b"hello", 400),
    ("multipart/form-data", b"--x\r\n", 400),
    ("multipart/form-data; boundary=x", b"", 400),
    ("multipart/form-data; boundary=x", b"no boundary at all", 400),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="newFormat"\r\n\r\nmp3', 400),
    ("multipart/form-data; boundary=x",
     b'--x\r\nContent-Disposition: form-data; name="fileName"; filename="a.wav"\r\n\r\nRIFF', 400),
    ("multipart/form-data; boundary=" + "x" * 5000, b"", 400),
])
def test_malformed_upload_bodies(stack, user, content_type, body, status):
    before = len(stack.objects())
    headers = {"Content-Type": content_type} if content_type else {}
    answer = user.post("/api/tasks", data=body, headers=headers)
    is_problem(answer, status)
    assert user.tasks() == []
    assert len([name for name in stack.objects() if name.startswith("inputs/")]) <= before


@pytest.mark.parametrize("body", [b"{", b'{"username":', b"[]", b'"text"', b"null", b"", b"\xff\xfe", b'{"username":1}',
                                  b'{"username":"a","username":"b"}', b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000])
def test_broken_json(stack, body):
    for path in ("/api/auth/login", "/api/auth/signup"):
        answer = stack.anonymous().post(path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 413)
        is_problem(answer, answer.status_code)


def test_login_with_a_wrong_content_type(stack):
    is_problem(stack.anonymous().post("/api/auth/login", data=b"<a/>", headers={"Content-Type": "text/xml"}), 415)


@pytest.mark.parametrize("path", ["/api/tasks/0", "/api/tasks/-1", "/api/tasks/999999999", "/api/tasks/abc",
                                  "/api/tasks/99999999999999999999999", "/api/tasks/%00", "/api/tasks/1%27--",
                                  "/api/tasks/00000000-0000-4000-8000-000000000000", "/api/files/../../etc/passwd",
                                  "/api/files/%2e%2e%2fetc", "/api/files/zzz", "/nothing", "/api", "/internal"])
def test_not_found(user, path):
    answer = user.get(path)
    assert answer.status_code in (400, 404), answer.text
    is_problem(answer, answer.status_code)


@pytest.mark.parametrize("method, path", [("PUT", "/api/auth/login"), ("GET", "/api/auth/signup"), ("DELETE", "/alive"),
                                          ("PATCH", "/api/tasks/1"), ("GET", "/internal/sweep")])
def test_wrong_method(user, method, path):
    answer = user.request(method, path)
    is_problem(answer, 405)
    assert answer.headers["Allow"]


@pytest.mark.parametrize("query", ["max=0", "max=-1", "max=x", "max=1e9", "order=2", "after=x", "status=lost"])
def test_invalid_queries(user, query):
    is_problem(user.get(f"/api/tasks?{query}"), 400)


@pytest.mark.parametrize("options", ['{"speed": 3}', "not json", '{"fps": 24}', '{"bitrate": 1}', '{"trim": {"start": -1}}', '{"loudness": 1e999}',
                                     '{"resize": {"width": 100000, "height": 100000}}', '{"bitrate": 1, "bitrate": 2}', '{"channels": ' + "9" * 400 + "}",
                                     "[" * 5000 + "]" * 5000])
def test_invalid_options(user, media, options):
    assert "options" in is_problem(user.try_upload(media.tone(), "mp3", options=options), 400)["detail"]
    assert user.tasks() == []


@pytest.mark.parametrize("signup", [
    {}, {"username": "a"}, {"username": "a b", "email": "a@example.com", "password1": "Secret12", "password2": "Secret12"},
    {"username": "abc", "email": "nonsense", "password1": "Secret12", "password2": "Secret12"},
    {"username": "abc", "email": "a@example.com", "password1": "Secret12", "password2": "Secret13"},
    {"username": "abc", "email": "a@example.com", "password1": "weak", "password2": "weak"},
    {"username": "abc", "email": "a@example.com", "password1": "nocapital12", "password2": "nocapital12"},
    {"username": "abc", "email": "a@example.com", "password1": "Wi Bl$1", "password2": "Wi Bl$1"},
    {"username": "abc", "email": "a@example.com", "password1": "Aa1" + "x" * 126, "password2": "Aa1" + "x" * 126},
    {"username": "x" * 1000, "email": "a@example.com", "password1": "Secret12", "password2": "Secret12"},
    {"username": ["list"], "email": {"a": 1}, "password1": 5, "password2": None},
])
def test_invalid_signups(stack, signup):
    is_problem(stack.anonymous().post("/api/auth/signup", json=signup), 400)


@pytest.mark.measured
@pytest.mark.parametrize("source", FORMATS)
def test_malformed_files(stack, user, media, source):
    """Randomly damaged files: each task ends, in its own child process."""
    data = media.tone(source, seconds=2, tags={"title": "x"}).read_bytes()
    count = 2 if SANITIZED else 8
    tasks = [user.upload(broken, FORMATS[i % len(FORMATS)], f"malformed{i}.{source}")
             for i, broken in enumerate(mutations(data, count, seed=FORMATS.index(source)))]
    for task in tasks:
        done = user.wait(task, 120)
        assert done["status"] in ("processed", "failed")
        if done["status"] == "failed":
            assert done["error"]["code"] not in ("internal", "converter_fault", "sandbox_violation", "delivery_exhausted"), done["error"]
            assert done["attempts"] == 1, "no retry of a file that cannot be converted"
    assert len(stack.worker.descendants()) <= 3, "no child is left behind"


def test_false_lengths(user):
    """Headers with lengths that are far too large."""
    wav = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\x01\0\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\xffdata\xff\xff\xff\x7f" + b"\1" * 1000
    flac = b"fLaC\x80\xff\xff\xff" + b"\0" * 500
    ogg = b"OggS" + b"\xff" * 500
    mp4 = b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42\xff\xff\xff\xffmoov" + b"\xff" * 400
    for i, data in enumerate((wav, flac, ogg, mp4)):
        fails(user, data, f"length{i}", codes=("invalid_media", "no_audio", "truncated", "unsupported_codec"))


def test_descriptors_do_not_leak(stack, user, media):
    """Failed tasks close all file descriptors."""
    broken = media.tone("mp3").read_bytes()[:500]
    for _ in range(3):
        user.wait(user.upload(broken, "ogg", "short.mp3"))
    before = stack.worker.open_descriptors()
    for _ in range(10):
        user.wait(user.upload(broken, "ogg", "short.mp3"))
    assert stack.worker.open_descriptors() <= before + 6, os.listdir(f"/proc/{stack.worker.pid}/fd")
