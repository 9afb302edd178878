"""Storage that refuses, loses objects or sends wrong bytes: never the user's fault, and never a wrong result."""

import pytest
import requests

from harness import measure
from harness.stack import BUCKET, Stack
from harness.waiting import wait_for

pytestmark = [pytest.mark.sanitized, pytest.mark.xdist_group("storage_faults")]

GET, INSERT, COMPOSE = "storage.objects.get", "storage.objects.insert", "storage.objects.compose"
CORRUPT = "return-corrupted-data"


@pytest.fixture(scope="module")
def faulty(workdir, postgres):
    directory = workdir / "storage_faults"
    directory.mkdir()
    stack = Stack(directory, postgres)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(autouse=True)
def no_faults_left(faulty):
    yield
    faulty.storage_faults()


@pytest.fixture(scope="module")
def results(faulty, media):
    """(user, small result, its bytes, large result, its bytes)"""
    user = faulty.client()
    small = user.finish(user.upload(media.tone("wav", seconds=2), "mp3"))
    large = user.finish(user.upload(media.tone("mp3", seconds=20), "wav"))
    assert small["processed_size"] < 256 << 10 < 1 << 20 < large["processed_size"]
    return user, small, user.download(small), large, user.download(large)


def assert_unavailable(answer):
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "unavailable" and BUCKET not in answer.text and "storage" not in answer.text


def refusals(program):
    return [record for record in program.records() if record["message"].startswith("our cloud refused a call")]


def test_refused_download(faulty, results):
    user, small, _, large, _ = results
    for status in (400, 401, 403):
        faulty.storage_faults((GET, f"return-{status}", -1))
        for task in (small, large):
            assert_unavailable(user.get(f"/api/files/{task['file_id']}"))
    lines = refusals(faulty.web)
    assert [line["status"] for line in lines] == [400, 401, 403]
    assert all(line["severity"] == "ERROR" and line["permission"] == GET and line["resource"] == BUCKET for line in lines)


def test_refused_upload(faulty, results, media):
    user = results[0]
    faulty.storage_faults((INSERT, "return-403", -1))
    assert_unavailable(user.try_upload(media.tone("wav", seconds=2), "mp3"))
    assert_unavailable(user.post("/api/uploads", json={"fileName": "a.wav", "size": 10}))
    line = refusals(faulty.web)[-1]
    assert line["permission"] == "storage.objects.create" and line["object"].startswith("inputs/")


def test_lost_object(faulty, media):
    """While the task says that its file exists; after that it is the user's 404."""
    user = faulty.client()
    task = user.finish(user.upload(media.tone("wav", seconds=2), "mp3"))
    name = faulty.sql(f"SELECT object FROM outputs WHERE task_id = {task['id']}")[0][0]
    requests.delete(f"{faulty.emulator.url}/storage/v1/b/{BUCKET}/o/{requests.utils.quote(name, safe='')}", timeout=5)
    assert_unavailable(user.get(f"/api/files/{task['file_id']}"))
    assert any(record["severity"] == "ERROR" and f"object {name} of a task is missing" in record["error"]["message"]
               for record in faulty.web.records() if record["message"] == "request failed")
    faulty.sql(f"UPDATE tasks SET processed_at = now() - interval '30 days' WHERE id = {task['id']}")
    answer = user.get(f"/api/files/{task['file_id']}")
    assert answer.status_code == 404 and answer.json()["message"] == "file has expired"


def test_lost_input(faulty, media):
    """The task waits for it, and operators learn which object it is."""
    user = faulty.client()
    faulty.storage_faults((GET, "return-404", -1))
    task = user.upload(media.tone("wav", seconds=2), "mp3")
    name = faulty.sql(f"SELECT input_object FROM tasks WHERE id = {task['id']}")[0][0]
    wait_for(lambda: any(line["status"] == 404 and line["object"] == name for line in refusals(faulty.worker)),
             "the line that names the object", 20)
    faulty.storage_faults()
    user.finish(task)


def test_damaged_download_of_a_small_file(faulty, results):
    user, small, content, _, _ = results
    for headers, status, expected in (({}, 200, content), ({"Range": "bytes=10-19"}, 206, content[10:20])):
        faulty.storage_faults((GET, CORRUPT, 2))
        answer = user.get(f"/api/files/{small['file_id']}", headers=headers)
        assert answer.status_code == status and answer.content == expected
        faulty.storage_faults((GET, CORRUPT, -1))
        assert_unavailable(user.get(f"/api/files/{small['file_id']}", headers=headers))


def test_damaged_download_of_a_large_file(faulty, results):
    """It is cut before its end, so that no client takes it for the file."""
    user, _, _, large, content = results
    faulty.storage_faults((GET, CORRUPT, 1))
    answer = user.get(f"/api/files/{large['file_id']}")
    assert len(answer.content) < int(answer.headers["Content-Length"]) == len(content)
    assert user.download(large) == content
    faulty.storage_faults((GET, "return-broken-stream", 1))
    assert user.download(large) == content


@pytest.mark.parametrize("seconds", [2, 20])
def test_damaged_input(faulty, media, tmp_path, seconds):
    """Inputs of one block and of several. Damage of their head makes them something else than a WAV."""
    user = faulty.client()
    source = media.tone("wav", seconds=seconds)
    faulty.storage_faults((GET, CORRUPT, 1))
    done = user.finish(user.upload(source, "flac"))
    faulty.storage_faults((GET, CORRUPT, -1))
    before = len(faulty.worker.records())
    task = user.upload(source, "flac")
    wait_for(lambda: any(record.get("task_id") == task["id"] and record["error"]["code"] == "corrupted"
                         for record in faulty.worker.records()[before:] if "error" in record), "an attempt", 20)
    assert user.task(task["id"])["status"] in ("uploaded", "processing")
    faulty.storage_faults()
    again = user.finish(task)
    for one in (done, again):
        user.download(one, tmp_path / "out.flac")
        samples = measure.samples(tmp_path / "out.flac")
        assert abs(measure.duration(samples) - seconds) < 0.1 and abs(measure.frequency(measure.middle(samples)) - 440) < 2


def test_orphan_that_cannot_be_deleted(faulty):
    """It keeps no other from being deleted, and is tried again later."""
    faulty.sql("INSERT INTO stray_objects (name, delete_after) SELECT 'inputs/stray' || i, now() - interval '1 hour'"
               " - i * interval '1 second' FROM generate_series(1, 5) i")
    faulty.storage_faults(("storage.objects.delete", "return-403", 1))
    left = "SELECT name, delete_after > now() + interval '50 minutes' FROM stray_objects WHERE name LIKE 'inputs/stray%'"

    def swept():
        faulty.sweep()  # does nothing while the scheduler's own sweep runs
        return faulty.sql(left) == [["inputs/stray5", "t"]]

    wait_for(swept, "deletion of the others", 30, interval=1)
    assert any(record["message"].startswith("cannot delete an orphaned object") and record["severity"] == "ERROR"
               and record["object"] == "inputs/stray5" for record in faulty.web.records())
