"""Records beside psql's \\copy of the same rows in one transaction."""

import subprocess

from ground import seconds_of
from table import Target

TITLE = "Records"


def copy_rate(ground, stack, task, rows):
    """Rows a second of psql, from files into three tables like mediarun's own."""
    tables = ("users", "products", "order_items")
    stack.sql("DROP SCHEMA IF EXISTS plain CASCADE; CREATE SCHEMA plain")
    commands = []
    for table in tables:
        file = ground.scratch / table
        stack.sql(f"CREATE TABLE plain.{table} (LIKE records.{table} INCLUDING ALL)")
        stack.sql(f"\\copy (SELECT * FROM records.{table} WHERE task_id = {task['id']} ORDER BY n) TO '{file}'")
        commands += ["-c", f"\\copy plain.{table} FROM '{file}'"]
    command = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", stack.postgres.url(stack.database), *commands]
    return rows / seconds_of(lambda: subprocess.run(command, check=True))


def measure(ground):
    records, ours, plain = ground.few(200_000, 50_000), [], []
    with ground.stack() as stack:
        client = stack.client()
        for _ in range(ground.few(3, 1)):
            answer = client.post("/api/tasks", json={"kind": "insert_records", "records": records})
            assert answer.status_code == 201, answer.text
            task = client.finish(answer.json()["task"])
            ours.append(3 * records / stack.job_ms([task["id"]])[0] * 1000)
            plain.append(copy_rate(ground, stack, task, 3 * records))
        ground.table.add(f"{3 * records:,} rows, claim to commit", "rows/s", ours, plain, "psql \\copy")
        ground.table.add(f"{3 * records:,} rows, claim to commit", "rows/s", ours, target=Target(at_least=200_000))
