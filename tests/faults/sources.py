"""The inputs of a run, and what is compared of a result."""

import dataclasses
import hashlib
import subprocess

from harness import measure
from harness.media import Media
from harness.paths import PATIENCE


# How long the result of a source lasts; the preset fpv adds a second of logo before and after.
SECONDS = {"tone.wav": 3, "voice.flac": 8, "song.mp3": 40, "clip.mp4": 5}


class Sources:
    """The bytes of each input, by name."""

    def __init__(self, directory):
        media = Media(directory)
        song = media.tone("mp3", seconds=40, frequency=523)
        self.files = {
            "tone.wav": media.tone("wav", seconds=3).read_bytes(),
            "voice.flac": media.tone("flac", seconds=8, frequency=330, channels=1).read_bytes(),
            "song.mp3": song.read_bytes(),
            "clip.mp4": media.video(3, "320x240").read_bytes(),
            "broken.mp3": b"this is no media file\n" * 500,
        }

    def __getitem__(self, name):
        return self.files[name]


def decoded_hash(path):
    """The MD5 of the decoded streams, or None if decoding reports an error."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-xerror", "-i", str(path), "-map", "0:v?", "-map", "0:a?",
                           "-f", "md5", "-"], capture_output=True, text=True, check=False, timeout=120 * PATIENCE)
    return done.stdout.strip() if done.returncode == 0 and not done.stderr else None


def duration(path):
    return float(measure.probe(path)["format"]["duration"])


@dataclasses.dataclass
class Result:
    """What a task ended with. files: (name's extension, MD5 of the bytes) of each output."""

    status: str
    error: str | None = None
    files: tuple = ()
    decoded: list = dataclasses.field(default_factory=list)  # decoded_hash of each, of results without faults only


def result_of(client, task):
    """Downloads what a final task has produced. Returns (Result, list of bytes)."""
    bodies = []
    for n in range(len(task["outputs"])):
        answer = client.get(f"/api/files/{task['file_id']}", params={"n": n})
        assert answer.status_code == 200, f"download of task {task['id']}: {answer.status_code} {answer.text[:200]}"
        bodies.append(answer.content)
    files = tuple((output["file_name"].rpartition(".")[2], hashlib.md5(body).hexdigest())
                  for output, body in zip(task["outputs"], bodies))
    error = (task.get("error") or {}).get("code")
    return Result(task["status"], error, files), bodies
