"""Media files for tests, made by ffmpeg when first needed."""

import pathlib
import random
import subprocess
import zlib

from . import timecode
from .file_lock import file_lock

# format → (extension, encoder and its arguments)
ENCODERS = {
    "mp3": ("mp3", ["-c:a", "libmp3lame", "-b:a", "128k"]),
    "aac": ("aac", ["-c:a", "aac", "-b:a", "128k", "-f", "adts"]),
    "m4a": ("m4a", ["-c:a", "aac", "-b:a", "128k"]),
    "ogg": ("ogg", ["-c:a", "libvorbis", "-q:a", "5"]),
    "opus": ("opus", ["-c:a", "libopus", "-b:a", "96k"]),
    "wav": ("wav", ["-c:a", "pcm_s16le"]),
    "flac": ("flac", ["-c:a", "flac", "-sample_fmt", "s16"]),
    "wma": ("wma", ["-c:a", "wmav2", "-b:a", "128k"]),
}
FORMATS = list(ENCODERS)


def ffmpeg(*arguments):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr


class Media:
    """Files in one directory, each made once by the first thread or process that needs it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)

    def once(self, name, make):
        path = self.directory / name
        if not path.exists():
            with file_lock(self.directory / f"{name}.lock"):
                if not path.exists():
                    part = path.with_name(f"part-{path.name}")
                    make(part)
                    part.rename(path)
        return path

    def tone(self, file_format="wav", seconds=2, frequency=440, rate=44100, channels=2, volume=0.5, tags=None, cover=False):
        """A sine wave; volume: 1 is full scale."""
        extension, encoder = ENCODERS[file_format]
        name = f"tone-{file_format}-{seconds}-{frequency}-{rate}-{channels}-{volume}"
        name += f"-{zlib.crc32(repr(sorted((tags or {}).items())).encode()):x}{'-cover' if cover else ''}.{extension}"

        def make(path):
            # aevalsrc, because the level of sine= is fixed (1/8 of full scale).
            expression = "|".join([f"{volume}*sin(2*PI*{frequency}*t)"] * channels)
            source = ["-f", "lavfi", "-i", f"aevalsrc={expression}:s={rate}:d={seconds}"]
            maps = ["-map", "0:a"]
            if cover:
                source += ["-i", self.picture()]
                maps += ["-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic"]
            metadata = [word for key, value in (tags or {}).items() for word in ("-metadata", f"{key}={value}")]
            ffmpeg(*source, *maps, *encoder, *metadata, path)

        return self.once(name, make)

    def picture(self):
        return self.once("cover.jpg", lambda path: ffmpeg(
            "-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-frames:v", "1", path))

    def noise(self, seconds, file_format="wav", rate=44100):
        """Hard to compress, so that encoding takes a while."""
        extension, encoder = ENCODERS[file_format]
        return self.once(f"noise-{seconds}-{rate}.{extension}", lambda path: ffmpeg(
            "-f", "lavfi", "-i", f"anoisesrc=d={seconds}:r={rate}:a=0.3:seed=7", "-ac", "2", *encoder, path))

    def video(self, seconds, size="640x480", rate=30):
        """An mp4 with motion in every frame; video and audio carry the time code of timecode.py."""
        return self.once(f"video-{seconds}-{size}-{rate}.mp4", lambda path: ffmpeg(
            "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds},{timecode.bars()}", *timecode.audio(seconds),
            "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", path))

    def silence_without_samples(self):
        """A WAV file with a valid header and no samples."""
        return self.once("empty.wav", lambda path: ffmpeg(
            "-f", "lavfi", "-i", "anullsrc=r=44100:cl=stereo", "-t", "0", "-c:a", "pcm_s16le", path))

    def cut(self, source, fraction, name=None):
        """The first part of a file; fraction: 0 to 1."""
        source = pathlib.Path(source)
        data = source.read_bytes()
        return self.once(name or f"cut-{fraction}-{source.name}",
                          lambda path: path.write_bytes(data[:int(len(data) * fraction)]))


def mutations(data, count, seed):
    """Malformed variants of a good file: changed bytes and blocks, false sizes, cuts. Equal seeds give equal variants."""
    chance = random.Random(seed)
    for _ in range(count):
        broken = bytearray(data)
        kind = chance.randrange(4)
        if kind == 0:
            for _ in range(chance.choice((1, 8, 64, 512))):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        elif kind == 1:
            # Headers hold sizes: make them false.
            for _ in range(chance.randrange(1, 12)):
                at = chance.randrange(min(len(broken), 256))
                broken[at:at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif kind == 2:
            a, b = sorted(chance.randrange(len(broken)) for _ in range(2))
            broken[a:b] = bytes(chance.randrange(256) for _ in range(min(b - a, 2000)))
        else:
            del broken[chance.randrange(16, len(broken)):]
            broken += chance.randbytes(chance.randrange(2000))
        yield bytes(broken)
