"""What the emulator does not speak: 501 with the name of the route, the parameter or the header, never another route's answer."""

import socket
import urllib.parse

import pytest
import requests

from harness.bucket import HELLO, Bucket, assert_error

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]

OBJECT = "/storage/v1/b/{bucket}/o/x"
ROUTES = [
    ("POST", f"{OBJECT}/moveTo/o/y", "POST b/{}/o/{}/moveTo"),
    ("GET", f"{OBJECT}/acl", "GET b/{}/o/{}/acl"),
    ("PUT", f"{OBJECT}/acl/allUsers", "PUT b/{}/o/{}/acl"),
    ("POST", f"{OBJECT}/restore", "POST b/{}/o/{}/restore"),
    ("GET", f"{OBJECT}/iam", "GET b/{}/o/{}/iam"),
    ("GET", "/storage/v1/b/{bucket}/acl", "GET b/{}/acl"),
    ("POST", "/storage/v1/b/{bucket}/defaultObjectAcl", "POST b/{}/defaultObjectAcl"),
    ("GET", "/storage/v1/b/{bucket}/notificationConfigs", "GET b/{}/notificationConfigs"),
    ("DELETE", "/b/{bucket}/notificationConfigs/7", "DELETE b/{}/notificationConfigs"),
    ("POST", "/storage/v1/b/{bucket}/managedFolders", "POST b/{}/managedFolders"),
    ("GET", "/storage/v1/b/{bucket}/folders", "GET b/{}/folders"),
    ("PUT", "/storage/v1/b/{bucket}/iam", "PUT b/{}/iam"),
    ("PUT", "/storage/v1/b/{bucket}", "PUT b/{}"),
    ("POST", "/storage/v1/b/{bucket}/o/watch", "POST b/{}/o/{}"),
    ("GET", "/storage/v1/projects/p/hmacKeys", "GET projects/{}/hmacKeys"),
    ("GET", "/projects/p/serviceAccount", "GET projects/{}/serviceAccount"),
    ("POST", "/storage/v1/channels/stop", "POST channels"),
    ("POST", "/batch/storage/v1", "POST batch/storage/v1"),
    ("GET", "/{bucket}", "GET /{bucket} of the XML API"),
    ("GET", "/v1/projects/p/snapshots", "GET v1/projects/{}/snapshots"),
    ("GET", "/v1/projects/p/topics/ttt:getIamPolicy", "GET v1/projects/{}/topics/{}:getIamPolicy"),
    ("POST", "/v1/projects/-/serviceAccounts/a@b:signJwt", "POST v1/projects/{}/serviceAccounts/{}:signJwt"),
    ("GET", "/v1/projects/p/locations", "GET v1/projects/{}/locations"),
]
LIST = "/storage/v1/b/{bucket}/o"
PARAMETERS = [
    ("GET", f"{LIST}?matchGlob=**.mp3", "matchGlob of storage.objects.list"),
    ("GET", f"{LIST}?softDeleted=true", "softDeleted=true of storage.objects.list"),
    ("GET", f"{LIST}?filter=x&prefix=a", "filter of storage.objects.list"),
    ("GET", f"{LIST}?alt=media", "alt=media of storage.objects.list"),
    ("GET", f"{OBJECT}?alt=proto", "alt=proto of storage.objects.get"),
    ("GET", f"{OBJECT}?restoreToken=1", "restoreToken of storage.objects.get"),
    ("GET", "/storage/v1/b/{bucket}?ifMetagenerationMatch=7", "ifMetagenerationMatch of storage.buckets.get"),
    ("POST", "/upload/storage/v1/b/{bucket}/o?uploadType=media&name=n&predefinedAcl=publicRead", "predefinedAcl=publicRead of storage.objects.insert"),
    ("POST", "/upload/storage/v1/b/{bucket}/o?uploadType=media&name=n&kmsKeyName=k", "kmsKeyName of storage.objects.insert"),
    ("POST", f"{OBJECT}/compose?kmsKeyName=k", "kmsKeyName of storage.objects.compose"),
    ("GET", "/{bucket}/x?acl", "acl of GET Object (XML API)"),
    ("POST", "/{bucket}/x?uploads", "uploads of POST Object (XML API)"),
    ("PUT", "/{bucket}/x?partNumber=1&uploadId=u", "partNumber of PUT Object (XML API)"),
    ("GET", "/v1/projects/p/topics?view=FULL", "view of pubsub.projects.topics.list"),
    ("GET", "/computeMetadata/v1/?wait_for_change=true", "wait_for_change=true of the metadata server"),
    ("GET", f"{LIST}?%F0%9F%8E%B5=1", "\U0001F3B5 of storage.objects.list"),
]


@pytest.fixture(scope="module")
def bucket(emulator):
    made = Bucket(emulator.url)
    made.put("x")
    return made


def ask(bucket, method, path, **more):
    return requests.request(method, bucket.url + path.replace("{bucket}", bucket.name), **more)


@pytest.mark.parametrize("method,path,name", ROUTES, ids=[name for _, _, name in ROUTES])
def test_routes(bucket, method, path, name):
    for body in (None, {"some": "json"}):
        answer = ask(bucket, method, path, json=body)
        assert_error(answer, 501, "notImplemented")
        assert answer.json()["error"]["message"] == f"The emulator does not speak {name}."
    assert bucket.bytes("x") == HELLO


@pytest.mark.parametrize("method,path,name", PARAMETERS, ids=[name for _, _, name in PARAMETERS])
def test_parameters(bucket, method, path, name):
    answer = ask(bucket, method, path, headers={"Metadata-Flavor": "Google"}, data=HELLO if method != "GET" else None)
    assert_error(answer, 501, "notImplemented")
    assert answer.json()["error"]["message"] == f"The emulator does not speak the parameter {name}."
    assert_error(bucket.get("n"), 404)


def test_headers(bucket):
    for header in ("x-goog-encryption-algorithm", "x-goog-copy-source"):
        answer = ask(bucket, "PUT", "/{bucket}/n", headers={header: "AES256"}, data=HELLO)
        assert_error(answer, 501, "notImplemented")
        assert answer.json()["error"]["message"].startswith(f"The emulator does not speak the header {header} of ")
    assert_error(bucket.get("n"), 404)


def test_features_of_buckets(bucket):
    for feature in ("versioning", "hierarchicalNamespace"):
        for method, path in (("POST", "/storage/v1/b?project=p"), ("PATCH", "/storage/v1/b/{bucket}")):
            answer = ask(bucket, method, path, json={"name": "bucket-with-features", feature: {"enabled": True}})
            assert_error(answer, 501, "notImplemented")
            assert f"{feature}.enabled=true" in answer.json()["error"]["message"]
        assert ask(bucket, "PATCH", "/storage/v1/b/{bucket}", json={feature: {"enabled": False}}).status_code == 200


@pytest.mark.parametrize("query", ["matchGlob=%00", "%00=1", "=1", "&".join(["prefix=x"] * 64) + "&matchGlob=*"])
def test_queries_that_cannot_be_read(bucket, query):
    """The server drops such parameters, which must not count as absent."""
    assert_error(ask(bucket, "GET", f"{LIST}?{query}"), 400)


def test_parameters_that_change_nothing(bucket):
    always = {"alt": "json", "prettyPrint": "false", "fields": "items(name)", "projection": "full", "userProject": "p", "quotaUser": "q",
              "key": "k", "$.xgafv": "2", "access_token": "t", "softDeleted": "False", "versions": "True", "includeFoldersAsPrefixes": "true"}
    assert [item["name"] for item in bucket.list(**always)["items"]] == ["x"]
    inserted = bucket.media("own", predefinedAcl="private", contentEncoding="gzip")
    assert inserted.status_code == 200 and inserted.json()["contentEncoding"] == "gzip"
    assert bucket.http.delete(bucket.o("own")).status_code == 204


def test_layout_and_managed_folders(bucket):
    """gcloud asks for both before it lists or removes."""
    layout = ask(bucket, "GET", "/storage/v1/b/{bucket}/storageLayout?prefix=a").json()
    assert layout["kind"] == "storage#storageLayout" and layout["bucket"] == bucket.name
    assert layout["hierarchicalNamespace"] == {"enabled": False} and layout["location"] and layout["locationType"]
    assert ask(bucket, "GET", "/storage/v1/b/{bucket}/managedFolders?pageSize=10").json() == {"kind": "storage#managedFolders"}
    for path in ("storageLayout", "managedFolders"):
        assert_error(ask(bucket, "GET", f"/storage/v1/b/there-is-none/{path}"), 404, "notFound")


def test_pages_of_buckets(bucket):
    names = sorted(Bucket(bucket.url).name for _ in range(3))
    found, token = [], None
    while True:
        page = bucket.http.get(f"{bucket.url}/storage/v1/b", params={"project": "p", "prefix": "bucket-", "maxResults": 1, "pageToken": token}).json()
        assert len(page["items"]) == 1
        found += [item["name"] for item in page["items"]]
        token = page.get("nextPageToken")
        if not token:
            break
    assert found == sorted(found) and len(set(found)) == len(found) and set(names) <= set(found)


def test_null_bodies(bucket):
    """Google's Go client, as in rclone, sends "null" for a resource that it does not set."""
    source = bucket.multipart({"name": "source", "contentType": "audio/ogg"}, HELLO).json()
    for action in ("rewriteTo", "copyTo"):
        answer = ask(bucket, "POST", f"/storage/v1/b/{{bucket}}/o/source/{action}/b/{{bucket}}/o/{action}", data="null\n",
                     headers={"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        copied = bucket.get(action).json()
        assert (copied["md5Hash"], copied["contentType"]) == (source["md5Hash"], "audio/ogg")
    start = bucket.http.post(bucket.upload_url, params={"uploadType": "resumable", "name": "session"}, data="null")
    assert bucket.http.put(start.headers["Location"], data=HELLO).json()["size"] == "11"
    for body in ("[]", "1", "nul", '"null"'):
        assert_error(bucket.http.patch(bucket.o("x"), data=body), 400)


def test_multipart_with_bare_line_feeds(bucket):
    body = (b'--===\nContent-Type: application/json\nMIME-Version: 1.0\n\n{"name": "lf"}\n--===\n'
            b"Content-Type: audio/ogg\nContent-Transfer-Encoding: binary\n\n\r\nbytes\r\n--===--")
    answer = bucket.http.post(bucket.upload_url + "?uploadType=multipart", data=body,
                              headers={"Content-Type": "multipart/related; boundary='==='"})
    assert answer.status_code == 200, answer.text
    assert bucket.bytes("lf") == b"\r\nbytes\r" and answer.json()["contentType"] == "audio/ogg"


def test_resumable_below_resumable(bucket):
    """gcloud has a path of its own for resumable uploads."""
    url = f"{bucket.url}/resumable/upload/storage/v1/b/{bucket.name}/o?alt=json&uploadType=resumable"
    start = bucket.http.post(url, json={"name": "gcloud"})
    assert start.status_code == 200
    session = start.headers["Location"]
    again = url + "&" + urllib.parse.urlsplit(session).query.split("&", 1)[1]
    assert bucket.chunk(again, "bytes */*").status_code == 308
    assert bucket.chunk(session, "bytes 0-10/11", HELLO).json()["name"] == "gcloud"
    assert bucket.http.delete(again).status_code == 499


def test_grpc(emulator):
    """An HTTP/2 preface, as of a gRPC client, is answered in words, and logged, as few such clients show the answer."""
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 505 ") and b"gRPC" in body and b"HTTP/1.1" in body
    assert "gRPC" in emulator.log()
