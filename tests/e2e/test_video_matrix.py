"""
Videos as phones, cameras and editors write them, to every format. Each result is checked by ffprobe, by each frame and by its
audio samples; each receipt is compared with ffprobe's view of input and output.
"""

import pytest

from harness import measure, receipts, sample_videos, timecode, verify, video_output
from harness.sample_videos import SAMPLES, SECONDS, TONE, SampleVideos
from harness.media import FORMATS as AUDIO_FORMATS

# format → (names of the container in ffprobe, video codecs, audio codecs); a stream is copied if the format supports it
VIDEO_FORMATS = {
    "mp4": ("mov,mp4,m4a,3gp,3g2,mj2", {"h264"}, {"aac"}),
    "mov": ("mov,mp4,m4a,3gp,3g2,mj2", {"h264"}, {"aac", "pcm_s16le"}),
    "mkv": ("matroska,webm", {"h264", "vp9", "mpeg4"}, {"aac", "ac3", "opus", "mp3", "pcm_s16le"}),
    "webm": ("matroska,webm", {"vp9"}, {"opus"}),
    "avi": ("avi", {"mpeg4"}, {"mp3"}),
    "gif": ("gif", {"gif"}, None),
}
# (format, codec) → as above
OTHERS = {
    ("mpegts", None): ("mpegts", {"h264"}, {"aac"}),
    ("3gp", None): ("mov,mp4,m4a,3gp,3g2,mj2", {"h264"}, {"aac"}),
    ("mp4", "hevc"): ("mov,mp4,m4a,3gp,3g2,mj2", {"hevc"}, {"aac"}),
    ("webm", "av1"): ("matroska,webm", {"av1"}, {"opus"}),
}
# source → format → metadata in `kept`.
EDITORS = {"tag:title", "chapters", "subtitles"}
KEPT = {
    "editor.mkv": {"mp4": EDITORS, "mov": EDITORS, "mkv": EDITORS, "webm": EDITORS, "avi": {"tag:title"}, "gif": set(),
                   **dict.fromkeys(["mp3", "m4a", "ogg", "opus", "flac", "wma"], {"tag:title", "chapters"}),
                   **dict.fromkeys(["aac", "wav"], {"tag:title"})},
    "phone.mp4": {"mp4": {"tag:title", "rotation", "cover_art"}, "mov": {"tag:title", "rotation"}, "gif": set(),
                  **dict.fromkeys(["mp3", "m4a", "ogg", "opus", "flac"], {"tag:title", "cover_art"}),
                  "mkv": {"tag:title", "cover_art"}, **dict.fromkeys(["webm", "avi", "aac", "wav", "wma"], {"tag:title"})},
}
DRIFT = 0.04  # seconds that video and audio may be apart
ROUNDING = 0.001  # of times in a container
FASTER_THAN_GIF = {"phone.mp4", "camera.mov"}  # 30 frames per second; a GIF shows 25
MIDDLE = SECONDS / 2


@pytest.fixture
def user(stack, same_user):  # pylint: disable=unused-argument # stack: no program may die
    return same_user


@pytest.fixture(scope="module")
def videos(media):
    return SampleVideos(media)


def shown_size(info):
    """(width, height) in a player, after rotation and with square pixels."""
    stream = video_output.video_stream(info)
    over, _, under = stream.get("sample_aspect_ratio", "1:1").partition(":")
    ratio = int(over) / int(under) if int(over) else 1
    size = round(stream["width"] * ratio), stream["height"]
    return size[::-1] if receipts.rotation(stream) % 180 else size


def assert_frames(timeline, shown, target, thins):
    """All frames of the source, each at its time; thins: some may be dropped. Returns by how many seconds they are late."""
    numbers = [timecode.number(frame) for frame in shown]
    assert numbers == sorted(numbers) and set(numbers) <= set(timeline.numbers)
    assert numbers[0] == timeline.numbers[0]
    assert thins or set(numbers) == set(timeline.numbers)
    assert numbers[-1] in timeline.numbers[-2 if thins else -1:]
    lags = [shown[numbers.index(number)].at - timeline.times[timeline.numbers.index(number)] for number in sorted(set(numbers))]
    assert max(lags) - min(lags) <= DRIFT + ROUNDING, lags
    number = timeline.at(MIDDLE)
    while number not in numbers:
        number -= 1
    one, other = shown[numbers.index(number)], timeline.frames[timeline.numbers.index(number)]
    assert timecode.difference(one, other) < (20 if target == "gif" else 6), "the picture is that of the source"
    return lags[len(lags) // 2]


def assert_audio(values, video, lag):
    """The audio of the source, late by the same time as the video."""
    own = measure.heard(video)
    assert measure.frequency(measure.middle(values)) == pytest.approx(TONE, rel=0.01)
    assert measure.onset(values) - measure.onset(own) == pytest.approx(lag, abs=DRIFT)
    assert measure.duration(values) - measure.duration(own) == pytest.approx(lag, abs=DRIFT)


def assert_receipt(receipt, video, result, name, target):
    receipts.assert_receipt(receipt, video.path, result, SECONDS)
    if name in KEPT:
        assert set(receipt["kept"]) == KEPT[name][target]


def assert_container(info, wanted, video):
    """Returns whether it should have audio."""
    container, video_codecs, audio_codecs = wanted
    assert info["format"]["format_name"] == container
    assert video_output.video_stream(info)["codec_name"] in video_codecs
    assert shown_size(info) == video.shown
    has_audio = video.audio and audio_codecs is not None
    assert [stream["codec_name"] in audio_codecs for stream in info["streams"] if stream["codec_type"] == "audio"] == [True] * has_audio
    return has_audio


@pytest.mark.parametrize("target", VIDEO_FORMATS)
@pytest.mark.parametrize("name", SAMPLES)
def test_any_to_any(user, videos, tmp_path, name, target):
    video = videos[name]
    task, result = video_output.make(user, video.path, target, tmp_path)
    has_audio = assert_container(measure.probe(result), VIDEO_FORMATS[target], video)
    lag = assert_frames(timecode.timeline(video.path), timecode.frames(result), target, target == "gif" and name in FASTER_THAN_GIF)
    if has_audio:
        assert_audio(measure.heard(result), video.path, lag)
        ends = sample_videos.ends(result)
        assert ends["video"][1] == pytest.approx(ends["audio"][1], abs=DRIFT)
    assert_receipt(task["receipt"], video, result, name, target)
    verify.assert_agrees(task, video.path, result)


@pytest.mark.parametrize("target, codec", OTHERS)
def test_other_targets(user, videos, tmp_path, target, codec):
    video = videos["phone.mp4"]
    task, result = video_output.make(user, video.path, target, tmp_path, **({"codec": codec} if codec else {}))
    assert assert_container(measure.probe(result), OTHERS[target, codec], video)
    lag = assert_frames(timecode.timeline(video.path), timecode.frames(result), target, False)
    assert_audio(measure.heard(result), video.path, lag)
    receipts.assert_receipt(task["receipt"], video.path, result, SECONDS)
    verify.assert_agrees(task, video.path, result)


@pytest.mark.parametrize("target", AUDIO_FORMATS)
@pytest.mark.parametrize("name", [name for name, video in SAMPLES.items() if video[2]])
def test_any_to_audio(user, videos, tmp_path, name, target):
    video = videos[name]
    task, result = video_output.make(user, video.path, target, tmp_path)
    assert_audio(measure.samples(result), video.path, 0)
    assert not [stream for stream in measure.probe(result)["streams"] if receipts.kind(stream) == "video"]
    assert_receipt(task["receipt"], video, result, name, target)
    verify.assert_agrees(task, video.path, result)


@pytest.mark.parametrize("target", AUDIO_FORMATS)
def test_audio_of_a_silent_video(user, videos, target):
    task = user.wait(user.upload(videos["silent.gif"].path, target))
    assert task["status"] == "failed" and task["error"]["code"] == "no_audio"


def test_video_of_an_audio_file(user, media):
    task = user.wait(user.upload(media.tone("mp3"), "mp4"))
    assert task["status"] == "failed" and task["error"]["code"] == "no_video"


def test_mp4_begins_with_its_index(user, videos, tmp_path):
    data = video_output.make(user, videos["old.avi"].path, "mp4", tmp_path)[1].read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
