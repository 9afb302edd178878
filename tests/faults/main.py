"""The fault suite: real programs under load, while faults happen that are drawn from a seed. tests/README.md explains it."""

import argparse
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

from harness.paths import BUILD, PATIENCE, VARIANT

import leaks
import recovery
import verify
from faults import FAULTS
from plan import draw
from reference import References
from schedule import Schedule
from sources import Sources
from users import Users
from world import Platform, World

SETTLE_S = 90  # without any task's end


def arguments():
    parser = argparse.ArgumentParser(prog="tests/faults/run.sh")
    parser.add_argument("--tasks", type=int, default=70)
    parser.add_argument("--minutes", type=float, default=0.8, help="how long the load lasts")
    parser.add_argument("--faults", type=int, default=16)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 20))
    parser.add_argument("--only", default="", help="a part of the names of the faults to make")
    return parser.parse_args()


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.began = time.monotonic()
        self.findings = verify.Findings()

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def run(self):
        world = World(self.directory, self.options.tasks)
        try:
            possible = [name for name in FAULTS if self.options.only in name and self._possible(world, name)]
            plan = draw(self.options.seed, self.options.tasks, self.options.minutes * 60, self.options.faults, possible)
            world.stack.start()
            self._measured(world, plan)
        finally:
            world.close()

    def _possible(self, world, name):
        disk = {"disk of the database full": "database", "disk of the emulator full": "storage"}.get(name)
        if disk and not world.disks[disk].available:
            self.say(f"skipped: {name}: this process may not mount a small file system")
            return False
        return True

    def _measured(self, world, plan):
        users = Users(world, Sources(self.directory / "media"))
        references = References(users, self.directory).make_all(plan)
        before = leaks.usage(world)
        self.say(f"{len(references)} results without faults; the load begins")
        platform, watch = Platform(world), recovery.Watch(world)
        schedule = Schedule(world, platform, plan.faults, self.say)
        users.run(plan.orders, schedule.start())
        schedule.join()
        self.say("the last fault is over")
        settled = verify.settle(world, SETTLE_S * PATIENCE)
        self.say(f"all tasks are final after {settled:.0f} s")
        watch.stop()
        platform.stop()
        self._judge(world, users, references, before, platform)
        self._report(users, schedule.faults, recovery.of_kinds(watch, schedule.faults))

    def _judge(self, world, users, references, before, platform):
        left = list(leaks.objects_and_rows(world))
        self.findings = verify.Check(world, users, references, self.directory).run()
        self.findings.left += left + list(leaks.growth(before, leaks.usage(world))) + list(leaks.descriptors_left(world, before))
        self.findings.wrong += platform.crashes
        try:
            world.stack.stop()
        except AssertionError as error:
            self.findings.wrong.append(str(error))
        self.findings.left += leaks.processes({world.postgres.process.pid})

    def _report(self, users, faults, times):
        done = [fault for fault in faults if not fault.skipped]
        for fault in faults:
            if fault.skipped:
                self.say(f"not made: {fault.name}: {fault.skipped}")
        self.say(f"answers: {dict(sorted(users.statuses.items()))}, connections broken: {users.broken}")
        for kind, text in self.findings.all():
            print(f"{kind}: {text}")
        f = self.findings
        longest = ", ".join(f"{name} {max(took):.1f}" if took else f"{name} -" for name, took in sorted(times.items()))
        print(f"seed {self.options.seed}, {VARIANT}: {len(users.outcomes)} tasks, {len(done)} faults, {len(f.lost)} lost, "
              f"{len(f.doubled)} doubled, {len(f.wrong)} wrong, {len(f.left)} left behind; longest seconds until the work went on: "
              f"{longest}", flush=True)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started and mounted is ended and unmounted
    assert (BUILD / "mediarun-web").exists(), f"{BUILD} is not built"
    print(f"seed {options.seed}", flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="mediarun-faults."))
    directory.chmod(0o711)
    run = Run(options, directory)
    run.run()
    bad = len(run.findings.all())
    print(f"{int(not bad)} passed, {bad} failed, 0 skipped")
    if bad:
        print(f"logs and files of this run: {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
