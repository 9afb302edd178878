"""Direct uploads: a session, the bytes sent straight to storage, a task for them, and the expiry of unused uploads."""

import base64
import hashlib
import struct
import subprocess
import sys
import threading
import uuid

import pytest
import requests

from harness import direct_upload, measure
from harness.paths import ROOT, SANITIZED
from harness.stack import BUCKET
from harness.waiting import wait_for

MIB = 1 << 20


def begin(user, size, name="song.wav", content_type="audio/wav", **headers):
    """The answer of POST /api/uploads."""
    body = {"fileName": name, "size": size}
    if content_type:
        body["contentType"] = content_type
    answer = user.post("/api/uploads", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def create(user, upload, new_format="mp3"):
    return user.post("/api/tasks", json={"upload_id": upload["upload_id"], "newFormat": new_format})


def stored_object(stack, upload):
    answer = requests.get(f"{stack.emulator.url}/storage/v1/b/{BUCKET}/o/inputs%2F{upload['upload_id']}", timeout=10)
    return answer.json() if answer.status_code == 200 else None


def count(stack, table, where="true"):
    return int(stack.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])


def unclaimed(stack):
    """Names of objects that no task has (yet)."""
    return {row[0] for row in stack.sql("SELECT name FROM stray_objects")}


def wav_of(path, megabytes):
    """Writes a WAV file: 48 kHz, stereo, silence with a click at each end. Returns its duration."""
    rate, frames = 48000, megabytes * 1_000_000 // 4
    size = frames * 4
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " +
                   struct.pack("<IHHIIHH", 16, 1, 2, rate, rate * 4, 4, 16) + b"data" + struct.pack("<I", size))
        file.write(b"\x00\x40" * 200)
        file.truncate(44 + size)
        file.seek(44 + size - 400)
        file.write(b"\x00\x40" * 200)
    return frames / rate


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED, reason="sanitizers change how much memory a program needs")
def test_200_mb_interrupted_and_resumed(make_stack, tmp_path):
    stack = make_stack()
    user = stack.client()
    path = tmp_path / "big.wav"
    seconds = wav_of(path, 200)
    size = path.stat().st_size
    upload = begin(user, size, "Größe 200.wav")
    assert upload["method"] == "PUT" and upload["chunk_multiple"] == 256 * 1024

    uploader = subprocess.Popen([sys.executable, "-m", "harness.direct_upload", upload["upload_url"], path],
                                cwd=ROOT / "tests" / "e2e", stdout=subprocess.PIPE, text=True)
    for line in uploader.stdout:
        if int(line) >= size // 2:
            uploader.kill()
            break
    uploader.wait(20)
    stored = direct_upload.ask(upload["upload_url"], size)
    assert size // 2 <= stored < size, "the session knows how much is stored"
    answer = create(user, upload, "flac")
    assert answer.status_code == 409 and answer.json()["code"] == "upload_incomplete"

    sent = []
    direct_upload.upload(upload["upload_url"], path, report=sent.append)
    assert sent[0] == stored and sent[-1] == size
    md5 = hashlib.md5(path.read_bytes()).digest()
    assert stored_object(stack, upload)["md5Hash"] == base64.b64encode(md5).decode()

    answer = create(user, upload, "flac")
    assert answer.status_code == 201, answer.text
    task = user.finish(answer.json()["task"], 120)
    assert (task["original_file"], task["original_format"], task["original_size"]) == ("Größe 200.wav", "wav", size)
    result = tmp_path / "result.flac"
    user.download(task, result)
    probed = measure.probe(result)
    assert float(probed["format"]["duration"]) == pytest.approx(seconds, abs=0.05)
    assert probed["streams"][0]["codec_name"] == "flac"
    print(f"peak memory: web {stack.web.peak_rss_mib():.0f} MiB, worker {stack.worker.peak_rss_mib():.0f} MiB")
    assert stack.web.peak_rss_mib() < 150 and stack.worker.peak_rss_mib() < 100
    assert count(stack, "uploads") == 0 and not unclaimed(stack)


@pytest.mark.sanitized
@pytest.mark.parametrize("path", ["/api/uploads", "/uploads", "/api//uploads/"])
@pytest.mark.parametrize("how", ["json", "form", "multipart"])
def test_body_types_and_aliases(stack, user, media, path, how):
    data = media.tone().read_bytes()
    fields = {"fileName": "C:\\Music\\a tone.wav", "size": len(data), "contentType": "audio/wav"}
    body = {"json": {"json": fields}, "form": {"data": fields},
            "multipart": {"files": {name: (None, str(value)) for name, value in fields.items()}}}[how]
    answer = user.post(path, **body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    upload = answer.json()
    assert set(upload) == {"message", "upload_id", "upload_url", "method", "expires_at", "chunk_multiple"}
    assert direct_upload.send(upload["upload_url"], data).status_code == 200
    assert stored_object(stack, upload)["contentType"] == "audio/wav"
    made = create(user, upload)
    assert made.status_code == 201, made.text
    done = user.finish(made.json()["task"])
    assert done["original_file"] == "a tone.wav" and done["processed_file"] == "a tone.mp3"


@pytest.mark.sanitized
def test_default_content_type(stack, user):
    upload = begin(user, 1, "no extension", None)
    assert direct_upload.send(upload["upload_url"], b"x").status_code == 200
    assert stored_object(stack, upload)["contentType"] == "application/octet-stream"
    assert create(user, upload).status_code == 201


@pytest.mark.sanitized
def test_secrets_stay_out_of_the_log(stack, user):
    upload = begin(user, 3)
    direct_upload.send(upload["upload_url"], b"abc")
    create(user, upload)
    assert upload["upload_url"].rpartition("upload_id=")[2] not in stack.web.whole_log()


INVALID_FIELDS = [
    ({}, 400, "fileName"),
    ({"size": 1}, 400, "fileName"),
    ({"fileName": "a.wav"}, 400, "size"),
    ({"fileName": "a.wav", "size": None}, 400, "size"),
    ({"fileName": "", "size": 1}, 400, "fileName"),
    ({"fileName": "dir/", "size": 1}, 400, "fileName"),
    ({"fileName": 7, "size": 1}, 400, "fileName"),
    ({"fileName": ["a"], "size": 1}, 400, "fileName"),
    ({"fileName": "a\nb.wav", "size": 1}, 400, "fileName"),
    ({"fileName": "a\x7f.wav", "size": 1}, 400, "fileName"),
    ({"fileName": "a.wav", "size": 0}, 400, "size"),
    ({"fileName": "a.wav", "size": -1}, 400, "size"),
    ({"fileName": "a.wav", "size": 1.5}, 400, "size"),
    ({"fileName": "a.wav", "size": "many"}, 400, "size"),
    ({"fileName": "a.wav", "size": "1 "}, 400, "size"),
    ({"fileName": "a.wav", "size": True}, 400, "size"),
    ({"fileName": "a.wav", "size": {}}, 400, "size"),
    ({"fileName": "a.wav", "size": 1 << 50}, 413, "size"),
    ({"fileName": "a.wav", "size": "9" * 30}, 400, "size"),
    ({"fileName": "a.wav", "size": 1, "contentType": 1}, 400, "contentType"),
    ({"fileName": "a.wav", "size": 1, "contentType": ""}, 400, "contentType"),
    ({"fileName": "a.wav", "size": 1, "contentType": "audio"}, 400, "contentType"),
    ({"fileName": "a.wav", "size": 1, "contentType": "audio/wav\r\nX-Evil: 1"}, 400, "contentType"),
    ({"fileName": "a.wav", "size": 1, "contentType": "a/" + "b" * 200}, 400, "contentType"),
    ({"fileName": "a.wav", "size": 1, "object": "inputs/mine"}, 400, "object"),
    ({"fileName": "a.wav", "size": 1, "Size": 2}, 400, "Size"),
    ({"fileName": "a.wav", "size": 1, "a" + "é" * 40: 2}, 400, "a" + "é" * 29),
    ([], 400, "object"),
]


@pytest.mark.sanitized
def test_invalid_fields(stack, user):
    before = count(stack, "uploads"), len(unclaimed(stack))
    for body, status, named in INVALID_FIELDS:
        answer = user.post("/api/uploads", json=body)
        assert answer.status_code == status, (body, answer.text)
        problem = answer.json()
        assert named in problem["message"] and problem["code"], (body, problem)
    assert user.post("/api/uploads", data=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert user.post("/api/uploads", data=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert user.post("/api/uploads", data=b'{"fileName":"' + b"x" * 100_000 + b'"}',
                     headers={"Content-Type": "application/json"}).status_code == 413
    assert stack.anonymous().post("/api/uploads", json={"fileName": "a.wav", "size": 1}).status_code == 401
    assert user.request("PUT", "/api/uploads", json={}).status_code == 405
    assert (count(stack, "uploads"), len(unclaimed(stack))) == before


@pytest.mark.sanitized
def test_limit_is_a_setting(make_stack):
    user = make_stack(web_settings={"MAX_DIRECT_UPLOAD_BYTES": 1000}).client()
    begin(user, 1000)
    answer = user.post("/api/uploads", json={"fileName": "a", "size": 1001})
    assert answer.status_code == 413 and "1000" in answer.json()["message"]


@pytest.mark.sanitized
def test_upload_of_another_user(stack, user):
    upload = begin(user, 3)
    assert direct_upload.send(upload["upload_url"], b"abc").status_code == 200
    other = stack.client()
    for upload_id in (upload["upload_id"], str(uuid.uuid4())):
        answer = create(other, {"upload_id": upload_id})
        assert answer.status_code == 404 and answer.json()["code"] == "unknown_upload", answer.text
        assert "upload_id" in answer.json()["message"]
    assert other.tasks() == []
    assert create(user, upload).status_code == 201


@pytest.mark.sanitized
@pytest.mark.parametrize("upload_id", ["", "nonsense", "1", 7, None, ["a"], "../inputs/x", "x" * 5000])
def test_invalid_upload_ids(user, upload_id):
    answer = create(user, {"upload_id": upload_id})
    assert answer.status_code in (400, 404), answer.text
    assert user.tasks() == []


@pytest.mark.sanitized
def test_used_twice(user):
    upload = begin(user, 3)
    direct_upload.send(upload["upload_url"], b"abc")
    assert create(user, upload).status_code == 201
    again = create(user, upload)
    assert again.status_code == 404 and again.json()["code"] == "unknown_upload"
    assert len(user.tasks()) == 1


@pytest.mark.sanitized
def test_used_by_many_at_once(stack, user):
    for _ in range(5):
        before = len(user.tasks())
        upload = begin(user, 3)
        direct_upload.send(upload["upload_url"], b"abc")
        together, answers = threading.Barrier(8), []

        def take():
            client = stack.anonymous().use_token(user.token)
            together.wait()
            answers.append(create(client, upload).status_code)

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [201] + [404] * 7
        assert len(user.tasks()) == before + 1


@pytest.mark.sanitized
def test_before_it_is_complete(user):
    data = bytes(2 * 256 * 1024 + 5)
    upload = begin(user, len(data))
    for stored in (0, 256 * 1024):
        if stored:
            assert direct_upload.send(upload["upload_url"], data[:stored], 0, len(data)).status_code == 308
        answer = create(user, upload)
        assert answer.status_code == 409 and answer.json()["code"] == "upload_incomplete", answer.text
        assert "finish" in answer.json()["message"]
    assert direct_upload.send(upload["upload_url"], data[stored:], stored, len(data)).status_code == 200
    assert create(user, upload).status_code == 201


@pytest.mark.sanitized
def test_storage_enforces_the_announced_size(user):
    upload = begin(user, 10)
    assert direct_upload.send(upload["upload_url"], bytes(11)).status_code == 400
    assert direct_upload.send(upload["upload_url"], bytes(9)).status_code == 400
    assert create(user, upload).status_code == 409
    assert direct_upload.send(upload["upload_url"], bytes(10)).status_code == 200


@pytest.mark.sanitized
@pytest.mark.parametrize("data, content_type", [(b"longer than announced", "audio/wav"), (b"abc", "audio/mpeg")])
def test_object_differs_from_the_announcement(stack, user, data, content_type):
    """Such an object is not used, and is kept until the upload expires."""
    upload = begin(user, 3)
    name = f"inputs/{upload['upload_id']}"
    made = requests.post(f"{stack.emulator.url}/upload/storage/v1/b/{BUCKET}/o", data=data, timeout=10,
                         params={"uploadType": "media", "name": name}, headers={"Content-Type": content_type})
    assert made.status_code == 200
    answer = create(user, upload)
    assert answer.status_code == 400 and answer.json()["code"] == "upload_mismatch", answer.text
    assert answer.json()["message"].startswith("upload_id: ")
    assert name in stack.objects() and name in unclaimed(stack)
    # The session cannot overwrite it.
    assert direct_upload.send(upload["upload_url"], b"abc").status_code == 412


PAGE = "https://app.example:8443"


@pytest.mark.sanitized
def test_cors_for_the_origin_that_began(user):
    upload = begin(user, 300_000, Origin=PAGE)
    session = upload["upload_url"]
    preflight = requests.options(session, timeout=10, headers={
        "Origin": PAGE, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-range"})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert "content-range" in preflight.headers["Access-Control-Allow-Headers"]
    answers = [
        direct_upload.send(session, bytes(262144), 0, 300_000, Origin=PAGE),
        direct_upload.send(session, bytes(5), 262144, 7, Origin=PAGE),  # refused; the page can read the error
        direct_upload.send(session, bytes(300_000 - 262144), 262144, 300_000, Origin="https://other.example"),
    ]
    assert [answer.status_code for answer in answers] == [308, 400, 200]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Range" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.sanitized
@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}])
def test_no_cors_without_an_origin(user, headers):
    upload = begin(user, 3, **headers)
    answer = direct_upload.send(upload["upload_url"], b"abc", Origin=PAGE)
    assert answer.status_code == 200 and "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.sanitized
@pytest.mark.parametrize("origin", ["*", "app.example", "https://app.example/path", "ftp://app.example", "https://a@b",
                                    "https://", "https://a:0", "https://a, https://b"])
def test_invalid_origins(user, origin):
    answer = user.post("/api/uploads", json={"fileName": "a", "size": 1}, headers={"Origin": origin})
    assert answer.status_code == 400 and answer.json()["code"] == "bad_origin", answer.text


def swept(stack):
    stack.sweep()
    return count(stack, "uploads") == 0


@pytest.mark.sanitized
def test_abandoned_uploads_are_swept(make_stack, media):
    stack = make_stack(web_settings={"UPLOAD_EXPIRES_SECONDS": 1})
    user = stack.client()
    tone = media.tone().read_bytes()
    used = begin(user, len(tone))
    direct_upload.send(used["upload_url"], tone)
    task = create(user, used).json()["task"]
    untouched, half, whole = begin(user, 3), begin(user, 300_000), begin(user, 3)
    assert direct_upload.send(half["upload_url"], bytes(262144), 0, 300_000).status_code == 308
    assert direct_upload.send(whole["upload_url"], b"abc").status_code == 200
    assert unclaimed(stack) >= {f"inputs/{upload['upload_id']}" for upload in (untouched, half, whole)}
    wait_for(lambda: swept(stack), "sweep of the uploads", 20, 0.2)
    assert not unclaimed(stack)
    for upload in (untouched, half):
        assert direct_upload.send(upload["upload_url"], b"abc", 0, 3).status_code in (404, 410)
    for upload in (untouched, half, whole):
        answer = create(user, upload)
        assert answer.status_code == 404 and answer.json()["code"] == "unknown_upload"
    user.finish(task)
    assert [name for name in stack.objects() if name.startswith("inputs/")] == [f"inputs/{used['upload_id']}"]
    counts = [record["done"] for record in stack.web.records() if record.get("message") == "sweep"]
    assert sum(done["uploads_expired"] for done in counts) == 3


@pytest.mark.sanitized
def test_cleanup_is_retried_after_an_outage(make_stack):
    stack = make_stack(web_settings={"UPLOAD_EXPIRES_SECONDS": 1})
    user = stack.client()
    upload = begin(user, 3)
    direct_upload.send(upload["upload_url"], b"abc")
    token = stack.token_of_platform(stack.url)
    sweep = lambda: requests.post(stack.url + "/internal/sweep", timeout=60, headers={"Authorization": f"Bearer {token}"})
    assert sweep().status_code == 200  # after this web knows the certificates
    wait_for(lambda: count(stack, "uploads", "expires_at <= now()") == 1, "expiry", 10)
    stack.emulator.stop()
    assert sweep().status_code == 503
    assert count(stack, "uploads") == 1 and unclaimed(stack)
    # An expired upload cannot be used, even if it is complete.
    stack.emulator.start()
    assert create(user, upload).status_code == 404
    assert sweep().status_code == 200
    assert count(stack, "uploads") == 0 and not unclaimed(stack)
    assert stored_object(stack, upload) is None


@pytest.mark.sanitized
def test_session_that_cannot_be_cancelled(stack, user):
    """It may still create the object until it expires, so the name stays in stray_objects until then."""
    upload = begin(user, 3)
    direct_upload.send(upload["upload_url"], b"abc")
    mine = f"id = '{upload['upload_id']}'"
    no_session = f"{stack.emulator.url}/upload/storage/v1/b/{BUCKET}/o"
    stack.sql(f"UPDATE uploads SET session_uri = '{no_session}', expires_at = now() WHERE {mine}")
    stack.sweep_whole()
    assert count(stack, "uploads", mine) == 0 and stored_object(stack, upload) is None
    assert count(stack, "stray_objects", f"name = 'inputs/{upload['upload_id']}' AND delete_after > now() + interval '7 days'") == 1
    stack.sql(f"DELETE FROM stray_objects WHERE name = 'inputs/{upload['upload_id']}'")


@pytest.mark.sanitized
def test_missing_bucket_is_our_own_fault(make_stack):
    """The bucket is deleted after web has started."""
    stack = make_stack()
    user = stack.client()
    assert requests.delete(f"{stack.emulator.url}/storage/v1/b/{BUCKET}", timeout=10).ok
    answer = user.post("/api/uploads", json={"fileName": "a", "size": 1})
    assert answer.status_code == 503 and "bucket" not in answer.text
    assert count(stack, "uploads") == 0 and not unclaimed(stack)


def test_storage_down(make_stack):
    stack = make_stack()
    user = stack.client()
    stack.emulator.kill()
    assert user.post("/api/uploads", json={"fileName": "a", "size": 1}).status_code == 503
    assert count(stack, "uploads") == 0 and not unclaimed(stack)
    stack.emulator.start()
    begin(user, 1)
