"""Every audio format to every other, checked by ffprobe and by the decoded samples."""

import functools

import pytest

from harness import measure, receipts, verify, video_output
from harness.media import FORMATS, ffmpeg

FREQUENCY, SECONDS = 440, 3

# format → (names of the container in ffprobe, codec)
EXPECTED = {
    "mp3": ({"mp3"}, "mp3"),
    "aac": ({"aac"}, "aac"),
    "m4a": ({"mov,mp4,m4a,3gp,3g2,mj2"}, "aac"),
    "ogg": ({"ogg"}, "vorbis"),
    "opus": ({"ogg"}, "opus"),
    "wav": ({"wav"}, "pcm_s16le"),
    "flac": ({"flac"}, "flac"),
    "wma": ({"asf"}, "wmav2"),
}
# Seconds of encoder delay and padding that the container does not store (ADTS, and WMA with its long frames).
PRIMING = {"aac": 0.06, "wma": 0.10}
# format → (options, names of the container in ffprobe, codec, seconds as above)
OTHERS = {
    "m4a": ({"codec": "alac"}, "mov,mp4,m4a,3gp,3g2,mj2", "alac", 0),
    "m4b": ({}, "mov,mp4,m4a,3gp,3g2,mj2", "aac", 0),
    "aiff": ({}, "aiff", "pcm_s16be", 0),
    "caf": ({}, "caf", "pcm_s16le", 0),
    "mka": ({"codec": "opus"}, "matroska,webm", "opus", 0),
    "ac3": ({}, "ac3", "ac3", 0.04),
    "eac3": ({}, "eac3", "eac3", 0.04),
}
TAGS = {"title": "Der Müller & sein Bach", "artist": "Ensemble ü", "album": "Probe", "genre": "Test"}
# Formats with tags; ADTS and WAV store few or none.
WITH_TAGS = ["mp3", "m4a", "ogg", "opus", "flac", "wma"]
WITH_COVER = ["mp3", "m4a", "flac"]


@functools.lru_cache(maxsize=None)
@pytest.fixture
def user(stack, same_user):  # pylint: disable=unused-argument # stack: no program may die
    return same_user


def source_facts(path):
    """(duration, level) of a source."""
    values = measure.samples(path)
    return measure.duration(values), measure.level_db(measure.middle(values))


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_any_to_any(user, media, tmp_path, source, target):
    original = media.tone(source, seconds=SECONDS, frequency=FREQUENCY)
    result = tmp_path / f"result.{target}"
    task, _ = user.convert(original, target, result)

    info = measure.probe(result)
    containers, codec = EXPECTED[target]
    assert info["format"]["format_name"] in containers
    assert measure.audio_stream(info)["codec_name"] == codec
    assert measure.audio_stream(info)["channels"] == 2

    values = measure.samples(result)
    seconds, level = source_facts(original)
    allowed = 0.05 + PRIMING.get(source, 0) + PRIMING.get(target, 0)
    assert measure.duration(values) == pytest.approx(seconds, abs=allowed)
    tone = measure.middle(values)
    assert measure.frequency(tone) == pytest.approx(FREQUENCY, rel=0.01)
    assert measure.level_db(tone) == pytest.approx(level, abs=1)
    assert measure.purity(tone, FREQUENCY) > 0.9
    assert task["processed_format"] == target
    assert abs(task["receipt"]["output"]["duration_ms"] / 1000 - seconds) <= allowed + 0.05
    receipts.assert_receipt(task["receipt"], original, result, seconds)
    verify.assert_agrees(task, original, result, values)


@pytest.mark.parametrize("target", OTHERS)
def test_other_targets(user, media, tmp_path, target):
    options, container, codec, priming = OTHERS[target]
    original = media.tone("wav", seconds=SECONDS, frequency=FREQUENCY)
    task, result = video_output.make(user, original, target, tmp_path, **options)
    info = measure.probe(result)
    assert (info["format"]["format_name"], measure.audio_stream(info)["codec_name"]) == (container, codec)
    values = measure.samples(result)
    assert measure.duration(values) == pytest.approx(SECONDS, abs=0.05 + priming)
    receipts.assert_receipt(task["receipt"], original, result, SECONDS)
    verify.assert_agrees(task, original, result, values)


def test_acc_means_aac(user, media, tmp_path):
    result = tmp_path / "result.aac"
    user.convert(media.tone(), "acc", result)
    assert measure.audio_stream(measure.probe(result))["codec_name"] == "aac"


@pytest.mark.parametrize("spelling", ["MP3", "Flac"])
def test_case_of_the_format_does_not_matter(user, media, spelling):
    assert user.convert(media.tone(), spelling)[0]["processed_format"] == spelling.lower()


@pytest.mark.parametrize("target", WITH_TAGS)
@pytest.mark.parametrize("source", ["mp3", "flac", "m4a", "ogg"])
def test_tags_are_kept(user, media, tmp_path, source, target):
    original = media.tone(source, seconds=1, tags=TAGS)
    result = tmp_path / f"result.{target}"
    task, _ = user.convert(original, target, result)
    kept = measure.tags(measure.probe(result))
    assert {key: kept.get(key) for key in TAGS} == TAGS
    assert "tag:title" in task["receipt"]["kept"]
    receipts.assert_receipt(task["receipt"], original, result, 1)


@pytest.mark.parametrize("target", WITH_COVER)
@pytest.mark.parametrize("source", ["mp3", "flac", "m4a"])
def test_cover_art_is_kept(user, media, tmp_path, source, target):
    original = media.tone(source, seconds=1, tags=TAGS, cover=True)
    result = tmp_path / f"result.{target}"
    task, _ = user.convert(original, target, result)
    pictures = [stream for stream in measure.probe(result)["streams"] if stream["codec_type"] == "video"]
    assert len(pictures) == 1 and pictures[0]["width"] == 64
    assert "cover_art" in task["receipt"]["kept"]
    verify.assert_agrees(task, original, result)


def test_dropped_cover_art_is_listed(user, media):
    task, _ = user.convert(media.tone("mp3", seconds=1, tags=TAGS, cover=True), "wav")
    assert "cover_art" in str(task["receipt"]["dropped"])


@pytest.mark.parametrize("rate, channels", [(8000, 1), (11025, 1), (22050, 2), (48000, 2), (96000, 2), (44100, 6)])
@pytest.mark.parametrize("target", ["mp3", "opus", "ogg", "m4a", "wma", "flac"])
def test_rates_and_layouts(user, media, tmp_path, rate, channels, target):
    """Rates and layouts that an encoder does not support are converted."""
    original = media.tone("wav", seconds=2, rate=rate, channels=channels, volume=0.2)
    result = tmp_path / f"result.{target}"
    user.convert(original, target, result)
    values = measure.samples(result)
    assert measure.duration(values) == pytest.approx(2, abs=0.05 + PRIMING.get(target, 0) * 44100 / min(rate, 44100))
    assert measure.frequency(measure.middle(values)) == pytest.approx(440, rel=0.01)


def test_audio_of_a_video(user, media, tmp_path):
    video = tmp_path / "video.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=160x120:r=10:d=2", "-i", media.tone(seconds=2), "-c:v", "mpeg4", "-c:a", "aac", video)
    result = tmp_path / "result.mp3"
    user.convert(video, "mp3", result)
    assert measure.frequency(measure.middle(measure.samples(result))) == pytest.approx(440, rel=0.01)


def test_unusual_names(user, media):
    """The content decides the format, not the name."""
    data = media.tone("flac").read_bytes()
    for name in ("no extension", "lie.mp3", ".hidden", "a" * 240 + ".flac", "Ünïcödé 音.flac"):
        task, _ = user.convert(data, "ogg", name=name)
        assert task["status"] == "processed"
