"""Measurements of media files: what ffprobe reports, and properties of the decoded samples."""

import array
import collections
import json
import math
import os
import re
import subprocess

RATE = 48000
KEPT_BYTES = 32 << 20  # of what programs said, so that a file is not read again for the next question about it
_kept = collections.OrderedDict()


def read(program, *arguments, path):
    """
    What ffprobe or ffmpeg writes about a file; an argument None stands for the path. An error of the program fails. To start
    one costs more than most of its work, so what it wrote is kept until the file changes.
    """
    now = os.stat(path)
    key = (program, arguments, str(path), now.st_mtime_ns, now.st_size, now.st_ino)
    if key not in _kept:
        done = subprocess.run([program, "-v", "error", *(str(path) if one is None else one for one in arguments)],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode == 0, f"{path}: {done.stderr.decode(errors='replace')}"
        _kept[key] = done.stdout
        while sum(map(len, _kept.values())) > KEPT_BYTES and len(_kept) > 1:
            _kept.popitem(last=False)
    return _kept[key]


def probe(path, form=None):
    """What ffprobe reports: {"format": …, "streams": […], "chapters": […]}. form: the demuxer, where it need not be found out."""
    return json.loads(read("ffprobe", *(["-f", form] if form else []), "-show_format", "-show_streams", "-show_chapters",
                           "-of", "json", None, path=path))


def packets(path):
    """The packets of a file, as ffprobe lists them."""
    return json.loads(read("ffprobe", "-of", "json", "-show_entries", "packet=codec_type,stream_index,pts_time,duration_time", None,
                           path=path))["packets"]


def bit_rate(path, stream):
    """Bits per second of a stream ("v:0"), from the sizes of its packets."""
    seen = json.loads(read("ffprobe", "-select_streams", stream, "-show_entries", "packet=size:format=duration", "-of", "json", None,
                           path=path))
    return 8 * sum(int(packet["size"]) for packet in seen["packets"]) / float(seen["format"]["duration"])


def loudness(path):
    """(LUFS, dBTP), measured by ffmpeg's ebur128."""
    done = subprocess.run(["ffmpeg", "-hide_banner", "-nostats", "-nostdin", "-i", str(path), "-map", "0:a:0", "-af",
                           "ebur128=peak=true:framelog=verbose", "-f", "null", "-"], capture_output=True, text=True, check=True)
    summary = done.stderr[done.stderr.rindex("Summary:"):]
    return tuple(float(re.search(rf"{name}:\s+(\S+) {unit}", summary).group(1)) for name, unit in (("I", "LUFS"), ("Peak", "dBFS")))


def audio_stream(info):
    return next(stream for stream in info["streams"] if stream["codec_type"] == "audio")


def tags(info):
    """Tags of the file and of its audio stream (where Ogg has them), keys in lower case."""
    found = {**audio_stream(info).get("tags", {}), **info["format"].get("tags", {})}
    return {key.lower(): value for key, value in found.items()}


def samples(path, before=(), after=()):
    """All samples, mixed to mono at RATE, as an array of 16-bit numbers. Any decoder error fails."""
    values = array.array("h")
    values.frombytes(read("ffmpeg", "-nostdin", "-xerror", *before, "-i", None, "-map", "0:a:0", *after,
                          "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-", path=path))
    return values


def heard(path):
    """The samples as a player times them: the first one belongs to time 0 of the file."""
    return samples(path, ["-copyts"], ["-af", f"aresample={RATE}:async=1:first_pts=0"])


def duration(values):
    return len(values) / RATE


def middle(values):
    """The values without the first and the last fifth, where encoders fade."""
    return values[len(values) // 5:len(values) * 4 // 5]


def level_db(values):
    """The RMS level in dB relative to full scale."""
    power = sum(value * value for value in values) / max(1, len(values))
    return 10 * math.log10(max(power, 1e-9) / 32768 ** 2)


def frequency(values):
    """The frequency of a tone in Hz, from its rising zero crossings, interpolated."""
    crossings = [i + values[i] / (values[i] - values[i + 1])
                 for i in range(len(values) - 1) if values[i] < 0 <= values[i + 1]]
    assert len(crossings) > 2, "no tone"
    return (len(crossings) - 1) * RATE / (crossings[-1] - crossings[0])


def onset(values):
    """When the tone begins after the silence, in seconds."""
    loud = max(map(abs, values)) / 4
    return next(i for i, value in enumerate(values) if abs(value) > loud) / RATE


def purity(values, tone):
    """The share of the power at the frequency of the tone (Goertzel), 0 to 1."""
    step = 2 * math.pi * tone / RATE
    factor, before, before_that = 2 * math.cos(step), 0.0, 0.0
    for value in values:
        before, before_that = value + factor * before - before_that, before
    power = before ** 2 + before_that ** 2 - factor * before * before_that
    return power / (len(values) / 2 * max(1, sum(value * value for value in values)))
