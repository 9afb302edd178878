"""A cut task whose workers are killed again and again, and whose cloud is restarted once: what it costs beside a quiet run."""

import json
import random
import signal
import time

import cut_run
import seams
from bench_drain import cpu_seconds
from harness.client import FINAL
from harness.media import ffmpeg
from harness.waiting import wait_for
from table import Target

KILL_S = 5
SEED = 7
# What is lost with the emulator comes back with the sweep; Cloud Scheduler runs it every minute, and Pub/Sub loses nothing.
WEB_SETTINGS = {"REPUBLISH_AFTER_SECONDS": 5}
OPTIONS = {"crf": 24}
RECEIPTS = 5  # that say what encoding costs, at least
UNIT_SECONDS = 1  # and a key frame each second: 60 units


class Account:
    """CPU seconds of the workers' process trees. A tree's are read before it is killed: a zygote has those of the children that have ended."""

    def __init__(self, workers):
        self.workers, self.lost = workers, 0.0

    def of(self, worker):
        return sum(cpu_seconds(pid) for pid in (worker.pid, *worker.descendants()))

    def total(self):
        return self.lost + sum(self.of(worker) for worker in self.workers)

    def kill(self, worker):
        self.lost += self.of(worker)
        worker.kill()
        worker.start()


class Disturbance:
    """Kills a random worker every five seconds until the task has ended, and once, when half of the units are done, the emulator."""

    def __init__(self, account):
        self.account, self.chance, self.kills, self.restarts = account, random.Random(SEED), 0, 0

    def __call__(self, run):
        has_ended = lambda: run.client.task(run.task["id"])["status"] in FINAL
        due = time.monotonic() + KILL_S
        while wait_for(lambda due=due: has_ended() and "ended" or time.monotonic() >= due and "due", "the next kill") != "ended":
            self.account.kill(self.chance.choice(run.stack.workers))
            self.kills += 1
            if not self.restarts and self.half_is_done(run):
                self.restart(run.stack)
            run.stack.sweep()
            due = time.monotonic() + KILL_S

    @staticmethod
    def half_is_done(run):
        done = run.stack.sql(f"SELECT count(*) FROM units WHERE task_id = {run.task['id']} AND state = 'done'")[0][0]
        return 2 * int(done) >= len(run.parts)

    def restart(self, stack):
        """Its queue is lost, and is set up again."""
        stack.emulator.signal(signal.SIGKILL)
        stack.emulator.wait()
        stack.emulator.start()
        stack.provision()
        self.restarts += 1


def teach(ground, stack, client, account):
    """Lets the workers know what encoding costs here, as workers do that have been used: units are then as long as is asked for."""
    short = cut_run.clip(ground.media, ffmpeg, "640x360", 12)
    for _ in range(RECEIPTS):
        client.finish(client.upload(short, "mp4", options=json.dumps(OPTIONS)), 120)
    for worker in stack.workers:
        account.kill(worker)


def measure(ground):
    source = cut_run.clip(ground.media, ffmpeg, "1280x720", ground.few(60, 36), group=1)
    with ground.stack(pinned=True, workers=2, web_settings=WEB_SETTINGS, worker_settings={"SLOTS": 1, "UNIT_SECONDS": UNIT_SECONDS}) as stack:
        client, account = stack.client(), Account(stack.workers)
        run = lambda during=None: cut_run.Run(stack, client, source, "mp4", OPTIONS, during)
        teach(ground, stack, client, account)
        began = account.total()
        quiet = run()
        between = account.total()
        disturbance = Disturbance(account)
        killed = run(disturbance)
        spent = account.total() - between
        scratch = ground.scratch / "units-killed"
        scratch.mkdir()
        paths = [one.download(scratch / name) for one, name in ((quiet, "quiet"), (killed, "killed"))]
        add = lambda what, unit, value, *more, **target: ground.table.add(f"killed every {KILL_S} s: {what}", unit, [value], *more, **target)
        add("units", "in all", len(killed.parts))
        add("kills", "in all", disturbance.kills, target=Target(at_least=2))
        add("restarts of Pub/Sub and storage", "in all", disturbance.restarts, target=Target(at_least=1))
        add("frames that differ", "frames", seams.differing(*(seams.packets(path, "v")[0] for path in paths)), target=Target(at_most=0))
        add("video that differs", "of 1", int(video_hash(paths[0]) != video_hash(paths[1])), target=Target(at_most=0))
        add("audio that differs", "of 1", int(seams.audio_hash(paths[0]) != seams.audio_hash(paths[1])), target=Target(at_most=0))
        add("CPU", "s", spent, [between - began], "undisturbed", target=Target(at_most=1.3))
        add("time", "s", killed.seconds(), [quiet.seconds()], "undisturbed")


def video_hash(path):
    """Of the packets: units that were made again are the same."""
    return seams.output_of("ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "hash", "-hash", "sha256", "-")
