"""The emulator's Cloud Storage, metadata server and IAM, held against the wire contracts of Google's."""

import base64
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest
import requests

from harness.paths import PATIENCE, ROOT, SANITIZED
from harness.stack import emulator_program

pytestmark = pytest.mark.sanitized

KIB256 = 256 * 1024
HELLO = b"hello world"
HELLO_MD5 = base64.b64encode(hashlib.md5(HELLO).digest()).decode()
HELLO_CRC32C = "yZRlqg=="


class Bucket:
    """A fresh bucket and the requests to it."""

    counter = 0

    def __init__(self, url):
        Bucket.counter += 1
        self.url = url
        self.name = f"bucket-{os.getpid()}-{Bucket.counter}"
        self.http = requests.Session()
        answer = self.http.post(f"{url}/storage/v1/b?project=p", json={"name": self.name})
        assert answer.status_code == 200, answer.text

    def o(self, name, base="/storage/v1"):
        return f"{self.url}{base}/b/{self.name}/o/{urllib.parse.quote(name, safe='')}"

    @property
    def upload_url(self):
        return f"{self.url}/upload/storage/v1/b/{self.name}/o"

    def media(self, name, data=HELLO, headers=None, **params):
        return self.http.post(self.upload_url, params={"uploadType": "media", "name": name, **params}, data=data,
                              headers={"Content-Type": "text/plain", **(headers or {})})

    def put(self, name, data=HELLO, **params):
        answer = self.media(name, data, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, name, headers=None, **params):
        return self.http.get(self.o(name), params=params, headers=headers)

    def bytes(self, name):
        answer = self.get(name, alt="media")
        assert answer.status_code == 200, answer.text
        return answer.content

    def multipart(self, resource, data, part_type="text/plain", boundary="===b", closing=True, **params):
        body = (f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
                f"--{boundary}\r\nContent-Type: {part_type}\r\n\r\n").encode() + data
        if closing:
            body += f"\r\n--{boundary}--".encode()
        return self.http.post(self.upload_url, params={"uploadType": "multipart", **params}, data=body,
                              headers={"Content-Type": f'multipart/related; boundary="{boundary}"'})

    def session(self, name, resource=None, headers=None, **params):
        answer = self.http.post(self.upload_url, params={"uploadType": "resumable", "name": name, **params},
                                json=resource, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.headers["Location"]

    def chunk(self, session, content_range, data=b"", headers=None, method="PUT"):
        return self.http.request(method, session, data=data, allow_redirects=False,
                                 headers={"Content-Range": content_range, **(headers or {})})

    def list(self, **params):
        answer = self.http.get(f"{self.url}/storage/v1/b/{self.name}/o", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def bucket(emulator):
    return Bucket(emulator.url)


def assert_error(answer, status, reason=None):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == status and error["message"]
    assert error["errors"][0]["domain"] == "global"
    if reason:
        assert error["errors"][0]["reason"] == reason


# ---- buckets ------------------------------------------------------------------------------


def test_bucket(bucket):
    url = f"{bucket.url}/storage/v1/b"
    assert_error(bucket.http.post(f"{url}?project=p", json={"name": bucket.name}), 409, "conflict")
    assert_error(bucket.http.post(f"{url}?project=p", json={"name": "UPPER"}), 400, "invalid")
    assert_error(bucket.http.post(url, json={"name": "no-project"}), 400)
    resource = bucket.http.get(f"{url}/{bucket.name}").json()
    assert resource["kind"] == "storage#bucket" and resource["metageneration"] == "1"
    assert bucket.name in [item["name"] for item in bucket.http.get(f"{url}?project=p").json()["items"]]
    assert "items" not in bucket.http.get(f"{url}?project=p&prefix=there-is-none").json()
    cors = [{"origin": ["*"], "method": ["PUT"], "maxAgeSeconds": 3600}]
    lifecycle = {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]}
    patched = bucket.http.patch(f"{url}/{bucket.name}", json={"cors": cors, "lifecycle": lifecycle})
    assert patched.status_code == 200
    assert patched.json()["cors"] == cors and patched.json()["lifecycle"] == lifecycle
    assert patched.json()["metageneration"] == "2"
    assert_error(bucket.http.patch(f"{url}/{bucket.name}?ifMetagenerationMatch=1", json={}), 412)
    bucket.put("x")
    assert_error(bucket.http.delete(f"{url}/{bucket.name}"), 409)
    bucket.http.delete(bucket.o("x"))
    assert bucket.http.delete(f"{url}/{bucket.name}").status_code == 204
    assert_error(bucket.http.get(f"{url}/{bucket.name}"), 404, "notFound")
    assert_error(bucket.media("x"), 404, "notFound")


# ---- uploads in one request ------------------------------------------------------------------


def test_media(bucket):
    resource = bucket.put("a/b c")
    assert resource["name"] == "a/b c" and resource["bucket"] == bucket.name
    assert resource["size"] == "11" and resource["metageneration"] == "1"
    assert isinstance(resource["generation"], str) and abs(int(resource["generation"]) / 1e6 - time.time()) < 60
    assert resource["md5Hash"] == HELLO_MD5 and resource["crc32c"] == HELLO_CRC32C
    assert resource["contentType"] == "text/plain" and resource["etag"] and resource["timeCreated"]
    assert bucket.get("a/b c").json() == resource
    assert bucket.bytes("a/b c") == HELLO
    assert int(bucket.put("a/b c", b"")["generation"]) > int(resource["generation"])
    assert bucket.bytes("a/b c") == b""


def test_multipart(bucket):
    resource = {"name": "m", "contentType": "audio/mpeg", "metadata": {"k": "v ✓"}, "cacheControl": "no-store",
                "contentDisposition": "attachment", "customTime": "2026-01-01T00:00:00Z", "md5Hash": HELLO_MD5}
    answer = bucket.multipart(resource, HELLO)
    assert answer.status_code == 200, answer.text
    for key, value in resource.items():
        assert answer.json()[key] == value
    assert bucket.multipart({"name": "t"}, b"x", part_type="audio/ogg").json()["contentType"] == "audio/ogg"
    tricky = b"\r\n--===\r\n--===b\x00\r\n"[:-2] + b"\r\n--==" * 20000
    assert bucket.multipart({"name": "tricky"}, tricky, boundary="===bb").status_code == 200
    assert bucket.bytes("tricky") == tricky


@pytest.mark.parametrize("given", [{"crc32c": "AAAAAA=="}, {"md5Hash": base64.b64encode(bytes(16)).decode()},
                                   {"crc32c": "not base64!"}, {"metadata": {"a": 1}}, {"contentType": 5},
                                   {"name": "other"}, {"name": ""}])
def test_multipart_refused(bucket, given):
    assert_error(bucket.multipart({"name": "x", **given}, HELLO, **({"name": "x"} if given.get("name") else {})), 400)
    assert "items" not in bucket.list()


@pytest.mark.parametrize("body,content_type", [
    (b"", "multipart/related; boundary=b"), (b"--b\r\n\r\n{}", "multipart/related; boundary=b"),
    (b"--b\r\n\r\n[]\r\n--b\r\n\r\n1\r\n--b--", "multipart/related; boundary=b"),
    (b'--b\r\n\r\n{"name":"x"}\r\n--b--', "multipart/related; boundary=b"),
    (b"{}", "multipart/related"), (b"{}", "application/json")])
def test_multipart_malformed(bucket, body, content_type):
    assert_error(bucket.http.post(bucket.upload_url + "?uploadType=multipart", data=body,
                                  headers={"Content-Type": content_type}), 400)


def test_multipart_without_its_end(bucket):
    assert_error(bucket.multipart({"name": "x"}, HELLO, closing=False), 400)
    assert_error(bucket.get("x"), 404)


def test_upload_hash_header(bucket):
    assert bucket.media("x", headers={"X-Goog-Hash": f"crc32c={HELLO_CRC32C},md5={HELLO_MD5}"}).status_code == 200
    assert_error(bucket.media("y", headers={"X-Goog-Hash": "crc32c=AAAAAA=="}), 400)
    assert_error(bucket.get("y"), 404)


def test_upload_bad(bucket):
    assert_error(bucket.http.post(bucket.upload_url + "?uploadType=strange&name=x"), 400)
    assert_error(bucket.http.post(bucket.upload_url + "?name=x"), 400)
    assert_error(bucket.http.post(bucket.upload_url + "?uploadType=media"), 400)
    assert_error(bucket.media("a\nb"), 400)
    assert_error(bucket.media("n" * 1025), 400)
    assert_error(bucket.media("x", ifGenerationMatch="seven"), 400)


def test_names_are_only_names(bucket, emulator):
    names = ["../../../../tmp/evil", "a/../b", "ünï/cødé ✓", "%2e%2e", "a?b#c&d", "n" * 1024, "sp ace", "/lead",
             "trail/", "a//b"]
    for name in names:
        bucket.put(name, name.encode())
    for name in names:
        assert bucket.bytes(name) == name.encode()
    assert [item["name"] for item in bucket.list()["items"]] == sorted(names, key=str.encode)
    for path in (emulator.data / "storage" / bucket.name).iterdir():
        assert len(path.name) <= 255


def test_broken_upload_leaves_nothing(bucket, emulator):
    with socket.create_connection(("127.0.0.1", emulator.port)) as connection:
        connection.sendall(f"POST /upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=x HTTP/1.1\r\n"
                           "Host: localhost\r\nContent-Length: 1000000\r\n\r\npartial".encode())
    incoming = emulator.data / "storage" / ".incoming"
    deadline = time.monotonic() + 20
    while any(incoming.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(incoming.iterdir())
    assert_error(bucket.get("x"), 404)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is not the program's")
def test_memory_does_not_grow_with_the_object(bucket, emulator):
    megabyte = os.urandom(1024 * 1024)
    assert bucket.media("big", (megabyte for _ in range(256))).json()["size"] == str(256 << 20)
    with bucket.http.get(bucket.o("big"), params={"alt": "media"}, stream=True) as answer:
        assert sum(len(piece) for piece in answer.iter_content(1 << 20)) == 256 << 20
    assert emulator.peak_rss_mib() < 64


# ---- resumable uploads ---------------------------------------------------------------------------


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
    # Bytes that are stored already are ignored, even when they differ.
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
    # Asked again, a finished session repeats its answer.
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
    """The Origin of the request that began it counts, whatever the bucket says and whoever asks then."""
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


def test_resumable_preconditions_count_at_the_end(bucket):
    session = bucket.session("r", ifGenerationMatch=0)
    bucket.put("r", b"faster")
    assert_error(bucket.chunk(session, "bytes 0-10/11", HELLO), 412)
    assert bucket.bytes("r") == b"faster"


def test_resumable_broken_off(bucket, emulator):
    """Of what arrived before the connection broke, the stored part is told, and the upload goes on behind it."""
    data = os.urandom(4 * KIB256)
    session = bucket.session("r")
    with socket.create_connection(("127.0.0.1", emulator.port)) as connection:
        connection.sendall(f"PUT {session[len(emulator.url):]} HTTP/1.1\r\nHost: localhost\r\n"
                           f"Content-Length: {len(data)}\r\n"
                           f"Content-Range: bytes 0-{len(data) - 1}/{len(data)}\r\n\r\n".encode())
        connection.sendall(data[:3 * KIB256])
    # A query waits while the broken request still holds the session, but it may also come before that.
    deadline = time.monotonic() + 20
    while "Range" not in (answer := bucket.chunk(session, f"bytes */{len(data)}")).headers:
        assert answer.status_code == 308 and time.monotonic() < deadline
        time.sleep(0.02)
    stored = int(answer.headers["Range"].rpartition("-")[2]) + 1
    assert 0 < stored <= 3 * KIB256
    rest = bucket.chunk(session, f"bytes {stored}-{len(data) - 1}/{len(data)}", data[stored:])
    assert rest.status_code == 200, rest.text
    assert bucket.bytes("r") == data


# ---- preconditions ---------------------------------------------------------------------------------


def test_preconditions(bucket):
    first = bucket.put("x", ifGenerationMatch=0)
    assert_error(bucket.media("x", ifGenerationMatch=0), 412, "conditionNotMet")
    assert_error(bucket.multipart({"name": "x"}, b"", ifGenerationMatch=0), 412)
    assert_error(bucket.media("absent", ifGenerationNotMatch=0), 412)
    generation = first["generation"]
    other = str(int(generation) - 1)
    assert bucket.get("x", ifGenerationMatch=generation).status_code == 200
    assert_error(bucket.get("x", ifGenerationMatch=other), 412)
    assert bucket.get("x", ifGenerationNotMatch=generation).status_code == 304
    assert bucket.get("x", alt="media", ifGenerationNotMatch=generation).status_code == 304
    assert bucket.get("x", ifMetagenerationNotMatch=1).status_code == 304
    assert_error(bucket.get("x", ifMetagenerationMatch=2), 412)
    assert bucket.get("x", generation=generation).status_code == 200
    assert_error(bucket.get("x", generation=other), 404)
    for request in (bucket.http.patch, bucket.http.put):
        assert_error(request(bucket.o("x"), params={"ifMetagenerationMatch": 7}, json={}), 412)
    assert_error(bucket.http.delete(bucket.o("x"), params={"ifGenerationMatch": other}), 412)
    assert_error(bucket.http.delete(bucket.o("x"), params={"ifGenerationNotMatch": generation}), 412)
    assert bucket.http.delete(bucket.o("x"), params={"ifGenerationMatch": generation}).status_code == 204
    assert_error(bucket.http.delete(bucket.o("x")), 404)


# ---- downloads ----------------------------------------------------------------------------------------


def paths_of(bucket, name):
    return [bucket.o(name) + "?alt=media", bucket.o(name, "/download/storage/v1") + "?alt=media",
            bucket.o(name, "") + "?alt=media", f"{bucket.url}/{bucket.name}/{urllib.parse.quote(name)}"]


def test_download(bucket):
    resource = bucket.put("a/ü b")
    for url in paths_of(bucket, "a/ü b"):
        answer = bucket.http.get(url)
        assert (answer.status_code, answer.content) == (200, HELLO)
        assert answer.headers["x-goog-hash"] == f"crc32c={HELLO_CRC32C},md5={HELLO_MD5}"
        assert answer.headers["x-goog-generation"] == resource["generation"]
        assert answer.headers["x-goog-metageneration"] == "1"
        assert answer.headers["x-goog-stored-content-length"] == "11"
        assert answer.headers["ETag"] == resource["etag"]
        assert answer.headers["Content-Type"] == "text/plain"
        head = bucket.http.head(url)
        assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "11")
        assert head.headers["x-goog-generation"] == resource["generation"]


@pytest.mark.parametrize("value,status,content,content_range", [
    ("bytes=0-4", 206, b"hello", "bytes 0-4/11"), ("bytes=6-", 206, b"world", "bytes 6-10/11"),
    ("bytes=-5", 206, b"world", "bytes 6-10/11"), ("bytes=6-99", 206, b"world", "bytes 6-10/11"),
    ("bytes=-99", 206, HELLO, "bytes 0-10/11"), ("bytes=4-2", 200, HELLO, None), ("lines=1-2", 200, HELLO, None),
    ("bytes=11-", 416, None, "bytes */11"), ("bytes=99-100", 416, None, "bytes */11")])
def test_download_range(bucket, value, status, content, content_range):
    bucket.put("x")
    for url in paths_of(bucket, "x"):
        answer = bucket.http.get(url, headers={"Range": value})
        assert answer.status_code == status
        assert answer.headers.get("Content-Range") == content_range
        if content is None:
            assert_error(answer, 416)
        else:
            assert answer.content == content


def test_download_missing(bucket):
    for url in paths_of(bucket, "none"):
        assert_error(bucket.http.get(url), 404, "notFound")


def test_reader_keeps_its_generation(bucket):
    old, new = os.urandom(8 << 20), b"new"
    bucket.put("x", old)
    with bucket.http.get(bucket.o("x"), params={"alt": "media"}, stream=True) as answer:
        pieces = answer.iter_content(1 << 16)
        received = next(pieces)
        Bucket.put(bucket_of(bucket), "x", new)
        assert received + b"".join(pieces) == old
    assert bucket.bytes("x") == new


def bucket_of(bucket):
    """The same bucket over another connection."""
    other = object.__new__(Bucket)
    other.url, other.name, other.http = bucket.url, bucket.name, requests.Session()
    return other


def test_xml_put(bucket):
    url = f"{bucket.url}/{bucket.name}/dir/x%20y"
    answer = bucket.http.put(url, data=HELLO, headers={"Content-Type": "audio/flac", "x-goog-meta-a": "b",
                                                       "Content-MD5": HELLO_MD5})
    assert answer.status_code == 200, answer.text
    resource = bucket.get("dir/x y").json()
    assert resource["contentType"] == "audio/flac" and resource["metadata"] == {"a": "b"}
    assert_error(bucket.http.put(url, data=HELLO, headers={"x-goog-if-generation-match": "0"}), 412)
    assert_error(bucket.http.put(url, data=HELLO, headers={"X-Goog-Hash": "crc32c=AAAAAA=="}), 400)
    start = bucket.http.post(f"{bucket.url}/{bucket.name}/r", headers={"x-goog-resumable": "start",
                                                                       "Content-Type": "audio/ogg"})
    assert start.status_code == 201
    assert bucket.http.put(start.headers["Location"], data=HELLO).status_code == 200
    assert bucket.get("r").json()["contentType"] == "audio/ogg"
    assert_error(bucket.http.post(f"{bucket.url}/{bucket.name}/r"), 400)
    assert bucket.http.delete(url).status_code == 204


# ---- metadata, list --------------------------------------------------------------------------------------


def test_cors_of_a_bucket(bucket):
    """The XML API goes by the bucket's rules: what is not allowed shows by headers that are not there."""
    rules = [{"origin": ["https://a.example"], "method": ["GET", "PUT"], "responseHeader": ["Content-Type", "X-Goog-Hash"],
              "maxAgeSeconds": 60}, {"origin": ["*"], "method": ["HEAD"]}]
    assert bucket.http.patch(f"{bucket.url}/storage/v1/b/{bucket.name}", json={"cors": rules}).status_code == 200
    bucket.put("x")
    url = f"{bucket.url}/{bucket.name}/x"

    def preflight(origin, method, headers=None):
        asked = {"Access-Control-Request-Headers": headers} if headers else {}
        answer = bucket.http.options(url, headers={"Origin": origin, "Access-Control-Request-Method": method, **asked})
        assert answer.status_code == 200
        return answer.headers

    allowed = preflight("https://a.example", "PUT", "content-type, x-goog-hash")
    assert allowed["Access-Control-Allow-Origin"] == "https://a.example" and allowed["Access-Control-Max-Age"] == "60"
    assert allowed["Access-Control-Allow-Methods"] == "GET, PUT" and allowed["Access-Control-Allow-Headers"] == "Content-Type, X-Goog-Hash"
    assert preflight("https://b.example", "HEAD")["Access-Control-Allow-Origin"] == "*"
    for refused in (("https://b.example", "PUT"), ("https://a.example", "DELETE"), ("https://a.example", "PUT", "x-other")):
        assert "Access-Control-Allow-Origin" not in preflight(*refused)
    for origin, path, status, allowed in [("https://a.example", url, 200, "https://a.example"), ("https://b.example", url, 200, None),
                                          ("https://a.example", url + "-missing", 404, "https://a.example")]:
        answer = bucket.http.get(path, headers={"Origin": origin})
        assert answer.status_code == status and answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert answer.headers.get("Access-Control-Expose-Headers") == (allowed and "Content-Type, X-Goog-Hash")
    assert "Access-Control-Allow-Origin" not in bucket.http.get(url).headers
    assert_error(bucket.http.options(url), 400)


def test_patch_and_update(bucket):
    first = bucket.multipart({"name": "x", "metadata": {"a": "1", "b": "2"}, "cacheControl": "no-store"}, HELLO).json()
    patched = bucket.http.patch(bucket.o("x"), json={"metadata": {"a": None, "c": "3"}, "contentType": "a/b"}).json()
    assert patched["metadata"] == {"b": "2", "c": "3"} and patched["cacheControl"] == "no-store"
    assert patched["metageneration"] == "2" and patched["generation"] == first["generation"]
    assert patched["contentType"] == "a/b" and patched["md5Hash"] == HELLO_MD5
    updated = bucket.http.put(bucket.o("x"), json={"contentType": "c/d"}).json()
    assert "metadata" not in updated and "cacheControl" not in updated and updated["metageneration"] == "3"
    assert_error(bucket.http.patch(bucket.o("x"), json={"metadata": {"a": 5}}), 400)
    assert_error(bucket.http.patch(bucket.o("x"), data="{"), 400)
    assert_error(bucket.http.patch(bucket.o("none"), json={}), 404)
    assert bucket.bytes("x") == HELLO
    assert bucket.get("x", fields="name,size").json()["name"] == "x"


def test_list(bucket):
    assert "items" not in bucket.list()
    for name in ["b/2", "a", "b/1", "c", "b/x/1"]:
        bucket.put(name, b"")

    def names(**params):
        return [item["name"] for item in bucket.list(**params).get("items", [])]

    assert names() == ["a", "b/1", "b/2", "b/x/1", "c"]
    assert names(prefix="b/") == ["b/1", "b/2", "b/x/1"]
    assert names(startOffset="b/2", endOffset="c") == ["b/2", "b/x/1"]
    folded = bucket.list(delimiter="/")
    assert [item["name"] for item in folded["items"]] == ["a", "c"] and folded["prefixes"] == ["b/"]
    assert bucket.list(delimiter="/", prefix="b/")["prefixes"] == ["b/x/"]
    entries, token = [], None
    while True:
        page = bucket.list(delimiter="/", maxResults=1, **({"pageToken": token} if token else {}))
        entries += [item["name"] for item in page.get("items", [])] + page.get("prefixes", [])
        token = page.get("nextPageToken")
        if not token:
            break
    assert entries == ["a", "b/", "c"]
    answer = bucket.http.get(f"{bucket.url}/storage/v1/b/{bucket.name}/o?pageToken=!!")
    assert_error(answer, 400)
    assert_error(bucket.http.get(f"{bucket.url}/storage/v1/b/there-is-none/o"), 404)


def test_compose(bucket):
    generation = bucket.put("1", b"one")["generation"]
    bucket.put("2", b"two")
    url = bucket.o("dest/inside") + "/compose"
    request = {"sourceObjects": [{"name": "1", "generation": generation}, {"name": "2"}, {"name": "1"}],
               "destination": {"contentType": "text/x"}}
    answer = bucket.http.post(url, json=request)
    assert answer.status_code == 200, answer.text
    resource = answer.json()
    assert resource["componentCount"] == 3 and "md5Hash" not in resource and resource["contentType"] == "text/x"
    assert bucket.bytes("dest/inside") == b"onetwoone"
    assert bucket.get("dest/inside", alt="media").headers["x-goog-hash"] == f"crc32c={resource['crc32c']}"
    nested = bucket.http.post(url, json={"sourceObjects": [{"name": "dest/inside"}, {"name": "2"}]}).json()
    assert nested["componentCount"] == 4
    assert_error(bucket.http.post(url, params={"ifGenerationMatch": 0}, json=request), 412)
    wrong = {"name": "1", "objectPreconditions": {"ifGenerationMatch": "7"}}
    assert_error(bucket.http.post(url, json={"sourceObjects": [wrong]}), 412)
    assert_error(bucket.http.post(url, json={"sourceObjects": [{"name": "none"}]}), 404)
    assert_error(bucket.http.post(url, json={"sourceObjects": [{"name": "1"}] * 33}), 400)
    assert bucket.http.post(url, json={"sourceObjects": [{"name": "1"}] * 32}).status_code == 200
    assert_error(bucket.http.post(url, json={"sourceObjects": []}), 400)


def test_rewrite_and_copy(bucket):
    other = Bucket(bucket.url)
    source = bucket.multipart({"name": "a/1", "metadata": {"k": "v"}}, HELLO).json()
    target = f"/b/{other.name}/o/{urllib.parse.quote('b/2', safe='')}"
    answer = bucket.http.post(bucket.o("a/1") + "/rewriteTo" + target)
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result["done"] is True and result["totalBytesRewritten"] == result["objectSize"] == "11"
    assert result["resource"]["metadata"] == {"k": "v"} and other.bytes("b/2") == HELLO
    copied = bucket.http.post(bucket.o("a/1") + "/copyTo" + target, json={"contentType": "new/type"}).json()
    assert copied["contentType"] == "new/type" and copied["md5Hash"] == HELLO_MD5
    assert_error(bucket.http.post(bucket.o("a/1") + "/rewriteTo" + target, params={"ifGenerationMatch": 0}), 412)
    wrong = {"ifSourceGenerationMatch": int(source["generation"]) + 1}
    assert bucket.http.post(bucket.o("a/1") + "/rewriteTo" + target, params=wrong).status_code in (304, 412)
    assert_error(bucket.http.post(bucket.o("none") + "/rewriteTo" + target), 404)


def hammer(bucket, seed, faults):
    """Reads and writes a few names at random; every body is one byte repeated, so a mixture shows."""
    chance, mine = random.Random(seed), bucket_of(bucket)
    byte = bytes([65 + seed])
    actions = [
        lambda name: mine.media(name, byte * chance.randrange(1, 200000)),
        lambda name: mine.media(name, byte, ifGenerationMatch=0),
        lambda name: mine.chunk(mine.session(name), "bytes 0-*/*", byte * 300000),
        lambda name: mine.get(name, alt="media"),
        lambda name: mine.http.patch(mine.o(name), json={"metadata": {"k": str(seed)}}),
        lambda name: mine.http.delete(mine.o(name)),
        lambda name: mine.http.get(mine.o("")[:-1]),
    ]
    for _ in range(60):
        action = chance.choice(actions)
        answer = action(f"o{chance.randrange(4)}")
        if answer.status_code not in (200, 204, 404, 412):
            faults.append(answer.text)
        elif action is actions[3] and answer.status_code == 200 and len(set(answer.content)) != 1:
            faults.append("a body is mixed of two")


def test_many_at_once(bucket):
    faults = []
    threads = [threading.Thread(target=hammer, args=(bucket, seed, faults)) for seed in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    for item in bucket.list().get("items", []):
        assert len(bucket.bytes(item["name"])) == int(item["size"])


# ---- restarts ------------------------------------------------------------------------------------------------


def test_restart_finds_everything(tmp_path):
    emulator = emulator_program(tmp_path).start()
    try:
        bucket = Bucket(emulator.url)
        bucket.put("a/b", b"old")
        resource = bucket.put("a/b", HELLO)
        session = bucket.session("r", {"contentType": "audio/mpeg"})
        bucket.chunk(session, f"bytes 0-{KIB256 - 1}/*", bytes(KIB256))
        certificates = requests.get(f"{emulator.url}/oauth2/v1/certs").json()
        emulator.kill()
        stray = emulator.data / "storage" / bucket.name / ("0" * 64 + ".123")
        stray.write_bytes(b"left by a crash")
        emulator.start()
        bucket.http = requests.Session()
        assert bucket.get("a/b").json() == resource and bucket.bytes("a/b") == HELLO
        assert [item["name"] for item in bucket.list()["items"]] == ["a/b"]
        assert not stray.exists()
        answer = bucket.chunk(session, "bytes */*")
        assert answer.status_code == 308 and answer.headers["Range"] == f"bytes=0-{KIB256 - 1}"
        answer = bucket.chunk(session, f"bytes {KIB256}-{KIB256 + 10}/{KIB256 + 11}", HELLO)
        assert answer.status_code == 200, answer.text
        expected = bytes(KIB256) + HELLO
        assert answer.json()["md5Hash"] == base64.b64encode(hashlib.md5(expected).digest()).decode()
        assert answer.json()["contentType"] == "audio/mpeg" and bucket.bytes("r") == expected
        assert requests.get(f"{emulator.url}/oauth2/v1/certs").json() == certificates
    finally:
        status = emulator.stop()
    assert status == 0 and not emulator.sanitizer_report()


def test_one_emulator_per_directory(emulator, tmp_path):
    second = emulator_program(tmp_path)
    second.env["DATA_DIR"] = str(emulator.data)
    with pytest.raises(AssertionError, match="another emulator is using"):
        second.start()


# ---- metadata server and IAM -------------------------------------------------------------------------------------

FLAVOR = {"Metadata-Flavor": "Google"}


def metadata(emulator, path, headers=FLAVOR, **params):
    return requests.get(f"{emulator.url}/computeMetadata/v1/{path}", headers=headers, params=params)


def decode(token):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def test_metadata_server(emulator):
    answer = metadata(emulator, "instance/service-accounts/default/token")
    assert answer.headers["Metadata-Flavor"] == "Google"
    assert answer.json()["token_type"] == "Bearer" and answer.json()["access_token"]
    assert 0 < answer.json()["expires_in"] <= 3600
    email = metadata(emulator, "instance/service-accounts/default/email").text
    tree = metadata(emulator, "instance/service-accounts/default/", recursive="true").json()
    assert tree["email"] == email and tree["scopes"] and tree["aliases"] == ["default"]
    assert metadata(emulator, "project/numeric-project-id").text.isdigit()
    assert metadata(emulator, "project/project-id").text == emulator.env["GOOGLE_CLOUD_PROJECT"]
    assert metadata(emulator, "instance/region").text.split("/")[-1] == "us-central1"
    assert metadata(emulator, "instance/id").text
    assert metadata(emulator, "project", recursive="true").json()["projectId"]
    assert "default/" in metadata(emulator, "instance/service-accounts/").text
    assert metadata(emulator, "instance/nothing").status_code == 404
    refused = metadata(emulator, "project/project-id", headers={})
    assert refused.status_code == 403 and refused.headers["Metadata-Flavor"] == "Google"


def test_identity_token(emulator):
    answer = metadata(emulator, "instance/service-accounts/default/identity", audience="https://a.example/",
                      format="full")
    head, claims = decode(answer.text)
    certificates = requests.get(f"{emulator.url}/oauth2/v1/certs")
    assert "max-age=" in certificates.headers["Cache-Control"] and "public" in certificates.headers["Cache-Control"]
    assert head["alg"] == "RS256" and head["typ"] == "JWT" and head["kid"] in certificates.json()
    assert "BEGIN CERTIFICATE" in certificates.json()[head["kid"]]
    assert claims["aud"] == "https://a.example/" and claims["iss"] == "https://accounts.google.com"
    assert claims["email"] == metadata(emulator, "instance/service-accounts/default/email").text
    assert claims["email_verified"] is True and claims["sub"].isdigit() and claims["azp"] == claims["sub"]
    assert claims["exp"] - claims["iat"] == 3600
    assert metadata(emulator, "instance/service-accounts/default/identity").status_code == 400


def openssl_verifies(certificate, data, signature, directory):
    (directory / "certificate.pem").write_text(certificate)
    (directory / "signature").write_bytes(signature)
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout", "-in", directory / "certificate.pem"],
                         capture_output=True, check=True).stdout
    (directory / "key.pem").write_bytes(key)
    return subprocess.run(["openssl", "dgst", "-sha256", "-verify", directory / "key.pem", "-signature",
                           directory / "signature"], input=data, capture_output=True, check=False).returncode == 0


def test_sign_blob(emulator, tmp_path):
    url = f"{emulator.url}/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:signBlob"
    answer = requests.post(url, json={"payload": base64.b64encode(HELLO).decode()}).json()
    certificates = requests.get(f"{emulator.url}/oauth2/v1/certs").json()
    signature = base64.b64decode(answer["signedBlob"])
    assert openssl_verifies(certificates[answer["keyId"]], HELLO, signature, tmp_path)
    refused = requests.post(url, json={})
    assert refused.status_code == 400 and refused.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_token_endpoint(emulator):
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    answer = requests.post(f"{emulator.url}/token", data=grant)
    assert answer.status_code == 200 and answer.json()["token_type"] == "Bearer" and answer.json()["access_token"]
    refused = requests.post(f"{emulator.url}/token", data={**grant, "grant_type": "password"})
    assert refused.status_code == 400 and refused.json()["error"] == "unsupported_grant_type"
    assert requests.post(f"{emulator.url}/token", data={"grant_type": grant["grant_type"]}).status_code == 400


# ---- Google's own client -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def node_client():
    """build/node with Google's clients, as locked in tests/e2e/node."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    source, target = ROOT / "tests" / "e2e" / "node", ROOT / "build" / "node"
    target.mkdir(parents=True, exist_ok=True)
    lock = (source / "package-lock.json").read_bytes()
    installed = target / "package-lock.json"
    if not (installed.exists() and installed.read_bytes() == lock and (target / "node_modules").exists()):
        shutil.copy(source / "package.json", target)
        shutil.copy(source / "package-lock.json", target)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=target,
                              capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            installed.unlink()
            pytest.skip(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return target


@pytest.mark.parametrize("environment", [{}, {"BY_ENVIRONMENT": "1"}], ids=["apiEndpoint", "STORAGE_EMULATOR_HOST"])
def test_google_node_client(emulator, node_client, environment):
    script = shutil.copy(ROOT / "tests" / "e2e" / "node" / "storage.test.mjs", node_client)
    # The client asks the metadata server for a token first, as it would on Cloud Run.
    settings = {**os.environ, "EMULATOR_URL": emulator.url, "GCE_METADATA_HOST": f"127.0.0.1:{emulator.port}",
                "SIGNING_KEY": (emulator.data / "identity" / "key.pem").read_text(), **environment}
    if environment:
        settings["STORAGE_EMULATOR_HOST"] = emulator.url
    done = subprocess.run(["node", "--test", script], cwd=node_client, env=settings, capture_output=True, text=True,
                          timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
