"""What the groups of make bench share: systems to measure, rounds that alternate, clients with many connections."""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import tempfile
import time

from harness.paths import BUILD
from harness.postgres import Postgres
from harness.stack import Stack
from harness.waiting import wait_for

# As in production: the harness switches it off for the tests. Statements are timed by the server itself.
DURABLE = "fsync = on\nshared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = all\n"


class Ground:
    def __init__(self, scratch, media, table, is_quick):
        self.scratch, self.media, self.table, self.is_quick = scratch, media, table, is_quick
        self.postgres = Postgres(scratch, DURABLE)
        self.postgres.start()

    def end(self):
        self.postgres.end()

    def few(self, whole, quick):
        """An amount of work."""
        return quick if self.is_quick else whole

    @contextlib.contextmanager
    def stack(self, pinned=False, **settings):
        """pinned: each worker has one processor, as on an instance with one."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            stack = Stack(directory, self.postgres, connections=None, **settings)
            for worker, processor in zip(stack.workers, itertools.cycle(sorted(os.sched_getaffinity(0))) if pinned else ()):
                worker.argv = ["taskset", "--cpu-list", str(processor), *worker.argv]
            try:
                yield stack.start()
            finally:
                stack.stop()


def seconds_of(work):
    started = time.monotonic()
    work()
    return time.monotonic() - started


def alternate(ours, reference, rounds):
    """(values of mediarun, values of the reference): of rounds in which one follows the other."""
    pairs = [(ours(), reference()) for _ in range(rounds)]
    return tuple(list(column) for column in zip(*pairs, strict=True))


def load(url, connections, seconds, body="", **options):
    """What load.c reports. options: token, rate, form, target, pause_from, pause_to, ramp."""
    command = [BUILD / "bench" / "load", "--connections", str(connections), "--seconds", str(seconds)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run([*command, url], input=body, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def answered(report, status="201"):
    """The report, if every request was answered with this status."""
    assert report["failed"] == 0 and report["unsent"] == 0 and set(report["statuses"]) == {status}, report
    return report


def batch_seconds(stack, tasks, patience=600):
    """Seconds from the first claim to the last commit of tasks, once all are processed."""
    ids = ",".join(str(task["id"]) for task in tasks)
    count = lambda: stack.sql(f"SELECT count(*) FROM tasks WHERE id IN ({ids}) AND status = 'processed'")[0][0]
    wait_for(lambda: int(count()) == len(tasks), "the batch", patience, 0.05)
    ends = {int(number): float(end) for number, end in
            stack.sql(f"SELECT id, extract(epoch FROM processed_at) FROM tasks WHERE id IN ({ids})")}
    spent = dict(zip(ends, stack.job_ms(list(ends)), strict=True))
    return max(ends.values()) - min(end - spent[number] / 1000 for number, end in ends.items())


def median_ms(work, rounds):
    return statistics.median(seconds_of(work) * 1000 for _ in range(rounds))
