"""
Video: a matrix of films with the habits of real cameras, to every format; presets, parts and pictures of them. Judged by
ffprobe, and by pictures and samples as ffmpeg decodes them.
"""

import json

import pytest

from harness import films as cinema
from harness import judge, video
from harness.films import FILMS, SECONDS, TITLE, TONE, Films
from harness.media import FORMATS as AUDIO_FORMATS
from harness.media import ffmpeg
from harness.waiting import wait_for

# format → (names that ffprobe may give the container, codecs of the picture, codecs of the sound); a stream that the
# target can hold stays as it was
VIDEO_FORMATS = {
    "mp4": ("mov,mp4,m4a,3gp,3g2,mj2", {"h264"}, {"aac"}),
    "mov": ("mov,mp4,m4a,3gp,3g2,mj2", {"h264"}, {"aac", "pcm_s16le"}),
    "mkv": ("matroska,webm", {"h264", "vp9", "mpeg4"}, {"aac", "ac3", "opus", "mp3", "pcm_s16le"}),
    "webm": ("matroska,webm", {"vp9"}, {"opus"}),
    "avi": ("avi", {"mpeg4"}, {"mp3"}),
    "gif": ("gif", {"gif"}, None),
}
SQUARE = "scale=iw*sar:ih,setsar=1"
DRIFT = 0.04  # seconds that the ends of picture and sound may lie apart, or a result's from its source's


@pytest.fixture(scope="module")
def films(media):
    return Films(media)


def order(user, path, new_format, seconds=120, **options):
    fields = {"options": json.dumps(options)} if options else {}
    return user.finish(user.upload(path, new_format, **fields), seconds)


def fetch(user, task, directory, n=0):
    path = directory / f"{n}-{task['outputs'][n]['file_name']}"
    user.download(task, path, params={"n": n})
    assert path.stat().st_size == task["outputs"][n]["size"]
    return path


def shown_size(info):
    """As players show it, after rotation and with square pixels."""
    stream = video.video_stream(info)
    over, _, under = stream.get("sample_aspect_ratio", "1:1").partition(":")
    ratio = int(over) / int(under) if int(over) else 1
    turned = any(abs(data.get("rotation", 0)) % 180 == 90 for data in stream.get("side_data_list", []))
    size = round(stream["width"] * ratio), stream["height"]
    return size[::-1] if turned else size


def assert_same_picture(result, film, at=SECONDS / 2, allowed=8):
    one, other = video.picture(result, at, SQUARE), video.picture(film, at, SQUARE)
    assert video.difference(one, other) < allowed, "the film's picture"


def assert_in_step(result, film):
    """Picture and sound end together as they did in the film, and where they did."""
    now, before = cinema.ends(result), cinema.ends(film)
    for kind in now.keys() & before.keys() - {"subtitle"}:
        assert now[kind][1] - now[kind][0] == pytest.approx(before[kind][1] - before[kind][0], abs=DRIFT + 0.03), kind
    if {"video", "audio"} <= now.keys():
        apart = before["video"][1] - before["audio"][1]
        assert now["video"][1] - now["audio"][1] == pytest.approx(apart, abs=DRIFT)


# ---- the matrix -----------------------------------------------------------------------------


def assert_seen(facts, info, path):
    """A receipt's half, compared with what ffprobe says of the file."""
    assert facts["size"] == path.stat().st_size
    seen = [stream for stream in info["streams"] if stream["codec_type"] in ("video", "audio")]
    told = [stream for stream in facts["streams"] if stream["type"] in ("video", "audio", "cover")]
    assert sorted(stream["codec"] for stream in told) == sorted(stream["codec_name"] for stream in seen)
    sounds = [stream for stream in told if stream["type"] == "audio"]
    assert [(stream["sample_rate"], stream["channels"]) for stream in sounds] == [
        (int(stream["sample_rate"]), stream["channels"]) for stream in seen if stream["codec_type"] == "audio"]
    pictures = [stream for stream in told if stream["type"] == "video"]
    assert all((stream["width"], stream["height"]) in {(one.get("width"), one.get("height")) for one in seen}
               for stream in pictures)


def assert_receipt(task, film, result):
    receipt = task["receipt"]
    assert_seen(receipt["input"], judge.probe(film), film)
    assert_seen(receipt["outputs"][0], judge.probe(result), result)
    assert receipt["output"] == receipt["outputs"][0] and len(receipt["outputs"]) == len(task["outputs"]) == 1
    assert receipt["outputs"][0]["duration_ms"] == pytest.approx(SECONDS * 1000, abs=150)
    assert receipt["input"]["duration_ms"] == pytest.approx(SECONDS * 1000, abs=150)


@pytest.mark.parametrize("target", VIDEO_FORMATS)
@pytest.mark.parametrize("name", FILMS)
def test_any_to_any(user, films, tmp_path, name, target):
    film = films[name]
    task = order(user, film.path, target)
    result = fetch(user, task, tmp_path)
    info = judge.probe(result)
    container, pictures, sounds = VIDEO_FORMATS[target]
    assert info["format"]["format_name"] == container
    assert video.video_stream(info)["codec_name"] in pictures
    assert shown_size(info) == pytest.approx(film.shown, abs=2)
    has_sound = film.sound and sounds is not None
    assert [stream["codec_name"] in sounds for stream in info["streams"] if stream["codec_type"] == "audio"] == [True] * has_sound
    if has_sound:
        values = judge.middle(judge.samples(result))
        assert judge.frequency(values) == pytest.approx(TONE, rel=0.01)
    assert_same_picture(result, film.path, allowed=20 if target == "gif" or name.endswith("gif") else 8)
    assert_in_step(result, film.path)
    assert_receipt(task, film.path, result)


@pytest.mark.parametrize("target", AUDIO_FORMATS)
@pytest.mark.parametrize("name", [name for name, film in FILMS.items() if film[2]])
def test_any_to_sound(user, films, tmp_path, name, target):
    film = films[name]
    task = order(user, film.path, target)
    result = fetch(user, task, tmp_path)
    values = judge.samples(result)
    assert judge.duration(values) == pytest.approx(SECONDS, abs=0.15)
    assert judge.frequency(judge.middle(values)) == pytest.approx(TONE, rel=0.01)
    assert not [stream for stream in judge.probe(result)["streams"]
                if stream["codec_type"] == "video" and not stream["disposition"]["attached_pic"]]
    assert "video" in json.dumps(task["receipt"]["dropped"]), "the picture is gone, and the receipt says so"


@pytest.mark.parametrize("target", AUDIO_FORMATS)
def test_sound_of_a_silent_film(user, films, target):
    task = user.wait(user.upload(films["silent.gif"].path, target))
    assert task["status"] == "failed" and task["error"]["code"] == "no_audio"


def test_picture_of_a_song(user, media):
    task = user.wait(user.upload(media.tone("mp3"), "mp4"))
    assert task["status"] == "failed" and task["error"]["code"] == "no_video"


# ---- what goes along ----------------------------------------------------------------------------


def said(receipt):
    return json.dumps([receipt[key] for key in ("kept", "changed", "dropped")])


@pytest.mark.parametrize("target", [target for target in VIDEO_FORMATS if target != "gif"])
def test_title_chapters_and_subtitles(user, films, tmp_path, target):
    """Each is in the result, or the receipt says why not."""
    task = order(user, films["editor.mkv"].path, target)
    info = judge.probe(fetch(user, task, tmp_path))
    dropped = json.dumps(task["receipt"]["dropped"])
    assert info["format"]["tags"]["title"] == TITLE and "tag:title" in task["receipt"]["kept"]
    assert ("chapters" in task["receipt"]["kept"]) != ("chapters" in dropped)
    assert any(stream["codec_type"] == "subtitle" for stream in info["streams"]) != ("subtitle" in dropped)


def test_cover_and_rotation(user, films, tmp_path):
    kept, turned = (order(user, films["phone.mp4"].path, target)["receipt"] for target in ("mov", "webm"))
    assert "rotation" in kept["kept"] and "cover_art" in said(kept) and "cover_art" in said(turned)
    assert [change["to"] for change in turned["changed"] if change["what"] == "rotation"] == ["0"]


def test_an_mp4_begins_with_its_index(user, films, tmp_path):
    data = fetch(user, order(user, films["old.avi"].path, "mp4"), tmp_path).read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


# ---- options ----------------------------------------------------------------------------------


def test_trim(user, media, tmp_path):
    film = media.film(6)
    result = fetch(user, order(user, film, "mp4", trim={"start": 2, "duration": 2.5}), tmp_path)
    assert video.length(judge.probe(result)) == pytest.approx(2.5, abs=0.1)
    for at in (0, 1.2, 2.4):
        assert video.difference(video.picture(result, at), video.picture(film, 2 + at)) < 4, f"the picture at {at}"


@pytest.mark.parametrize("fit, chain", [
    ("pad", "scale=160:90:force_original_aspect_ratio=decrease,pad=160:90:-1:-1"),
    ("crop", "scale=160:90:force_original_aspect_ratio=increase,crop=160:90"), ("stretch", "scale=160:90")])
def test_resize(user, media, tmp_path, fit, chain):
    film = media.film(2)
    result = fetch(user, order(user, film, "mp4", resize={"width": 160, "height": 90, "fit": fit}), tmp_path)
    stream = video.video_stream(judge.probe(result))
    assert (stream["width"], stream["height"]) == (160, 90)
    assert video.difference(video.picture(result, 1), video.picture(film, 1, chain)) < 4


def test_mute_and_frame_rate(user, media, tmp_path):
    result = fetch(user, order(user, media.film(2), "mp4", mute=True, fps=12), tmp_path)
    info = judge.probe(result)
    assert [stream["codec_type"] for stream in info["streams"]] == ["video"]
    assert video.frame_rate(info) == pytest.approx(12, abs=0.1)


def test_parts_are_numbered_and_follow_each_other(user, media, tmp_path):
    film = media.film(7)
    task = order(user, film, "mp4", split={"seconds": 3}, thumbnail={"at": 1, "width": 64})
    stem = film.stem
    assert [output["file_name"] for output in task["outputs"]] == [f"{stem}-1.mp4", f"{stem}-2.mp4", f"{stem}-3.mp4", f"{stem}.jpg"]
    assert [output["content_type"] for output in task["outputs"]] == ["video/mp4"] * 3 + ["image/jpeg"]
    for n, seconds in enumerate((3, 3, 1)):
        part = fetch(user, task, tmp_path, n)
        assert video.length(judge.probe(part)) == pytest.approx(seconds, abs=0.1)
        assert video.difference(video.picture(part, 0.5), video.picture(film, 3 * n + 0.5)) < 4
    picture = fetch(user, task, tmp_path, 3)
    stream = video.video_stream(judge.probe(picture))
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("mjpeg", 64, 48)
    assert video.difference(video.picture(picture, 0), video.picture(film, 1)) < 8
    assert len(task["receipt"]["outputs"]) == 4


def test_delete_of_a_running_split_removes_all_parts(stack, user, media):
    """Parts are stored while later ones are made; no one is left when the task is gone."""
    film = media.film(60, size="320x240")
    task = user.upload(film, "mp4", options=json.dumps({"split": {"seconds": 2}, "preset": "veryslow", "crf": 18}))

    def stored():
        return [name for name in stack.objects() if task["file_id"] in name and name.startswith("results/")]
    wait_for(lambda: len(stored()) >= 2, "two parts in storage", 60)
    assert user.task(task["id"])["status"] == "processing"
    assert user.delete(f"/api/tasks/{task['id']}").status_code == 200
    wait_for(lambda: not stored(), "removal of the parts", 60)


# ---- presets ------------------------------------------------------------------------------------


def test_fpv(user, media, tmp_path):
    film = media.film(4)
    answer = user.post("/api/tasks", files={"fileName": (film.name, film.read_bytes())})
    assert answer.status_code == 201, answer.text
    task = user.finish(answer.json()["task"], 120)
    assert task["kind"] == "edit" and task["preset"] == "fpv"
    result = fetch(user, task, tmp_path)
    framed = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1"
    video.assert_logo_second(result, 0, film, 0, framed)
    video.assert_logo_second(result, 5, film, 3.5, framed)
    assert video.difference(video.picture(result, 3), video.picture(film, 2, framed)) < 4
    assert_bars_are_black(result)
    spans = cinema.ends(result)
    assert spans["video"][1] == pytest.approx(spans["audio"][1], abs=DRIFT)


def assert_bars_are_black(path):
    """A film of 4:3 in 640×360 stands between bars of 80 pixels."""
    left = video.picture(path, 3, "crop=72:360:0:0")
    assert max(left) <= 20, "black, in studio or in full range"


def test_preset_idrl_by_name(user, media):
    film = media.film(4)
    answer = user.post("/api/tasks", files={"fileName": (film.name, film.read_bytes())}, data={"preset": "idrl"})
    task = user.finish(answer.json()["task"], 120)
    assert task["preset"] == "idrl" and [output["file_name"] for output in task["outputs"]] == [film.name]


def test_another_logo(make_stack, media, tmp_path):
    logo = tmp_path / "white.png"
    ffmpeg("-f", "lavfi", "-i", "color=white:s=64x64", "-frames:v", "1", logo)
    user = make_stack(worker_settings={"LOGO_FILE": logo}).client()
    result = fetch(user, order(user, media.film(2), "mp4", logo={"intro": 0.5, "outro": 0}), tmp_path)
    shown = video.picture(result, 0.2)
    middle = shown[len(shown) // 2 + video.THUMBNAIL[0] // 2]
    assert middle > 225, "white"
    assert video.difference(video.picture(result, 1.5), video.picture(media.film(2), 1)) < 4


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options, field", [
    ({"resize": {"width": 100000, "height": 100000}}, "options.resize.width"), ({"fps": 0}, "options.fps"),
    ({"fps": 10000}, "options.fps"), ({"trim": {"start": -1}}, "options.trim.start"),
    ({"split": {"seconds": 0}}, "options.split.seconds"), ({"colour": "red"}, "options.colour")])
def test_senseless_options(user, media, options, field):
    answer = user.try_upload(media.film(2), "mp4", options=json.dumps(options))
    assert answer.status_code == 400 and answer.json()["detail"].startswith(field), answer.text


def test_a_trim_beyond_the_end(user, media):
    task = user.wait(user.upload(media.film(2), "mp4", options=json.dumps({"trim": {"start": 100}})))
    assert task["status"] == "failed" and task["error"]["code"] and "trim" in task["error"]["detail"]


@pytest.mark.parametrize("settings", [{"MAX_PIXELS": 640 * 480 - 1}, {"MAX_DURATION_SECONDS": 1}, {"MAX_OUTPUT_BYTES": 10000}],
                         ids=lambda one: next(iter(one)))
def test_limits(make_stack, media, settings):
    user = make_stack(worker_settings=settings).client()
    task = user.wait(user.upload(media.film(2), "mkv"))
    assert task["status"] == "failed" and task["error"]["code"] == "resource_limit", task


DISGUISES = {
    "list.mp4": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "subtitle.mp4": b"1\n00:00:00,000 --> 00:00:09,000\n{\\an8}<i>file:///etc/passwd</i>\n",
    "description.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", DISGUISES)
def test_nothing_else_is_opened(user, name):
    task = user.wait(user.upload(DISGUISES[name] * 3, "mp4", name=name))
    assert task["status"] == "failed" and task["error"]["code"] in ("invalid_media", "no_video", "unsupported_codec"), task
