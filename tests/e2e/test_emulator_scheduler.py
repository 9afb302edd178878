"""The emulator's Cloud Scheduler, tested by its REST API."""

import base64
import json
import threading
import time
import uuid

import pytest
import requests

from harness.receiver import Receiver
from harness.waiting import wait_for

ACCOUNT = "scheduler@mediarun-local.iam.gserviceaccount.com"
YEARLY = "0 0 1 1 *"
pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


class Jobs:
    def __init__(self, emulator):
        self.parent = f"projects/project-{uuid.uuid4().hex[:12]}/locations/europe-west1/jobs"
        self.base = f"{emulator.url}/v1/"

    def call(self, method, path="", body=None, status=200, **more):
        answer = requests.request(method, self.base + self.parent + path, json=body, timeout=30, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method, path="", body=None, status=400, word="INVALID_ARGUMENT"):
        error = self.call(method, path, body, status)["error"]
        assert (error["code"], error["status"]) == (status, word)

    def create(self, target, name="job", schedule=YEARLY, **fields):
        return self.call("POST", "", {"name": f"{self.parent}/{name}", "schedule": schedule, "httpTarget": target,
                                      **fields})


@pytest.fixture
def jobs(emulator):
    return Jobs(emulator)


def test_life_of_a_job(jobs, receiver):
    made = jobs.create({"uri": receiver.url}, description="nightly")
    assert made["name"] == jobs.parent + "/job"
    assert (made["state"], made["timeZone"], made["attemptDeadline"]) == ("ENABLED", "Etc/UTC", "180s")
    assert made["httpTarget"]["httpMethod"] == "POST"
    assert made["scheduleTime"].endswith("-01-01T00:00:00.000000Z")
    jobs.refused("POST", "", {"name": made["name"], "schedule": YEARLY, "httpTarget": {"uri": receiver.url}}, 409,
                 "ALREADY_EXISTS")
    assert jobs.call("GET", "/job") == made
    jobs.create({"uri": receiver.url}, "second")
    first = jobs.call("GET", params={"pageSize": 1})
    assert [one["name"] for one in first["jobs"]] == [made["name"]]
    rest = jobs.call("GET", params={"pageToken": first["nextPageToken"]})
    assert [one["name"] for one in rest["jobs"]] == [jobs.parent + "/second"]
    changed = jobs.call("PATCH", "/job", {"schedule": "*/5 * * * *", "description": "ignored"},
                        params={"updateMask": "schedule"})
    assert (changed["schedule"], changed["description"]) == ("*/5 * * * *", "nightly")
    assert jobs.call("PATCH", "/job", {"description": "other"})["description"] == "other"
    assert jobs.call("POST", "/job:pause", {})["state"] == "PAUSED"
    assert "scheduleTime" not in jobs.call("GET", "/job")
    assert jobs.call("POST", "/job:resume", {})["state"] == "ENABLED"
    assert jobs.call("DELETE", "/job") == {}
    jobs.refused("GET", "/job", None, 404, "NOT_FOUND")
    assert receiver.received == []


@pytest.mark.parametrize("change", [
    {"schedule": "61 * * * *"}, {"schedule": "every 5 minutes"}, {"schedule": None}, {"httpTarget": None},
    {"httpTarget": {"uri": "nowhere"}}, {"httpTarget": {"uri": "http://x/", "httpMethod": "BREW"}},
    {"httpTarget": {"uri": "http://x/", "httpMethod": "GET", "body": "YQ=="}},
    {"httpTarget": {"uri": "http://x/", "body": "%"}}, {"httpTarget": {"uri": "http://x/", "unknown": 1}},
    {"httpTarget": {"uri": "http://x/", "headers": {"a": "b\r\nc: d"}}},
    {"httpTarget": {"uri": "http://x/", "oidcToken": {}}}, {"attemptDeadline": "14s"}, {"attemptDeadline": "1801s"},
    {"retryConfig": {"retryCount": 6}}, {"unknown": 1}, {"name": "elsewhere/job"}, {"name": "{parent}/j ob"},
])
def test_refused(jobs, change):
    body = {"name": jobs.parent + "/job", "schedule": YEARLY, "httpTarget": {"uri": "http://x/"}, **change}
    body["name"] = body["name"].replace("{parent}", jobs.parent)
    jobs.refused("POST", "", body)


@pytest.mark.parametrize("change", [
    {"timeZone": "Europe/Vienna"}, {"pubsubTarget": {"topicName": "t"}},
    {"httpTarget": {"uri": "http://x/", "oauthToken": {"serviceAccountEmail": "a@b"}}},
])
def test_unimplemented(jobs, change):
    body = {"name": jobs.parent + "/job", "schedule": YEARLY, "httpTarget": {"uri": "http://x/"}, **change}
    jobs.refused("POST", "", body, 501, "UNIMPLEMENTED")


def claims_of(authorization):
    part = authorization.removeprefix("Bearer ").split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize("audience", [None, "the-audience"])
def test_request(jobs, receiver, audience):
    uri = receiver.url + "/sweep?x=1"
    oidc = {"serviceAccountEmail": ACCOUNT, **({"audience": audience} if audience else {})}
    jobs.create({"uri": uri, "httpMethod": "PUT", "body": base64.b64encode(b"{}").decode(), "oidcToken": oidc,
                 "headers": {"Content-Type": "application/json", "X-Own": "1", "User-Agent": "mine"}})
    assert jobs.call("POST", "/job:run", {})["name"] == jobs.parent + "/job"
    got, = receiver.wait(1)
    assert (got.method, got.path, got.body) == ("PUT", "/sweep?x=1", b"{}")
    assert got.headers["user-agent"] == "Google-Cloud-Scheduler"
    assert got.headers["content-type"] == "application/json"
    assert (got.headers["x-own"], got.headers["x-cloudscheduler"]) == ("1", "true")
    assert got.headers["x-cloudscheduler-jobname"] == "job"
    claims = claims_of(got.headers["authorization"])
    assert (claims["aud"], claims["email"]) == (audience or uri, ACCOUNT)
    wait_for(lambda: jobs.call("GET", "/job").get("status") == {}, "a good result", 5)
    assert "lastAttemptTime" in jobs.call("GET", "/job")


def test_failure_is_shown_and_not_retried_by_default(jobs, receiver):
    receiver.answer = lambda got: 302
    jobs.create({"uri": receiver.url})
    jobs.call("POST", "/job:run", {})
    receiver.wait(1)
    status = wait_for(lambda: jobs.call("GET", "/job").get("status"), "the failure", 5)
    assert status["code"] == 14 and "302" in status["message"]
    assert len(receiver.received) == 1


def test_retries(jobs, receiver):
    receiver.answer = lambda got: 503 if len(receiver.received) < 3 else 200
    jobs.create({"uri": receiver.url}, retryConfig={"retryCount": 5, "minBackoffDuration": "0.2s",
                                                    "maxBackoffDuration": "60s"})
    jobs.call("POST", "/job:run", {})
    got = receiver.wait(3)
    assert got[1].at - got[0].at >= 0.195
    assert got[2].at - got[1].at >= 0.395
    wait_for(lambda: jobs.call("GET", "/job").get("status") == {}, "a good result", 5)
    assert len(receiver.received) == 3


def test_never_overlaps_itself(jobs, receiver):
    gate = threading.Event()
    receiver.answer = lambda got: 204 if gate.wait(30) else 500
    jobs.create({"uri": receiver.url})
    jobs.call("POST", "/job:run", {})
    receiver.wait(1)
    jobs.call("POST", "/job:run", {})
    jobs.create({"uri": receiver.url + "/other"}, "other")
    jobs.call("POST", "/other:run", {})
    receiver.wait(1, path="/other")  # another job is not delayed
    assert len(receiver.received) == 2
    gate.set()
    receiver.wait(3)


def test_paused_job_can_be_run(jobs, receiver):
    jobs.create({"uri": receiver.url})
    jobs.call("POST", "/job:pause", {})
    jobs.call("POST", "/job:run", {})
    receiver.wait(1)


def test_delete_ends_a_run(jobs, receiver):
    gate = threading.Event()
    receiver.answer = lambda got: 204 if gate.wait(30) else 500
    jobs.create({"uri": receiver.url})
    jobs.call("POST", "/job:run", {})
    receiver.wait(1)
    begun = time.monotonic()
    jobs.call("DELETE", "/job")
    assert time.monotonic() - begun < 5
    gate.set()


@pytest.mark.slow
def test_runs_when_due(jobs, receiver):
    """Waits for the next minute. A paused job does not run meanwhile."""
    jobs.create({"uri": receiver.url + "/paused"}, "paused", "* * * * *")
    jobs.call("POST", "/paused:pause", {})
    due = jobs.create({"uri": receiver.url + "/due"}, "due", "* * * * *")["scheduleTime"]
    got, = receiver.wait(1, 65)
    assert got.path == "/due"
    assert time.time() % 60 < 5
    assert got.headers["x-cloudscheduler-scheduletime"] == due
