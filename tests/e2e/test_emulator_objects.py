"""The emulator's Cloud Storage: metadata, CORS, list, compose, copy, and many requests at once."""

import base64
import hashlib
import random
import threading
import urllib.parse

import pytest

from harness.bucket import HELLO, Bucket, assert_error

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]

HELLO_MD5 = base64.b64encode(hashlib.md5(HELLO).digest()).decode()


@pytest.fixture
def bucket(emulator):
    return Bucket(emulator.url)


def test_cors_of_a_bucket(bucket):
    """The XML API follows the rules of the bucket: a refused request gets no CORS headers."""
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


def test_some_fields(bucket):
    """An upload that does not ask for the MD5 has none, unless it names one itself; every other answer can be partial as well."""
    wanted = "size,generation,crc32c,contentType"
    crc32c = bucket.put("all")["crc32c"]
    for answer in (bucket.media("media", fields=wanted), bucket.multipart({"name": "multipart"}, HELLO, fields=wanted)):
        resource = answer.json()
        assert sorted(resource) == sorted(wanted.split(",")) and resource["size"] == "11" and resource["crc32c"] == crc32c
    session = bucket.session("session", fields=wanted)
    assert "md5Hash" not in bucket.chunk(session, "bytes 0-10/11", HELLO).json()
    assert "md5Hash" not in bucket.get("session").json() and bucket.bytes("session") == HELLO
    assert bucket.get("media", alt="media").headers["x-goog-hash"] == f"crc32c={crc32c}"
    named = bucket.session("named", fields=wanted)
    wrong = base64.b64encode(bytes(16)).decode()
    assert_error(bucket.chunk(named, "bytes 0-10/11", HELLO, {"X-Goog-Hash": f"md5={wrong}"}), 400)
    named = bucket.session("named", fields=wanted)
    answer = bucket.chunk(named, "bytes 0-10/11", HELLO, {"X-Goog-Hash": f"md5={HELLO_MD5}"})
    assert answer.status_code == 200 and bucket.get("named").json()["md5Hash"] == HELLO_MD5
    assert bucket.get("all", fields="md5Hash").json() == {"md5Hash": HELLO_MD5}
    assert bucket.get("all", fields="acl/role").json()["name"] == "all"
    source = {"sourceObjects": [{"name": "media"}, {"name": "named"}]}
    composed = bucket.http.post(bucket.o("composed") + "/compose", json=source).json()
    assert bucket.bytes("composed") == 2 * HELLO and composed["crc32c"] == bucket.put("twice", 2 * HELLO)["crc32c"]


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


def hammer(bucket, seed, errors):
    """Reads and writes a few names at random. Each body repeats one byte, so that a mixture is detected."""
    chance, mine = random.Random(seed), bucket.again()
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
            errors.append(answer.text)
        elif action is actions[3] and answer.status_code == 200 and len(set(answer.content)) != 1:
            errors.append("a body is a mixture of two")


def test_many_at_once(bucket):
    errors = []
    threads = [threading.Thread(target=hammer, args=(bucket, seed, errors)) for seed in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for item in bucket.list().get("items", []):
        assert len(bucket.bytes(item["name"])) == int(item["size"])
