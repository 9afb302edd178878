"""What a run must not leave behind: objects, rows, processes, descriptors, memory."""

import collections
import contextlib
import os
import pathlib
import re

from harness.paths import PATIENCE, SANITIZED
from harness.waiting import wait_for

DESCRIPTORS = 80  # idle connections that a program may keep: 64 handles of its HTTP client, and those to the database
MEMORY_MIB = 48  # allocators keep some
LEFT_ROWS = {
    "rows in stray_objects": "SELECT count(*) FROM stray_objects",
    "rows in uploads": "SELECT count(*) FROM uploads",
    "tasks with a lease": "SELECT count(*) FROM tasks WHERE lease_expires_at IS NOT NULL",
    "deliveries with a lease": "SELECT count(*) FROM deliveries WHERE lease_expires_at IS NOT NULL",
    "unpublished tasks": "SELECT count(*) FROM tasks WHERE published_at IS NULL AND status IN ('uploaded', 'processing')",
    "batches of tasks that may be unpublished": "SELECT count(*) FROM outbox_batches",
    "records of deleted tasks": "SELECT count(*) FROM records.runs WHERE orphaned",
}


def usage(world):
    """{program: (open descriptors, resident MiB)}."""
    found = {}
    for program in world.stack.programs:
        status = pathlib.Path(f"/proc/{program.pid}/status").read_text(encoding="ascii")
        found[program.name] = (program.open_descriptors(), int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024)
    return found


def kinds_of_descriptors(program):
    """What the descriptors of a program lead to, without numbers: "socket 40, anon_inode 3"."""
    found = collections.Counter()
    for number in os.listdir(f"/proc/{program.pid}/fd"):
        with contextlib.suppress(OSError):
            found[os.readlink(f"/proc/{program.pid}/fd/{number}").split(":")[0]] += 1
    return ", ".join(f"{name} {count}" for name, count in found.most_common(6))


def descriptors_left(world, before):
    """Connections that nobody uses are closed within a minute."""
    def too_many():
        return [program for program in world.stack.programs if program.open_descriptors() > before[program.name][0] + DESCRIPTORS]
    try:
        wait_for(lambda: not too_many(), "end of unused connections", 60 / PATIENCE, 1)
    except AssertionError:
        for program in too_many():
            yield (f"{program.name} has {program.open_descriptors()} open descriptors, {before[program.name][0]} before the load: "
                   + kinds_of_descriptors(program))


def growth(before, after):
    for name, (_, memory) in after.items():
        if not SANITIZED and memory > before[name][1] * 1.3 + MEMORY_MIB:
            yield f"{name} has {memory:.0f} MiB, {before[name][1]:.0f} before the load"


def idle_workers(world):
    """The only descendant of each worker is its zygote."""
    return all(len(worker.descendants()) == 1 for worker in world.stack.workers)


def objects_and_rows(world):
    """Lets the time pass after which the sweep may delete, and returns what it leaves."""
    def swept():
        world.sql("UPDATE stray_objects SET delete_after = now() - interval '1 s'")
        world.sql("UPDATE uploads SET expires_at = now() - interval '1 s'")
        world.stack.sweep()
        return not rows_left(world)
    try:
        wait_for(lambda: idle_workers(world), "end of all jobs", 30)
        wait_for(swept, "the sweep", 30, 0.5)
    except AssertionError as error:
        yield str(error).splitlines()[0]
    yield from rows_left(world)
    owned = {row[0] for row in world.sql("SELECT input_object FROM tasks WHERE input_object IS NOT NULL UNION ALL "
                                         "SELECT object FROM outputs")}
    there = world.objects()
    yield from (f"object {name} of {world.stored_at(name)} has no owner" for name in sorted(there - owned))
    yield from (f"object {name} is missing" for name in sorted(owned - there))


def rows_left(world):
    return [f"{count} {what}" for what, query in LEFT_ROWS.items() if (count := world.sql(query)[0][0]) != "0"]


def processes(known):
    """Processes that lost their parent and run on: as this process is their subreaper, they are its children now."""
    for task in os.listdir("/proc/self/task"):
        for word in pathlib.Path(f"/proc/self/task/{task}/children").read_text(encoding="ascii").split():
            try:
                status = pathlib.Path(f"/proc/{word}/status").read_text(encoding="ascii")
            except OSError:
                continue
            if int(word) not in known and "State:\tZ" not in status:
                yield f"process {word} ({status.split()[1]}) runs on"
