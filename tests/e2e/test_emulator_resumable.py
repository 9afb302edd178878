"""Resumable uploads of the emulator's Cloud Storage."""

import base64
import hashlib
import os
import socket
import time

import pytest

from harness.bucket import HELLO, Bucket, assert_error

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]

KIB256 = 256 * 1024
HELLO_CRC32C = "yZRlqg=="


@pytest.fixture
def bucket(emulator):
    return Bucket(emulator.url)


def test_resumable(bucket):
    data = os.urandom(2 * KIB256 + 1000)
    session = bucket.session("r", {"metadata": {"a": "b"}}, {"X-Upload-Content-Type": "audio/mpeg",
                                                              "X-Upload-Content-Length": str(len(data))})
    assert "upload_id=" in session
    answer = bucket.chunk(session, "bytes */*")
    assert answer.status_code == 308 and "Range" not in answer.headers
    answer = bucket.chunk(session, f"bytes 0-{KIB256 - 1}/*", data[:KIB256])
    assert answer.status_code == 308 and answer.headers["Range"] == f"bytes=0-{KIB256 - 1}"
    assert_error(bucket.get("r"), 404)
    # Bytes that are already stored are ignored, even if they differ.
    again = bytes(KIB256) + data[KIB256:2 * KIB256]
    answer = bucket.chunk(session, f"bytes 0-{2 * KIB256 - 1}/{len(data)}", again)
    assert answer.status_code == 308 and answer.headers["Range"] == f"bytes=0-{2 * KIB256 - 1}"
    answer = bucket.chunk(session, f"bytes */{len(data)}")
    assert answer.status_code == 308 and answer.headers["Range"] == f"bytes=0-{2 * KIB256 - 1}"
    answer = bucket.chunk(session, f"bytes {2 * KIB256}-{len(data) - 1}/{len(data)}", data[2 * KIB256:])
    assert answer.status_code == 200, answer.text
    resource = answer.json()
    assert resource["contentType"] == "audio/mpeg" and resource["metadata"] == {"a": "b"}
    assert resource["md5Hash"] == base64.b64encode(hashlib.md5(data).digest()).decode()
    assert bucket.bytes("r") == data
    # A finished session repeats its response.
    assert bucket.chunk(session, "bytes */*").json() == resource
    assert bucket.chunk(session, f"bytes */{len(data)}").json() == resource


def test_resumable_forms(bucket):
    whole = bucket.session("whole")
    assert bucket.http.put(whole, data=HELLO).json()["size"] == "11"
    assert bucket.chunk(bucket.session("open"), "bytes 0-*/*", iter([HELLO, HELLO])).json()["size"] == "22"
    assert bucket.chunk(bucket.session("post"), "bytes 0-10/11", HELLO, method="POST").json()["size"] == "11"
    assert bucket.chunk(bucket.session("empty"), "bytes */0").json()["size"] == "0"
    known = bucket.session("known")
    assert bucket.chunk(known, f"bytes 0-{KIB256 - 1}/*", bytes(KIB256)).status_code == 308
    assert bucket.chunk(known, f"bytes */{KIB256}").json()["size"] == str(KIB256)
    in_body = bucket.http.post(bucket.upload_url + "?uploadType=resumable", json={"name": "in body"})
    assert bucket.http.put(in_body.headers["Location"], data=b"1").json()["name"] == "in body"
    start = bucket.http.post(bucket.upload_url + "?uploadType=resumable&name=a", json={"name": "b"})
    assert_error(start, 400)
    assert_error(bucket.http.post(bucket.upload_url + "?uploadType=resumable", json={}), 400)


def test_resumable_refused(bucket):
    session = bucket.session("r")
    assert_error(bucket.chunk(session, "bytes 0-99/*", bytes(100)), 400)
    assert_error(bucket.chunk(session, "bytes 0-99/1000", bytes(100)), 400)
    assert_error(bucket.chunk(session, "bytes 0-9/10", bytes(9)), 400)
    assert_error(bucket.chunk(session, "nonsense", bytes(9)), 400)
    assert bucket.chunk(session, f"bytes {KIB256}-{2 * KIB256 - 1}/*", bytes(KIB256)).status_code == 503
    assert bucket.chunk(session, f"bytes 0-{KIB256 - 1}/1000000", bytes(KIB256)).status_code == 308
    assert_error(bucket.chunk(session, f"bytes {KIB256}-{2 * KIB256 - 1}/2000000", bytes(KIB256)), 400)
    assert_error(bucket.chunk(session, "bytes */7"), 400)
    answer = bucket.chunk(session, "bytes */*")
    assert answer.status_code == 308 and answer.headers["Range"] == f"bytes=0-{KIB256 - 1}"
    assert_error(bucket.chunk(session.replace("upload_id=", "upload_id=0"), "bytes */*"), 404)


def test_resumable_cancel(bucket):
    session = bucket.session("r")
    bucket.chunk(session, f"bytes 0-{KIB256 - 1}/*", bytes(KIB256))
    assert bucket.http.delete(session).status_code == 499
    assert_error(bucket.chunk(session, "bytes */*"), 410)
    assert_error(bucket.http.delete(session), 410)
    assert_error(bucket.get("r"), 404)


def test_cors_of_a_session(bucket):
    """The Origin of the request that began the session counts, not the rules of the bucket or later Origins."""
    page = {"Origin": "https://a.example"}
    began = bucket.http.post(bucket.upload_url, params={"uploadType": "resumable", "name": "r"}, headers=page)
    session = began.headers["Location"]
    ask = {**page, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-range"}
    answers = [began, bucket.http.options(session, headers={**ask, "Origin": "https://b.example"}),
               bucket.chunk(session, "nonsense", HELLO), bucket.chunk(session, "bytes */*", headers=page),
               bucket.chunk(session, "bytes 0-10/11", HELLO), bucket.http.delete(session, headers=page)]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 308, 200, 499]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert "Range" in answer.headers["Access-Control-Expose-Headers"]
    assert answers[1].headers["Access-Control-Allow-Headers"] == "content-range"
    plain = bucket.session("plain")
    assert "Access-Control-Allow-Origin" not in bucket.chunk(plain, "bytes */*", headers=page).headers
    assert "Access-Control-Allow-Origin" not in bucket.http.options(plain, headers=ask).headers
    assert bucket.http.options(bucket.upload_url, headers=ask).headers["Access-Control-Allow-Origin"] == "https://a.example"


def test_resumable_hash(bucket):
    good = bucket.session("good")
    assert bucket.chunk(good, "bytes 0-10/11", HELLO, {"X-Goog-Hash": f"crc32c={HELLO_CRC32C}"}).status_code == 200
    bad = bucket.session("bad")
    assert_error(bucket.chunk(bad, "bytes 0-10/11", HELLO, {"X-Goog-Hash": "crc32c=AAAAAA=="}), 400)
    announced = bucket.session("bad", {"md5Hash": base64.b64encode(bytes(16)).decode()})
    assert_error(bucket.chunk(announced, "bytes 0-10/11", HELLO), 400)
    assert_error(bucket.get("bad"), 404)


def test_resumable_without_308(bucket):
    session = bucket.session("r")
    answer = bucket.chunk(session, f"bytes 0-{KIB256 - 1}/*", bytes(KIB256), {"X-GUploader-No-308": "yes"})
    assert answer.status_code == 200 and answer.headers["X-HTTP-Status-Code-Override"] == "308"
    assert answer.headers["Range"] == f"bytes=0-{KIB256 - 1}"


def test_resumable_preconditions_are_checked_at_the_end(bucket):
    session = bucket.session("r", ifGenerationMatch=0)
    bucket.put("r", b"faster")
    assert_error(bucket.chunk(session, "bytes 0-10/11", HELLO), 412)
    assert bucket.bytes("r") == b"faster"


def test_resumable_after_a_lost_connection(bucket, emulator):
    """The session reports how much was stored before the connection broke, and the upload continues there."""
    data = os.urandom(4 * KIB256)
    session = bucket.session("r")
    with socket.create_connection(("127.0.0.1", emulator.port)) as connection:
        connection.sendall(f"PUT {session[len(emulator.url):]} HTTP/1.1\r\nHost: localhost\r\n"
                           f"Content-Length: {len(data)}\r\n"
                           f"Content-Range: bytes 0-{len(data) - 1}/{len(data)}\r\n\r\n".encode())
        connection.sendall(data[:3 * KIB256])
    # A query waits while the broken request holds the session, but it may also come before that request.
    deadline = time.monotonic() + 20
    while "Range" not in (answer := bucket.chunk(session, f"bytes */{len(data)}")).headers:
        assert answer.status_code == 308 and time.monotonic() < deadline
        time.sleep(0.02)
    stored = int(answer.headers["Range"].rpartition("-")[2]) + 1
    assert 0 < stored <= 3 * KIB256
    rest = bucket.chunk(session, f"bytes {stored}-{len(data) - 1}/{len(data)}", data[stored:])
    assert rest.status_code == 200, rest.text
    assert bucket.bytes("r") == data
