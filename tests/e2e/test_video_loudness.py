"""The option loudness, checked by ffmpeg's ebur128, and the loudness that the receipt reports."""

import pytest

from harness import measure, video_output
from harness.media import ffmpeg

SECONDS = 8
# The last three need limited peaks, or a lot of gain.
TARGETS = [*((name, target) for name in ("sine", "pink", "bursts") for target in (-14, -23)),
          ("pink", -10), ("bursts", -5), ("quiet", -23)]
SIGNALS = {
    "sine": "sine=frequency=997,volume=0.8",
    "pink": "anoisesrc=color=pink:seed=3:amplitude=0.4",
    "bursts": "aevalsrc='0.5*sin(2*PI*330*t)*lt(mod(t,2),0.7)'",
    "quiet": "anoisesrc=color=pink:seed=5:amplitude=0.01",
}
WITHIN = 0.5  # LU
METERS, PEAK_METERS = 0.2, 0.4  # LU, dB: by which two meters of the same audio may differ
PEAK = -1  # dBTP that must not be exceeded


@pytest.fixture(scope="module")
def signals(media):
    def make(name):
        return media.once(f"loud-{name}.wav", lambda path: ffmpeg(
            "-f", "lavfi", "-i", SIGNALS[name], "-t", SECONDS, "-ac", "2", "-ar", "48000", path))
    return make


@pytest.mark.parametrize("name, target", TARGETS)
def test_target(user, signals, tmp_path, name, target):
    source = signals(name)
    task, result = video_output.make(user, source, "flac", tmp_path, loudness=target)
    reported = task["receipt"]["loudness"]
    before, after = measure.loudness(source), measure.loudness(result)
    for half, (integrated, peak) in (("in", before), ("out", after)):
        assert reported[half]["integrated"] == pytest.approx(integrated, abs=METERS)
        assert reported[half]["true_peak"] == pytest.approx(peak, abs=PEAK_METERS)
    assert after[0] == pytest.approx(target, abs=WITHIN)
    assert after[1] <= PEAK + PEAK_METERS


@pytest.mark.parametrize("new_format", ["mp3", "m4a", "opus"])
def test_lossy_codec(user, signals, tmp_path, new_format):
    _, result = video_output.make(user, signals("pink"), new_format, tmp_path, loudness=-18)
    assert measure.loudness(result)[0] == pytest.approx(-18, abs=WITHIN)


@pytest.mark.parametrize("new_format", ["mp4", "webm"])
def test_video(user, media, tmp_path, new_format):
    task, result = video_output.make(user, media.video(6, "320x240"), new_format, tmp_path, loudness=-20)
    assert measure.loudness(result)[0] == pytest.approx(-20, abs=WITHIN)
    assert task["receipt"]["loudness"]["out"]["integrated"] == pytest.approx(-20, abs=WITHIN)
