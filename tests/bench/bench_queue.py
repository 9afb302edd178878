"""How fast short tasks leave the queue, with few and with many others behind them."""

import json

from bench_admission import NO_QUOTA
from ground import answered, load
from harness.waiting import wait_for
from table import Target

TITLE = "Queue"
JOB = json.dumps({"name": "upload", "description": "user upload", "records": 1})


def processed(stack):
    return int(stack.sql("SELECT count(*) FROM tasks WHERE status = 'processed'")[0][0])


def drain(stack, count):
    """Tasks a second, until `count` of those that were published while the worker was stopped are processed."""
    before = processed(stack)
    stack.worker.start()
    wait_for(lambda: processed(stack) >= before + count, "the queue's end", 900, 0.2)
    ended, span = stack.sql("SELECT count(*), extract(epoch FROM max(processed_at) - min(processed_at)) FROM (SELECT processed_at FROM tasks"
                            f" WHERE status = 'processed' ORDER BY processed_at DESC LIMIT {count}) ended")[0]
    stack.worker.stop()
    return int(ended) / float(span)


def take(stack, client, count):
    """Lets web take that many tasks, 2,000 a second."""
    return answered(load(f"{stack.url}/tasks", 64, count / 2000, JOB, token=client.token, rate=2000))["answers"]


def claim_ms(stack):
    """What a claim costs the server."""
    row = stack.sql("SELECT sum(total_exec_time) / sum(calls) FROM pg_stat_statements WHERE query LIKE 'UPDATE tasks SET status = %claim_id =%'"
                    " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())")[0]
    return float(row[0])


def measure(ground):
    with ground.stack(web_settings=NO_QUOTA) as stack:
        client = stack.client()
        stack.sql("CREATE EXTENSION pg_stat_statements")
        stack.worker.stop()
        count, behind = ground.few(10_000, 2_000), ground.few(120_000, 10_000)
        rates = [drain(stack, take(stack, client, count)) for _ in range(ground.few(3, 1))]
        ground.table.add(f"{count:,} short tasks drained", "per s", rates, target=Target(at_least=300))
        take(stack, client, behind)
        stack.sql("SELECT pg_stat_statements_reset()")
        rates = [drain(stack, behind // 20) for _ in range(ground.few(3, 1))]
        ground.table.add(f"drained, of {behind:,} queued", "per s", rates, target=Target(at_least=300))
        ground.table.add(f"claim, {behind:,} queued, in the server", "ms", [claim_ms(stack)], target=Target(at_most=1))
