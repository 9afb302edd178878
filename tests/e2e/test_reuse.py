"""`reuse`: the same input with the same options is answered from the result of an earlier task of the same user."""

import contextlib
import json

import pytest
import requests

from harness import direct_upload
from harness.media import ffmpeg
from harness.origin import Origin
from harness.postgres import connect
from harness.stack import BUCKET
from harness.waiting import wait_for

EXTRAS = {"split": {"seconds": 1}, "thumbnail": {"at": 1, "width": 64}, "filmstrip": {"frames": 4, "width": 64}, "waveform": {"points": 64}}


def was_made(stack, task):
    """True if a child made the result, False if it was copied: the job's line has the threads that a child was given."""
    def lines():
        return [record for record in stack.worker.records() if record.get("task_id") == task["id"] and record.get("end") == "committed"]
    made = wait_for(lines, "the job's line", 10)[-1]["threads"] > 0
    assert made == ("reused" not in task["receipt"])
    return made


def contents(user, task):
    """The bytes, name and types of each output."""
    answers = [user.get(output["url"]) for output in task["outputs"]]
    assert [len(answer.content) for answer in answers] == [output["size"] for output in task["outputs"]]
    return [(answer.content, answer.headers["Content-Type"], output["file_name"], output["format"])
            for answer, output in zip(answers, task["outputs"])]


def results_of(stack, task):
    return [name for name in stack.objects() if name.startswith(f"results/{task['file_id']}/")]


def remove_output(stack, task, n):
    """Behind our back."""
    name, = stack.sql(f"SELECT object FROM outputs WHERE task_id = {task['id']} AND n = {n}")[0]
    answer = requests.delete(f"{stack.emulator.url}/storage/v1/b/{BUCKET}/o/{requests.utils.quote(name, safe='')}", timeout=5)
    assert answer.status_code == 204


def assert_answered(stack, user, task, first, made):
    assert not was_made(stack, task)
    assert task["receipt"] == {**first["receipt"], "reused": {"task": first["id"]}, "cpu_seconds": 0}
    assert contents(user, task) == made and (task["attempts"], task["progress"]) == (0, 100)
    assert len(results_of(stack, task)) == len(made), "it owns its outputs"


@pytest.mark.sanitized
def test_answered_from_an_earlier_result(stack, user, media):
    """All outputs are copied, whichever way it is asked for; each task keeps its own when another is deleted or runs again."""
    video, options = media.video(3, "320x240"), json.dumps(EXTRAS)
    first = user.finish(user.upload(video, "mp4", options=options), 120)
    made = contents(user, first)
    assert was_made(stack, first) and len(made) == 3 + 4
    second = user.finish(user.upload(video, "mp4", options=options, reuse="true"))
    assert_answered(stack, user, second, first, made)
    assert user.delete(f"/api/tasks/{first['id']}").status_code == 200 and not results_of(stack, first)
    upload = user.post("/api/uploads", json={"fileName": video.name, "size": video.stat().st_size}).json()
    direct_upload.upload(upload["upload_url"], video)
    third = user.finish(user.post("/api/tasks", json={"upload_id": upload["upload_id"], "newFormat": "mp4", "options": EXTRAS,
                                                      "reuse": True}).json()["task"])
    assert_answered(stack, user, third, second, made)
    assert user.request("PUT", f"/api/tasks/{second['id']}", json={"reuse": True}).status_code == 200
    assert_answered(stack, user, user.finish(second), third, made)
    used = stack.sql(f"SELECT stored_bytes FROM user_usage WHERE user_id = {first['user_id']}")
    assert int(used[0][0]) == 2 * (video.stat().st_size + sum(output["size"] for output in third["outputs"]))


def test_answered_from_a_url(make_stack, media):
    with contextlib.closing(Origin()) as origin:
        stack = make_stack(settings={"FETCH_ALLOW_HOSTS": origin.host})
        user, body = stack.client(), {"url": origin.file("/a.ogg", media.tone("ogg").read_bytes()), "newFormat": "mp3"}
        first, second = (user.finish(user.post("/api/tasks", json={**body, "reuse": True}).json()["task"]) for _ in range(2))
        assert was_made(stack, first)
        assert_answered(stack, user, second, first, contents(user, first))
        assert second["original_size"] == first["original_size"]
        stack.worker.stop()
        stack.worker.env["LOGO_FILE"] = str(media.once("logo.png", lambda path: ffmpeg("-f", "lavfi", "-i", "color=size=8x8", "-frames:v", "1", path)))
        stack.worker.start()
        third = user.finish(user.post("/api/tasks", json={**body, "reuse": True}).json()["task"])
        assert was_made(stack, third), "another logo is another engine"


def test_others_are_converted(stack, user, media):
    """Without the field, with other options or bytes, or for another user."""
    song, fields = media.tone("wav", seconds=1), {"options": '{"bitrate": 96000}'}
    first = user.finish(user.upload(song, "mp3", **fields))
    asked = [(user, song, fields), (user, song, {"options": '{"bitrate": 128000}', "reuse": "true"}),
             (user, song.read_bytes() + b"\0\0\0\0", {**fields, "reuse": "true"}), (stack.client(), song, {**fields, "reuse": "true"})]
    tasks = [(who, who.upload(source, "mp3", name="a.wav", **given)) for who, source, given in asked]
    assert all(was_made(stack, who.finish(task)) for who, task in tasks)
    same = user.finish(user.upload(song, "mp3", name="b.wav", reuse="true", **fields))
    assert not was_made(stack, same) and same["outputs"][0]["file_name"] == "b.mp3" and same["processed_size"] == first["processed_size"]


def test_lost_outputs_are_made_again(stack, user, media):
    """The second output is gone: the copy of the first is dropped, and the task is converted as usual."""
    song, fields = media.tone("wav", seconds=2), {"options": '{"waveform": {"points": 64}}', "reuse": "true"}
    first = user.finish(user.upload(song, "mp3", **fields))
    made = contents(user, first)
    remove_output(stack, first, 1)
    second = user.finish(user.upload(song, "mp3", **fields))
    assert was_made(stack, second) and contents(user, second) == made and len(results_of(stack, second)) == 2
    assert stack.sql(f"SELECT count(*) FROM stray_objects WHERE name LIKE 'results/{second['file_id']}/%'") == [["0"]]
    third = user.finish(user.upload(song, "mp3", **fields))
    assert_answered(stack, user, third, second, made)


def test_worker_killed_between_copy_and_commit(make_stack, media):
    stack = make_stack(worker_settings={"LEASE_SECONDS": 3})
    user, song = stack.client(), media.tone("wav", seconds=1)
    first = user.finish(user.upload(song, "mp3"))
    with contextlib.closing(connect(stack.postgres.url(stack.database))) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE outputs IN SHARE ROW EXCLUSIVE MODE")  # holds the commit, and not the search for the result
        second = user.upload(song, "mp3", reuse="true")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO outputs%'"
        wait_for(lambda: stack.sql(waiting) != [["0"]], "the commit", 20)
        stack.worker.kill()
        stack.sql(waiting.replace("count(*)", "pg_terminate_backend(pid)"))  # it would still commit for its dead client
        assert len(results_of(stack, second)) == 1
    stack.worker.start()
    second = user.finish(second, 30)
    assert second["receipt"]["reused"] == {"task": first["id"]} and contents(user, second) == contents(user, first)
    stack.sql("UPDATE stray_objects SET delete_after = now()")
    stack.sweep_whole()
    owned = stack.sql("SELECT object FROM outputs UNION ALL SELECT input_object FROM tasks")
    assert sorted(stack.objects()) == sorted(name for name, in owned) and len(owned) == 4
    assert stack.sql("SELECT count(*) FROM stray_objects") == [["0"]]
