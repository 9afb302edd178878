"""
The client of long-running tasks (Node, Express, Bull, MySQL): POST /tasks {"name", "description"}, the status by GET, high
before normal priority, and a small version of its Artillery load test. A task inserts users, products and order items and
reports how many.
"""

import concurrent.futures
import statistics
import time

import pytest
import requests

from harness.waiting import wait_for

pytestmark = pytest.mark.usefixtures("stack")

JOB = {"name": "upload", "description": "user upload"}


@pytest.fixture(scope="module")
def bearer(shared_stack):
    return {"Authorization": f"Bearer {shared_stack.client().token}"}


def create(stack, bearer, **fields):
    answer = requests.post(stack.url + "/tasks", json={**JOB, **fields}, headers=bearer, timeout=20)
    assert answer.status_code == 201, answer.text
    return answer.json()["task"]


def status(stack, bearer, task_id):
    answer = requests.get(f"{stack.url}/tasks/{task_id}", headers=bearer, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def poll(stack, bearer, task_id, seconds=60):
    def processed():
        task = status(stack, bearer, task_id)
        assert task["status"] != "failed", task
        return task if task["status"] == "processed" else None
    return wait_for(processed, f"task {task_id} processed", seconds, 0.05)


def counts(stack, task_id):
    """The number of rows in the three tables."""
    row = stack.sql("SELECT " + ", ".join(f"(SELECT count(*) FROM records.{table} WHERE task_id = {task_id})"
                                          for table in ("users", "products", "order_items")))[0]
    return dict(zip(("users", "products", "order_items"), map(int, row)))


def test_post_and_status(stack, bearer):
    answer = requests.post(stack.url + "/tasks", json=JOB, headers=bearer, timeout=20)
    assert answer.status_code == 201
    task = answer.json()["task"]
    assert task["kind"] == "insert_records" and task["status"] == "uploaded" and task["priority"] == "normal"
    done = poll(stack, bearer, task["id"])
    inserted = done["result"]["insertedRecords"]
    assert inserted == {"users": 1000, "products": 1000, "order_items": 1000} == counts(stack, task["id"])
    assert done["progress"] == 100 and done["outputs"] == []


def test_number_of_records(stack, bearer):
    task = create(stack, bearer, records=2500)
    done = poll(stack, bearer, task["id"])
    assert done["result"]["insertedRecords"] == {"users": 2500, "products": 2500, "order_items": 2500}
    assert counts(stack, task["id"]) == done["result"]["insertedRecords"]


@pytest.mark.parametrize("records", [0, -1, "many", 1.5, 10 ** 12, None])
def test_invalid_number_of_records(stack, bearer, records):
    answer = requests.post(stack.url + "/tasks", json={**JOB, "records": records}, headers=bearer, timeout=20)
    if records is None and answer.status_code == 201:
        return  # the same as no value
    assert answer.status_code == 400 and "records" in answer.json()["message"]


def test_every_order_item_has_its_user_and_product(stack, bearer):
    task = create(stack, bearer, records=100)
    poll(stack, bearer, task["id"])
    orphans = stack.sql(
        f"SELECT count(*) FROM records.order_items i WHERE task_id = {task['id']} AND NOT ("
        " EXISTS (SELECT FROM records.users u WHERE u.task_id = i.task_id AND u.n = i.user_n) AND"
        " EXISTS (SELECT FROM records.products p WHERE p.task_id = i.task_id AND p.n = i.product_n))")
    assert orphans == [["0"]]


def test_without_a_token(stack):
    assert requests.post(stack.url + "/tasks", json=JOB, timeout=20).status_code == 401


def test_high_before_normal(make_stack):
    """A task of high priority is done before most of the normal tasks that were queued earlier."""
    stack = make_stack(worker_settings={"SLOTS": 1, "HIGH_SLOTS": 1})
    bearer = {"Authorization": f"Bearer {stack.client().token}"}
    normal = [create(stack, bearer, records=20000)["id"] for _ in range(12)]
    high = create(stack, bearer, records=1000, priority="high")
    assert high["priority"] == "high"
    done = poll(stack, bearer, high["id"])
    ends = [poll(stack, bearer, task_id, 120)["processed_at"] for task_id in normal]
    later = sum(end > done["processed_at"] for end in ends)
    assert later > len(normal) // 2, f"only {later} of {len(normal)} ended after the high one"


def test_retry_after_a_killed_worker(make_stack):
    """The next worker continues after a killed one, and no record is inserted twice."""
    stack = make_stack(worker_settings={"LEASE_SECONDS": 3})
    bearer = {"Authorization": f"Bearer {stack.client().token}"}
    records = 300000
    task = create(stack, bearer, records=records)
    wait_for(lambda: counts(stack, task["id"])["users"] > 0, "the first records", 30, 0.02)
    stack.worker.kill()
    assert status(stack, bearer, task["id"])["status"] == "processing"
    stack.worker.start()

    def done():
        stack.sweep()
        return status(stack, bearer, task["id"])["status"] == "processed"
    wait_for(done, "the end of the task by the next worker", 90, 0.5)
    assert counts(stack, task["id"]) == {"users": records, "products": records, "order_items": records}
    assert status(stack, bearer, task["id"])["attempts"] >= 2


def test_small_artillery_load(make_stack, capsys):
    """Requests as fast as possible over 20 connections: none fails. (Artillery's goal: a mean of 40 ms at 2,000 per second.)"""
    stack = make_stack()
    token = stack.client().token
    connections, arrivals = 20, 300

    def one_connection(count):
        times = []
        with requests.Session() as http:
            http.headers["Authorization"] = f"Bearer {token}"
            for _ in range(count):
                began = time.monotonic()
                answer = http.post(stack.url + "/tasks", json={**JOB, "records": 10}, timeout=10)
                times.append((answer.status_code, time.monotonic() - began))
        return times
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        answers = [one for times in pool.map(one_connection, [arrivals // connections] * connections) for one in times]
    seconds = time.monotonic() - began
    assert {code for code, _ in answers} == {201} and len(answers) == arrivals
    p50 = statistics.median(took for _, took in answers)
    with capsys.disabled():
        print(f"\n{arrivals} arrivals over {connections} connections: {arrivals / seconds:.0f}/s, p50 {p50 * 1000:.1f} ms")
    assert p50 < 2

    def all_done():
        return stack.sql("SELECT count(*) FROM tasks WHERE status = 'processed'") == [[str(arrivals)]]
    wait_for(all_done, "end of all tasks", 120, 0.2)
