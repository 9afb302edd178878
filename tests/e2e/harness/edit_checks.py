"""
Checks of trimmed and branded videos: a part of a video (media.video) between two stills of the logo, frame by frame and beep
by beep.
"""

import collections

import pytest

from . import measure, sample_videos, timecode, video_output
from .paths import ROOT

LOGO = ROOT / "worker" / "assets" / "logo.png"
STEP = 0.04  # seconds that video and audio may be apart
# MP4 stores when its audio begins. The other containers cannot: everything is later by the audio encoder's delay.
ROUNDING = 0.002
BORDER = 0.05  # seconds by which AAC's windows smear a sudden start or end
HEARD = 800  # of 32767: half of the hum

# rate: frames per second; left, right: where the video begins and ends, as shares of the width; logo: seconds on each side
Form = collections.namedtuple("Form", "size rate left right logo", defaults=(0.0, 1.0, 0))


def assert_part_of(path, timeline, start, seconds, form):
    """The file at path shows `seconds` of the video from `start` on, and the logo before and after."""
    info = measure.probe(path)
    stream = video_output.video_stream(info)
    assert f"{stream['width']}x{stream['height']}" == form.size and stream.get("sample_aspect_ratio", "1:1") == "1:1"
    shown = timecode.frames(path)
    count, border = round((seconds + 2 * form.logo) * form.rate), round(form.logo * form.rate)
    assert len(shown) == count
    lags = [frame.at - i / form.rate for i, frame in enumerate(shown)]
    assert min(lags) > -ROUNDING and max(lags) < (ROUNDING if path.suffix == ".mp4" else STEP)
    assert_logo(shown[:border] + shown[count - border:], shown[border:count - border], form)
    assert_clip(shown[border:count - border], timeline, start, form)
    assert_in_step(path, start, seconds, form.logo, lags[-1])


def assert_logo(stills, clip, form):
    """The logo is on every still, and on neither the first nor the last frame of the clip."""
    if not form.logo:
        return
    logo = timecode.still(LOGO, form.size)
    assert max(timecode.difference(frame, logo) for frame in stills) < 3
    assert min(timecode.difference(frame, logo) for frame in (clip[0], clip[-1])) > 20


def assert_clip(clip, timeline, start, form):
    """Each frame is what the video shows at that time; at another frame rate it may be the one before or after."""
    numbers = [timecode.number(frame, form.left, form.right) for frame in clip]
    same_rate = abs(timeline.rate - form.rate) < 0.01
    for i, number in enumerate(numbers):
        at = start + i / form.rate
        assert number == timeline.at(at) if same_rate else number in timeline.around(at, 0.5 / form.rate), f"the frame at {at}"


def assert_in_step(path, start, seconds, logo, lag):
    """The audio ends with the video, is silent during the logo, and its beeps match the video, which is late by lag."""
    ends = sample_videos.ends(path)
    whole = seconds + 2 * logo + lag
    assert ends["video"][1] == pytest.approx(whole, abs=STEP) and ends["audio"][1] == pytest.approx(ends["video"][1], abs=STEP)
    values = measure.heard(path)
    assert measure.duration(values) == pytest.approx(whole, abs=STEP)
    if logo:
        assert timecode.level(values, 0, logo - BORDER) <= timecode.SILENT
        assert timecode.level(values, lag + logo + seconds + BORDER, whole) <= timecode.SILENT
    assert timecode.level(values, logo + BORDER, logo + 0.3) > HEARD
    assert timecode.level(values, logo + seconds - 0.3, logo + seconds - BORDER) > HEARD
    expected = [(lag + logo + second + timecode.BEEP_AT - start, second) for second in range(int(start + seconds) + 1)
                if start <= second + timecode.BEEP_AT < start + seconds]
    assert [second for _, second in timecode.beeps(values)] == [second for _, second in expected]
    assert [at for at, _ in timecode.beeps(values)] == pytest.approx([at for at, _ in expected], abs=STEP)


def assert_black_around(path, at, box):
    """All is black outside a box (left, top, right, bottom) of the frame, but for a few blurred pixels at its edge."""
    blur = 4
    left, top, right, bottom = box
    stream = video_output.video_stream(measure.probe(path))
    width, height = stream["width"], stream["height"]
    sides = {"left": (0, 0, left - blur, height), "above": (0, 0, width, top - blur),
             "right": (right + blur, 0, width, height), "below": (0, bottom + blur, width, height)}
    for name, (x, y, end_x, end_y) in sides.items():
        if end_x > x and end_y > y:
            assert max(video_output.pixels(path, at, f"crop={end_x - x}:{end_y - y}:{x}:{y}:exact=1")) <= 24, name
