"""
How fast a backlog of short tasks (insert_records, one row for each of three tables) is drained, with the emulator's Pub/Sub or
Google's, what the pushes were answered, and what the processor time was spent on. Tasks and messages are made in bulk, before
the worker starts.

    PYTHONPATH=tests/e2e python3 tests/bench/bench_drain.py [--tasks 10000] [--queued 0] [--pubsub own|google] [--users 1]
        [--set PARKED_PUSHES=64]
"""

import argparse
import base64
import collections
import json
import os
import pathlib
import sys
import tempfile
import time

import requests

from harness.google_pubsub import find_jar, google_pubsub
from harness.postgres import Postgres
from harness.stack import PROJECT, TOPIC, Stack
from harness.waiting import wait_for

TICKS = os.sysconf("SC_CLK_TCK")
BATCH = 1000  # messages of one call
TARGET = 300  # tasks per second


def fill(stack, users, count):
    """Inserts so many queued tasks of the users, in turn, and publishes their messages."""
    ids = [int(row[0]) for row in stack.sql(
        "INSERT INTO tasks (file_id, user_id, kind, original_file, options, status, uploaded_at, published_at) SELECT gen_random_uuid(),"
        f" ('{{{','.join(map(str, users))}}}'::bigint[])[1 + n % {len(users)}], 'insert_records', '', '{{\"records\":1}}', 'uploaded',"
        f" now(), now() FROM generate_series(1, {count}) n RETURNING id")]
    topic = f"http://{stack.pubsub_host}/v1/projects/{PROJECT}/topics/{TOPIC}:publish"
    with requests.Session() as session:
        for first in range(0, count, BATCH):
            messages = [{"data": base64.b64encode(json.dumps(
                {"v": 1, "kind": "insert_records", "task_id": one, "generation": 1}).encode()).decode(),
                "attributes": {"kind": "insert_records", "priority": "normal"}} for one in ids[first:first + BATCH]]
            answer = session.post(topic, json={"messages": messages}, timeout=60)
            assert answer.status_code == 200, answer.text


def cpu_seconds(pid):
    """Of a process and those that it has waited for; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(map(int, fields[11:15])) / TICKS


def idle_seconds():
    with open("/proc/stat", encoding="ascii") as stat:
        fields = stat.readline().split()
    return (int(fields[4]) + int(fields[5])) / TICKS


def postgres_seconds(postgres):
    with open(postgres.data / "postmaster.pid", encoding="ascii") as file:
        pid = int(file.readline())
    backends = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return cpu_seconds(pid) + sum(cpu_seconds(one) for one in backends)


def counters(stack):
    found = {program.name: cpu_seconds(program.pid) for program in stack.programs if program.alive()}
    return {**found, "postgres": postgres_seconds(stack.postgres), "idle": idle_seconds()}


def answers(stack):
    """How many pushes of tasks were answered 2xx, 429, or otherwise, by the worker's lines."""
    classes = {"busy": "429", "stopped": "429", "released": "503"}
    return collections.Counter(classes.get(record["end"], "2xx") for record in stack.worker.records() if "end" in record)


def finished(stack, total):
    """How many of all tasks are finished: counted by those that are not."""
    return total - int(stack.sql("SELECT count(*) FROM tasks WHERE status IN ('uploaded', 'processing')")[0][0])


def drain(stack, users, count, behind):
    """Tasks per second, and prints what it took. behind: further tasks that wait, which are not awaited."""
    total = count + behind
    fill(stack, users, total)
    stack.worker.start()
    wait_for(lambda: finished(stack, total) >= min(500, count // 5), "the first tasks", 60, 0.05)
    before, began, first = counters(stack), time.monotonic(), finished(stack, total)
    wait_for(lambda: finished(stack, total) >= count, "the drain", 600, 0.2)
    seconds, done = time.monotonic() - began, finished(stack, total) - first
    after = counters(stack)
    used = {name: after[name] - before[name] for name in after if name in before}
    idle = used.pop("idle")
    print(f"{done / seconds:8.1f} tasks/s; idle {100 * idle / seconds / os.cpu_count():.0f} %; answers {dict(answers(stack))}; "
          f"ms of CPU a task: " + ", ".join(f"{name} {1000 * value / done:.2f}" for name, value in used.items()))
    return done / seconds


def run(arguments, pubsub_host):
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        scratch.chmod(0o755)
        postgres = Postgres(scratch, "fsync = on\n")
        postgres.start()
        more = {"PUSH_AUTH": "none"} if pubsub_host else {}
        stack = Stack(scratch, postgres, settings=more, pubsub_host=pubsub_host, connections=None,
                      worker_settings=dict(one.split("=") for one in arguments.set))
        try:
            stack.start()
            stack.worker.stop()
            for _ in range(arguments.users):
                stack.client()
            users = [int(row[0]) for row in stack.sql("SELECT id FROM users")]
            rate = drain(stack, users, arguments.tasks, arguments.queued)
        finally:
            stack.stop()
            postgres.end()
    return rate


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--queued", type=int, default=0)
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--pubsub", choices=("own", "google"), default="own")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the worker")
    arguments = parser.parse_args()
    if arguments.pubsub == "own":
        rate = run(arguments, None)
    else:
        jar, reason = find_jar()
        if not jar:
            sys.exit(reason)
        with tempfile.TemporaryDirectory() as directory, google_pubsub(jar, pathlib.Path(directory)) as host:
            rate = run(arguments, host)
    return 0 if rate >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
