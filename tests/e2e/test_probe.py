"""POST /api/probe: the description of a file, compared with ffprobe, and that nothing of the file is kept."""

import json
import subprocess

import pytest

from harness import measure, receipts, video_output
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
                                          ("callback_url", "https://example.com/"), ("colour", "red")])
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


EXTRAS = {"filmstrip": {"frames": 12, "width": 64}, "thumbnail": {"at": 1, "width": 64}, "waveform": {"points": 200, "height": 32}}


def outputs_of(user, task, tmp_path):
    """File name → path."""
    tmp_path.mkdir(exist_ok=True)
    return {output["file_name"]: video_output.fetch(user, task, tmp_path, number) for number, output in enumerate(task["outputs"])}


def previews(user, path, options, tmp_path):
    answer = user.post("/api/probe", data={"options": json.dumps(options)}, files={"fileName": (path.name, path.read_bytes())})
    assert answer.status_code in (200, 202), answer.text  # 202: it took longer than the request may wait
    task = user.finish(answer.json()["task"])
    assert answer.json().get("probe", task["result"]["input"]) == task["result"]["input"]
    return task, outputs_of(user, task, tmp_path)


def size_and_luma(path):
    stream = video_output.video_stream(measure.probe(path))
    luma = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=True)
    return (stream["width"], stream["height"]), luma.stdout


def cues_of(path):
    """(time, text) of each cue but one of the last frame's end, which only rounding makes."""
    cues = [tuple(cue.splitlines()) for cue in path.read_text().split("\n\n")[1:]]
    return [(times.partition(" ")[0], text) for times, text in cues if times < "00:00:01.990"]


@pytest.mark.sanitized
@pytest.mark.parametrize("name", ["phone.mp4", "editor.mkv", "old.avi", "browser.webm"])
def test_previews_are_those_of_a_conversion(user, videos, tmp_path, name):
    path = videos[name].path
    task, made = previews(user, path, EXTRAS, tmp_path)
    assert list(made) == [f"{path.stem}{end}" for end in (".jpg", "-filmstrip.jpg", "-filmstrip.vtt", ".json", ".png")]
    assert task["kind"] == "probe" and task["priority"] == "normal", "what takes minutes goes before nobody"
    assert task["result"]["dropped"] == [] and task["result"]["warnings"] == []
    converted = user.finish(user.upload(path, "mp4", options=json.dumps({**EXTRAS, "crf": 20, "preset": "ultrafast"})))
    wanted = outputs_of(user, converted, tmp_path / "converted")
    assert cues_of(made[f"{path.stem}-filmstrip.vtt"]) == cues_of(wanted[f"{path.stem}-filmstrip.vtt"])
    for picture in (".jpg", "-filmstrip.jpg", ".png"):
        (size, ours), (wanted_size, theirs) = (size_and_luma(files[path.stem + picture]) for files in (made, wanted))
        assert size[0] == wanted_size[0]
        assert picture == ".png" or video_output.difference(ours, theirs) < 6, picture
    ours, theirs = (json.loads(files[f"{path.stem}.json"].read_text()) for files in (made, wanted))
    assert ours["length"] * ours["samples_per_pixel"] / ours["sample_rate"] == pytest.approx(
        theirs["length"] * theirs["samples_per_pixel"] / theirs["sample_rate"], abs=0.2)
    assert max(ours["data"]) == pytest.approx(max(theirs["data"]), abs=24)


@pytest.mark.parametrize("file_format", ["mp3", "ogg", "flac", "wav", "m4a"])
def test_waveform_of_audio(user, media, tmp_path, file_format):
    path = media.tone(file_format)
    task, made = previews(user, path, {"waveform": {"points": 100}, "filmstrip": {"frames": 5}}, tmp_path)
    assert [one["what"] for one in task["result"]["dropped"]] == ["filmstrip"] and "no video" in task["result"]["dropped"][0]["why"]
    converted = user.finish(user.upload(path, "wav", options=json.dumps({"waveform": {"points": 100}, "verify": "decode"})))
    found, wanted = (json.loads(files[f"{path.stem}.json"].read_text()) for files in (
        made, outputs_of(user, converted, tmp_path / "converted")))
    assert {key: found[key] for key in ("length", "sample_rate", "samples_per_pixel")} == {
        key: wanted[key] for key in ("length", "sample_rate", "samples_per_pixel")}
    assert max(abs(one - other) for one, other in zip(found["data"], wanted["data"])) <= 1


@pytest.mark.parametrize("options, code, field", [
    ({"crf": 20}, "bad_option", "options.crf"), ({"trim": {"start": 1}}, "bad_option", "options.trim"),
    ({"mute": True}, "bad_option", "options.mute"), ({"waveform": {}}, "missing_option", "options.waveform.points"),
    ({"filmstrip": {"frames": 1}}, "out_of_range", "options.filmstrip.frames"), ({"colour": 1}, "unknown_option", "options.colour"),
    ("waveform", "wrong_type", "options")])
def test_options_that_are_no_previews(stack, user, media, options, code, field):
    before = set(stack.objects())
    answer = user.post("/api/probe", data={"options": json.dumps(options)}, files={"fileName": media.tone("mp3").read_bytes()})
    assert (answer.status_code, answer.json()["code"]) == (400, code) and answer.json()["detail"].startswith(field), answer.text
    assert user.tasks() == [] and set(stack.objects()) <= before


@pytest.mark.sanitized
def test_previews_of_what_is_damaged(user, media, videos, tmp_path):
    """A probe tells what it can; what cannot be drawn is dropped with a reason."""
    noise = bytearray(media.tone("mp3").read_bytes())
    noise[4000:] = bytes(len(noise) - 4000)
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(noise)
    task, made = previews(user, broken, {"waveform": {"points": 100}}, tmp_path)
    assert not made or json.loads(made["broken.json"].read_text())["length"]
    assert made or task["result"]["dropped"][0]["what"] == "waveform"
    late, made = previews(user, videos["old.avi"].path, {"thumbnail": {"at": 3000}}, tmp_path)
    assert not made and late["result"]["dropped"] == [{"what": "thumbnail", "why": "thumbnail.at is after the end of the video"}]


def test_previews_go_with_their_task(stack, user, media, tmp_path):
    before = set(stack.objects())
    task, made = previews(user, media.tone("mp3"), {"waveform": {"points": 64, "height": 16}}, tmp_path)
    assert len(made) == 2 and user.delete(f"/api/tasks/{task['id']}").status_code in (200, 204)
    assert set(stack.objects()) <= before and user.tasks() == []
