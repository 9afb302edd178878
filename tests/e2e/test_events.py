"""Server-Sent Events: changes of tasks, reported as they happen."""

import resource
import signal
import time

import pytest

from harness.paths import SANITIZED
from harness.sse import Stream
from harness.waiting import wait_for

LISTENER = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'task_events'"
KILL_LISTENER = f"SELECT count(pg_terminate_backend(pid)) {LISTENER}"


def open_stream(stack, user, path="/api/events", **kwargs):
    stream = Stream(stack.url, path, user.token, **kwargs)
    assert stream.status == 200, stream.bytes
    return stream


def is_result(event):
    return event.name == "result"


def ids_of(events):
    return [event.id for event in events]


def user_id_of(stack, user):
    return stack.sql(f"SELECT id FROM users WHERE username = '{user.username}'")[0][0]


@pytest.mark.sanitized
def test_conversion_from_upload_to_result(stack, user, media):
    with open_stream(stack, user) as everything:
        assert everything.headers["content-type"] == "text/event-stream"
        assert everything.headers["cache-control"] == "no-cache"
        assert everything.headers["x-accel-buffering"] == "no"
        task = user.upload(media.tone(), "mp3")
        with open_stream(stack, user, f"/api/tasks/{task['id']}/events") as one, \
                open_stream(stack, user, f"/tasks/{task['file_id']}/events") as by_file_id:
            events = everything.until(is_result)
            assert all(event.name in ("state", "progress") for event in events[:-1])
            # Each event holds the newest state, so a state that has already passed may be missing.
            seen = [event.status for event in events]
            assert seen == sorted(seen, key=("uploaded", "processing", "processed").index)
            assert ids_of(events) == sorted(set(ids_of(events)))
            result = events[-1].data
            assert result == user.task(task["id"])
            assert result["status"] == "processed" and result["outputs"][0]["size"] > 0
            for stream in (one, by_file_id):
                rest = stream.rest()
                assert ids_of(rest) == sorted(set(ids_of(rest)))
                assert rest[-1].data == result and is_result(rest[-1])
                assert not any(is_result(event) for event in rest[:-1])


@pytest.mark.sanitized
def test_bad_file_ends_in_a_result(stack, user):
    with open_stream(stack, user, "/events") as stream:
        user.upload(b"this is no audio" * 100, "mp3", name="bad.wav")
        result = stream.until(is_result)[-1]
        assert result.status == "failed" and result.data["error"]["code"]


@pytest.mark.sanitized
def test_stream_after_the_last_event(stack, user, media):
    task = user.finish(user.upload(media.tone(), "mp3"))
    path = f"/api/tasks/{task['id']}/events"
    with open_stream(stack, user, path) as stream:
        events = stream.rest()
        assert [event.name for event in events] == ["result"]
    with Stream(stack.url, path, user.token, last_id=stream.last_id) as again:
        assert again.status == 204
    with Stream(stack.url, path, user.token, last_id=stream.last_id - 1) as again:
        assert ids_of(again.rest()) == [stream.last_id]


@pytest.mark.sanitized
def test_put_and_delete(stack, user, media):
    task = user.finish(user.upload(media.tone(), "mp3"))
    with open_stream(stack, user) as stream:
        answer = user.request("PUT", f"/api/tasks/{task['id']}", json={"newFormat": "wav"})
        assert answer.status_code == 200, answer.text
        events = stream.until(is_result)
        assert events[0].name == "state" and events[0].data["new_format"] == "wav"
        assert events[-1].data["processed_format"] == "wav"
        assert user.delete(f"/api/tasks/{task['id']}").status_code == 200
        gone = stream.next()
        assert gone.name == "deleted" and gone.data == {"id": task["id"]}
        assert gone.id > events[-1].id


@pytest.mark.sanitized
def test_events_of_other_users_are_not_sent(stack, media):
    ana, bob = stack.client(), stack.client()
    with open_stream(stack, ana) as hers, open_stream(stack, bob) as his:
        her_task = ana.upload(media.tone(), "mp3")
        for task_id in (her_task["id"], her_task["file_id"], 999999999, "no-task"):
            with Stream(stack.url, f"/api/tasks/{task_id}/events", bob.token) as refused:
                assert refused.status == 404
        ana.finish(her_task)
        his_task = bob.upload(media.tone(), "ogg")
        assert {event.data["id"] for event in his.until(is_result)} == {his_task["id"]}
        assert {event.data["id"] for event in hers.until(is_result)} == {her_task["id"]}


@pytest.mark.sanitized
def test_refused_streams(stack, user):
    for path in ("/api/events", "/events", "/api/tasks/1/events", "/tasks/1/events"):
        with Stream(stack.url, path) as stream:
            assert stream.status == 401
        with Stream(stack.url, path, "not.a.token") as stream:
            assert stream.status == 401
    for last_id in ("x", "-1", "1.5", "9" * 30, "1 2"):
        with Stream(stack.url, "/api/events", user.token, last_id=last_id) as stream:
            assert stream.status == 400, last_id
    with open_stream(stack, user, last_id=""):
        pass
    with open_stream(stack, user, last_id=2 ** 62):  # an id that was never sent: the same as none
        pass
    head = user.request("HEAD", "/api/events")
    assert head.status_code == 200 and head.headers["Content-Type"] == "text/event-stream"
    assert user.post("/api/events").status_code == 405


@pytest.mark.sanitized
def test_broken_stream_resumes(stack, user, media):
    tasks = []
    with open_stream(stack, user) as stream:
        tasks.append(user.upload(media.tone(), "mp3"))
        stream.next()
    tasks += [user.upload(media.tone(), new_format) for new_format in ("wav", "ogg")]
    tasks.append(user.upload(b"no audio" * 50, "mp3", name="bad.wav"))
    for task in tasks:
        user.wait(task)
    with open_stream(stack, user, last_id=stream.last_id) as again:
        results = {}
        while len(results) < len(tasks):
            event = again.next()
            if is_result(event):
                results[event.data["id"]] = event.data
    assert results == {task["id"]: user.task(task["id"]) for task in tasks}


@pytest.mark.sanitized
def test_lost_listen_connection_loses_no_result(make_stack, media):
    stack = make_stack()
    user = stack.client()
    with open_stream(stack, user) as everything:
        for _ in range(3):
            task = user.upload(media.tone(), "mp3")
            with open_stream(stack, user, f"/api/tasks/{task['id']}/events") as one:
                wait_for(lambda: stack.sql(KILL_LISTENER) == [["1"]], "the listening connection")
                wait_for(lambda: stack.sql(f"SELECT count(*) {LISTENER} AND query LIKE 'LISTEN%'") == [["1"]], "a new listening connection")
                assert is_result(one.rest(20)[-1])
            everything.until(lambda event, task=task: is_result(event) and event.data["id"] == task["id"], 20)
    assert "events wait for the database" in stack.web.log()


@pytest.mark.measured
@pytest.mark.sanitized
def test_sigterm_ends_streams_and_web(make_stack):
    stack = make_stack(web_settings={"WEB_THREADS": 4})
    user = stack.client()
    streams = [open_stream(stack, user) for _ in range(20)]
    began = time.monotonic()
    stack.web.signal(signal.SIGTERM)
    for stream in streams:
        assert stream.rest() == []
        stream.close()
    assert stack.web.wait(10) == 0
    assert SANITIZED or time.monotonic() - began < 3


@pytest.mark.sanitized
def test_number_of_streams_is_limited(make_stack):
    stack = make_stack(web_settings={"MAX_EVENT_STREAMS": 3})
    user = stack.client()
    streams = [open_stream(stack, user) for _ in range(3)]
    with Stream(stack.url, "/api/events", user.token) as refused:
        assert refused.status == 429 and refused.headers["retry-after"]
    streams.pop().close()

    def opened():
        stream = Stream(stack.url, "/api/events", user.token)
        stream.close()
        return stream.status == 200

    wait_for(opened, "a free stream")
    for stream in streams:
        stream.close()


def resident_mib(program):
    with open(f"/proc/{program.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / (1 << 20)


def test_600_streams_need_no_threads(make_stack, media):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    stack = make_stack(web_settings={"WEB_THREADS": 8, "QUOTA_EVENT_STREAMS": 100})
    users = [stack.client() for _ in range(6)]
    users[0].convert(media.tone(), "mp3")
    before = resident_mib(stack.web)
    streams = {user.username: [open_stream(stack, user) for _ in range(100)] for user in users}
    with Stream(stack.url, "/api/events", users[0].token) as refused:
        assert refused.status == 429
    times = []
    for user in users:
        began = time.monotonic()
        task = user.upload(media.tone(), "mp3")
        user.task(task["id"])
        times.append(time.monotonic() - began)
        user.finish(task)
    assert max(times) < 1, times
    for user in users:
        user_id = int(user_id_of(stack, user))
        for stream in streams[user.username]:
            assert {event.data["user_id"] for event in stream.until(is_result)} == {user_id}
    assert resident_mib(stack.web) - before < 40
    assert stack.web.open_descriptors() > 600
    for stream in sum(streams.values(), []):
        stream.close()
    wait_for(lambda: stack.web.open_descriptors() < 100, "the end of all streams")


def test_clients_that_do_not_read_need_little_memory(make_stack):
    """With 40 of them and 3000 new tasks at once, memory is bounded, and a client that reads gets every event."""
    stack = make_stack(web_settings={"QUOTA_EVENT_STREAMS": 50})
    user = stack.client()
    idle = [open_stream(stack, user, receive_buffer=4096) for _ in range(40)]
    with open_stream(stack, user) as reader:
        before = resident_mib(stack.web)
        stack.sql("INSERT INTO tasks (file_id, user_id, status, error_code) SELECT gen_random_uuid(), "
                  f"{user_id_of(stack, user)}, 'failed', 'x' FROM generate_series(1, 3000)")
        seen = set()
        while len(seen) < 3000:
            seen.add(reader.next().data["id"])
        assert resident_mib(stack.web) - before < 40
        user.upload(b"x", "mp3", name="x.wav")
        assert is_result(reader.until(is_result)[-1])
    for stream in idle:
        stream.close()
