"""Tasks with a URL: what is fetched, servers that fail, limits, and interruptions."""

import pytest

from harness import measure
from harness.ingest import Ingest, objects_of
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("url_ingest")]


@pytest.fixture(scope="module")
def ingest(tmp_path_factory, postgres):
    """Shared by the tests of this file, with a low limit of size and time."""
    def make(**kwargs):
        return Stack(tmp_path_factory.mktemp("ingest"), postgres, **kwargs).start()

    made = Ingest(make, tmp_path_factory.mktemp("tls"), MAX_FETCH_BYTES=4 << 20, FETCH_TIMEOUT_SECONDS=3)
    yield made
    made.close()
    made.stack.stop()


@pytest.fixture
def make_ingest(make_stack, tmp_path):
    made = []

    def make(**worker_settings):
        made.append(Ingest(make_stack, tmp_path, **worker_settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.sanitized
@pytest.mark.parametrize("source,target,content_type", [
    ("wav", "mp3", "audio/wav"), ("mp3", "wav", "audio/mpeg"), ("ogg", "flac", "application/ogg"),
    ("m4a", "mp3", "application/octet-stream"), ("flac", "wav", None), ("opus", "mp3", "binary/octet-stream")])
def test_convert_from_a_url(ingest, media, tmp_path, source, target, content_type):
    path = media.tone(source, seconds=2)
    url = ingest.origin.file(f"/songs/a tone.{source}".replace(" ", "%20"), path.read_bytes(), content_type)
    task = ingest.task(url + "?token=secret", target)
    assert task["url"] == url + "?token=secret"
    done = ingest.user.finish(task)
    assert done["original_file"] == f"a tone.{source}" and done["original_format"] == source
    assert done["original_size"] == path.stat().st_size and done["progress"] == 100
    assert done["processed_file"] == f"a tone.{target}"
    ingest.user.download(done, tmp_path / f"out.{target}")
    samples = measure.samples(tmp_path / f"out.{target}")
    assert abs(measure.duration(samples) - 2) < 0.2 and abs(measure.frequency(measure.middle(samples)) - 440) < 2
    assert len(objects_of(ingest.stack, done, "inputs/")) == 1
    assert ingest.stack.sql(f"SELECT count(*) FROM stray_objects WHERE name LIKE '%{done['file_id']}%'") == [["0"]]


@pytest.mark.parametrize("path,headers,name", [
    ("/get", [("Content-Disposition", 'attachment; filename="The song.wav"')], "The song.wav"),
    ("/get2", [("Content-Disposition", "attachment; filename=x.wav; filename*=UTF-8''na%C3%AFve.wav")], "naïve.wav"),
    ("/get3", [("Content-Disposition", 'attachment; filename="../../etc/evil.wav"')], "evil.wav"),
    ("/stream", [], "stream.wav"),
    ("/watch", [("Content-Disposition", "inline")], "watch.wav"),
    ("/named.WAV", [("Content-Disposition", "attachment; filename=other.wav")], "named.WAV"),
])
def test_name_of_the_file(ingest, media, path, headers, name):
    url = ingest.origin.file(path, media.tone().read_bytes(), "audio/wav", headers)
    done = ingest.user.finish(ingest.task(url))
    assert done["original_file"] == name and done["original_format"] == "wav"
    assert done["processed_file"] == name.rsplit(".", 1)[0] + ".mp3"


def test_put_does_not_fetch_again(ingest, media):
    url = ingest.origin.file("/once.wav", media.tone().read_bytes(), "audio/wav")
    done = ingest.user.finish(ingest.task(url))
    answer = ingest.user.request("PUT", f"/api/tasks/{done['id']}", json={"newFormat": "flac"})
    assert answer.status_code == 200, answer.text
    again = ingest.user.finish(done)
    assert again["processed_format"] == "flac" and ingest.origin.hits["/once.wav"] == 1
    assert len(objects_of(ingest.stack, again, "inputs/")) == 1


def test_put_fetches_what_was_missing(ingest, media):
    found = ingest.origin.file("/found.wav", media.tone().read_bytes(), "audio/wav").removeprefix(ingest.origin.url)
    task = ingest.task(ingest.origin.status("/missing.wav", 404, then=ingest.origin.routes[found]))
    assert ingest.user.wait(task)["error"]["code"] == "fetch_failed"
    answer = ingest.user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "flac"})
    assert answer.status_code == 200, answer.text
    assert ingest.user.finish(task)["original_size"] > 0


def test_memory_does_not_grow_with_the_file(make_ingest):
    ingest = make_ingest()
    body = b"RIFF\xff\xff\xff\x7fWAVEjunk" + bytes(96 << 20)
    before = ingest.stack.worker.peak_rss_mib()
    task = ingest.user.wait(ingest.task(ingest.origin.file("/big.wav", body, "audio/wav")), 120)
    assert task["status"] == "failed" and task["error"]["code"] not in ("too_large", "fetch_failed"), task
    assert task["original_size"] == len(body)
    assert ingest.stack.worker.peak_rss_mib() - before < 40


@pytest.mark.sanitized
def test_https_is_verified(ingest, make_ingest, media):
    """By the authorities of TLS_CA_FILE and those of the system. A redirect may lead from HTTPS to HTTP."""
    body = media.tone().read_bytes()
    url = ingest.secure.file("/secure.wav", body, "audio/wav")
    ingest.user.finish(ingest.task(url))
    ingest.origin.file("/from-https.wav", body, "audio/wav")
    ingest.user.finish(ingest.task(ingest.secure.redirect("/down", ingest.origin.url + "/from-https.wav")))
    strict = make_ingest(TLS_CA_FILE="")
    error = strict.fail(strict.secure.file("/secure.wav", body, "audio/wav"))
    assert error["code"] == "fetch_failed" and "certificate" in error["detail"], error
    assert strict.secure.hits["/secure.wav"] == 0


@pytest.mark.parametrize("content_type,body", [
    ("text/html; charset=utf-8", b"<!doctype html><html></html>"), ("text/plain", None), ("application/json", b"{}"),
    ("application/xhtml+xml", None), ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(100)), ("application/pdf", b"%PDF-1.7"),
    ("application/octet-stream", b"<html>" * 500), ("audio/mpeg", b"PK\x03\x04" + bytes(1000)), ("audio/wav", b"R"),
    ("audio/wav", b""), (None, b"#!/bin/sh\n"), ("video/mp4", bytes(5000)), ("text/\xff\xc3(", b"x")])
def test_not_media(ingest, media, content_type, body):
    body = media.tone().read_bytes() if body is None else body
    error = ingest.fail(ingest.origin.file("/thing", body, content_type))
    assert error["code"] == "not_media" and len(error["detail"]) > 20, error


@pytest.mark.sanitized
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 304])
def test_no_retry_after_a_refusal(ingest, status):
    error = ingest.fail(ingest.origin.status(f"/status{status}", status))
    assert error["code"] == "fetch_failed" and str(status) in error["detail"], error
    assert ingest.origin.hits[f"/status{status}"] == 1


@pytest.mark.sanitized
def test_retry_after_temporary_errors(ingest, media):
    body = media.tone().read_bytes()
    ingest.origin.file("/whole.wav", body, "audio/wav")
    ingest.origin.file("/cut-part", body[:-100], "audio/wav", announced=len(body))
    good, cut = ingest.origin.routes["/whole.wav"], ingest.origin.routes["/cut-part"]
    turns = iter((cut, cut, good))
    for url in (ingest.origin.status("/hiccup.wav", 500, 503, then=good),
                ingest.origin.add("/cut-twice.wav", lambda handler: next(turns)(handler))):
        done = ingest.user.finish(ingest.task(url))
        assert done["attempts"] == 1 and done["original_size"] == len(body)
        assert len(objects_of(ingest.stack, done, "inputs/")) == 1


def test_body_that_is_always_truncated(ingest, media):
    body = media.tone(seconds=20).read_bytes()
    assert 2 << 20 < len(body) < 4 << 20  # more than a chunk, so that some of it is stored when the body ends
    error = ingest.fail(ingest.origin.file("/cut.wav", body[:-100], "audio/wav", announced=len(body)))
    assert error["code"] == "fetch_failed" and ingest.origin.hits["/cut.wav"] == 3


def test_server_that_is_down_is_retried_later(make_ingest, media):
    """The sweep publishes deferred tasks. A failed task has the error of the last attempt."""
    ingest = make_ingest(MAX_ATTEMPTS=2)
    good = ingest.origin.file("/good.wav", media.tone().read_bytes(), "audio/wav")
    down = ingest.task(ingest.origin.status("/down", 503))
    back = ingest.task(ingest.origin.status("/back.wav", 503, 503, 503, then=ingest.origin.routes["/good.wav"]))
    deferred = lambda: [record for record in ingest.stack.worker.records() if record.get("end") == "deferred"]
    wait_for(lambda: len(deferred()) == 2, "deferral of both", 30)
    assert all(ingest.user.task(task["id"])["status"] == "uploaded" for task in (down, back))
    ingest.user.finish(ingest.task(good))  # other tasks do not wait for them

    def both_done():
        ingest.stack.sweep()
        return all(ingest.user.task(task["id"])["status"] in ("failed", "processed") for task in (down, back))

    wait_for(both_done, "second attempts", 60, interval=1)
    failed, done = ingest.user.task(down["id"]), ingest.user.finish(back)
    assert failed["status"] == "failed" and failed["attempts"] == 2 and done["attempts"] == 2
    assert failed["error"]["code"] == "fetch_failed" and "503" in failed["error"]["detail"]


def test_size_is_limited(ingest, media):
    start = media.tone("mp3").read_bytes()
    for url in (ingest.origin.file("/huge.mp3", start, "audio/mpeg", announced=10 << 30),
                ingest.origin.file("/over.mp3", start + bytes((4 << 20) - len(start) + 1), "audio/mpeg"),
                ingest.origin.endless("/endless.mp3", start)):
        error = ingest.fail(url)
        assert error["code"] == "too_large" and str(4 << 20) in error["detail"], error
    assert all(ingest.origin.hits[path] == 1 for path in ("/huge.mp3", "/over.mp3", "/endless.mp3"))


def test_time_is_limited(ingest, media):
    error = ingest.fail(ingest.origin.drip("/drip.wav", media.tone().read_bytes()[:5000]))
    assert error["code"] == "fetch_failed" and ingest.origin.hits["/drip.wav"] == 1


@pytest.mark.sanitized
def test_delete_ends_the_fetch(make_ingest, media):
    ingest = make_ingest()
    body = media.tone(seconds=30).read_bytes()
    task = ingest.task(ingest.origin.gated("/gated.wav", body, first=len(body) // 2 * 2 - 4096))
    ingest.origin.wait_for_hit("/gated.wav")
    wait_for(lambda: ingest.user.task(task["id"])["progress"] > 0, "progress of the fetch")
    answer = ingest.user.delete(f"/api/tasks/{task['id']}")
    assert answer.status_code == 200, answer.text
    wait_for(lambda: [record for record in ingest.stack.worker.records() if record.get("end") == "lost"],
             "end of the job", 4)
    assert objects_of(ingest.stack, task) == []


def test_stopped_worker_gives_the_task_back(make_ingest, media):
    """At once, and the attempt does not count."""
    ingest = make_ingest()
    body = media.tone(seconds=30).read_bytes()
    task = ingest.task(ingest.origin.gated("/stopped.wav", body))
    ingest.origin.wait_for_hit("/stopped.wav")
    wait_for(lambda: ingest.user.task(task["id"])["status"] == "processing", "the claim")
    ingest.stack.worker.stop(8)
    assert ingest.user.task(task["id"])["status"] == "uploaded"
    ingest.origin.gate.set()
    ingest.stack.worker.start()
    done = ingest.user.finish(task)
    assert done["attempts"] == 1 and len(objects_of(ingest.stack, done, "inputs/")) == 1


def test_worker_killed_often_before_the_work_starts(make_ingest, media):
    """Nothing is known against a file that no child has read: the task has no attempt, and is done by the next worker."""
    ingest = make_ingest(MAX_ATTEMPTS=2, MAX_INTERRUPTIONS=2)
    task = ingest.task(ingest.origin.gated("/often.wav", media.tone().read_bytes(), first=100))
    for kill in range(1, 6):
        wait_for(lambda: ingest.origin.hits["/often.wav"] == kill, f"fetch {kill}", 20)
        ingest.stack.worker.kill()
        ingest.stack.sql(f"UPDATE tasks SET lease_expires_at = now() - interval '1 s' WHERE id = {task['id']}")
        ingest.stack.worker.start()
        ingest.stack.sweep()
    assert ingest.stack.sql(f"SELECT attempts, interruptions FROM tasks WHERE id = {task['id']}") == [["0", "0"]]
    ingest.origin.gate.set()
    assert ingest.user.finish(task)["attempts"] == 1


def test_killed_worker_leaves_one_input(make_ingest, media):
    ingest = make_ingest(MAX_ATTEMPTS=3, LEASE_SECONDS=5)
    body = media.tone(seconds=30).read_bytes()
    task = ingest.task(ingest.origin.gated("/killed.wav", body, first=len(body) - 4096))
    ingest.origin.wait_for_hit("/killed.wav")
    wait_for(lambda: ingest.user.task(task["id"])["progress"] > 0, "progress of the fetch")
    ingest.stack.worker.kill()
    ingest.origin.gate.set()
    ingest.stack.worker.start()

    def again():
        ingest.stack.sweep()
        return ingest.user.task(task["id"])["status"] == "processed"

    wait_for(again, "the second attempt", 60, interval=1)
    done = ingest.user.finish(task)
    assert done["attempts"] == 1 and ingest.origin.hits["/killed.wav"] == 2 and done["original_size"] == len(body)
    assert len(objects_of(ingest.stack, done, "inputs/")) == 1
