"""A backlog of short tasks."""

import collections
import concurrent.futures

from .client import Client
from .waiting import wait_for

TASKS = 400
LEFT = "SELECT count(*) FROM tasks WHERE status IN ('uploaded', 'processing')"


def assert_drains_without_refusals(stack):
    """One user makes tasks faster than they run. The worker takes more pushes than it has slots: at most 1 % are refused."""
    user = stack.client()

    def create(_):
        answer = Client(stack.url).use_token(user.token).post("/api/tasks", json={"kind": "insert_records", "records": 1})
        assert answer.status_code == 201, answer.text

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(TASKS)))
    wait_for(lambda: stack.sql(LEFT) == [["0"]], "the end of the backlog", 60, 0.1)
    ends = collections.Counter(record["end"] for record in stack.worker.records() if "end" in record)
    print(dict(ends))
    assert ends["busy"] <= TASKS // 100, ends
    assert stack.sql("SELECT DISTINCT status, attempts FROM tasks") == [["processed", "1"]]
