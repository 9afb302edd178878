"""What operators' tools read: GET /metrics of web and worker."""

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = [pytest.mark.sanitized, pytest.mark.xdist_group("observed")]

TOKEN = "a-token-for-metrics-of-40-characters-xxx"


@pytest.fixture(scope="module")
def observed(workdir, postgres):
    """A stack whose metrics may be read."""
    directory = workdir / "observed"
    directory.mkdir()
    made = Stack(directory, postgres, settings={"METRICS_TOKEN": TOKEN}, worker_settings={"HIGH_SLOTS": 1, "DELIVERY_SLOTS": 3})
    try:
        yield made.start()
    finally:
        made.stop()


class Metrics:
    """A scrape, parsed by Prometheus's library: samples by name and labels."""

    def __init__(self, url, token=TOKEN):
        answer = requests.get(url + "/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        self.families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        self.samples = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
                        for family in self.families.values() for sample in family.samples}

    def value(self, metric, **labels):
        return self.samples.get((metric, tuple(sorted(labels.items()))), 0)

    def check(self):
        """Each metric has a help text and a type; the buckets of each histogram rise, up to its count."""
        for family in self.families.values():
            assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
            assert family.type != "counter" or all(sample.name.endswith("_total") for sample in family.samples), family
            if family.type == "histogram":
                self._check_histogram(family)

    def _check_histogram(self, family):
        buckets = {}
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key != "le"}
            if sample.name.endswith("_bucket"):
                buckets.setdefault(tuple(sorted(labels.items())), []).append((float(sample.labels["le"]), sample.value))
        for labels, values in buckets.items():
            assert values == sorted(values) and [count for _, count in values] == sorted(count for _, count in values)
            assert values[-1] == (float("inf"), self.value(f"{family.name}_count", **dict(labels)))


def test_metrics_of_both_programs(observed, media):
    user = observed.client()
    before = Metrics(observed.worker_url)
    done = user.finish(user.upload(media.tone(), "flac", priority="high"))
    user.wait(user.upload(b"no media" * 100, "flac", name="broken.mp3"))
    user.get("/no/such/path")

    def counted():
        found = Metrics(observed.worker_url)
        return found if found.value("mediarun_push_answers_total", status="204", end="failed") else None
    worker = wait_for(counted, "the answer to the second push")
    worker.check()
    assert before.value("mediarun_conversion_seconds_count", format="flac") == 0
    assert worker.value("mediarun_conversion_seconds_count", format="flac") == 1, "the failed one does not count"
    logged = next(record for record in observed.worker.records() if record.get("task_id") == done["id"] and record.get("end") == "committed")
    assert abs(worker.value("mediarun_conversion_seconds_sum", format="flac") - logged["seconds"]) < 0.01
    assert worker.value("mediarun_jobs_total", kind="convert", end="committed") == 1
    assert worker.value("mediarun_jobs_total", kind="convert", end="failed") == 1
    assert worker.value("mediarun_push_answers_total", status="204", end="committed") == 1
    assert worker.value("mediarun_queue_wait_seconds_count", lane="high") == 1
    assert worker.value("mediarun_queue_wait_seconds_count", lane="normal") == 1
    assert worker.value("mediarun_http_requests_total", route="POST /", status="204") >= 2
    for lane, slots in (("normal", 2), ("high", 1), ("deliveries", 3)):
        assert worker.value("mediarun_slots", lane=lane) == slots
        assert worker.value("mediarun_slots_busy", lane=lane) == worker.value("mediarun_pushes_waiting", lane=lane) == 0
    assert worker.value("mediarun_database_connections", state="idle") == 8
    assert worker.value("mediarun_database_wait_seconds_count") > before.value("mediarun_database_wait_seconds_count")

    web = Metrics(observed.url)
    web.check()
    assert web.value("mediarun_http_requests_total", route="POST /api/tasks", status="201") == 2
    assert web.value("mediarun_http_requests_total", route="other", status="404") == 1
    assert web.value("mediarun_http_request_seconds_count", route="POST /api/tasks") == 2
    assert len([name for name, _ in web.samples if name == "mediarun_build_info"]) == 1


def test_what_runs_and_waits(observed):
    """Slots that are busy, and pushes that wait for them."""
    user = observed.client()
    tasks = [user.post("/api/tasks", json={"kind": "insert_records", "records": 200000}).json()["task"] for _ in range(4)]
    wait_for(lambda: Metrics(observed.worker_url).value("mediarun_slots_busy", lane="normal") == 1 or
             Metrics(observed.worker_url).value("mediarun_slots_busy", lane="normal") == 2, "a busy slot")
    wait_for(lambda: Metrics(observed.worker_url).value("mediarun_pushes_waiting", lane="normal") >= 1, "a push that waits")
    for task in tasks:
        user.delete(f"/api/tasks/{task['id']}")


def test_who_may_read_them(observed, stack):
    user = observed.client()
    for url in (observed.url, observed.worker_url):
        for token in (None, TOKEN[:-1], TOKEN + "x", "x" * len(TOKEN)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert requests.get(url + "/metrics", headers=headers, timeout=10).status_code == 401
    assert user.get("/metrics").status_code == 403
    observed.sql(f"UPDATE users SET is_operator = true WHERE username = '{user.username}'")
    assert Metrics(observed.url, user.token).value("mediarun_http_requests_total", route="GET /metrics", status="403") == 1
    unset = requests.get(stack.worker_url + "/metrics", headers={"Authorization": "Bearer "}, timeout=10)
    assert unset.status_code == 403 and "METRICS_TOKEN is not set" in unset.json()["detail"]
    assert requests.get(stack.url + "/metrics", headers={"Authorization": "Bearer "}, timeout=10).status_code == 401
    assert TOKEN not in observed.web.log() + observed.worker.log()
