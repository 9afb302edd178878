"""Cases of tasks: create, list, get, redo, delete."""

import concurrent.futures
import json
import uuid

import requests

from ..contract_environment import NOWHERE
from .files import begin_upload
from .table import case


@case("createTask", 201)
def _from_a_file(env, call):
    with open(env.media.tone("mp3"), "rb") as file:
        return call(who=env.user, files={"fileName": file}, data={"newFormat": "FLAC", "priority": "high", "options": "{}"})


@case("createTask", 201)
def _from_a_url(env, call):
    return call(who=env.user, json={"url": "https://example.com/song.mp3", "newFormat": "ogg"})


@case("createTask", 201)
def _with_options(env, call):
    return call(who=env.user, json={"url": "https://example.com/video.mov", "newFormat": "webm", "options": {
        "resize": {"width": 640, "height": 360, "fit": "crop"}, "trim": {"start": 1.5}, "crf": 40, "loudness": -16, "thumbnail": {"at": 2},
        "filmstrip": {"frames": 40, "width": 96}}})


@case("createTask", 201)
def _from_a_video_without_format(env, call):
    answer = call(who=env.user, files={"file": ("video.mp4", b"this is no video" * 100)})
    assert answer.json()["task"]["preset"] == "fpv"
    return answer


@case("createTask", 201)
def _from_a_video_url_without_format(env, call):
    answer = call(who=env.user, data={"url": "https://example.com/video.mp4"})
    assert answer.json()["task"]["preset"] == "idrl"
    return answer


@case("createTask", 201)
def _with_a_preset(env, call):
    return call(who=env.user, json={"url": "https://example.com/video.mp4", "preset": "idrl", "newFormat": "mkv"})


@case("createTask", 400)
def _option_out_of_range(env, call):
    return call(who=env.user, json={"url": "https://example.com/video.mp4", "newFormat": "mp4", "options": {"fps": 0}})


@case("createTask", 201)
def _from_an_upload(env, call):
    data = env.media.tone("mp3").read_bytes()
    upload = begin_upload(env, len(data))
    assert requests.put(upload["upload_url"], data=data, timeout=20).status_code == 200
    return call(who=env.user, json={"upload_id": upload["upload_id"], "newFormat": "wav"})


@case("createTask", 201)
def _waits_for_the_end(env, call):
    env.user.finish(env.user.upload(env.media.tone("mp3"), "wav"))
    answer = call(who=env.user, params={"wait": "30"}, files={"fileName": ("tone.mp3", env.media.tone("mp3").read_bytes())},
                  data={"new_format": "wav", "reuse": "true"})
    assert answer.json()["task"]["status"] == "processed" and answer.json()["task"]["receipt"]["reused"]
    return answer


@case("createTask", 202)
def _waits_in_vain(env, call):
    """No worker runs. The time of one request is up; the task of another is deleted, which is the answer at once."""
    env.stack.worker.stop()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            before = {task["id"] for task in env.user.get("/api/tasks?max=1000").json()}
            other = pool.submit(env.user.post, "/api/tasks?wait=60", json={"kind": "insert_records"})
            answer = call(who=env.user, params={"wait": "1"}, json={"kind": "insert_records"})
            assert answer.headers["Location"] == f"/api/tasks/{answer.json()['task']['id']}"
            waiting, = {task["id"] for task in env.user.get("/api/tasks?max=1000").json()} - before - {answer.json()["task"]["id"]}
            assert env.user.delete(f"/api/tasks/{waiting}").status_code == 200
            assert other.result(20).status_code == 404
    finally:
        env.stack.worker.start()
    return answer


@case("createTask", 400)
def _wait_is_no_number(env, call):
    return call(who=env.user, params={"wait": "long"}, json={"kind": "insert_records"})


@case("createTask", 201)
def _records(env, call):
    return call(who=env.user, json={"kind": "insert_records", "records": 1, "priority": "normal"})


@case("createTask", 201)
def _records_by_name(env, call):
    return call(who=env.user, data={"name": "upload", "description": "user upload", "records": "1"})


@case("createTask", 201)
def _replayed_by_its_key(env, call):
    key, body = str(uuid.uuid4()), {"kind": "insert_records", "records": 1}
    first = call(who=env.user, json=body, headers={"Idempotency-Key": key})
    again = call(who=env.user, json=body, headers={"Idempotency-Key": key})
    assert "Idempotency-Replayed" not in first.headers and again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["task"]["id"] == first.json()["task"]["id"]
    return again


@case("createTask", 409)
def _key_used_for_another_request(env, call):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    call(who=env.user, json={"kind": "insert_records", "records": 1}, headers=headers)
    return call(who=env.user, json={"kind": "insert_records", "records": 2}, headers=headers)


@case("createTask", 409)
def _from_an_unfinished_upload(env, call):
    return call(who=env.user, json={"upload_id": begin_upload(env, 5)["upload_id"], "newFormat": "wav"})


@case("createTask", 403)
def _more_records_than_allowed(env, call):
    answer = call(who=env.user, json={"kind": "insert_records", "records": 1_000_001})
    assert answer.json()["code"] == "quota_records_per_task"
    return answer


@case("createTask", 429)
def _with_a_full_queue(env, call):
    with open(env.media.tone("mp3"), "rb") as file:
        answer = call(who=env.user_over("tasks"), files={"fileName": file}, data={"newFormat": "ogg"})
    assert answer.json()["code"] == "quota_tasks" and int(answer.headers["Retry-After"]) == 60
    return answer


@case("redoTask", 403)
def _redo_with_too_many_bytes(env, call):
    return call(who=env.user_over("stored_bytes"), path={"id": NOWHERE}, json={"newFormat": "ogg"})


@case("redoTask", 429)
def _redo_with_a_full_queue(env, call):
    return call(who=env.user_over("tasks"), path={"id": NOWHERE}, json={"newFormat": "ogg"})


@case("createTask", 404)
def _from_an_unknown_upload(env, call):
    return call(who=env.user, json={"upload_id": str(uuid.uuid4()), "newFormat": "wav"})


@case("createTask", 400)
def _unknown_format(env, call):
    return call(who=env.user, files={"fileName": ("a.wav", b"data")}, data={"newFormat": "docx"})


@case("createTask", 400)
def _from_an_internal_url(env, call):
    return call(who=env.user, json={"url": "http://169.254.169.254/x.mp3", "newFormat": "ogg"})


@case("createTask", 400)
def _broken_json(env, call):
    return call(who=env.user, data=b"{", headers={"Content-Type": "application/json"})


@case("listTasks", 200)
def _all_of_the_user(env, call):
    return call(who=env.user)


@case("listTasks", 200)
def _a_page(env, call):
    env.records_task()
    answer = call(who=env.user, params={"max": 1, "order": 0, "after": 1, "status": "processed"})
    page = call(who=env.user, params={"max": 1})
    assert page.headers["Link"]
    return answer


@case("listTasks", 400)
def _invalid_order(env, call):
    return call(who=env.user, params={"order": 2})


@case("listAllTasks", 200)
def _by_an_operator(env, call):
    answer = call(who=env.operator, params={"max": 5, "order": 1})
    assert answer.json()
    return answer


@case("listAllTasks", 400)
def _invalid_max(env, call):
    return call(who=env.operator, params={"max": "many"})


@case("listAllTasks", 403)
def _by_another_user(env, call):
    return call(who=env.user)


@case("getTask", 200)
def _by_number(env, call):
    return call(who=env.user, path={"id": env.done["id"]})


@case("getTask", 200)
def _by_file_id(env, call):
    return call(who=env.user, path={"id": env.done["file_id"]})


@case("getTask", 200)
def _with_records(env, call):
    task = env.user.finish(env.records_task())
    return call(who=env.user, path={"id": task["id"]})


def get_video_task(env, call, **fields):
    video = env.media.video(3, "160x120", 15)
    task = env.user.finish(env.user.upload(video, **fields), 120)
    return call(who=env.user, path={"id": task["id"]})


@case("getTask", 200)
def _of_a_video(env, call):
    answer = get_video_task(env, call, new_format="webm")
    assert answer.json()["receipt"]["output"]["width"] == 160
    return answer


@case("getTask", 200)
def _of_a_video_in_parts(env, call):
    options = {"split": {"seconds": 2}, "thumbnail": {"at": 1}, "loudness": -20, "resize": {"width": 80}, "logo": {"intro": 0.5}}
    answer = get_video_task(env, call, new_format="mp4", options=json.dumps(options))
    assert [output["format"] for output in answer.json()["outputs"]] == ["mp4", "mp4", "jpg"]
    assert len(answer.json()["receipt"]["outputs"]) == 3
    return answer


@case("getTask", 200)
def _of_the_audio_of_a_video(env, call):
    return get_video_task(env, call, new_format="mp3")


@case("getTask", 200)
def _that_failed(env, call):
    task = env.user.wait(env.user.upload(b"this is no media" * 100, "wav", name="a.mp3"))
    answer = call(who=env.user, path={"id": task["id"]})
    assert answer.json()["status"] == "failed" and answer.json()["error"]["code"]
    return answer


@case("getTask", 404)
def _of_another_user(env, call):
    return call(who=env.other, path={"id": env.done["id"]})


@case("redoTask", 200)
def _another_format(env, call):
    return call(who=env.user, path={"id": env.user.finish(env.new_task())["id"]}, json={"newFormat": "mp3", "options": {}})


@case("redoTask", 200)
def _another_format_by_form(env, call):
    return call(who=env.user, path={"id": env.user.finish(env.new_task())["id"]}, data={"newFormat": "acc"})


@case("redoTask", 200)
def _another_format_by_multipart(env, call):
    return call(who=env.user, path={"id": env.user.finish(env.new_task())["id"]}, files={"newFormat": (None, "ogg")})


@case("redoTask", 200)
def _with_other_options(env, call):
    return call(who=env.user, path={"id": env.user.finish(env.new_task())["id"]},
                data={"newFormat": "mp3", "options": '{"bitrate": 96000, "channels": 1}'})


@case("redoTask", 200)
def _as_an_edit(env, call):
    answer = call(who=env.user, path={"id": env.user.finish(env.new_task())["id"]}, json={"preset": "fpv", "newFormat": "webm"})
    assert answer.json()["task"]["kind"] == "edit"
    return answer


@case("redoTask", 400)
def _option_of_another_format(env, call):
    return call(who=env.user, path={"id": env.done["id"]}, json={"options": {"fps": 24}})


@case("redoTask", 400)
def _without_fields(env, call):
    return call(who=env.user, path={"id": env.done["id"]}, json={})


@case("redoTask", 404)
def _unknown_task(env, call):
    return call(who=env.user, path={"id": NOWHERE}, json={"newFormat": "mp3"})


@case("redoTask", 409)
def _task_without_format(env, call):
    return call(who=env.user, path={"id": env.records_task()["id"]}, json={"newFormat": "mp3"})


@case("deleteTask", 200)
def _own_task(env, call):
    return call(who=env.user, path={"id": env.new_task()["id"]})


@case("deleteTask", 404)
def _task_of_another_user(env, call):
    return call(who=env.other, path={"id": env.done["id"]})


@case("cancelTask", 200)
def _waiting(env, call):
    with env.worker_stopped():
        task = env.new_task()
        answer = call(who=env.user, path={"id": task["id"]})
        assert answer.json()["task"]["status"] == "canceled" and call(who=env.user, path={"id": task["id"]}).status_code == 200
        assert env.user.request("PUT", f"/api/tasks/{task['id']}", json={"priority": "high", "new_format": "mp3"}).json()["task"]["priority"] == "high"
    assert env.user.finish(task["id"])["new_format"] == "mp3"
    return answer


@case("cancelTask", 404)
def _canceled_by_another_user(env, call):
    return call(who=env.other, path={"id": env.done["id"]})


@case("cancelTask", 409)
def _canceled_too_late(env, call):
    return call(who=env.user, path={"id": env.done["id"]})


@case("listTasks", 200)
def _filtered(env, call):
    def ids(**params):
        answer = call(who=env.user, params={"max": 1000, **params})
        assert "Link" not in answer.headers
        return {task["id"] for task in answer.json()}
    done, created = env.done["id"], env.done["timestamp"]
    for fits in ({"kind": "convert"}, {"format": "oga"}, {"name": env.done["original_file"][1:].upper()}, {"status": "failed,processed"},
                 {"created_after": "2020-01-01"}, {"created_before": "2999-01-01T00:00:00+02:00"}):
        assert done in ids(**fits), fits
    for other in ({"kind": "edit"}, {"format": "wav"}, {"name": "%"}, {"status": "failed,canceled"}, {"created_after": created},
                  {"created_before": created}):
        assert done not in ids(**other), other
    page = call(who=env.user, params={"max": 1, "kind": "convert", "name": ".", "count": 1})
    total = int(page.headers["Total-Count"])
    assert total == len(ids(kind="convert", name="."))
    following = env.user.get(page.headers["Link"].partition(">")[0][1:])
    assert total == 1 or following.json()[0]["id"] > page.json()[0]["id"]
    return call(who=env.user, headers={"Prefer": "count"})


@case("listTasks", 400)
def _unknown_parameters(env, call):
    for query in ("page=2", "limit=1", "status[]=failed", "kind=x", "format=x", "status=failed,x", "status=", "created_after=x",
                  "created_after=2026-02-31", "created_before=2026-01-01T25:00:00Z", "count=2", f"name={'a' * 256}"):
        assert call(who=env.user, params=query).status_code == 400, query
    return call(who=env.user, params="maximum=1")


@case("createTask", 201)
def _by_uploaders_of_browsers(env, call):
    """Uppy and FilePond add parts of their own; others are refused."""
    file = ("tone.mp3", env.media.tone("mp3").read_bytes(), "audio/mpeg")
    uppy = {"relativePath": "null", "name": "tone.mp3", "type": "audio/mpeg", "newFormat": "wav"}
    assert call(who=env.user, files={"fileName": file}, data={**uppy, "size": "5"}, check_request=False).status_code == 400
    assert call(who=env.user, files=[("file", (None, "{}")), ("file", file)], data={"newFormat": "wav"}, check_request=False).status_code == 201
    assert call(who=env.user, files=[("file", (None, "x")), ("file", file)], data={"newFormat": "wav"}, check_request=False).status_code == 400
    long = call(who=env.user, files={"file": ("a" * 300 + ".mp3", file[1])}, data={"newFormat": "wav"}, check_request=False)
    assert long.json()["task"]["original_file"] == "a" * 251 + ".mp3"
    return call(who=env.user, files={"fileName": file}, data=uppy, check_request=False)


@case("createTask", 201)
def _json_with_a_byte_order_mark(env, call):
    body = b"\xef\xbb\xbf" + json.dumps({"kind": "insert_records", "records": 1}).encode()
    return call(who=env.user, data=body, headers={"Content-Type": "application/json"}, check_request=False)


@case("createTask", 415)
def _raw_or_compressed(env, call):
    """The type of a body is looked at before its size."""
    raw = call(who=env.user, data=bytes(100_000), headers={"Content-Type": "audio/mpeg"})
    assert raw.status_code == 415 and "Accept-Encoding" not in raw.headers
    answer = call(who=env.user, data=b"x", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert answer.headers["Accept-Encoding"] == "identity"
    return answer
