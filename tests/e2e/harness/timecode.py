"""
A time code in video and audio, and how to read it. Each frame shows its number as a row of black and white bars across the
middle. The audio is a soft hum with one beep per second whose pitch says which second it is. So a result shows which frames
and audio a filter or muxer has moved, dropped or repeated.
"""

import bisect
import collections
import functools
import re
import subprocess

from . import measure

BITS = 12
WIDTH, HEIGHT = 192, 36  # frames are read at this size; a portrait video with bars beside it still has 5 pixels for each bit

HUM, BEEP_AT, BEEP_LASTS = 440, 0.5, 0.1  # Hz; seconds into each second; seconds
SILENT, LOUD = 33, 4000  # of 32767: -60 dB; a level between hum and beep

Frame = collections.namedtuple("Frame", "at grey")


def bars():
    """The filter that draws the bars, so high that a crop to 16:9 keeps them."""
    boxes = ["drawbox=x=0:y=ih*0.4:w=iw:h=ih*0.2:color=black:t=fill"]
    boxes += [f"drawbox=x=iw*{bit}/{BITS}:y=ih*0.4:w=iw/{BITS}:h=ih*0.2:color=white:t=fill:enable='mod(floor(n/{2 ** bit}),2)'"
              for bit in range(BITS)]
    return ",".join(boxes)


def audio(seconds, rate=44100):
    """ffmpeg arguments that make the audio an input."""
    beep = f"0.5*sin(2*PI*({_pitch('floor(t)')})*t)*between(mod(t,1),{BEEP_AT},{BEEP_AT + BEEP_LASTS})"
    return ["-f", "lavfi", "-i", f"aevalsrc='0.05*sin(2*PI*{HUM}*t)+{beep}':s={rate}:d={seconds}"]


def _pitch(second):
    return f"600+50*{second}"


def frames(path):
    """All frames of a file, rotated as in a player: the time of each, and a small grey copy."""
    done = subprocess.run(["ffmpeg", "-hide_banner", "-nostats", "-nostdin", "-xerror", "-copyts", "-i", str(path), "-map", "0:V:0",
                           "-vf", f"showinfo=checksum=0,scale={WIDTH}:{HEIGHT}:flags=area,format=gray", "-vsync", "passthrough",
                           "-f", "rawvideo", "-"], capture_output=True, check=False)
    assert done.returncode == 0, f"{path}: {done.stderr.decode()[-2000:]}"
    times = [float(at) for at in re.findall(rb"showinfo.* n: *\d+ .*?pts_time:(\S+)", done.stderr)]
    size = WIDTH * HEIGHT
    assert len(times) * size == len(done.stdout), f"{path}: {len(times)} times, {len(done.stdout)} bytes"
    return [Frame(at, done.stdout[i * size:(i + 1) * size]) for i, at in enumerate(times)]


def still(path, size):
    """A still picture, scaled to a size ("640x360") before it is read."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-frames:v", "1", "-vf",
                           f"scale={size},format=yuv420p,scale={WIDTH}:{HEIGHT}:flags=area,format=gray", "-f", "rawvideo", "-"],
                          capture_output=True, check=True)
    return Frame(0, done.stdout)


def number(frame, left=0.0, right=1.0):
    """The number that a frame shows; left, right: where the video begins and ends, as shares of the width."""
    row = frame.grey[WIDTH * (HEIGHT // 2):][:WIDTH]
    value = 0
    for bit in range(BITS):
        middle = left + (right - left) * (bit + 0.5) / BITS
        value |= (row[int(WIDTH * middle)] > 127) << bit
    return value


def difference(one, other):
    """The mean difference of two frames, 0 to 255."""
    return sum(abs(a - b) for a, b in zip(one.grey, other.grey)) / len(one.grey)


@functools.lru_cache(maxsize=64)
def timeline(path):
    return Timeline(path)


class Timeline:
    """Which frame a video shows at which time."""

    def __init__(self, path):
        self.frames = frames(path)
        self.times = [frame.at for frame in self.frames]
        self.numbers = [number(frame) for frame in self.frames]
        self.rate = (len(self.frames) - 1) / (self.times[-1] - self.times[0])

    def at(self, seconds):
        return self.numbers[max(bisect.bisect_right(self.times, seconds + 1e-4) - 1, 0)]

    def around(self, seconds, slack):
        """The numbers of all frames shown from slack seconds before to slack seconds after."""
        return set(range(self.at(max(seconds - slack, 0)), self.at(seconds + slack) + 1))


def level(values, begin, end):
    """The absolute value of the loudest sample between two times."""
    return max((abs(value) for value in values[max(int(begin * measure.RATE), 0):int(end * measure.RATE)]), default=0)


def beeps(values):
    """(start in seconds, second of the video that its pitch names) of each beep."""
    found, i = [], 0
    while i < len(values):
        if abs(values[i]) < LOUD:
            i += 1
            continue
        start, inner = i / measure.RATE, values[i + measure.RATE // 100:i + int(measure.RATE * (BEEP_LASTS - 0.02))]
        found.append((start, round((measure.frequency(inner) - 600) / 50)))
        i += int(measure.RATE * 2 * BEEP_LASTS)
    return found
