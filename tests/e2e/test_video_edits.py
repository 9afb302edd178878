"""Trimmed and branded videos: trim, split, presets, logos. Each frame and each beep must be in its place."""

import json
import re
import urllib.parse

import pytest

from harness import edit_checks, measure, timecode, video_output
from harness.edit_checks import Form
from harness.media import ffmpeg
from harness.waiting import wait_for


@pytest.fixture
def edit(user, tmp_path):
    """edit(video, **fields): uploads a video without a format. Returns the finished task and its first output."""
    def make(video, **fields):
        answer = user.post("/api/tasks", files={"fileName": (video.name, video.read_bytes())}, data=fields)
        assert answer.status_code == 201, answer.text
        task = user.finish(answer.json()["task"], 120)
        return task, video_output.fetch(user, task, tmp_path)
    return make


@pytest.mark.parametrize("target, start, seconds", [("mp4", 2, 2.5), ("webm", 1.3, 2.7), ("mkv", 0, 1.7), ("avi", 3.5, 1)])
def test_trim(user, media, tmp_path, target, start, seconds):
    video = media.video(6, "320x240")
    _, result = video_output.make(user, video, target, tmp_path, trim={"start": start, "duration": seconds})
    edit_checks.assert_part_of(result, timecode.timeline(video), start, seconds, Form("320x240", 30))


def test_progress_of_a_clip(user, media):
    """It counts the clip, not the file: the last half of one comes close to 100 %."""
    task = user.upload(media.video(24, "640x360"), "mp4", options=json.dumps({"preset": "veryslow", "crf": 20, "trim": {"start": 12}}))
    seen = []

    def has_ended():
        now = user.task(task["id"])
        seen.append(now["progress"])
        return now["status"] == "processed"

    wait_for(has_ended, "the end of the task", 120, 0.05)
    assert max(progress for progress in seen if progress < 100) > 60, seen


def test_trim_between_two_frames(user, media, tmp_path):
    """The result begins with the frame that is shown at that time."""
    video = media.video(6, "320x240")
    _, result = video_output.make(user, video, "mp4", tmp_path, trim={"start": 1.31, "duration": 1})
    shown, timeline = timecode.frames(result), timecode.timeline(video)
    assert (shown[0].at, timecode.number(shown[0]), len(shown)) == (0, 39, 30)
    assert all(timecode.number(frame) in timeline.around(1.31 + frame.at, 1 / 60) for frame in shown)
    assert timecode.beeps(measure.heard(result)) == [(pytest.approx(0.19, abs=0.04), 1)]


def assert_filmstrip(user, task, tmp_path):
    """The text names the picture, and each frame of it is the one of its time."""
    text, picture = video_output.fetch(user, task, tmp_path, 5), video_output.fetch(user, task, tmp_path, 4)
    cues = re.findall(r"^00:00:(\S+) --> \S+\n(\S+)#xywh=(\d+),(\d+),64,48$", text.read_text(), re.MULTILINE)
    assert [(float(at), int(x), int(y)) for at, _, x, y in cues] == [
        (pytest.approx(n * 0.2), n % 10 * 64, n // 10 * 48) for n in range(15)]
    assert {name for _, name, _, _ in cues} == {urllib.parse.quote(task["outputs"][4]["file_name"])}
    for n in (0, 7, 14):
        tile = tmp_path / f"{n}.png"
        ffmpeg("-i", picture, "-vf", f"crop=64:48:{n % 10 * 64}:{n // 10 * 48}", tile)
        assert timecode.number(timecode.still(tile, "192x36")) == n * 6


@pytest.mark.sanitized
def test_split(user, media, tmp_path):
    video = media.video(7)
    extras = {"thumbnail": {"at": 1, "width": 64}, "filmstrip": {"frames": 20, "width": 64}, "waveform": {"points": 200, "height": 32}}
    task = user.finish(user.upload(video, "mp4", options=json.dumps({"split": {"seconds": 3}, **extras})))
    stem = video.stem
    assert [output["file_name"] for output in task["outputs"]] == [f"{stem}-1.mp4", f"{stem}-2.mp4", f"{stem}-3.mp4",
                                                                 f"{stem}.jpg", f"{stem}-filmstrip.jpg", f"{stem}-filmstrip.vtt", f"{stem}.json", f"{stem}.png"]
    types = ["video/mp4"] * 3 + ["image/jpeg"] * 2 + ["text/vtt", "application/json", "image/png"]
    assert [output["content_type"] for output in task["outputs"]] == types
    timeline = timecode.timeline(video)
    for n, seconds in enumerate((3, 3, 1)):
        edit_checks.assert_part_of(video_output.fetch(user, task, tmp_path, n), timeline, 3 * n, seconds, Form("640x480", 30))
        assert task["receipt"]["outputs"][n]["duration_ms"] == pytest.approx(seconds * 1000, abs=20)
    picture = video_output.fetch(user, task, tmp_path, 3)
    stream = video_output.video_stream(measure.probe(picture))
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("mjpeg", 64, 48)
    assert timecode.number(timecode.still(picture, "192x36")) == 30
    assert_filmstrip(user, task, tmp_path)
    waveform = json.loads(video_output.fetch(user, task, tmp_path, 6).read_text())
    assert len(waveform["data"]) == 2 * waveform["length"] <= 400
    assert waveform["length"] * waveform["samples_per_pixel"] / waveform["sample_rate"] == pytest.approx(7, abs=0.1)
    drawn = video_output.video_stream(measure.probe(video_output.fetch(user, task, tmp_path, 7)))
    assert (drawn["codec_name"], drawn["width"], drawn["height"]) == ("png", 200, 32)
    assert [output["format"] for output in task["receipt"]["outputs"]] == ["mp4"] * 3 + ["jpg", "jpg", "vtt", "json", "png"]


@pytest.mark.slow
def test_delete_of_a_running_split(stack, user, media):
    """Parts are stored while later ones are made. None is left after the task is deleted."""
    video = media.video(60, size="320x240")
    task = user.upload(video, "mp4", options=json.dumps({"split": {"seconds": 2}, "preset": "veryslow", "crf": 18}))

    def stored():
        return [name for name in stack.objects() if task["file_id"] in name and name.startswith("results/")]
    wait_for(lambda: len(stored()) >= 2, "two parts in storage", 60)
    assert user.task(task["id"])["status"] == "processing"
    assert user.delete(f"/api/tasks/{task['id']}").status_code == 200
    wait_for(lambda: not stored(), "removal of the parts", 60)


# size of the video → its box in 640×360: left, top, right, bottom
@pytest.mark.parametrize("size, box", [("640x480", (80, 0, 560, 360)), ("270x480", (219, 0, 421, 360)),
                                       ("640x240", (0, 60, 640, 300)), ("320x180", (0, 0, 640, 360))])
def test_fpv(edit, media, size, box):
    video = media.video(3, size)
    task, result = edit(video)
    assert task["kind"] == "edit" and task["preset"] == "fpv"
    edit_checks.assert_part_of(result, timecode.timeline(video), 0, 3, Form("640x360", 30, box[0] / 640, box[2] / 640, 1))
    for at in (1, 2.5, 3.95):
        edit_checks.assert_black_around(result, at, box)


@pytest.mark.parametrize("size, cropped", [("640x480", "640x360"), ("320x180", "320x180"), ("180x320", "180x102")])
def test_preset_idrl_by_name(edit, media, size, cropped):
    video = media.video(3, size)
    task, result = edit(video, preset="idrl")
    assert task["preset"] == "idrl" and [output["file_name"] for output in task["outputs"]] == [video.name]
    edit_checks.assert_part_of(result, timecode.timeline(video), 0, 3, Form(cropped, 24, logo=1))


def test_another_logo(make_stack, media, tmp_path):
    logo = tmp_path / "white.png"
    ffmpeg("-f", "lavfi", "-i", "color=white:s=64x64", "-frames:v", "1", logo)
    user = make_stack(worker_settings={"LOGO_FILE": logo}).client()
    video = media.video(2, "320x180")
    _, result = video_output.make(user, video, "mp4", tmp_path, logo={"intro": 0.5, "outro": 0})
    shown = timecode.frames(result)
    assert len(shown) == 75 and [timecode.number(frame) for frame in shown[15:]] == list(range(60))
    edit_checks.assert_black_around(result, 0.2, (70, 0, 250, 180))
    assert min(video_output.pixels(result, 0.2, "crop=172:176:74:2")) > 225, "white"
