"""How many tasks a second are taken, beside single inserts of pgbench: by a closed loop and by an open one."""

import json
import subprocess

from ground import alternate, answered, load
from table import Target

TITLE = "Admission: POST /tasks"
CONNECTIONS = 32
# Tasks that only wait: what is measured is web.
NO_QUOTA = {"QUOTA_TASKS_QUEUED": 10_000_000, "QUOTA_RECORDS_STORED": 1_000_000_000}
JOB = json.dumps({"name": "upload", "description": "user upload", "records": 1})
INSERT = "INSERT INTO plain (name, made) VALUES ('upload', now());\n"


def pgbench(ground, stack, seconds):
    """Inserts a second, each a transaction of its own."""
    script = ground.scratch / "insert.sql"
    script.write_text(INSERT)
    stack.sql("CREATE TABLE IF NOT EXISTS plain (id bigserial PRIMARY KEY, name text, made timestamptz)")
    url = stack.postgres.url(stack.database)
    done = subprocess.run(["pgbench", "-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2", "-T", str(seconds), "-f", script, url],
                          check=True, capture_output=True, text=True)
    return next(float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("tps"))


def post(stack, client, connections, seconds, rate=0):
    return answered(load(f"{stack.url}/tasks", connections, seconds, JOB, token=client.token, rate=rate))


def alone(ground):
    seconds = ground.few(10, 3)
    with ground.stack(web_settings=NO_QUOTA) as stack:
        stack.worker.stop()
        client = stack.client()
        rates = alternate(lambda: post(stack, client, CONNECTIONS, seconds)["rate"], lambda: pgbench(ground, stack, seconds),
                          ground.few(3, 1))
        ground.table.add(f"{CONNECTIONS} connections, worker stopped", "per s", *rates, "pgbench, single inserts")
        ground.table.add(f"{CONNECTIONS} connections, worker stopped", "per s", rates[0], target=Target(at_least=5000))


def beside_the_worker(ground):
    with ground.stack(web_settings=NO_QUOTA) as stack:
        client = stack.client()
        closed = [post(stack, client, CONNECTIONS, ground.few(10, 3)) for _ in range(ground.few(3, 1))]
        ground.table.add(f"{CONNECTIONS} connections, worker running", "per s", [one["rate"] for one in closed], target=Target(at_least=3500))
        ground.table.add(f"{CONNECTIONS} connections, worker running: p99", "ms", [one["p99_ms"] for one in closed])


def open_loop(ground):
    with ground.stack(web_settings=NO_QUOTA) as stack:
        client = stack.client()
        reports = [post(stack, client, 200, ground.few(20, 5), 2000) for _ in range(ground.few(3, 1))]
        ground.table.add("2,000/s asked on 200 connections", "per s", [one["rate"] for one in reports])
        ground.table.add("2,000/s asked on 200 connections: p99", "ms", [one["p99_ms"] for one in reports], target=Target(at_most=40))
        ground.table.add("2,000/s asked: connections opened", "count", [one["connects"] for one in reports], target=Target(at_most=200))


def measure(ground):
    alone(ground)
    beside_the_worker(ground)
    open_loop(ground)
