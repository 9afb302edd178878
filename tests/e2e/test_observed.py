"""What operators' tools read: GET /metrics of web and worker, and the traces that they send to a collector."""

import secrets

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from harness.receiver import Receiver
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = [pytest.mark.sanitized, pytest.mark.xdist_group("observed")]

# name → (parent, service, kind as OTLP numbers it)
TREE = {"create task": (None, "mediarun-web", 2), "upload": ("create task", "mediarun-web", 3),
        "publish": ("create task", "mediarun-web", 4), "push": ("publish", "mediarun-worker", 5),
        "claim": ("push", "mediarun-worker", 1), "child": ("push", "mediarun-worker", 1),
        "store": ("push", "mediarun-worker", 3), "commit": ("push", "mediarun-worker", 1)}
TOKEN = "a-token-for-metrics-of-40-characters-xxx"


class Collector(Receiver):
    """Takes traces as an OpenTelemetry collector does (OTLP/HTTP, JSON), and answers with `status`."""

    def __init__(self):
        self.status, self.taken = 200, []
        super().__init__(self._take)

    def _take(self, received):
        if self.status == 200:
            self.taken.append(received.json)
        return self.status

    def spans(self, trace=None):
        """The spans that were sent, of one trace or of all; `service` is added to each."""
        found = []
        for batch in list(self.taken):
            for resource in batch["resourceSpans"]:
                service = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}["service.name"]
                found += [{**span, "service": service} for scope in resource["scopeSpans"] for span in scope["spans"]]
        return [span for span in found if trace in (None, span["traceId"])]

    def whole_trace(self, trace):
        """The spans of a task that has ended, by name."""
        spans = wait_for(lambda: len(self.spans(trace)) >= len(TREE) and self.spans(trace), f"the spans of {trace}")
        return {span["name"]: span for span in spans}


@pytest.fixture(scope="module")
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def observed(workdir, postgres, collector):
    """A stack whose metrics may be read, and that sends traces."""
    directory = workdir / "observed"
    directory.mkdir()
    settings = {"METRICS_TOKEN": TOKEN, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url + "/",
                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20c2VjcmV0,x-tenant=mediarun"}
    made = Stack(directory, postgres, settings=settings, worker_settings={"HIGH_SLOTS": 1, "DELIVERY_SLOTS": 3})
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
        is_idle = found.value("mediarun_database_connections", state="idle") == 8
        return found if is_idle and found.value("mediarun_push_answers_total", status="204", end="failed") else None
    worker = wait_for(counted, "the answer to the second push, and all 8 connections to the database at rest")
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


def upload_within(user, media, trace, parent, flags="01"):
    headers = {"traceparent": f"00-{trace}-{parent}-{flags}"} if trace else {}
    with open(media.tone(), "rb") as file:
        answer = user.post("/api/tasks", headers=headers, data={"newFormat": "flac"}, files={"fileName": file})
    assert answer.status_code == 201, answer.text
    return user.finish(answer.json()["task"])


def attributes(span):
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def test_one_trace_a_task(observed, collector, media):
    """The tree of spans continues the client's trace, over both programs; log lines name the same spans."""
    user, trace, parent = observed.client(), secrets.token_hex(16), secrets.token_hex(8)
    task = upload_within(user, media, trace, parent)
    spans = collector.whole_trace(trace)
    assert set(spans) == set(TREE) and len(collector.spans(trace)) == len(TREE)
    for name, (above, service, kind) in TREE.items():
        expected = spans[above]["spanId"] if above else parent
        assert (spans[name]["parentSpanId"], spans[name]["service"], spans[name]["kind"]) == (expected, service, kind), name
        assert spans[name]["status"] == {}
    assert len({span["spanId"] for span in spans.values()}) == len(TREE)
    assert attributes(spans["create task"])["mediarun.task_id"] == attributes(spans["push"])["mediarun.task_id"] == str(task["id"])
    assert attributes(spans["upload"])["mediarun.bytes"] == str(task["original_size"])
    assert attributes(spans["push"])["mediarun.end"] == "committed" and attributes(spans["child"])["mediarun.format"] == "flac"

    start = {name: int(span["startTimeUnixNano"]) for name, span in spans.items()}
    end = {name: int(span["endTimeUnixNano"]) for name, span in spans.items()}
    assert list(TREE) == sorted(TREE, key=lambda name: start[name]), start
    assert all(start[name] <= end[name] for name in TREE)
    for before, after in (("upload", "publish"), ("claim", "child"), ("child", "store"), ("store", "commit")):
        assert end[before] <= start[after], (before, after)
    assert end["publish"] <= end["create task"] and end["commit"] <= end["push"]

    for program, name, wanted in ((observed.web, "create task", {"path": "/api/tasks", "status": 201}),
                                  (observed.worker, "push", {"message": "job", "task_id": task["id"]})):
        lines = [record for record in program.records() if wanted.items() <= record.items() and trace in record["logging.googleapis.com/trace"]]
        assert [line["logging.googleapis.com/spanId"] for line in lines] == [spans[name]["spanId"]]
    headers = collector.received[0].headers
    assert (headers["authorization"], headers["x-tenant"], headers["content-type"]) == ("Basic c2VjcmV0", "mediarun", "application/json")
    assert collector.received[0].path == "/v1/traces"
    assert "c2VjcmV0" not in observed.web.log() + observed.worker.log()


def test_traces_of_our_own_and_none(observed, collector, media):
    """Without a client's trace a task has one of its own; what the client does not sample is not recorded; a failure is one."""
    user, unsampled = observed.client(), secrets.token_hex(16)
    upload_within(user, media, unsampled, secrets.token_hex(8), "00")
    failed = user.wait(user.upload(b"no media" * 100, "flac", name="broken.mp3"))
    done = upload_within(user, media, None, None)

    def pushes(task):
        return [span for span in collector.spans() if span["name"] == "push" and attributes(span)["mediarun.task_id"] == str(task["id"])]
    trace = wait_for(lambda: pushes(done), "its trace")[0]["traceId"]
    assert set(collector.whole_trace(trace)) == set(TREE) and "parentSpanId" not in collector.whole_trace(trace)["create task"]
    broken = wait_for(lambda: pushes(failed), "the trace of the task that failed")[0]
    assert broken["traceId"] not in (trace, unsampled) and broken["status"] == {"code": 2}
    assert attributes(broken)["mediarun.end"] == "failed"
    assert collector.spans(unsampled) == []


def test_a_collector_that_is_down(observed, collector, media):
    """Tasks go on; spans are dropped, counted and told of once; then the collector is used again."""
    user = observed.client()
    before = Metrics(observed.worker_url).value("mediarun_spans_total", outcome="dropped")
    collector.status = 503
    try:
        sent = len(collector.received)
        upload_within(user, media, None, None)
        wait_for(lambda: Metrics(observed.worker_url).value("mediarun_spans_total", outcome="dropped") >= before + 5, "dropped spans", 20)
        assert len(collector.received) >= sent + 3, "it was tried again"
        told = wait_for(lambda: [record for record in observed.worker.records() if record["message"].startswith("spans dropped")], "a log line")
        assert len(told) == 1 and told[0]["severity"] == "WARNING" and told[0]["spans"] >= 1 and "HTTP 503" in told[0]["error"]["message"]
    finally:
        collector.status = 200
    trace = secrets.token_hex(16)
    upload_within(user, media, trace, secrets.token_hex(8))
    assert set(collector.whole_trace(trace)) == set(TREE)
    assert Metrics(observed.url).value("mediarun_spans_total", outcome="exported") >= 3
