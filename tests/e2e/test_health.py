"""/ping and /converter-health: a message to the worker and back, many requests at once, and missing parts."""

import concurrent.futures
import datetime

import pytest
import requests

from harness.paths import PATIENCE, ROOT
from harness.waiting import wait_for

pytestmark = pytest.mark.sanitized


def pongs(stack):
    return [record["ping"] for record in stack.worker.records() if record["message"] == "pong"]


def pings(stack):
    return stack.sql("SELECT id FROM pings ORDER BY id")


def until_a_new_second(stack):
    """Waits until no ping of the last second is left, because requests share pings for a second."""
    recent = "SELECT count(*) FROM pings WHERE sent_at > clock_timestamp() - interval '1 s'"
    wait_for(lambda: stack.sql(recent) == [["0"]], "a second without a ping", 5)


@pytest.mark.parametrize("path", ["/ping", "/converter-health", "/ping/", "/converter-health?wait=0"])
def test_ping_and_pong(stack, path):
    until_a_new_second(stack)
    answer = stack.anonymous().get(path)
    assert answer.status_code == 200
    assert answer.json()["message"] == "ping sent" and answer.json()["status"] == "ok"
    last = int(stack.sql("SELECT max(id) FROM pings")[0][0])
    wait_for(lambda: last in pongs(stack), "the worker's pong", 10)
    wait_for(lambda: stack.sql(f"SELECT pong_at > sent_at FROM pings WHERE id = {last}") == [["t"]], "the pong in the database")


def test_waiting_for_the_pong(stack):
    answer = stack.anonymous().get("/converter-health?wait=1")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "healthy" and body["pong"] is True and 0 <= body["ms"] < 10000
    sent, pong = (datetime.datetime.fromisoformat(body[name].replace("Z", "+00:00")) for name in ("sent_at", "pong_at"))
    assert abs((pong - sent).total_seconds() * 1000 - body["ms"]) <= 1


def test_many_requests_share_pings(make_stack):
    """However many requests there are, one message per second is published."""
    stack = make_stack()
    client = stack.anonymous()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.get("/ping").status_code, range(200)))
    assert set(answers) == {200}
    seconds = float(stack.sql("SELECT extract(epoch FROM max(sent_at) - min(sent_at)) FROM pings")[0][0])
    assert len(pings(stack)) <= seconds + 2
    wait_for(lambda: len(pongs(stack)) == len(pings(stack)), "the pong of every ping")


def test_without_a_worker(make_stack):
    """A few requests wait and get 503; the others get 429 at once. The next worker answers again."""
    stack = make_stack()
    stack.worker.stop()
    client = stack.anonymous()
    assert client.get("/ping").status_code == 200
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.get("/converter-health?wait=1"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [429] * 4 + [503] * 4
    assert {answer.json()["code"] for answer in answers if answer.status_code == 503} == {"converter_unavailable"}
    assert client.get("/alive").status_code == 200
    stack.worker.start()
    until_a_new_second(stack)
    wait_for(lambda: client.get("/converter-health?wait=1").status_code == 200, "an answer of the new worker", 10 * PATIENCE)


def test_version(stack):
    version = (ROOT / "VERSION").read_text("utf-8").strip()
    for url in (stack.url, stack.worker_url):
        assert requests.get(f"{url}/alive", timeout=5).json() == {"status": "alive", "version": version}


def test_without_a_queue(make_stack):
    stack = make_stack()
    stack.emulator.stop()
    for path in ("/ping", "/converter-health", "/converter-health?wait=1"):
        answer = stack.anonymous().get(path)
        assert answer.status_code == 503 and answer.json()["code"] == "converter_unavailable"
    assert pings(stack) == [], "a ping that was not published is deleted, so that the next one is sent"
    stack.emulator.start()
    stack.provision()
    assert stack.anonymous().get("/converter-health?wait=1").status_code == 200


def test_busy_slots_do_not_delay_pings(make_stack, media):
    stack = make_stack(worker_settings={"SLOTS": 1, "HIGH_SLOTS": 0})
    user = stack.client()
    tasks = [user.upload(media.noise(120), "mp3") for _ in range(3)]
    wait_for(lambda: user.task(tasks[0]["id"])["status"] == "processing", "the start of the first task", 30)
    answer = stack.anonymous().get("/converter-health?wait=1")
    assert answer.status_code == 200 and answer.json()["ms"] < 5000
    for task in tasks:
        assert user.delete(f"/api/tasks/{task['id']}").status_code == 200


def test_old_pings_are_swept(stack):
    stack.sql("INSERT INTO pings (sent_at) SELECT now() - interval '61 min' - n * interval '1 s' FROM generate_series(1, 50) n")
    stack.anonymous().get("/ping")
    stack.sweep_whole()
    assert stack.sql("SELECT count(*) FROM pings WHERE sent_at < now() - interval '1 hour'") == [["0"]]
    assert len(pings(stack)) >= 1


def test_other_methods(stack):
    for path in ("/ping", "/converter-health"):
        assert stack.anonymous().post(path).status_code == 405
