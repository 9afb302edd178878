"""Every encoder and the copies, two jobs at once, beside `xargs -P2 ffmpeg` with the same settings; the preset fpv."""

import concurrent.futures
import json
import subprocess

from ground import alternate, batch_seconds, seconds_of
from harness import baseline
from table import Target

TITLE = "Conversions, two at once"
SLOTS = 2
SONG_SECONDS = 327
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "6", "-b:v", "0", "-crf", "32"]
COPY = ["-c", "copy"]
# source, target, options, what the ffmpeg program is told to do the same, files, least share of its rate
CASES = [
    ("mp3", "wav", None, [], 16, 0.85),
    ("mp3", "flac", None, [], 8, 0.95),
    ("flac", "mp3", None, ["-c:a", "libmp3lame", "-b:a", "192k"], 4, 0.97),
    ("mp3", "m4a", None, ["-c:a", "aac", "-b:a", "160k"], 4, 0.97),
    ("mp3", "aac", None, ["-c:a", "aac", "-b:a", "160k"], 4, 0.97),
    ("mp3", "ogg", None, ["-c:a", "libvorbis", "-q:a", "5"], 4, 0.97),
    ("mp3", "opus", None, ["-c:a", "libopus", "-b:a", "128k"], 4, 0.97),
    ("mp3", "wma", None, ["-c:a", "wmav2", "-b:a", "160k"], 4, 0.97),
    ("mp3", "mp3", None, COPY, 16, 0.6),
    ("film", "mp4", None, [*COPY, "-movflags", "+faststart"], 16, 0.6),
    ("small", "mkv", {"crf": 23}, [*H264, "-c:a", "copy"], 4, 0.97),
    ("small", "webm", None, [*VP9, "-c:a", "libopus", "-b:a", "128k"], 4, 0.97),
]


def sources(media, seconds):
    return {"mp3": media.tone("mp3", seconds=seconds), "flac": media.tone("flac", seconds=seconds), "film": baseline.video(media),
            "small": media.video(6, "640x360")}


def ours(stack, client, source, target, options, files):
    """Files a second, from the first claim to the last commit. The uploads take a small part of that time."""
    fields = {"options": json.dumps(options)} if options else {}
    with concurrent.futures.ThreadPoolExecutor(files) as pool:
        tasks = list(pool.map(lambda _: client.upload(source, target, **fields), range(files)))
    return files / batch_seconds(stack, tasks)


def program(scratch, source, target, arguments, files):
    """What it writes is on the disk at the end, as ours is."""
    words = " ".join([*baseline.ONE_THREAD, "-i", str(source), *arguments, "-threads", "1"])
    result = f"{scratch}/out-{{}}.{target}"
    command = (f"seq {files} | xargs -P{SLOTS} -I{{}} sh -c"
               f" 'ffmpeg -v error -nostdin -y {words} {result} && sync -d {result} && rm {result}'")
    return files / seconds_of(lambda: subprocess.run(["sh", "-c", command], check=True))


def fpv(ground, stack, client):
    times = baseline.rounds(stack, client, ground.media, ground.scratch, ground.few(3, 1), (baseline.AS_IT_COMES,))
    ground.table.add("preset fpv: the two ffmpeg commands beside the job", "ms", [one.as_it_comes for one in times],
                     [one.job for one in times], "the job", Target(at_least=1.6))


def measure(ground):
    files_of = sources(ground.media, ground.few(SONG_SECONDS, SONG_SECONDS // 5))
    with ground.stack(worker_settings={"SLOTS": SLOTS}) as stack:
        client = stack.client()
        for source, target, options, arguments, files, least in CASES:
            amount = ground.few(files, max(files // 4, 2))
            rates = alternate(lambda: ours(stack, client, files_of[source], target, options, amount),
                              lambda: program(ground.scratch, files_of[source], target, arguments, amount), ground.few(3, 1))
            words = "copied" if COPY[0] in arguments[:1] else target
            ground.table.add(f"{source} → {target if words == target else f'{target}, {words}'}", "files/s", *rates,
                             "xargs -P2 ffmpeg", Target(at_least=least))
        fpv(ground, stack, client)
