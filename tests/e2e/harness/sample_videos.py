"""
Videos as phones, cameras and editors write them, made by ffmpeg when first needed; and where the streams of a file end.
All are SECONDS long. Each frame shows its number (timecode.py); a tone of TONE Hz begins at ONSET.
"""

import collections

from . import measure, timecode
from .media import ffmpeg

SECONDS, TONE, ONSET, SIZE = 2, 440, 0.25, (192, 108)
TITLE = "Der Müller & sein Bach"

SampleVideo = collections.namedtuple("SampleVideo", "path shown audio")  # shown: (width, height) in a player; audio: bool

CHAPTERS = f""";FFMETADATA1
title={TITLE}
[CHAPTER]
TIMEBASE=1/1000
START=0
END=900
title=one
[CHAPTER]
TIMEBASE=1/1000
START=900
END={SECONDS * 1000}
title=two
"""
SUBTITLES = f"1\n00:00:00,200 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:0{SECONDS},000\nGood bye\n"


def _source(rate=25, size=SIZE, then=""):
    picture = f"testsrc2=size={size[0]}x{size[1]}:rate={rate}:duration={SECONDS},{timecode.bars()}{then and ','}{then}"
    return ["-f", "lavfi", "-i", picture]


def _audio(channels=2, rate=44100):
    tone = "|".join([f"0.3*sin(2*PI*{TONE}*t)*gte(t,{ONSET})"] * channels)
    return ["-f", "lavfi", "-i", f"aevalsrc='{tone}':s={rate}:d={SECONDS}"]


_H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]


class SampleVideos:
    """Sample videos by name; each is made once, in the directory of a Media."""

    def __init__(self, media):
        self.media = media

    def __getitem__(self, name):
        make, shown, audio = SAMPLES[name]
        path = self.media.once(f"video-{name}", lambda part: make(self, part))
        return SampleVideo(path, shown, audio)

    def text(self, name, content):
        return self.media.once(name, lambda part: part.write_text(content, encoding="utf-8"))

    def phone(self, path):
        """Recorded upright: frames lie on their side, and a display matrix rotates them. With a cover and a title."""
        plain = path.with_name(f"plain-{path.name}")
        ffmpeg(*_source(30, SIZE[::-1], "transpose=clock"), *_audio(), *_H264, "-c:a", "aac", plain)
        ffmpeg("-i", plain, "-i", self.media.picture(), "-map", "0", "-map", "1", "-c", "copy", "-metadata:s:v:0", "rotate=90",
               "-disposition:v:1", "attached_pic", "-metadata", f"title={TITLE}", path)

    def camera(self, path):
        """Variable frame rate, uncompressed audio."""
        ffmpeg(*_source(30, then="select='lt(t,0.7)+not(mod(n+1,3))'"), *_audio(rate=48000), "-vsync", "vfr", *_H264,
               "-c:a", "pcm_s16le", path)

    def editor(self, path):
        """10 bits, 5.1 audio, chapters, subtitles."""
        ffmpeg(*_source(), *_audio(6, 48000), "-i", self.text("video.srt", SUBTITLES), "-i", self.text("video.ini", CHAPTERS),
               "-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3", "-c:v", "libx264",
               "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-c:a", "ac3", "-c:s", "srt", path)

    def browser(self, path):
        ffmpeg(*_source(), *_audio(rate=48000), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k",
               "-c:a", "libopus", path)

    def old(self, path):
        """Pixels that are not square."""
        ffmpeg(*_source(), *_audio(), "-vf", "setsar=4/3", "-c:v", "mpeg4", "-q:v", "3", "-c:a", "libmp3lame", path)

    def silent(self, path):
        ffmpeg(*_source(10), "-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", path)


# name, with the extension of its container → (method, size in a player, whether it has audio)
SAMPLES = {
    "phone.mp4": (SampleVideos.phone, (SIZE[1], SIZE[0]), True),
    "camera.mov": (SampleVideos.camera, SIZE, True),
    "editor.mkv": (SampleVideos.editor, SIZE, True),
    "browser.webm": (SampleVideos.browser, SIZE, True),
    "old.avi": (SampleVideos.old, (SIZE[0] * 4 // 3, SIZE[1]), True),
    "silent.gif": (SampleVideos.silent, SIZE, False),
}


def ends(path):
    """Type of stream → (start of its first packet, end of its last packet), in seconds."""
    times = collections.defaultdict(list)
    for packet in measure.packets(path):
        if "pts_time" in packet:
            times[packet["codec_type"]].append((float(packet["pts_time"]), float(packet.get("duration_time", 0))))
    return {kind: (min(spans)[0], _end(sorted(spans))) for kind, spans in times.items()}


def _end(spans):
    """If the last packet has no duration, it gets the one of the packet before."""
    (begin, lasts), before = spans[-1], spans[-2:][0]
    return max(begin + (lasts or begin - before[0]), *(start + duration for start, duration in spans))
