"""POST /api/probe: the description of a file, compared with ffprobe, and that nothing of the file is kept."""

import pytest

from harness import measure, receipts
from harness.sample_videos import SAMPLES, TITLE, SampleVideos
from harness.origin import Origin


@pytest.fixture(scope="module")
def videos(media):
    return SampleVideos(media)


@pytest.fixture(scope="module")
def origin():
    server = Origin()
    yield server
    server.close()


def probe(user, path):
    with open(path, "rb") as file:
        answer = user.post("/api/probe", files={"fileName": file})
    assert answer.status_code == 200, answer.text
    return answer.json()["probe"]


@pytest.mark.parametrize("name", SAMPLES)
def test_videos(user, videos, name):
    path = videos[name].path
    receipts.assert_input(probe(user, path), path, measure.probe(path))


def test_metadata(user, videos):
    phone, editor = probe(user, videos["phone.mp4"].path), probe(user, videos["editor.mkv"].path)
    assert phone["streams"][0]["rotation"] in (90, 270) and phone["tags"]["title"] == TITLE
    assert [stream["type"] for stream in phone["streams"]] == ["video", "audio", "cover"]
    assert editor["chapters"] == 2 and editor["tags"]["title"] == TITLE
    assert [stream["type"] for stream in editor["streams"]] == ["video", "audio", "subtitle"]
    assert editor["streams"][1]["layout"].startswith("5.1")
    assert probe(user, videos["old.avi"].path)["streams"][0]["sample_aspect_ratio"] == "4:3"


@pytest.mark.parametrize("file_format", ["mp3", "ogg", "flac", "wav", "wma"])
def test_audio(user, media, file_format):
    found = probe(user, media.tone(file_format, tags={"title": TITLE}))
    assert (found["sample_rate"], found["channels"]) == (44100, 2) and found["tags"]["title"] == TITLE
    assert found["duration_ms"] == pytest.approx(2000, abs=120)


def test_nothing_is_kept(stack, user, media):
    before = set(stack.objects())
    probe(user, media.tone("mp3"))
    assert user.tasks() == []
    assert set(stack.objects()) <= before


@pytest.mark.parametrize("data, code", [(b"this is no media" * 100, "invalid_media"), (b"", "empty_file")])
def test_not_media(stack, user, data, code):
    before = set(stack.objects())
    answer = user.post("/api/probe", files={"fileName": ("a.mp4", data)})
    assert answer.status_code == 400 and answer.json()["code"] == code and answer.json()["message"], answer.text
    assert user.tasks() == [] and set(stack.objects()) <= before


def test_truncated_file(user, media):
    answer = user.post("/api/probe", files={"fileName": ("a.m4a", media.cut(media.tone("m4a"), 0.5).read_bytes())})
    assert answer.status_code == 400 and answer.json()["code"] == "truncated", answer.text


@pytest.mark.parametrize("field, value", [("newFormat", "mp3"), ("priority", "high"), ("kind", "convert"), ("preset", "fpv"),
                                          ("options", "{}"), ("callback_url", "https://example.com/"), ("colour", "red")])
def test_unknown_fields(user, media, field, value):
    answer = user.post("/api/probe", data={field: value}, files={"fileName": media.tone("mp3").read_bytes()})
    assert answer.status_code == 400 and answer.json()["detail"].startswith(field), answer.text


def test_by_url(make_stack, media, origin):
    stack = make_stack(settings={"FETCH_ALLOW_HOSTS": origin.host})
    user = stack.client()
    url = origin.file("/tone.mp3", media.tone("mp3").read_bytes(), "audio/mpeg")
    answer = user.post("/api/probe", json={"url": url})
    assert answer.status_code == 200 and answer.json()["probe"]["codec"] == "mp3", answer.text
    page = origin.file("/page", b"<html></html>", "text/html")
    answer = user.post("/api/probe", json={"url": page})
    assert answer.status_code == 400 and answer.json()["code"] == "not_media", answer.text
    assert user.tasks() == [] and not [name for name in stack.objects() if name.startswith("inputs/")]


def test_upload_of_another_user(stack, user):
    upload = stack.client().post("/api/uploads", json={"fileName": "a.mp3", "size": 5}).json()
    assert user.post("/api/probe", json={"upload_id": upload["upload_id"]}).status_code == 404
    assert stack.anonymous().post("/api/probe", json={"upload_id": upload["upload_id"]}).status_code == 401
