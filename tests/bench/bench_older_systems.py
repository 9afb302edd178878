"""The load tests of the older systems, as their clients ran them."""

import json

from bench_admission import NO_QUOTA
from ground import answered, batch_seconds, load
from harness.media import ffmpeg
from harness.waiting import wait_for
from table import Target

TITLE = "Load tests of the older systems"
UPLOAD_SECONDS = 130  # of audio: an MP3 of 5.2 MB at 320 kbit/s
JOB = json.dumps({"name": "upload", "description": "user upload"})


def song(media):
    return media.once("load.mp3", lambda path: ffmpeg(
        "-f", "lavfi", "-i", f"aevalsrc=0.5*sin(2*PI*440*t)+0.01*random(0):s=44100:d={UPLOAD_SECONDS}", "-ac", "2", "-c:a", "libmp3lame",
        "-b:a", "320k", path))


def users_who_upload(ground, source):
    """Each POSTs 5 MB every 5 to 10 s; 2 more begin each second. Conversions run beside it."""
    for users in ground.few((300, 400), (40,)):
        with ground.stack() as stack:
            client = stack.client()
            report = load(f"{stack.url}/api/tasks", users, users / 2 + ground.few(30, 10), form=source, target="wav", ramp=2, pause_from=5,
                          pause_to=10, token=client.token)
            bad = sum(report["statuses"].values()) - report["statuses"].get("201", 0) + report["failed"]
            target = Target(at_most=1500) if users <= 300 else None
            ground.table.add(f"{users} users upload 5 MB every 5-10 s: mean", "ms", [report["mean_ms"]], target=target)
            ground.table.add(f"{users} users: not 201", "%", [bad / max(report["answers"] + report["failed"], 1) * 100], target=Target(at_most=1))


def conversions(ground, source):
    """From the first claim to the last commit."""
    count = ground.few(400, 16)
    with ground.stack() as stack:
        client = stack.client()
        stack.worker.stop()
        tasks = [client.upload(source, "wav") for _ in range(count)]
        stack.worker.start()
        spent = batch_seconds(stack, tasks)
        ground.table.add(f"{count} conversions MP3 → WAV (21 min for 400 before)", "s", [spent], target=Target(at_most=1260 * count / 400))


def tasks_a_second(ground):
    """All must be executed within 6 minutes of the first."""
    seconds = ground.few(60, 3)
    with ground.stack(web_settings=NO_QUOTA) as stack:
        client = stack.client()
        body = json.dumps({**json.loads(JOB), "records": 1})
        report = answered(load(f"{stack.url}/tasks", 200, seconds, body, token=client.token, rate=2000))
        ground.table.add(f"2,000 POST /tasks a second for {seconds} s: mean", "ms", [report["mean_ms"]], target=Target(at_most=40))
        left = lambda: int(stack.sql("SELECT count(*) FROM tasks WHERE status IN ('uploaded', 'processing')")[0][0])
        wait_for(lambda: left() == 0, "all tasks", 1800, 0.5)
        failed, span = stack.sql("SELECT count(*) FILTER (WHERE status <> 'processed'), extract(epoch FROM max(processed_at) -"
                                 " min(uploaded_at)) FROM tasks")[0]
        assert int(failed) == 0, failed
        ground.table.add(f"{report['answers']:,} tasks, all executed", "s", [float(span)], target=Target(at_most=6 * seconds))


def measure(ground):
    source = song(ground.media)
    users_who_upload(ground, source)
    conversions(ground, source)
    tasks_a_second(ground)
