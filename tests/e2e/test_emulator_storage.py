"""The emulator's Cloud Storage, tested by its REST API: buckets, uploads in one request, downloads, restarts."""

import base64
import hashlib
import os
import socket
import time
import urllib.parse

import pytest
import requests

from harness.bucket import HELLO, Bucket, assert_error
from harness.paths import SANITIZED
from harness.stack import emulator_program

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]

KIB256 = 256 * 1024
HELLO_MD5 = base64.b64encode(hashlib.md5(HELLO).digest()).decode()
HELLO_CRC32C = "yZRlqg=="


@pytest.fixture
def bucket(emulator):
    return Bucket(emulator.url)


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


def test_names_are_not_paths(bucket, emulator):
    names = ["../../../../tmp/evil", "a/../b", "ünï/cødé ✓", "%2e%2e", "a?b#c&d", "n" * 1024, "sp ace", "/lead",
             "trail/", "a//b"]
    for name in names:
        bucket.put(name, name.encode())
    for name in names:
        assert bucket.bytes(name) == name.encode()
    assert [item["name"] for item in bucket.list()["items"]] == sorted(names, key=str.encode)
    for path in (emulator.data / "storage" / bucket.name).iterdir():
        assert len(path.name) <= 255


def test_broken_upload_leaves_no_object(bucket, emulator):
    with socket.create_connection(("127.0.0.1", emulator.port)) as connection:
        connection.sendall(f"POST /upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=x HTTP/1.1\r\n"
                           "Host: localhost\r\nContent-Length: 1000000\r\n\r\npartial".encode())
    incoming = emulator.data / "storage" / ".incoming"
    deadline = time.monotonic() + 20
    while any(incoming.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(incoming.iterdir())
    assert_error(bucket.get("x"), 404)


@pytest.mark.measured
@pytest.mark.skipif(SANITIZED, reason="sanitizers change how much memory a program needs")
def test_memory_does_not_grow_with_the_object(tmp_path):
    emulator = emulator_program(tmp_path).start()
    try:
        bucket, megabyte = Bucket(emulator.url), os.urandom(1 << 20)
        assert bucket.media("big", (megabyte for _ in range(256))).json()["size"] == str(256 << 20)
        with bucket.http.get(bucket.o("big"), params={"alt": "media"}, stream=True) as answer:
            assert sum(len(block) for block in answer.iter_content(1 << 20)) == 256 << 20
        assert emulator.peak_rss_mib() < 64
    finally:
        emulator.kill()


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
        blocks = answer.iter_content(1 << 16)
        received = next(blocks)
        bucket.again().put("x", new)
        assert received + b"".join(blocks) == old
    assert bucket.bytes("x") == new


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
    assert_error(bucket.http.delete(url, params={"generation": 1}), 404)
    assert bucket.http.delete(url, params={"generation": resource["generation"]}).status_code == 204


def test_restart_keeps_everything(tmp_path):
    emulator = emulator_program(tmp_path).start()
    try:
        bucket = Bucket(emulator.url)
        bucket.put("a/b", b"old")
        resource = bucket.put("a/b", HELLO)
        session = bucket.session("r", {"contentType": "audio/mpeg"})
        bucket.chunk(session, f"bytes 0-{KIB256 - 1}/*", bytes(KIB256))
        certificates = requests.get(f"{emulator.url}/oauth2/v1/certs").json()
        emulator.kill()
        orphan = emulator.data / "storage" / bucket.name / ("0" * 64 + ".123")
        orphan.write_bytes(b"left by a crash")
        emulator.start()
        bucket.http = requests.Session()
        assert bucket.get("a/b").json() == resource and bucket.bytes("a/b") == HELLO
        assert [item["name"] for item in bucket.list()["items"]] == ["a/b"]
        assert not orphan.exists()
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
