"""What is counted from outside when the faults are over: tasks lost, doubled and wrong, and what was left behind."""

import collections
import concurrent.futures
import re
import time

from harness.client import FINAL

from plan import FIRST_RECORDS
from sources import decoded_hash, result_of

TABLES = ("users", "products", "order_items")
UNFINISHED = """SELECT (SELECT count(*) FROM tasks WHERE status IN ('uploaded', 'processing', 'awaiting_upload')),
    (SELECT count(*) FROM deliveries WHERE status IN ('pending', 'sending'))"""


class Findings:
    """Each a list of sentences."""

    def __init__(self):
        self.lost, self.doubled, self.wrong, self.left = [], [], [], []

    def all(self):
        return [(kind, text) for kind in ("lost", "doubled", "wrong", "left") for text in getattr(self, kind)]


def settle(world, seconds):
    """
    Waits until all tasks and deliveries are final, or none of them has ended for so many seconds. Webhooks do not wait for
    the lease of a killed worker: that takes 75 s. Returns how long it took.
    """
    began = moved = time.monotonic()
    before = None
    while (left := world.sql(UNFINISHED)) != [["0", "0"]]:
        if left != before:
            before, moved = left, time.monotonic()
        elif time.monotonic() - moved > seconds:
            break  # what is not final is found below
        elif time.monotonic() - moved > 20:
            world.sql("UPDATE deliveries SET lease_expires_at = now() - interval '1 s' WHERE status = 'sending' AND "
                      "lease_expires_at < now() + interval '50 s'")
            world.sql("UPDATE deliveries SET next_attempt_at = now() WHERE status = 'pending' AND next_attempt_at > now()")
        time.sleep(0.5)
    return time.monotonic() - began


class Rows:
    """The tasks in the database. by_order: {number: [row]}; row: a dictionary."""

    COLUMNS = ("id", "file_id", "kind", "status", "error_code", "generation", "input_object")

    def __init__(self, world):
        self.by_order = collections.defaultdict(list)
        self.by_id = {}
        for *values, name, records in world.sql(
                f"SELECT {', '.join(self.COLUMNS)}, coalesce(original_file, url), options->>'records' FROM tasks ORDER BY id"):
            row = dict(zip(self.COLUMNS, values), id=int(values[0]), generation=int(values[5]))
            match = re.search(r"o(\d+)\.\w+$", name)
            number = int(match.group(1)) if match else int(records) - FIRST_RECORDS
            self.by_order[number].append(row)
            self.by_id[row["id"]] = row


class Check:
    def __init__(self, world, users, references, directory):
        self.world, self.users, self.references, self.directory = world, users, references, directory
        self.found = Findings()
        self.rows = Rows(world)

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for outcome, problem in zip(self.users.outcomes, pool.map(self._guarded, self.users.outcomes)):
                if problem:
                    self.found.wrong.append(f"order {outcome.order.number} ({outcome.order.kind}): {problem}")
        self._webhooks()
        self._records()
        return self.found

    def _guarded(self, outcome):
        try:
            return outcome.problem or self._order(outcome)
        except Exception as error:  # a check that cannot be made has not passed
            return f"{type(error).__name__}: {error}"

    def _order(self, outcome):
        """Returns what is wrong with the task of an order, or None."""
        order = outcome.order
        rows = self.rows.by_order[order.number]
        if len(rows) > 1:
            self.found.doubled.append(f"order {order.number} ({order.kind}) made the tasks {[row['id'] for row in rows]}")
        if order.kind == "probe" and outcome.probe:
            return None if outcome.probe == self.references[("probe", order.source)] else f"probe: {outcome.probe}"
        if outcome.deleted:
            return f"task {rows[0]['id']} was deleted and is there" if rows else None
        if outcome.task and outcome.task["id"] not in self.rows.by_id:
            self.found.lost.append(f"order {order.number} ({order.kind}): task {outcome.task['id']} is gone")
            return None
        return self._row(outcome, rows[0]) if rows else None

    def _row(self, outcome, row):
        order = outcome.order
        if row["status"] not in FINAL:
            self.found.lost.append(f"order {order.number} ({order.kind}): task {row['id']} is {row['status']}")
            return None
        if row["generation"] < outcome.generations:
            return f"task {row['id']} has generation {row['generation']} after {outcome.generations - 1} changes"
        client = self.users.clients[order.user]
        task = client.task(row["id"])
        if order.kind == "records":
            wanted = {"insertedRecords": dict.fromkeys(TABLES, order.wanted)}
            return None if task["result"] == wanted else f"task {row['id']}: {task['status']} {task['error']} {task['result']}"
        if order.kind == "probe":
            probe = (task["result"] or {}).get("input")
            return None if probe == self.references[("probe", order.source)] else f"task {row['id']}: {task['error']}"
        return self._result(task, client, self.references[(order.kind, order.source, outcome.wanted)])

    def _result(self, task, client, reference):
        result, bodies = result_of(client, task)
        if (result.status, result.error) != (reference.status, reference.error):
            return f"task {task['id']} is {result.status}, error {task['error']}; without faults {reference.status} {reference.error}"
        if result.files == reference.files:
            return None
        if [name for name, _ in result.files] != [name for name, _ in reference.files]:
            return f"task {task['id']} has the outputs {result.files}, without faults {reference.files}"
        hashes = []
        for n, body in enumerate(bodies):
            path = self.directory / f"{task['id']}-{n}"
            path.write_bytes(body)
            hashes.append(decoded_hash(path))
        return None if hashes == reference.decoded else f"task {task['id']}: other bytes than without faults, decoded {hashes}"

    def _webhooks(self):
        accepted = collections.defaultdict(set)  # task id → webhook ids
        for call in list(self.world.receiver.received):
            accepted[call.json["id"]].add(call.headers["webhook-id"])
        owed = collections.defaultdict(dict)
        for task_id, generation, public_id, status in self.world.sql(
                "SELECT task_id, generation, public_id, status FROM deliveries WHERE channel = 'webhook'"):
            owed[int(task_id)][int(generation)] = (public_id, status)
        for outcome in self.users.outcomes:
            for row in self.rows.by_order[outcome.order.number]:
                if outcome.order.has_webhook and row["status"] in FINAL and not outcome.deleted:
                    self._webhooks_of(row, owed[row["id"]], accepted[row["id"]])

    def _webhooks_of(self, row, owed, accepted):
        public_id, status = owed.get(row["generation"], (None, "missing"))
        if status != "sent" or public_id not in accepted:
            self.found.lost.append(f"webhook of task {row['id']}, generation {row['generation']}: {status}")
        more = accepted - {public_id for public_id, _ in owed.values()}
        if more:
            self.found.doubled.append(f"task {row['id']} sent webhooks with the ids {sorted(more)} besides its own")

    def _records(self):
        for table in TABLES:
            for task_id, count, distinct, highest, wanted in self.world.sql(
                    "SELECT r.task_id, count(*), count(DISTINCT n), max(n), max(t.options->>'records') "
                    f"FROM records.{table} r LEFT JOIN tasks t ON t.id = r.task_id GROUP BY r.task_id"):
                if not wanted:
                    self.found.left.append(f"{count} rows of the deleted task {task_id} in records.{table}")
                elif not count == distinct == highest == wanted:
                    (self.found.doubled if int(count) > int(wanted) else self.found.wrong).append(
                        f"task {task_id} has {count} rows, {distinct} numbers up to {highest} in records.{table}: {wanted} wanted")
