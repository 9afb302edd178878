"""
How mediarun scales on Cloud Run: a simulation of arrivals, Pub/Sub's push window, the autoscaler, slots and the database's
commits; and of one long task that is cut into units (simulation_units.py). It reads the deployment's own numbers
(infra/services/worker.yaml) and prints the tables of docs/capacity.md (tests/deploy/test_capacity.py compares them):

    tests/bench/simulation.py [--seconds N] [--bench build/bench.json]

What is Google's is modelled by their documentation: the push window begins small, doubles while pushes are answered within a
second, and else grows by one an answer up to 3,000; the autoscaler aims at 60 % of containerConcurrency and of the CPU. How
long an instance takes to start, and what the database can commit, are assumptions: START_S, COMMITS_PER_VCPU.
"""

import argparse
import collections
import dataclasses
import math
import pathlib
import random
import re

import simulation_units
import unit_costs

WORKER = pathlib.Path(__file__).resolve().parents[2] / "infra" / "services" / "worker.yaml"
STEP_S = 0.1  # at most; never longer than a job
START_S = 5.0  # from the decision to an instance that serves; measured locally: 0.3 s for the program itself
AUTOSCALER_S = 2.0  # between two decisions
AIM = 0.6
WINDOW_BEGIN, WINDOW_KNEE = 5, 3000
COMMITS_PER_TASK = 6  # insert, mark of the message, claim, start, outputs, commit; a heartbeat every 10 s comes on top
COMMITS_PER_VCPU = 1500  # a second, of a database on a network disk, with group commit
# USD: instance-based billing of the worker, request-based of web; storage operations; Pub/Sub
VCPU_S, GIB_S, CLASS_A, CLASS_B, PUBSUB_GIB = 0.000018, 0.000002, 0.005 / 1000, 0.0004 / 1000, 80 / 1024
WEB_VCPU_S, WEB_REQUEST = 0.000024, 0.40 / 1e6

Platform = collections.namedtuple("Platform", "start_s autoscaler_s aim")
PLATFORM = Platform(START_S, AUTOSCALER_S, AIM)
Kind = collections.namedtuple("Kind", "name cpu_s web_cpu_s")  # of the worker (one slot) and of web, a task
# Measured by make bench on 2 cores (groups jobs, codecs, transfers).
KINDS = (Kind("1 s of audio (20 kB)", 0.03, 0.002), Kind("a song (5 MB MP3 → WAV)", 0.9, 0.010),
         Kind("a clip (20 s of 720p → H.264 360p)", 5.0, 0.015))
RATES = (10, 1000, 100_000)  # tasks a minute


@dataclasses.dataclass
class Deployment:
    instances: int  # at most
    slots: int  # of an instance
    concurrency: int
    pool: int  # connections of an instance
    vcpus: int
    gib: int
    database_vcpus: int = 1


def deployed():
    text = WORKER.read_text(encoding="utf-8")
    number = lambda pattern: int(re.search(pattern, text).group(1))
    return Deployment(number(r'maxScale: "(\d+)"'), number(r'name: SLOTS, value: "(\d+)"'), number(r"containerConcurrency: (\d+)"),
                      number(r'name: DATABASE_POOL, value: "(\d+)"'), number(r'cpu: "(\d+)"'), number(r"memory: (\d+)Gi"))


def poisson(draw, mean):
    """Knuth's below 30, else the normal approximation."""
    if mean > 30:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, draw.random()
    while product > limit:
        count, product = count + 1, product * draw.random()
    return count


class Simulation:
    """Tasks are counted in cohorts: [time of arrival, how many]."""

    def __init__(self, deployment, kind, rate, seed=1):
        self.deployment, self.kind, self.rate, self.draw = deployment, kind, rate, random.Random(seed)
        self.now, self.window, self.step_s = 0.0, WINDOW_BEGIN, min(STEP_S, kind.cpu_s)
        self.backlog, self.pushed = collections.deque(), collections.deque()  # not pushed yet; pushed, without a slot
        self.running = collections.deque()  # [end, arrival, count]
        self.instances, self.starting = 0, collections.deque()  # ends of starts
        self.decided, self.most_instances = 0.0, 0
        self.waits = []  # (seconds from arrival to the end, count)
        self.bound = collections.Counter()  # which limit held tasks back, in steps

    def outstanding(self):
        return sum(count for _, count in self.pushed) + sum(count for _, _, count in self.running)

    def run(self, seconds):
        while self.now < seconds:
            self.step()
        return self

    def step(self):
        self.now += self.step_s
        arrived = poisson(self.draw, self.rate / 60 * self.step_s)
        if arrived:
            self.backlog.append([self.now, arrived])
        ended = self.finish()
        self.grow_window(ended)
        self.push()
        self.start_jobs()
        self.scale()

    def finish(self):
        ended = 0
        while self.running and self.running[0][0] <= self.now + 1e-9:
            _, arrival, count = self.running.popleft()
            self.waits.append((self.now - arrival, count))
            ended += count
        return ended

    def grow_window(self, ended):
        """An answer takes as long as the wait for a slot and the job."""
        if self.kind.cpu_s + (self.now - self.pushed[0][0] if self.pushed else 0) < 1:
            self.window = min(self.window * 2 ** self.step_s, WINDOW_KNEE) if self.window < WINDOW_KNEE else self.window + ended
        else:
            self.window = min(self.window + ended, max(self.window, WINDOW_KNEE))

    def push(self):
        room = int(self.window) - self.outstanding()
        served = (self.instances + len(self.starting) or 1) * self.deployment.concurrency - self.outstanding()
        moved = self.move(self.backlog, self.pushed, min(room, served))
        if self.backlog and not moved:
            full = self.instances >= self.deployment.instances
            self.bound["push window" if room <= 0 else "instances" if full else "start of instances"] += 1

    @staticmethod
    def move(source, target, most):
        moved = 0
        while source and moved < most:
            cohort = source[0]
            count = min(cohort[1], most - moved)
            target.append([cohort[0], count])
            moved += count
            cohort[1] -= count
            if not cohort[1]:
                source.popleft()
        return moved

    def start_jobs(self):
        free = self.instances * self.deployment.slots - sum(count for _, _, count in self.running)
        commits = self.deployment.database_vcpus * COMMITS_PER_VCPU * self.step_s / COMMITS_PER_TASK
        begun = []
        moved = self.move(self.pushed, begun, min(free, int(commits) + (self.draw.random() < commits % 1)))
        self.running.extend([self.now + self.kind.cpu_s, arrival, count] for arrival, count in begun)
        if self.pushed and moved < free:
            self.bound["database commits"] += 1

    def scale(self):
        while self.starting and self.starting[0] <= self.now:
            self.starting.popleft()
            self.instances += 1
        self.most_instances = max(self.most_instances, self.instances)
        if self.now < self.decided + AUTOSCALER_S:
            return
        self.decided = self.now
        wanted = max(math.ceil(self.outstanding() / (AIM * self.deployment.concurrency)),
                     math.ceil(sum(count for _, _, count in self.running) / (AIM * self.deployment.vcpus)))
        for _ in range(self.instances + len(self.starting), min(wanted, self.deployment.instances)):
            self.starting.append(self.now + START_S)

    def percentile(self, part):
        """Seconds from arrival to the end."""
        left = part * sum(count for _, count in self.waits)
        for seconds, count in sorted(self.waits):
            left -= count
            if left <= 0:
                return seconds
        return math.nan

    def keeps_up(self):
        """The tasks that wait at the end are no more than arrive within ten seconds or while one job runs."""
        return sum(count for _, count in self.backlog) <= self.rate / 60 * (10 + self.kind.cpu_s)

    def binds(self):
        return self.bound.most_common(1)[0][0] if self.bound and not self.keeps_up() else "-"


def sufficient(deployment, kind, rate):
    """The same with as many instances and as large a database as the rate needs, on average at 60 % of the CPU."""
    instances = max(1, math.ceil(rate / 60 * kind.cpu_s / (AIM * deployment.slots)))
    return dataclasses.replace(deployment, instances=instances,
                               database_vcpus=max(1, math.ceil(rate / 60 * COMMITS_PER_TASK / COMMITS_PER_VCPU / AIM)))


def cost(deployment, kind):
    """USD of 1,000 tasks on instances that are busy for 60 % of their time, without the database and without traffic."""
    instance_s = kind.cpu_s / deployment.slots / AIM
    worker = instance_s * (deployment.vcpus * VCPU_S + deployment.gib * GIB_S)
    web = kind.web_cpu_s * WEB_VCPU_S + 4 * WEB_REQUEST
    return 1000 * (worker + web + 5 * CLASS_A + 5 * CLASS_B + 2e3 / 1024**3 * PUBSUB_GIB)



def table(seconds=600):
    deployment = deployed()
    yield ("| tasks | a minute | as deployed: p50, p99 | held back by | instances needed | their connections | database vCPUs | p50, p99 then "
           "| USD per 1,000 |")
    yield "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |"
    for kind in KINDS:
        for rate in RATES:
            now = Simulation(deployment, kind, rate).run(seconds)
            enough = sufficient(deployment, kind, rate)
            then = Simulation(enough, kind, rate).run(seconds)
            times = lambda run: f"{run.percentile(0.5):.1f}, {run.percentile(0.99):.1f} s" if run.keeps_up() else "falls behind"
            yield (f"| {kind.name} | {rate:,} | {times(now)} | {now.binds()} | {enough.instances:,} | {enough.instances * enough.pool:,} |"
                   f" {enough.database_vcpus} | {times(then)}{'' if then.keeps_up() else ': ' + then.binds()} | {cost(deployment, kind):.3f} |")


def unit_table():
    return simulation_units.table(deployed(), PLATFORM)


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600, help="simulated seconds of each run of the first table")
    parser.add_argument("--bench", metavar="FILE", help="what units cost as in this file of make bench, not as in unit_costs.py")
    asked = parser.parse_args()
    if asked.bench:
        unit_costs.take_measured(asked.bench)
    lines = [*table(asked.seconds), "", *unit_table(), "", *simulation_units.summary(deployed(), PLATFORM)]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
