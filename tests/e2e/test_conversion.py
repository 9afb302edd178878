"""Conversions from upload to download, and what happens when a program dies meanwhile."""

import concurrent.futures
import contextlib
import os
import signal
import threading
import time

import pytest

from harness import measure
from harness.client import Client
from harness.jobs import start_job
from harness.program import Program
from harness.paths import BUILD, SANITIZED
from harness.storage_relay import StorageRelay
from harness.waiting import free_port, wait_for


@pytest.fixture
def long_file(media):
    """Takes a second or more to encode, so that there is time to interfere."""
    return media.noise(60 if SANITIZED else 240)


def row(stack, task):
    """(attempts, fence, number of outputs) of a task."""
    found = stack.sql(f"SELECT attempts, fence, (SELECT count(*) FROM outputs WHERE task_id = id) FROM tasks WHERE id = {task['id']}")
    return tuple(int(field) for field in found[0])


def sweep_until(stack, condition, what, seconds=30):
    def swept():
        stack.sweep()
        return condition()
    wait_for(swept, what, seconds, 0.5)


@pytest.mark.sanitized
def test_upload_convert_download(stack, user, media, tmp_path):
    source = media.tone("mp3", seconds=3, frequency=880)
    answer = user.try_upload(source, "flac")
    assert answer.status_code == 201
    task = answer.json()["task"]
    assert answer.headers["Location"] == f"/api/tasks/{task['id']}"
    assert task["status"] == "uploaded" and task["new_format"] == "flac"
    assert task["original_file"] == source.name and task["original_size"] == source.stat().st_size

    done = user.finish(task)
    assert done["progress"] in (100, 1000, 1.0) and done["processed_format"] == "flac"
    assert done["file_id"] == task["file_id"] and done["attempts"] == 1
    assert user.task(done["file_id"])["id"] == done["id"], "a task is also found by its file_id"
    assert [one["id"] for one in user.tasks()] == [done["id"]]

    result = tmp_path / "result.flac"
    assert len(user.download(done, result)) == done["processed_size"]
    tone = measure.middle(measure.samples(result))
    assert measure.frequency(tone) == pytest.approx(880, rel=0.01)
    assert row(stack, done) == (1, 1, 1)


@pytest.mark.sanitized
def test_twenty_at_once(stack, user, media):
    sources = [media.tone(file_format, seconds=2, frequency=300 + 20 * i)
               for i, file_format in enumerate(["mp3", "wav", "ogg", "flac"] * 5)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        tasks = list(pool.map(
            lambda source: Client(stack.url).use_token(user.token).upload(source, "m4a"), sources))
    for task in tasks:
        user.finish(task, 120)
    assert {row(stack, task) for task in tasks} == {(1, 1, 1)}
    names = [name for name in stack.objects() if any(task["file_id"] in name for task in tasks)]
    assert len(names) == 40, "one input and one result for each"


def test_delete_removes_task_and_objects(stack, user, media):
    task = user.finish(user.upload(media.tone(), "mp3"))
    assert user.delete(f"/api/tasks/{task['id']}").status_code in (200, 204)
    assert user.get(f"/api/tasks/{task['id']}").status_code == 404
    assert user.get(f"/api/files/{task['file_id']}").status_code == 404
    assert not [name for name in stack.objects() if task["file_id"] in name]


@pytest.mark.slow
def test_delete_ends_a_running_conversion(stack, user, long_file):
    task, child = start_job(stack, user, long_file, "mp3")
    assert user.delete(f"/api/tasks/{task['id']}").status_code in (200, 204)
    os.kill(child, signal.SIGCONT)
    wait_for(lambda: child not in stack.worker.descendants(), "end of the child", 60)
    def gone():
        stack.sweep()
        return not [name for name in stack.objects() if task["file_id"] in name]
    wait_for(gone, "removal of the objects", 30, 0.3)
    assert user.convert(long_file, "ogg", seconds=120)[0]["status"] == "processed", "the slot is free again"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT], ids=lambda number: number.name)
def test_child_that_dies_fails_its_task_only(stack, user, long_file, media, number):
    task, child = start_job(stack, user, long_file, "mp3")
    neighbour = user.upload(media.tone(), "mp3")
    os.kill(child, number)
    os.kill(child, signal.SIGCONT)
    failed = user.wait(task)
    assert failed["status"] == "failed", failed
    assert failed["error"]["code"] == "decoder_crashed" and failed["error"]["detail"]
    user.finish(neighbour)


def test_child_that_the_machine_kills_runs_again(stack, user, long_file):
    """SIGKILL from outside, as the platform sends it when memory is short, is no verdict about the file."""
    task, child = start_job(stack, user, long_file, "mp3")
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: user.task(task["id"])["status"] == "uploaded", "the release of the lease", 10)
    stack.sql(f"UPDATE tasks SET published_at = NULL, uploaded_at = now() - interval '9 s' WHERE id = {task['id']}")
    stack.sweep()  # before the backoff of the redelivery is over
    done = user.finish(task)
    assert done["attempts"] == 2
    assert stack.sql(f"SELECT interruptions, kills FROM tasks WHERE id = {task['id']}") == [["1", "0"]]


def test_storage_that_refuses_for_a_while_fails_no_task(make_stack, media):
    """A 403 on our own bucket is our fault: the tasks that run are released, reported as ERROR, and run again."""
    stack = make_stack(worker_settings={"SLOTS": 5})
    user = stack.client()
    stack.worker.stop()
    with StorageRelay(stack.emulator.url) as relay:
        stack.worker.env["STORAGE_EMULATOR_HOST"] = relay.url
        stack.worker.start()
        tasks = [user.upload(media.noise(20), "mp3") for _ in range(5)]
        wait_for(lambda: {user.task(task["id"])["status"] for task in tasks} != {"uploaded"}, "the first claims", interval=0.01)
        relay.refuse = 403
        threading.Timer(5, setattr, (relay, "refuse", None)).start()
        wait_for(lambda: relay.refuse is None, "the end of the fault", 10)
        assert relay.refused > 0
        stack.sql("UPDATE tasks SET published_at = NULL, uploaded_at = now() - interval '9 s' WHERE status = 'uploaded'")
        stack.sweep()  # before the backoff of the redeliveries is over
        assert {user.finish(task, 60)["attempts"] for task in tasks} == {1}
        released = [line for line in stack.worker.records() if line.get("end") == "released"]
        assert released and {line["severity"] for line in released} == {"ERROR"}


def test_child_that_hangs_is_killed(make_stack, media):
    stack = make_stack(worker_settings={"STALL_TIMEOUT_SECONDS": 2, "SLOTS": 1})
    user = stack.client()
    task, _ = start_job(stack, user, media.noise(240), "mp3")
    failed = user.wait(task, 20)
    assert failed["status"] == "failed" and failed["error"]["code"] == "timed_out", failed
    user.convert(media.tone(), "mp3")


@pytest.mark.slow
def test_worker_killed_during_a_conversion(make_stack, media):
    """Pub/Sub delivers the message again; the push is held until the lease ends, and the task goes on without a sweep."""
    stack = make_stack(worker_settings={"LEASE_SECONDS": 3})
    user = stack.client()
    task, child = start_job(stack, user, media.noise(240), "mp3")
    stack.worker.kill()
    wait_for(lambda: not os.path.exists(f"/proc/{child}"), "end of the orphaned child")
    stack.worker.start()
    wait_for(lambda: user.task(task["id"])["attempts"] == 2, "the second attempt", 3 + 4)
    wait_for(lambda: user.task(task["id"])["status"] == "processed", "task done by another worker", 60)
    attempts, fence, outputs = row(stack, task)
    assert (attempts, outputs) == (2, 1) and fence == 2
    assert len([name for name in stack.objects() if name.startswith("results/")]) == 1


@pytest.mark.slow
def test_stopped_worker_gives_the_lease_back(make_stack, media):
    stack = make_stack()
    user = stack.client()
    task, child = start_job(stack, user, media.noise(240), "mp3")
    os.kill(child, signal.SIGCONT)
    began = time.monotonic()
    assert stack.worker.stop(15) == 0
    assert time.monotonic() - began < 12
    assert user.task(task["id"])["status"] in ("uploaded", "processed")
    stack.worker.start()
    sweep_until(stack, lambda: user.task(task["id"])["status"] == "processed", "task done after the restart", 90)
    assert row(stack, task)[2] == 1


def test_zygote_dies(make_stack, media):
    """A worker cannot work without its zygote, so it ends, and the platform starts another."""
    stack = make_stack()
    zygote = stack.worker.descendants()[0]
    os.kill(zygote, signal.SIGKILL)
    assert stack.worker.wait(15) != 0
    stack.worker.start()
    stack.client().convert(media.tone(), "mp3")


def test_web_restarted(make_stack, media):
    stack = make_stack()
    user = stack.client()
    task = user.upload(media.tone(), "ogg")
    stack.web.kill()
    stack.web.start()
    done = user.finish(task)
    assert user.download(done), "the token outlives the process, and so does the task"


def test_emulator_restarted(make_stack, media):
    """Its storage is kept. Its queue is lost, and is set up again as infra/local/run.sh does."""
    stack = make_stack()
    user = stack.client()
    task = user.finish(user.upload(media.tone(), "ogg"))
    before = user.download(task)
    stack.emulator.restart()
    stack.provision()
    assert user.download(task) == before
    user.convert(media.tone(), "flac")


def gate(stack, directory, name):
    """A proxy to the emulator, which can be stopped. Returns (address, program)."""
    port = free_port()
    return f"127.0.0.1:{port}", Program(
        name, [BUILD / "mediarun-emulator", "--front", f"{port}=127.0.0.1:{stack.emulator.port}"], {},
        directory / f"{name}.log", "front listening on")


def test_pubsub_down_at_upload(make_stack, media, tmp_path):
    stack = make_stack(start=False)
    address, pubsub = gate(stack, tmp_path, "pubsub-gate")
    stack.web.env["PUBSUB_EMULATOR_HOST"] = address
    stack.start()
    user = stack.client()
    began = time.monotonic()
    task = user.upload(media.tone(), "mp3")
    assert time.monotonic() - began < 15, "a bounded wait"
    assert task["status"] == "uploaded"
    pubsub.start()
    try:
        sweep_until(stack, lambda: user.task(task["id"])["status"] == "processed", "task published by the sweep", 30)
    finally:
        pubsub.stop()
    assert row(stack, task) == (1, 1, 1)


def test_storage_down(make_stack, media, tmp_path):
    stack = make_stack(start=False)
    address, storage = gate(stack, tmp_path, "storage-gate")
    stack.web.env["STORAGE_EMULATOR_HOST"] = f"http://{address}"
    storage.start()
    try:
        stack.start()
        user = stack.client()
        done = user.finish(user.upload(media.tone(), "mp3"))
        storage.kill()
        assert user.try_upload(media.tone(), "mp3").status_code == 503
        assert user.get(f"/api/files/{done['file_id']}").status_code == 503
        assert user.get("/api/tasks").status_code == 200
        storage.start()
        assert user.download(done)
        user.convert(media.tone(), "ogg")
    finally:
        storage.stop()
    assert len(user.tasks()) == 2, "the failed upload left no task"


def test_database_down(make_stack, media):
    stack = make_stack()
    user = stack.client()
    name = stack.database.partition("=")[2]

    def allow(word):
        stack.postgres.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {word}', "dbname=postgres")

    allow("false")
    try:
        stack.postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'", "dbname=postgres")
        answer = user.get("/api/tasks")
        assert answer.status_code == 503 and answer.headers["Content-Type"].startswith("application/problem+json")
        assert user.get("/api-health").status_code == 503
        assert user.try_upload(media.tone(), "mp3").status_code == 503
        assert user.get("/alive").status_code == 200
    finally:
        allow("true")
    user.convert(media.tone(), "mp3")


def test_several_workers(make_stack, media):
    stack = make_stack(workers=2, worker_settings={"SLOTS": 1})
    user = stack.client()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(lambda _: Client(stack.url).use_token(user.token).upload(media.noise(20), "mp3"), range(8)))
    for task in tasks:
        user.finish(task, 120)
    assert {row(stack, task) for task in tasks} == {(1, 1, 1)}
    for worker in stack.workers:
        assert [line for line in worker.records() if line.get("end") == "committed"], f"{worker.name} did nothing"


def test_drain_finishes_what_runs(make_stack, media):
    """After SIGTERM a running upload is finished, and new requests are refused."""
    stack = make_stack()
    user = stack.client()
    body = media.tone("wav", seconds=5).read_bytes()
    asked, go_on, answers = threading.Event(), threading.Event(), []

    def slowly():
        head = (b'--b\r\nContent-Disposition: form-data; name="newFormat"\r\n\r\nmp3\r\n'
                b'--b\r\nContent-Disposition: form-data; name="fileName"; filename="a.wav"\r\n\r\n')
        yield head + body[:100000]
        asked.set()
        go_on.wait(20)
        yield body[100000:] + b"\r\n--b--\r\n"

    def upload():
        answers.append(user.post("/api/tasks", data=slowly(), headers={"Content-Type": "multipart/form-data; boundary=b"}))

    thread = threading.Thread(target=upload)
    thread.start()
    assert asked.wait(20)
    wait_for(lambda: stack.sql("SELECT count(*) FROM stray_objects") == [["1"]], "the start of the upload")
    stack.web.signal(signal.SIGTERM)
    wait_for(lambda: Client(stack.url).get("/alive").status_code == 503, "new requests to be refused")
    go_on.set()
    thread.join(20)
    assert answers and answers[0].status_code == 201, answers and answers[0].text
    assert stack.web.wait() == 0
    stack.web.start()
    user.finish(answers[0].json()["task"])
