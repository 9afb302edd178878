"""Options of video conversions, each checked in the result."""

import os

import pytest

from harness import measure, timecode, video_output
from harness.sample_videos import SampleVideos
from harness.waiting import wait_for

FAST = "320x240"


@pytest.fixture
def user(stack, same_user):  # pylint: disable=unused-argument # stack: no program may die
    return same_user


@pytest.fixture
def make(user, media, tmp_path):
    """make(new_format, **options): converts a video of two seconds. Returns (receipt, ffprobe's view of the result, path)."""
    def made(new_format, video=None, **options):
        task, result = video_output.make(user, video or media.video(2, FAST), new_format, tmp_path, **options)
        return task["receipt"], measure.probe(result), result
    return made


@pytest.mark.parametrize("fit, chain", [
    ("pad", "scale=160:90:force_original_aspect_ratio=decrease,pad=160:90:-1:-1"),
    ("crop", "scale=160:90:force_original_aspect_ratio=increase,crop=160:90"), ("stretch", "scale=160:90")])
def test_resize(make, media, fit, chain):
    video = media.video(2)
    _, info, result = make("mp4", video, resize={"width": 160, "height": 90, "fit": fit})
    stream = video_output.video_stream(info)
    assert (stream["width"], stream["height"]) == (160, 90)
    assert video_output.difference(video_output.picture(result, 1), video_output.picture(video, 1, chain)) < 6


@pytest.mark.parametrize("resize, size", [({"width": 160}, (160, 120)), ({"height": 90}, (120, 90)),
                                         ({"aspect": "1:1", "fit": "crop"}, (240, 240))])
def test_missing_side_keeps_the_aspect_ratio(make, resize, size):
    receipt, info, _ = make("mkv", resize=resize)
    stream = video_output.video_stream(info)
    assert (stream["width"], stream["height"]) == size
    assert {"what": "video.size", "from": "320x240", "to": f"{size[0]}x{size[1]}", "why": "asked for"} in receipt["changed"]


def test_mute(make):
    receipt, info, _ = make("mp4", mute=True)
    assert [stream["codec_type"] for stream in info["streams"]] == ["video"]
    assert [one["why"] for one in receipt["dropped"] if one["what"].startswith("audio:")] == ["options.mute leaves it out"]


@pytest.mark.parametrize("target", ["mp4", "webm", "avi", "gif"])
def test_fps(make, media, target):
    _, info, result = make(target, fps=12)
    assert video_output.frame_rate(info) == pytest.approx(12, abs=0.5 if target == "avi" else 0.1)
    shown, timeline = timecode.frames(result), timecode.timeline(media.video(2, FAST))
    assert len(shown) == 24
    assert shown[-1].at == pytest.approx(23 / 12, abs=0.1)
    assert all(timecode.number(frame) in timeline.around(i / 12, 1 / 24 + 0.01) for i, frame in enumerate(shown))


@pytest.mark.parametrize("target, codec", [("mp4", "hevc"), ("webm", "av1"), ("mkv", "vp9"), ("mkv", "h264"), ("mkv", "mpeg4"),
                                           ("avi", "h264"), ("mp4", "mpeg4")])
def test_codec(make, media, target, codec):
    receipt, info, result = make(target, codec=codec)
    assert video_output.video_stream(info)["codec_name"] == codec
    assert "video_encoder" in receipt["engine"], "encoded, although a copy would be possible"
    timeline = timecode.timeline(media.video(2, FAST))
    assert [timecode.number(frame) for frame in timecode.frames(result)] == timeline.numbers


@pytest.mark.parametrize("target, bitrate", [("mp4", 400_000), ("webm", 400_000), ("avi", 600_000)])
def test_video_bitrate(make, media, target, bitrate):
    _, _, result = make(target, media.video(6, FAST), bitrate=bitrate)
    assert measure.bit_rate(result, "v:0") == pytest.approx(bitrate, rel=0.2)


def test_audio_bitrate(make, media):
    _, info, result = make("mp3", bitrate=96_000)
    assert measure.bit_rate(result, "a:0") == pytest.approx(96_000, rel=0.2)
    assert measure.audio_stream(info)["codec_name"] == "mp3"


def test_crf_and_preset(make):
    """A higher crf and a slower preset make smaller files. The encoder writes its settings into the stream."""
    sizes = {}
    for crf, preset, mark in ((18, "ultrafast", "cabac=0"), (40, "ultrafast", "cabac=0"), (40, "medium", "subme=7")):
        _, _, result = make("mp4", crf=crf, preset=preset)
        sizes[crf, preset] = measure.bit_rate(result, "v:0")
        data = result.read_bytes()
        assert f"crf={crf}.0".encode() in data and mark.encode() in data
    assert sizes[18, "ultrafast"] > 2 * sizes[40, "ultrafast"] > 2 * sizes[40, "medium"]


@pytest.mark.parametrize("target, rate, channels", [("mp4", 22050, 1), ("mkv", 48000, 2), ("webm", 48000, 1), ("wav", 8000, 1),
                                                    ("flac", 96000, 2)])
def test_sample_rate_and_channels(make, media, target, rate, channels):
    receipt, info, result = make(target, sample_rate=rate, channels=channels)
    stream = measure.audio_stream(info)
    assert (int(stream["sample_rate"]), stream["channels"]) == (rate, channels)
    assert "audio_encoder" in receipt["engine"]
    assert [second for _, second in timecode.beeps(measure.samples(result))] == [0, 1]


def test_surround_becomes_mono(make, media):
    _, info, result = make("mp4", SampleVideos(media)["editor.mkv"].path, channels=1)
    assert measure.audio_stream(info)["channels"] == 1
    assert measure.frequency(measure.middle(measure.samples(result))) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("at, width, size", [(0, None, (320, 240)), (1.5, 64, (64, 48)), (1.99, 160, (160, 120))])
@pytest.mark.parametrize("target", ["mp4", "webm"])  # copied, and encoded
def test_thumbnail(user, media, tmp_path, target, at, width, size):
    """A second output, a JPEG."""
    video = media.video(2, FAST)
    task, _ = video_output.make(user, video, target, tmp_path, thumbnail={"at": at, **({"width": width} if width else {})})
    assert [output["content_type"] for output in task["outputs"]] == [f"video/{target}", "image/jpeg"]
    assert task["receipt"]["copied"] == (target == "mp4")
    picture = video_output.fetch(user, task, tmp_path, 1)
    stream = video_output.video_stream(measure.probe(picture))
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("mjpeg", *size)
    assert timecode.number(timecode.still(picture, "192x36")) == timecode.timeline(video).at(at)
    reported = task["receipt"]["outputs"][1]
    assert (reported["width"], reported["height"], reported["size"]) == (*size, picture.stat().st_size)


def test_thumbnail_beyond_the_end(user, media):
    failed = user.wait(user.upload(media.video(2, FAST), "mp4", options='{"thumbnail": {"at": 99}}'))
    assert failed["status"] == "failed" and failed["error"]["code"] == "bad_option"
    assert "options.thumbnail.at" in failed["error"]["detail"]


def test_thumbnail_is_rotated(user, media, tmp_path):
    video = SampleVideos(media)["phone.mp4"]
    task, _ = video_output.make(user, video.path, "mov", tmp_path, thumbnail={"at": 1})
    picture = video_output.fetch(user, task, tmp_path, 1)
    stream = video_output.video_stream(measure.probe(picture))
    assert (stream["width"], stream["height"]) == video.shown
    assert timecode.number(timecode.still(picture, "192x36")) == 30


def test_a_lone_video_uses_the_idle_processors(stack, user, media):
    """Audio has one thread, a video as many as there are idle slots, and processors for them; the log says so."""
    tasks = [user.finish(user.upload(source, target)) for source, target in ((media.video(2, FAST), "webm"), (media.tone("mp3"), "wav"))]
    wait_for(lambda: len(threads(stack, tasks)) == 2, "the jobs' log lines", 10)
    assert threads(stack, tasks) == [min(2, os.cpu_count()), 1]


def threads(stack, tasks):
    """Of the jobs of these tasks, in their order."""
    ended = {record["task_id"]: record["threads"] for record in stack.worker.records() if record.get("end") == "committed"}
    return [ended[task["id"]] for task in tasks if task["id"] in ended]
