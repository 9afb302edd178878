"""Options and presets in requests: which are refused with which error, which are stored, and the preset of a request without
a format. test_video_options.py and others test the conversions themselves."""

import json
import uuid

import pytest
import requests

VIDEO = "https://media.example.invalid/videos/Video.mp4?v=1"
HOWS = ("json", "data", "multipart")
FPV = {"trim": {"start": 0, "duration": 18}, "resize": {"width": 640, "height": 360, "fit": "pad"}, "logo": {"intro": 1, "outro": 1}}
IDRL = {"split": {"seconds": 20}, "resize": {"aspect": "16:9", "fit": "crop"}, "fps": 24, "logo": {"intro": 1, "outro": 1}}

# (options, newFormat, code, field)
BAD = [
    ({"speed": 3}, "mp4", "unknown_option", "options.speed"),
    ({"resize": {"depth": 1}}, "mp4", "unknown_option", "options.resize.depth"),
    ({"resize": {"width": 100_000, "height": 100_000}}, "mp4", "out_of_range", "options.resize.width"),
    ({"fps": 0}, "mp4", "out_of_range", "options.fps"),
    ({"fps": 10_000}, "webm", "out_of_range", "options.fps"),
    ({"fps": 60}, "gif", "out_of_range", "options.fps"),
    ({"fps": "24"}, "mp4", "wrong_type", "options.fps"),
    ({"trim": {"start": -1, "duration": 5}}, "mp4", "out_of_range", "options.trim.start"),
    ({"trim": {"start": 0, "duration": 0}}, "mp4", "out_of_range", "options.trim.duration"),
    ({"trim": 18}, "mp4", "wrong_type", "options.trim"),
    ({"split": {"seconds": 0.00002}}, "mp4", "out_of_range", "options.split.seconds"),
    ({"split": {"seconds": 1}, "trim": {"duration": 300_000}}, "mp4", "out_of_range", "options.split"),
    ({"split": {}}, "mp4", "missing_option", "options.split.seconds"),
    ({"crf": 20, "bitrate": 1_000_000}, "mp4", "bad_option", "options.crf"),
    ({"mute": True, "loudness": -16}, "mp4", "bad_option", "options.loudness"),
    ({"mute": "yes"}, "mp4", "wrong_type", "options.mute"),
    ({"codec": "vp9"}, "mp4", "bad_option", "options.codec"),
    ({"codec": "h264"}, "mp3", "bad_option", "options.codec"),
    ({"codec": "h265"}, "mp4", "out_of_range", "options.codec"),
    ({"resize": {"fit": "crop"}}, "mp4", "bad_option", "options.resize"),
    ({"resize": {"width": 641}}, "mp4", "out_of_range", "options.resize.width"),
    ({"resize": {"width": 640}}, "wav", "bad_option", "options.resize"),
    ({"logo": {"intro": 11}}, "mp4", "out_of_range", "options.logo.intro"),
    ({"logo": {"intro": 1}}, "ogg", "bad_option", "options.logo"),
    ({"thumbnail": {"at": -1}}, "mp4", "out_of_range", "options.thumbnail.at"),
    ({"filmstrip": {"frames": 1}}, "mp4", "out_of_range", "options.filmstrip.frames"),
    ({"filmstrip": {"width": 160}}, "mp4", "missing_option", "options.filmstrip.frames"),
    ({"filmstrip": {"frames": 9, "width": 33}}, "mp4", "out_of_range", "options.filmstrip.width"),
    ({"filmstrip": {"frames": 9}}, "mp3", "bad_option", "options.filmstrip"),
    ({"bitrate": 1}, "mp3", "out_of_range", "options.bitrate"),
    ({"bitrate": 128_000}, "flac", "bad_option", "options.bitrate"),
    ({"sample_rate": 44_100.5}, "mp3", "wrong_type", "options.sample_rate"),
    ({"channels": 100}, "wav", "out_of_range", "options.channels"),
    ({"loudness": 3}, "mp3", "out_of_range", "options.loudness"),
    ({"preset": "fpv"}, "mp4", "out_of_range", "options.preset"),
]


@pytest.fixture
def user(stack, same_user):  # pylint: disable=unused-argument # stack: no program may die
    return same_user


def named(value):
    return json.dumps(value)[:60] if isinstance(value, (dict, list)) else None


def send(user, method, path, fields, how):
    """The fields as JSON, as a form or as multipart; of a form, options are JSON text."""
    if how == "json":
        return user.request(method, path, json=fields)
    texts = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in fields.items()}
    if how == "data":
        return user.request(method, path, data=texts)
    return user.request(method, path, files={key: (None, value) for key, value in texts.items()})


def refused(answer, code, field):
    assert answer.status_code == 400, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert body["code"] == code and body["detail"].startswith((field + " ", field + ": ")), body
    assert body["message"] == body["detail"]


@pytest.fixture
def create(user):
    """create(fields, how="json", files=None): creates a task without a real file, which is deleted at the end."""
    made = []

    def make(fields, how="json", files=None):
        answer = user.post("/api/tasks", data=fields, files=files) if files else send(user, "POST", "/api/tasks", fields, how)
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["task"])
        return made[-1]

    yield make
    for task in made:
        assert user.delete(f"/api/tasks/{task['id']}").status_code == 200


def upload_of(user, name, content_type=None):
    body = {"fileName": name, "size": len(b"video"), **({"contentType": content_type} if content_type else {})}
    answer = user.post("/api/uploads", json=body)
    assert answer.status_code == 201, answer.text
    assert requests.put(answer.json()["upload_url"], data=b"video", timeout=20).status_code == 200
    return answer.json()["upload_id"]


@pytest.mark.parametrize("options, new_format, code, field", BAD, ids=named)
def test_invalid_options(user, create, options, new_format, code, field):
    """Refused by POST and PUT with each type of body. The task does not change."""
    task = create({"url": VIDEO, "newFormat": "mp4"})
    change = {"newFormat": new_format, "options": options}
    for how in HOWS:
        refused(send(user, "POST", "/api/tasks", {"url": VIDEO, **change}, how), code, field)
        refused(send(user, "PUT", f"/api/tasks/{task['id']}", change, how), code, field)
    after = user.task(task["id"])
    assert [one["id"] for one in user.tasks()] == [task["id"]]
    assert after["new_format"] == "mp4" and after["options"] is None


@pytest.mark.sanitized
def test_invalid_options_with_a_file(stack, user):
    """Before the file and after it. Nothing of the file is kept."""
    before = {name for name in stack.objects() if name.startswith("inputs/")}
    parts = [("newFormat", (None, "mp4")), ("options", (None, '{"crf": 99}')), ("fileName", ("a.mov", b"video" * 1000))]
    for turned in (parts, parts[::-1]):
        refused(user.post("/api/tasks", files=turned), "out_of_range", "options.crf")
    wrong_codec = [("options", (None, '{"codec": "vp9"}')), ("fileName", ("a.mov", b"video" * 1000)), ("newFormat", (None, "mp4"))]
    for turned in (wrong_codec, wrong_codec[::-1]):
        refused(user.post("/api/tasks", files=turned), "bad_option", "options.codec")
    assert user.tasks() == []
    assert {name for name in stack.objects() if name.startswith("inputs/")} <= before


@pytest.mark.parametrize("options, new_format", [
    ({}, "mp3"),
    ({"bitrate": 320_000, "sample_rate": 22_050, "channels": 1, "loudness": -16.5}, "mp3"),
    ({"codec": "flac"}, "ogg"),
    ({"trim": {"start": 30, "duration": 60}, "split": {"seconds": 20}, "loudness": -14}, "m4a"),
    ({"codec": "h264", "crf": 18, "preset": "ultrafast", "fps": 23.976}, "avi"),
    ({"resize": {"width": 320}, "fps": 12}, "gif"),
    ({"resize": {"width": 642, "height": 362, "fit": "stretch"}}, "gif"),
    ({"resize": {"aspect": "9:16", "height": 1920, "fit": "crop"}, "trim": {"start": 2.5}, "split": {"seconds": 10},
      "logo": {"outro": 0.5}, "thumbnail": {"at": 3, "width": 320}, "filmstrip": {"frames": 50}, "loudness": -23}, "webm"),
    ({"mute": True, "bitrate": 2_000_000}, "mkv"),
], ids=named)
@pytest.mark.parametrize("how", HOWS)
def test_valid_options_are_stored(create, options, new_format, how):
    task = create({"url": VIDEO, "newFormat": new_format.upper(), "options": options}, how)
    assert task["kind"] == "convert" and task["preset"] is None
    assert task["new_format"] == new_format and task["options"] == options


@pytest.mark.parametrize("new_format, canonical", [
    ("MP4", "mp4"), ("m4v", "mp4"), ("QuickTime", "mov"), ("matroska", "mkv"), ("WebM", "webm"), ("AVI", "avi"), ("Gif", "gif")])
def test_video_formats(create, new_format, canonical):
    assert create({"url": VIDEO, "newFormat": new_format})["new_format"] == canonical


def assert_edit(task, preset, new_format="mp4"):
    assert task["kind"] == "edit" and task["preset"] == preset and task["new_format"] == new_format
    assert task["options"] == {"fpv": FPV, "idrl": IDRL}[preset]


@pytest.mark.sanitized
@pytest.mark.parametrize("name, media_type", [("Video.MP4", "application/octet-stream"), ("clip.mov", None), ("clip.webm", None),
                                              ("phone.3gp", "video/3gpp"), ("clip", "video/mp4"), ("loop.gif", "image/gif")])
def test_video_without_a_format(user, create, name, media_type):
    part = (name, b"video", media_type) if media_type else (name, b"video")
    for field in ("file", "fileName"):
        assert_edit(create({}, files={field: part}), "fpv")
    assert_edit(create({"upload_id": upload_of(user, name, media_type)}), "fpv")


@pytest.mark.parametrize("name, media_type", [("song.mp3", None), ("song.mp3", "video/mp4"), ("video", None), ("video.xyz", None)])
def test_other_files_need_a_format(stack, user, name, media_type):
    before = {one for one in stack.objects() if one.startswith("inputs/")}
    refused(user.post("/api/tasks", files={"file": (name, b"video", media_type or "application/octet-stream")}), "missing_field", "newFormat")
    assert {one for one in stack.objects() if one.startswith("inputs/")} <= before
    upload = upload_of(user, name, media_type)
    refused(user.post("/api/tasks", json={"upload_id": upload}), "missing_field", "newFormat")
    assert user.tasks() == []
    task = user.post("/api/tasks", json={"upload_id": upload, "newFormat": "ogg"}).json()["task"]
    assert task["kind"] == "convert", "the upload can still be used"
    user.delete(f"/api/tasks/{task['id']}")


@pytest.mark.sanitized
@pytest.mark.parametrize("how", HOWS)
def test_url_without_a_format(user, create, how):
    assert_edit(create({"url": VIDEO}, how), "idrl")
    for url in ("https://media.example.invalid/a.mov", "https://media.example.invalid/a", "https://media.example.invalid/a?b=.mp4",
                "https://media.example.invalid/a.mp4/b.mkv"):
        answer = send(user, "POST", "/tasks", {"url": url}, how)
        refused(answer, "missing_field", "newFormat")
        assert ".mp4" in answer.json()["message"]


def test_with_a_format_it_is_a_conversion(user, create):
    for task in (create({"url": VIDEO, "newFormat": "mp3"}), create({"newFormat": "mp3"}, files={"file": ("video.mp4", b"video")}),
                 create({"upload_id": upload_of(user, "video.mp4"), "newFormat": "mp3"})):
        assert task["kind"] == "convert" and task["preset"] is None and task["options"] is None


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("preset, new_format", [("fpv", None), ("idrl", None), ("fpv", "webm"), ("idrl", "gif")])
def test_preset_by_name(create, preset, new_format, how):
    fields = {"url": "https://media.example.invalid/a.mov", "preset": preset, **({"newFormat": new_format} if new_format else {})}
    assert_edit(create(fields, how), preset, new_format or "mp4")


@pytest.mark.parametrize("fields, code, field", [
    ({"preset": "none"}, "unknown_preset", "preset"),
    ({"preset": "fast"}, "unknown_preset", "preset"),
    ({"preset": 1}, "wrong_type", "preset"),
    ({"preset": "fpv", "newFormat": "mp3"}, "wrong_format", "newFormat"),
    ({"preset": "fpv", "options": {}}, "preset_and_options", "options"),
    ({"preset": "fpv", "newFormat": "mp4", "options": {"fps": 24}}, "preset_and_options", "options"),
    ({"kind": "edit", "newFormat": "mp4", "options": {"fps": 24}}, "preset_and_options", "options"),
    ({"kind": "convert", "newFormat": "mp4", "preset": "fpv"}, "unknown_field", "preset"),
    ({"kind": "convert"}, "missing_field", "newFormat"),
    ({"options": {"fps": 24}}, "missing_field", "newFormat"),
], ids=named)
def test_invalid_presets(user, fields, code, field):
    refused(user.post("/api/tasks", json={"url": VIDEO, **fields}), code, field)
    assert user.tasks() == []


@pytest.mark.parametrize("how", HOWS)
def test_put_of_an_edit(user, create, how):
    path = f"/api/tasks/{create({'url': VIDEO})['id']}"

    def put(fields):
        answer = send(user, "PUT", path, fields, how)
        assert answer.status_code == 200, answer.text
        return answer.json()["task"]

    assert_edit(put({"preset": "fpv"}), "fpv")
    assert_edit(put({"newFormat": "webm"}), "fpv", "webm")
    refused(send(user, "PUT", path, {"newFormat": "mp3"}, how), "wrong_format", "newFormat")
    refused(send(user, "PUT", path, {"preset": "fpv", "options": {}}, how), "preset_and_options", "options")
    refused(send(user, "PUT", path, {"preset": "none"}, how), "unknown_preset", "preset")
    assert_edit(user.get(path).json(), "fpv", "webm")
    task = put({"options": {"codec": "vp9"}})
    assert task["kind"] == "convert" and task["preset"] is None and task["new_format"] == "webm" and task["options"] == {"codec": "vp9"}
    refused(send(user, "PUT", path, {"newFormat": "mp4"}, how), "bad_option", "options.codec")
    task = put({"newFormat": "mp3", "options": {"bitrate": 64_000}})
    assert task["kind"] == "convert" and task["new_format"] == "mp3" and task["options"] == {"bitrate": 64_000}
    assert put({"newFormat": "ogg"})["options"] == {"bitrate": 64_000}
    assert_edit(put({"preset": "idrl", "newFormat": "mkv"}), "idrl", "mkv")


def test_repeated_request_for_an_edit(user):
    """The same request with the same key returns the first task, although its upload is already used."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    upload = upload_of(user, "video.mp4")
    first = user.post("/api/tasks", json={"upload_id": upload}, headers=headers)
    again = user.post("/api/tasks", json={"upload_id": upload}, headers=headers)
    assert first.status_code == again.status_code == 201 and again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["task"]["id"] == first.json()["task"]["id"]
    assert_edit(again.json()["task"], "fpv")
    other = user.post("/api/tasks", json={"upload_id": upload, "preset": "idrl"}, headers=headers)
    assert other.status_code == 409 and other.json()["code"] == "idempotency_key_reused"
    user.delete(f"/api/tasks/{first.json()['task']['id']}")
