"""
The contract's cases: each calls one operation and knows the status that comes. Together they provoke every status
that the document names; test_openapi.py runs them and proves that none is left out.
"""

import base64
import collections
import concurrent.futures
import contextlib
import json
import uuid

import requests

from .client import PASSWORD
from .contract_environment import CONTRACT, DIRECT_UPLOAD_MAX, NOWHERE
from .waiting import wait_for

Case = collections.namedtuple("Case", "operation status name run")
CASES = []


def case(operation, *statuses):
    """A case for each status. The function gets the world and call(…), which asks the operation, and gives the answer."""
    def add(function):
        for status in statuses:
            CASES.append(Case(operation, status, function.__name__.strip("_"), function))
        return function
    return add


# ---- users --------------------------------------------------------------------------------------


def signup_body(**change):
    name = f"contract-{uuid.uuid4().hex[:8]}"
    return {"username": name, "email": f"{name}@example.com", "password1": PASSWORD, "password2": PASSWORD, **change}


@case("signup", 201)
def _as_json(world, call):
    return call(json=signup_body())


@case("signup", 201)
def _as_form(world, call):
    return call(data=signup_body())


@case("signup", 201)
def _as_multipart_with_the_other_spelling(world, call):
    body = signup_body()
    body = {"username": body["username"], "email": body["email"], "password": PASSWORD, "password_2": PASSWORD}
    return call(files={key: (None, value) for key, value in body.items()})


@case("signup", 400)
def _weak_password(world, call):
    return call(json=signup_body(password1="weak", password2="weak"))


@case("signup", 400)
def _name_taken(world, call):
    return call(json=signup_body(username=world.user.username))


@case("login", 200)
def _by_name(world, call):
    return call(json={"username": world.user.username, "password": PASSWORD})


@case("login", 200)
def _by_mail_address(world, call):
    return call(data={"email": f"{world.user.username}@example.com", "password": PASSWORD})


@case("login", 400)
def _no_password(world, call):
    return call(json={"username": world.user.username})


@case("login", 401)
def _wrong_password(world, call):
    return call(json={"username": world.user.username, "password": PASSWORD + "x"})


@case("me", 200)
def _me(world, call):
    return call(who=world.user)


# ---- tasks ------------------------------------------------------------------------------------------


@case("createTask", 201)
def _of_a_file(world, call):
    with open(world.media.tone("mp3"), "rb") as file:
        return call(who=world.user, files={"fileName": file}, data={"newFormat": "FLAC", "priority": "high", "options": "{}"})


@case("createTask", 201)
def _of_an_url(world, call):
    return call(who=world.user, json={"url": "https://example.com/song.mp3", "newFormat": "ogg"})


@case("createTask", 201)
def _with_options(world, call):
    return call(who=world.user, json={"url": "https://example.com/video.mov", "newFormat": "webm", "options": {
        "resize": {"width": 640, "height": 360, "fit": "crop"}, "trim": {"start": 1.5}, "crf": 40, "loudness": -16, "thumbnail": {"at": 2}}})


@case("createTask", 201)
def _of_a_video_without_a_word(world, call):
    answer = call(who=world.user, files={"file": ("video.mp4", b"this is no video" * 100)})
    assert answer.json()["task"]["preset"] == "fpv"
    return answer


@case("createTask", 201)
def _of_a_video_at_an_url(world, call):
    answer = call(who=world.user, data={"url": "https://example.com/video.mp4"})
    assert answer.json()["task"]["preset"] == "idrl"
    return answer


@case("createTask", 201)
def _by_a_preset(world, call):
    return call(who=world.user, json={"url": "https://example.com/video.mp4", "preset": "idrl", "newFormat": "mkv"})


@case("createTask", 400)
def _with_an_option_that_is_none(world, call):
    return call(who=world.user, json={"url": "https://example.com/video.mp4", "newFormat": "mp4", "options": {"fps": 0}})


@case("createTask", 201)
def _of_an_upload(world, call):
    data = world.media.tone("mp3").read_bytes()
    upload = begin_upload(world, len(data))
    assert requests.put(upload["upload_url"], data=data, timeout=20).status_code == 200
    return call(who=world.user, json={"upload_id": upload["upload_id"], "newFormat": "wav"})


@case("createTask", 201)
def _records(world, call):
    return call(who=world.user, json={"kind": "insert_records", "records": 1, "priority": "normal"})


@case("createTask", 201)
def _records_by_name(world, call):
    return call(who=world.user, data={"name": "upload", "description": "user upload", "records": "1"})


@case("createTask", 201)
def _again_by_its_key(world, call):
    key, body = str(uuid.uuid4()), {"kind": "insert_records", "records": 1}
    first = call(who=world.user, json=body, headers={"Idempotency-Key": key})
    again = call(who=world.user, json=body, headers={"Idempotency-Key": key})
    assert "Idempotency-Replayed" not in first.headers and again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["task"]["id"] == first.json()["task"]["id"]
    return again


@case("createTask", 409)
def _a_key_used_for_something_else(world, call):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    call(who=world.user, json={"kind": "insert_records", "records": 1}, headers=headers)
    return call(who=world.user, json={"kind": "insert_records", "records": 2}, headers=headers)


@case("createTask", 409)
def _of_an_upload_that_is_not_finished(world, call):
    return call(who=world.user, json={"upload_id": begin_upload(world, 5)["upload_id"], "newFormat": "wav"})


@case("createTask", 404)
def _of_an_upload_that_is_not_there(world, call):
    return call(who=world.user, json={"upload_id": str(uuid.uuid4()), "newFormat": "wav"})


@case("createTask", 400)
def _of_an_unknown_format(world, call):
    return call(who=world.user, files={"fileName": ("a.wav", b"data")}, data={"newFormat": "docx"})


@case("createTask", 400)
def _of_an_url_inside(world, call):
    return call(who=world.user, json={"url": "http://169.254.169.254/x.mp3", "newFormat": "ogg"})


@case("createTask", 400)
def _broken_json(world, call):
    return call(who=world.user, data=b"{", headers={"Content-Type": "application/json"})


@case("listTasks", 200)
def _all_of_mine(world, call):
    return call(who=world.user)


@case("listTasks", 200)
def _a_page(world, call):
    world.records_task()
    answer = call(who=world.user, params={"max": 1, "order": 0, "after": 1, "status": "processed"})
    page = call(who=world.user, params={"max": 1})
    assert page.headers["Link"]
    return answer


@case("listTasks", 400)
def _order_that_is_none(world, call):
    return call(who=world.user, params={"order": 2})


@case("listAllTasks", 200)
def _operators_see_all(world, call):
    answer = call(who=world.operator, params={"max": 5, "order": 1})
    assert answer.json()
    return answer


@case("listAllTasks", 400)
def _max_that_is_none(world, call):
    return call(who=world.operator, params={"max": "many"})


@case("listAllTasks", 403)
def _others_do_not(world, call):
    return call(who=world.user)


@case("getTask", 200)
def _by_number(world, call):
    return call(who=world.user, path={"id": world.done["id"]})


@case("getTask", 200)
def _by_file_id(world, call):
    return call(who=world.user, path={"id": world.done["file_id"]})


@case("getTask", 200)
def _with_records(world, call):
    task = world.user.finish(world.records_task())
    return call(who=world.user, path={"id": task["id"]})


def made_of_a_video(world, call, **fields):
    video = world.media.video(3, "160x120", 15)
    task = world.user.finish(world.user.upload(video, **fields), 120)
    return call(who=world.user, path={"id": task["id"]})


@case("getTask", 200)
def _of_a_video(world, call):
    answer = made_of_a_video(world, call, new_format="webm")
    assert answer.json()["receipt"]["output"]["width"] == 160
    return answer


@case("getTask", 200)
def _of_a_video_in_parts(world, call):
    options = {"split": {"seconds": 2}, "thumbnail": {"at": 1}, "loudness": -20, "resize": {"width": 80}, "logo": {"intro": 0.5}}
    answer = made_of_a_video(world, call, new_format="mp4", options=json.dumps(options))
    assert [output["format"] for output in answer.json()["outputs"]] == ["mp4", "mp4", "jpg"]
    assert len(answer.json()["receipt"]["outputs"]) == 3
    return answer


@case("getTask", 200)
def _of_the_audio_of_a_video(world, call):
    return made_of_a_video(world, call, new_format="mp3")


@case("getTask", 200)
def _that_failed(world, call):
    task = world.user.wait(world.user.upload(b"this is no media" * 100, "wav", name="a.mp3"))
    answer = call(who=world.user, path={"id": task["id"]})
    assert answer.json()["status"] == "failed" and answer.json()["error"]["code"]
    return answer


@case("getTask", 404)
def _a_strangers(world, call):
    return call(who=world.stranger, path={"id": world.done["id"]})


@case("redoTask", 200)
def _another_format(world, call):
    return call(who=world.user, path={"id": world.user.finish(world.new_task())["id"]}, json={"newFormat": "mp3", "options": {}})


@case("redoTask", 200)
def _another_format_by_form(world, call):
    return call(who=world.user, path={"id": world.user.finish(world.new_task())["id"]}, data={"newFormat": "acc"})


@case("redoTask", 200)
def _another_format_by_multipart(world, call):
    return call(who=world.user, path={"id": world.user.finish(world.new_task())["id"]}, files={"newFormat": (None, "ogg")})


@case("redoTask", 200)
def _with_other_options(world, call):
    return call(who=world.user, path={"id": world.user.finish(world.new_task())["id"]},
                data={"newFormat": "mp3", "options": '{"bitrate": 96000, "channels": 1}'})


@case("redoTask", 200)
def _as_an_edit(world, call):
    answer = call(who=world.user, path={"id": world.user.finish(world.new_task())["id"]}, json={"preset": "fpv", "newFormat": "webm"})
    assert answer.json()["task"]["kind"] == "edit"
    return answer


@case("redoTask", 400)
def _with_an_option_for_another_format(world, call):
    return call(who=world.user, path={"id": world.done["id"]}, json={"options": {"fps": 24}})


@case("redoTask", 400)
def _to_nothing(world, call):
    return call(who=world.user, path={"id": world.done["id"]}, json={})


@case("redoTask", 404)
def _what_is_not_there(world, call):
    return call(who=world.user, path={"id": NOWHERE}, json={"newFormat": "mp3"})


@case("redoTask", 409)
def _what_has_no_format(world, call):
    return call(who=world.user, path={"id": world.records_task()["id"]}, json={"newFormat": "mp3"})


@case("deleteTask", 200)
def _one(world, call):
    return call(who=world.user, path={"id": world.new_task()["id"]})


@case("deleteTask", 404)
def _one_that_is_a_strangers(world, call):
    return call(who=world.stranger, path={"id": world.done["id"]})


# ---- events --------------------------------------------------------------------------------------


def parse_events(text):
    """The events of a stream: fields by name, data as JSON. Comments and retry are dropped."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            events.append({**fields, "data": json.loads(fields["data"])})
    return events


def check_events(text):
    events = parse_events(text)
    assert events
    for event in events:
        assert event["event"] in ("state", "progress", "result", "deleted") and event["id"].isdigit()
        if event["event"] != "deleted":
            assert CONTRACT.errors({"$ref": "#/components/schemas/Task"}, event["data"]) == []
    return events


@case("taskEvents", 200)
def _until_the_result(world, call):
    answer = call(who=world.user, path={"id": world.new_task()["id"]})
    assert check_events(answer.text)[-1]["event"] == "result"
    return answer


@case("taskEvents", 204)
def _when_all_is_heard(world, call):
    last = check_events(call(who=world.user, path={"id": world.done["id"]}).text)[-1]["id"]
    return call(who=world.user, path={"id": world.done["id"]}, headers={"Last-Event-ID": last})


@case("taskEvents", 400)
def _last_id_that_is_none(world, call):
    return call(who=world.user, path={"id": world.done["id"]}, headers={"Last-Event-ID": "x"})


@case("taskEvents", 404)
def _of_a_stranger(world, call):
    return call(who=world.stranger, path={"id": world.done["id"]})


def open_stream(world):
    """An open stream of all of the user's tasks, or None."""
    answer = requests.get(world.stack.url + "/api/events", headers={"Authorization": f"Bearer {world.user.token}"},
                          stream=True, timeout=30)
    return answer if answer.status_code == 200 else None


def with_all_places_taken(world, ask):
    """MAX_EVENT_STREAMS is 2. A place is free again a moment after its client has gone."""
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(wait_for(lambda: open_stream(world), "a place for a stream", 20))
        return ask()


@case("taskEvents", 429)
def _of_a_task_when_there_are_too_many(world, call):
    task = world.new_task()
    return with_all_places_taken(world, lambda: call(who=world.user, path={"id": task["id"]}))


@case("events", 429)
def _when_there_are_too_many(world, call):
    return with_all_places_taken(world, lambda: call(who=world.user))


@case("events", 400)
def _last_id_that_is_no_number(world, call):
    return call(who=world.user, headers={"Last-Event-ID": "-1"})


@case("events", 200)
def _of_all_tasks(world, call):
    """The stream has no end: it is read until the result of a task that is made meanwhile."""
    with wait_for(lambda: open_stream(world), "a place for a stream", 20) as answer:
        task, text = world.new_task(), ""
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
            text += line + "\n"
            if not line and any(event["data"]["id"] == task["id"] and event["event"] == "result" for event in parse_events(text)):
                break
        check_events(text)
    answer._content = text.encode()  # pylint: disable=protected-access — what was read of it
    CONTRACT.check_answer(CONTRACT.operations["events"], answer)
    return answer


# ---- probes -------------------------------------------------------------------------------------


@case("probe", 200)
def _of_a_form(world, call):
    with open(world.media.tone("mp3"), "rb") as file:
        answer = call(who=world.user, files={"fileName": file})
    assert answer.json()["probe"]["container"] == "mp3"
    return answer


@case("probe", 200)
def _of_a_finished_upload(world, call):
    data = world.media.tone("mp3").read_bytes()
    upload = begin_upload(world, len(data))
    assert requests.put(upload["upload_url"], data=data, timeout=20).status_code == 200
    return call(who=world.user, data={"upload_id": upload["upload_id"]})


@case("probe", 202)
def _while_the_worker_is_away(world, call):
    with world.worker_away():
        answer = call(who=world.user, files={"file": ("a.mp3", world.media.tone("mp3").read_bytes())})
    task = world.user.finish(answer.json()["task"])
    assert task["kind"] == "probe" and task["result"]["input"]["container"] == "mp3"
    return answer


@case("probe", 400)
def _of_no_medium(world, call):
    return call(who=world.user, files={"fileName": ("a.mp3", b"this is no media" * 100)})


@case("probe", 400)
def _of_nothing(world, call):
    return call(who=world.user, json={})


@case("probe", 404)
def _of_an_upload_that_nobody_began(world, call):
    return call(who=world.user, json={"upload_id": str(uuid.uuid4())})


@case("probe", 409)
def _of_an_upload_that_is_under_way(world, call):
    return call(who=world.user, json={"upload_id": begin_upload(world, 5)["upload_id"]})


# ---- uploads and files -------------------------------------------------------------------------------


def begin_upload(world, size):
    answer = world.user.post("/api/uploads", json={"fileName": "tone.mp3", "size": size, "contentType": "audio/mpeg"})
    assert answer.status_code == 201, answer.text
    return answer.json()


@case("createUpload", 201)
def _begun(world, call):
    return call(who=world.user, json={"fileName": "a.wav", "size": 1}, headers={"Origin": "https://app.example.com"})


@case("createUpload", 201)
def _begun_by_form(world, call):
    return call(who=world.user, data={"fileName": "a.wav", "size": "1000", "contentType": "audio/wav"})


@case("createUpload", 400)
def _without_a_size(world, call):
    return call(who=world.user, json={"fileName": "a.wav"})


@case("createUpload", 413)
def _of_more_than_may_be(world, call):
    return call(who=world.user, json={"fileName": "a.wav", "size": DIRECT_UPLOAD_MAX + 1})


@case("getFile", 200)
def _whole(world, call):
    answer = call(who=world.user, path={"file_id": world.done["file_id"]}, params={"n": 0})
    assert len(answer.content) == world.done["processed_size"]
    return answer


@case("getFile", 200)
def _by_the_name_it_came_with(world, call):
    return call(who=world.user, path={"file_id": world.done["original_file"]})


@case("getFile", 206)
def _a_part(world, call):
    return call(who=world.user, path={"file_id": world.done["file_id"]}, headers={"Range": "bytes=0-9"})


@case("getFile", 302)
def _by_redirect(world, call):
    """With another setting, so web is started anew with it, and again without."""
    web = world.stack.web
    web.env["DOWNLOAD_MODE"] = "redirect"
    web.restart()
    try:
        answer = call(who=world.user, path={"file_id": world.done["file_id"]})
        assert len(requests.get(answer.headers["Location"], timeout=20).content) == world.done["processed_size"]
        return answer
    finally:
        del web.env["DOWNLOAD_MODE"]
        web.restart()


@case("getFile", 400)
def _that_will_never_be(world, call):
    task = world.user.wait(world.user.upload(b"this is no media" * 100, "wav", name="b.mp3"))
    return call(who=world.user, path={"file_id": task["file_id"]})


@case("getFile", 404)
def _that_is_a_strangers(world, call):
    return call(who=world.stranger, path={"file_id": world.done["file_id"]})


@case("getFile", 416)
def _behind_the_end(world, call):
    return call(who=world.user, path={"file_id": world.done["file_id"]}, headers={"Range": "bytes=999999999-"})


# ---- health, benchmark, pages -----------------------------------------------------------------------------


@case("index", 302)
def _to_the_reader(world, call):
    answer = call()
    assert answer.headers["Location"] == "/docs"
    return answer


@case("alive", 200)
@case("apiHealth", 200)
@case("ping", 200)
@case("converterHealth", 200)
@case("openapi", 200)
@case("docs", 200)
@case("report", 200)
@case("benchmarkData", 200)
@case("benchmarkResult", 200)
def _for_anybody(world, call):
    return call()


@case("converterHealth", 200)
def _with_the_pong(world, call):
    answer = call(params={"wait": "1"})
    assert answer.json()["pong"] is True
    return answer


@case("converterHealth", 429)
def _when_too_many_wait(world, call):
    """Without a worker those who wait stay, and the places are few; the next worker answers them."""
    recent = "SELECT count(*) FROM pings WHERE sent_at > clock_timestamp() - interval '1 s'"
    world.stack.worker.stop()
    try:
        wait_for(lambda: world.stack.sql(recent) == [["0"]], "a second without a ping, for pings are shared", 5)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(call, params={"wait": "1"}) for _ in range(8)]
            concurrent.futures.wait(asked, timeout=10, return_when=concurrent.futures.FIRST_COMPLETED)
            world.stack.worker.start()
    finally:
        if not world.stack.worker.alive():
            world.stack.worker.start()
    answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} == {200, 429}
    return next(answer for answer in answers if answer.status_code == 429)


def benchmark_form(world, **change):
    return {"files": {"fileName": ("tone.mp3", world.media.tone("mp3").read_bytes())},
            "data": {"newFormat": "wav", "taskNumber": "3", **change}}


@case("benchmarkStart", 200)
def _a_small_test(world, call):
    answer = call(**benchmark_form(world))
    assert answer.json()["count"] == 3
    for path in ("data", "result"):
        world.call(CONTRACT.operations[f"benchmark{path.title()}"])
    return answer


@case("benchmarkStart", 400)
def _of_no_tasks(world, call):
    return call(**benchmark_form(world, taskNumber="0"))


@case("benchmarkStart", 404)
def _a_test_where_there_is_none(world, call):
    return call(stack=world.plain, **benchmark_form(world))


@case("benchmarkData", 404)
@case("benchmarkResult", 404)
@case("report", 404)
def _where_there_is_none(world, call):
    return call(stack=world.plain)


# ---- the platform -------------------------------------------------------------------------------------------


def envelope(message):
    data = base64.b64encode(json.dumps(message).encode()).decode()
    return {"message": {"data": data, "messageId": "1", "attributes": {}}, "subscription": "projects/p/subscriptions/s"}


@case("sweep", 200)
def _by_the_scheduler(world, call):
    return call(who=world.platform, json={})


@case("sweep", 403)
@case("deadLetters", 403)
def _with_a_token_for_another(world, call):
    other = world.stack.anonymous().use_token(world.stack.token_of_platform("https://elsewhere.example.com"))
    return call(who=other, json={})


@case("deadLetters", 204)
def _of_a_task_that_is_not_there(world, call):
    return call(who=world.platform, json=envelope({"v": 1, "kind": "convert", "task_id": int(NOWHERE), "generation": 1}))


@case("deadLetters", 400)
def _no_envelope(world, call):
    return call(who=world.platform, json={"message": 5})
