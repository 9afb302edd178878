"""
Films with the habits of real cameras, to every format. Each result is judged by ffprobe, by each of its frames and by the
samples of its sound, and its receipt by ffprobe's view of what went in and what came out.
"""

import pytest

from harness import films as cinema
from harness import judge, marks, receipts, video
from harness.films import FILMS, SECONDS, TONE, Films
from harness.media import FORMATS as AUDIO_FORMATS

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
# What goes along, where there is a place for it: all of `kept`.
EDITORS = {"tag:title", "chapters", "subtitles"}
KEPT = {
    "editor.mkv": {"mp4": EDITORS, "mov": EDITORS, "mkv": EDITORS, "webm": EDITORS, "avi": {"tag:title"}, "gif": set(),
                   **dict.fromkeys(["mp3", "m4a", "ogg", "opus", "flac", "wma"], {"tag:title", "chapters"}),
                   **dict.fromkeys(["aac", "wav"], {"tag:title"})},
    "phone.mp4": {"mp4": {"tag:title", "rotation", "cover_art"}, "mov": {"tag:title", "rotation"}, "gif": set(),
                  **dict.fromkeys(["mp3", "m4a", "ogg", "opus", "flac"], {"tag:title", "cover_art"}),
                  **dict.fromkeys(["mkv", "webm", "avi", "aac", "wav", "wma"], {"tag:title"})},
}
DRIFT = 0.04  # seconds that picture and sound may lie apart
ROUNDING = 0.001  # of times in a container
FASTER_THAN_GIF = {"phone.mp4", "camera.mov"}  # 30 frames a second: a GIF shows 25
MIDDLE = SECONDS / 2


@pytest.fixture(scope="module")
def films(media):
    return Films(media)


def shown_size(info):
    """As players show it, after rotation and with square pixels."""
    stream = video.video_stream(info)
    over, _, under = stream.get("sample_aspect_ratio", "1:1").partition(":")
    ratio = int(over) / int(under) if int(over) else 1
    size = round(stream["width"] * ratio), stream["height"]
    return size[::-1] if receipts.turn(stream) % 180 else size


def assert_frames(story, shown, target, thins):
    """The film's frames, each at its time, none lost but where fewer are wanted; returns by how much all are later than there."""
    told = [marks.number(frame) for frame in shown]
    assert told == sorted(told) and set(told) <= set(story.numbers)
    assert told[0] == story.numbers[0]
    assert thins or set(told) == set(story.numbers)
    assert told[-1] in story.numbers[-2 if thins else -1:]
    lags = [shown[told.index(number)].at - story.times[story.numbers.index(number)] for number in sorted(set(told))]
    assert max(lags) - min(lags) <= DRIFT + ROUNDING, lags
    number = story.at(MIDDLE)
    while number not in told:
        number -= 1
    one, other = shown[told.index(number)], story.frames[story.numbers.index(number)]
    assert marks.difference(one, other) < (20 if target == "gif" else 6), "the film's picture"
    return lags[len(lags) // 2]


def assert_sound(values, film, lag):
    """The film's sound, later by no more and no less than its picture."""
    own = judge.heard(film)
    assert judge.frequency(judge.middle(values)) == pytest.approx(TONE, rel=0.01)
    assert judge.onset(values) - judge.onset(own) == pytest.approx(lag, abs=DRIFT)
    assert judge.duration(values) - judge.duration(own) == pytest.approx(lag, abs=DRIFT)


def assert_receipt(receipt, film, result, name, target):
    receipts.assert_receipt(receipt, film.path, result, SECONDS)
    if name in KEPT:
        assert set(receipt["kept"]) == KEPT[name][target]


@pytest.mark.parametrize("target", VIDEO_FORMATS)
@pytest.mark.parametrize("name", FILMS)
def test_any_to_any(user, films, tmp_path, name, target):
    film = films[name]
    task, result = video.make(user, film.path, target, tmp_path)
    info = judge.probe(result)
    container, pictures, sounds = VIDEO_FORMATS[target]
    assert info["format"]["format_name"] == container
    assert video.video_stream(info)["codec_name"] in pictures
    assert shown_size(info) == film.shown
    lag = assert_frames(marks.story(film.path), marks.frames(result), target, target == "gif" and name in FASTER_THAN_GIF)
    has_sound = film.sound and sounds is not None
    assert [stream["codec_name"] in sounds for stream in info["streams"] if stream["codec_type"] == "audio"] == [True] * has_sound
    if has_sound:
        assert_sound(judge.heard(result), film.path, lag)
        ends = cinema.ends(result)
        assert ends["video"][1] == pytest.approx(ends["audio"][1], abs=DRIFT)
    assert_receipt(task["receipt"], film, result, name, target)


@pytest.mark.parametrize("target", AUDIO_FORMATS)
@pytest.mark.parametrize("name", [name for name, film in FILMS.items() if film[2]])
def test_any_to_sound(user, films, tmp_path, name, target):
    film = films[name]
    task, result = video.make(user, film.path, target, tmp_path)
    assert_sound(judge.samples(result), film.path, 0)
    assert not [stream for stream in judge.probe(result)["streams"] if receipts.kind(stream) == "video"]
    assert_receipt(task["receipt"], film, result, name, target)


@pytest.mark.parametrize("target", AUDIO_FORMATS)
def test_sound_of_a_silent_film(user, films, target):
    task = user.wait(user.upload(films["silent.gif"].path, target))
    assert task["status"] == "failed" and task["error"]["code"] == "no_audio"


def test_picture_of_a_song(user, media):
    task = user.wait(user.upload(media.tone("mp3"), "mp4"))
    assert task["status"] == "failed" and task["error"]["code"] == "no_video"


def test_an_mp4_begins_with_its_index(user, films, tmp_path):
    data = video.make(user, films["old.avi"].path, "mp4", tmp_path)[1].read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
