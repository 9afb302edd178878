"""
One long conversion that is cut into units (docs/decisions/0010-units.md), on a service that begins with no instance: a part of
simulation.py. What units cost is measured (unit_costs.py); what the platform does comes from simulation.py. Assumptions, which
nothing here measures: STORAGE_BYTES_S, PUBSUB_S, the bit rates and GROUP_S. Not modelled: other tasks beside it, failures.
"""

import dataclasses
import math
import pathlib
import re

from unit_costs import COSTS

# Other systems' figures for a video of that length and size, as they published them; what it held is not known.
PUBLISHED = (("Bento on AWS Lambda (bento-video.github.io)", "10:49"), ("AWS Elemental MediaConvert (there as well)", "20:50"))
COLD, OPEN = 5, 3000  # pushes that may be unanswered when the task begins: after a quiet time; while short tasks are many
GOAL_S = 3 * 60
INSTANCES = (1, 2, 10, 100)

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEP_S = 0.1
RECALL_S = 1  # how often an instance with idle slots looks for units that were put off
STORAGE_BYTES_S = 100e6  # of one object, for an instance; reading and writing go on beside each other
PUBSUB_S = 0.1  # from the publishing of a message to its push
VERIFIED_BYTES = 64 << 20  # that a unit reads beside its own range, at most
GROUP_S = 2  # from one key frame of the input to the next
FPS = 30
LIMIT_S = 48 * 3600

Video = dataclasses.make_dataclass("Video", ["name", "seconds", "megapixels", "input_bits", "output_bits"])
FILM = Video("57:35 of 1080p", 57 * 60 + 35, 1920 * 1080 / 1e6, 5e6, 5e6)


@dataclasses.dataclass
class Target:
    """A new format. weight: of its encoder, as the plan has it; audio: it is encoded (else copied)."""
    name: str
    weight: float
    second: str
    audio: bool


def number_in(path, pattern):
    return float(re.search(pattern, (ROOT / path).read_text(encoding="utf-8")).group(1))


def spread_s():
    """How long a unit waits in an instance."""
    return number_in("worker/dispatcher.c", r"SPREAD_US = (\d+) \* 1000000")


def unit_seconds():
    """The default, which worker.yaml leaves as it is."""
    return int(number_in("shared/base/config.c", r'NUMBER\("UNIT_SECONDS", WORKER, unit_seconds, (\d+)'))


TARGETS = (Target("H.264 (mp4)", 1, "h264_1080p", False),
           Target("VP9 (webm)", number_in("worker/media/work.c", r'"libvpx-vp9", NULL, ([0-9.]+)'), "vp9_1080p", True))


def cost(name):
    return COSTS[name].value / 1000


@dataclasses.dataclass
class Work:
    """The seconds of a slot for each part of the task. Audio that is encoded is a unit of its own."""
    video: Video
    target: Target
    unit_seconds: int

    def units(self):
        """As many as worker/media/cuts.c makes."""
        per_second = number_in("worker/media/cuts.c", r"MEGAPIXELS_PER_SECOND ([0-9.]+)")
        least, wanted = (number_in("worker/media/cuts.c", rf"{name} = (\d+)") for name in ("PART_SECONDS", "PARTS_WANTED"))
        seconds = self.target.weight * self.video.megapixels * FPS * self.video.seconds / per_second
        return int(seconds / min(max(seconds / wanted, least), self.unit_seconds) + 1)

    def input_s(self):
        return self.video.seconds * self.video.input_bits / 8 / STORAGE_BYTES_S

    def plan_s(self):
        return cost("plan")

    def unit_s(self):
        verified = min(VERIFIED_BYTES / STORAGE_BYTES_S, self.input_s())
        return self.video.seconds / self.units() * cost(self.target.second) + GROUP_S * cost("decode_1080p") + verified + cost("claim")

    def audio_s(self):
        return max(self.video.seconds / 60 * cost("audio"), self.input_s())

    def parts_s(self):
        return [self.unit_s()] * self.units() + ([self.audio_s()] if self.target.audio else [])

    def join_s(self):
        read = self.video.seconds * self.video.output_bits / 8 / STORAGE_BYTES_S
        return max(self.video.seconds / 60 * cost("join_measured" if self.target.audio else "join_copied"), read)

    def whole_s(self):
        return self.video.seconds * cost(self.target.second) + (self.video.seconds / 60 * cost("audio") if self.target.audio else 0)


class Instance:
    """A request holds a place until it is answered; `slots` of them run, the others (since when, seconds of work) wait for one of this
    instance, until they are put off."""

    def __init__(self, ready):
        self.ready, self.running, self.parked = ready, [], []

    def requests(self):
        return len(self.running) + len(self.parked)


class CutTask:
    """Steps through the life of one task. window: pushes that may be unanswered at the beginning."""

    def __init__(self, deployment, platform, work, window):
        self.deployment, self.platform, self.work, self.window = deployment, platform, work, window
        self.now, self.decided = 0.0, -platform.autoscaler_s
        self.instances, self.published, self.pushed = [], [], []  # messages: (time at which they may be pushed, seconds of work)
        self.put_off, self.recalled, self.spread_s = [], 0.0, spread_s()
        self.stages = [[work.plan_s()], work.parts_s(), [work.join_s()]]
        self.most = 0
        self.publish()

    def publish(self):
        self.left = len(self.stages[0])
        self.published += [(self.now + PUBSUB_S, seconds) for seconds in self.stages.pop(0)]

    def outstanding(self):
        return len(self.pushed) + sum(one.requests() for one in self.instances)

    def run(self):
        """Seconds from the task's creation to its result."""
        while self.left and self.now < LIMIT_S:
            self.step()
        return self.now

    def step(self):
        self.now += STEP_S
        self.finish()
        self.spread()
        if self.now >= self.recalled + RECALL_S:
            self.recalled = self.now
            self.recall(sum(max(self.deployment.slots - one.requests(), 0) for one in self.instances if one.ready <= self.now))
        while self.published and self.published[0][0] <= self.now and self.outstanding() < self.window:
            self.pushed.append(self.published.pop(0)[1])
        self.route()
        self.scale()

    def finish(self):
        for one in self.instances:
            ended = sum(end <= self.now for end in one.running)
            one.running = [end for end in one.running if end > self.now]
            self.left -= ended
            self.window += ended
            while one.parked and len(one.running) < self.deployment.slots:
                one.running.append(self.now + one.parked.pop(0)[1])
                ended -= 1
            self.recall(ended)
        if self.left == 0 and self.stages:
            self.publish()

    def spread(self):
        """What has waited for long is acknowledged."""
        for one in self.instances:
            while one.parked and one.parked[0][0] <= self.now - self.spread_s:
                self.put_off.append(one.parked.pop(0)[1])
                self.window += 1

    def recall(self, idle):
        """As messages again, one for each idle slot."""
        for _ in range(min(idle, len(self.put_off))):
            self.published.append((self.now + PUBSUB_S, self.put_off.pop(0)))

    def route(self):
        """To the instance with the fewest requests. What it cannot run waits in it, not in the platform."""
        ready = [one for one in self.instances if one.ready <= self.now]
        while self.pushed and ready:
            one = min(ready, key=Instance.requests)
            if one.requests() >= self.deployment.concurrency:
                return
            seconds = self.pushed.pop(0)
            if len(one.running) < self.deployment.slots:
                one.running.append(self.now + seconds)
            else:
                one.parked.append((self.now, seconds))

    def scale(self):
        if self.now < self.decided + self.platform.autoscaler_s:
            return
        self.decided = self.now
        aim = self.platform.aim
        running = sum(len(one.running) for one in self.instances)
        wanted = max(math.ceil(self.outstanding() / (aim * self.deployment.concurrency)), math.ceil(running / (aim * self.deployment.vcpus)))
        for _ in range(len(self.instances), min(wanted, self.deployment.instances)):
            self.instances.append(Instance(self.now + self.platform.start_s))
        self.most = len(self.instances)


def clock(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def seconds_on(deployment, platform, work, instances, window, is_narrow):
    """is_narrow: containerConcurrency is SLOTS."""
    concurrency = deployment.slots if is_narrow else deployment.concurrency
    return CutTask(dataclasses.replace(deployment, instances=instances, concurrency=concurrency), platform, work, window).run()


def rows():
    """(target, window, is narrow)"""
    h264, vp9 = TARGETS
    for window, is_narrow in ((COLD, False), (COLD, True), (OPEN, False), (OPEN, True)):
        yield h264, window, is_narrow
    yield vp9, COLD, False


def settings(window, is_narrow):
    return ", ".join(["push window open" if window == OPEN else "as deployed"] + (["`containerConcurrency` = `SLOTS`"] if is_narrow else []))


def table(deployment, platform):
    yield (f"| {FILM.name} to | units | settings | one slot, not cut | "
           + " | ".join(f"{count} instance{'s' if count > 1 else ''}" for count in INSTANCES) + " |")
    yield "| --- | ---: | --- |" + " ---: |" * (1 + len(INSTANCES))
    for target, window, is_narrow in rows():
        work = Work(FILM, target, unit_seconds())
        times = [clock(seconds_on(deployment, platform, work, count, window, is_narrow)) for count in INSTANCES]
        yield (f"| {target.name} | {work.units()} | {settings(window, is_narrow)} | "
               f"{clock(work.whole_s())} | {' | '.join(times)} |")
    for name, time in PUBLISHED:
        yield f"| {name} | | | | | | | {time} |"


def summary(deployment, platform):
    """One line: the goal beside what the deployment gives, and what it gives with other settings."""
    cases = (("as deployed", COLD, False), ("containerConcurrency = SLOTS", COLD, True), ("push window open", OPEN, False),
             ("push window open, containerConcurrency = SLOTS", OPEN, True))
    for name, window, is_narrow in cases:
        seconds = seconds_on(deployment, platform, Work(FILM, TARGETS[0], unit_seconds()), 100, window, is_narrow)
        yield f"{FILM.name} on 100 instances, {name}: {clock(seconds)}, goal {clock(GOAL_S)}{'' if seconds < GOAL_S else ': MISSED'}"
