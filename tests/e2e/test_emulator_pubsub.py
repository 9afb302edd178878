"""The contracts of the embedded Pub/Sub, over its REST API alone."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
import requests

from harness.paths import PATIENCE, ROOT
from harness.receiver import Receiver
from harness.stack import emulator_program
from harness.waiting import wait_for

ACCOUNT = "push@mediarun-local.iam.gserviceaccount.com"
pytestmark = pytest.mark.sanitized
unique = itertools.count(1)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    program = emulator_program(tmp_path_factory.mktemp("pubsub"))
    program.start()
    try:
        yield program
        assert program.alive()
    finally:
        assert program.stop() == 0, program.log()[-4000:]


class Project:
    """A project of a test's own."""

    def __init__(self, url, name):
        self.base = f"{url}/v1/"
        self.name = name
        self.session = requests.Session()

    def call(self, method, path, body=None, status=200, **more):
        answer = self.session.request(method, self.base + path, json=body, timeout=30, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method, path, body=None, status=400, word="INVALID_ARGUMENT"):
        error = self.call(method, path, body, status)["error"]
        assert (error["code"], error["status"]) == (status, word)
        assert error["message"]
        return error["message"]

    def path(self, collection, name):
        return f"projects/{self.name}/{collection}/{name}"

    def topic(self, name="topic"):
        return self.call("PUT", self.path("topics", name), {})["name"]

    def subscribe(self, topic, name="subscription", **settings):
        return self.call("PUT", self.path("subscriptions", name), {"topic": topic, **settings})

    def publish(self, topic, *texts, **fields):
        messages = [{"data": base64.b64encode(text.encode()).decode(), **fields} for text in texts]
        return self.call("POST", f"{topic}:publish", {"messages": messages})["messageIds"]

    def pull(self, name="subscription", count=100, **fields):
        answer = self.call("POST", self.path("subscriptions", name) + ":pull",
                           {"maxMessages": count, "returnImmediately": True, **fields})
        return answer.get("receivedMessages", [])

    def wait_pull(self, name="subscription", seconds=15):
        return wait_for(lambda: self.pull(name), "a message", seconds)

    def ack(self, received, name="subscription"):
        return self.call("POST", self.path("subscriptions", name) + ":acknowledge",
                         {"ackIds": [one["ackId"] for one in received]})

    def modack(self, received, seconds, name="subscription"):
        return self.call("POST", self.path("subscriptions", name) + ":modifyAckDeadline",
                         {"ackIds": [one["ackId"] for one in received], "ackDeadlineSeconds": seconds})


@pytest.fixture
def project(emulator):
    return Project(emulator.url, f"project-{next(unique)}")


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def text_of(received):
    return base64.b64decode(received["message"]["data"]).decode()


# ---- topics and subscriptions ----

def test_topic_life(project):
    path = project.path("topics", "topic-a")
    assert project.call("PUT", path, {"labels": {"k": "v"}}) == {"name": path, "labels": {"k": "v"}}
    assert project.call("GET", path)["name"] == path
    project.refused("PUT", path, {}, 409, "ALREADY_EXISTS")
    project.topic("topic-b")
    listing = project.call("GET", f"projects/{project.name}/topics", params={"pageSize": 1})
    assert [one["name"] for one in listing["topics"]] == [path]
    rest = project.call("GET", f"projects/{project.name}/topics", params={"pageToken": listing["nextPageToken"]})
    assert [one["name"] for one in rest["topics"]] == [project.path("topics", "topic-b")]
    assert "nextPageToken" not in rest
    assert project.call("DELETE", path) == {}
    project.refused("GET", path, None, 404, "NOT_FOUND")
    project.refused("DELETE", path, None, 404, "NOT_FOUND")


@pytest.mark.parametrize("name", ["t1", "1topic", "goog-topic", "to pic", "x" * 256])
def test_illegal_names(project, name):
    project.refused("PUT", project.path("topics", name), {})


def test_subscription_defaults_are_shown(project):
    topic = project.topic()
    made = project.subscribe(topic, ackDeadlineSeconds=0, retryPolicy={},
                             deadLetterPolicy={"deadLetterTopic": topic, "maxDeliveryAttempts": 0})
    assert made["ackDeadlineSeconds"] == 10
    assert made["pushConfig"] == {}
    assert made["messageRetentionDuration"] == "604800s"
    assert made["expirationPolicy"] == {"ttl": "2678400s"}
    assert made["retryPolicy"] == {"minimumBackoff": "10s", "maximumBackoff": "600s"}
    assert made["deadLetterPolicy"]["maxDeliveryAttempts"] == 5
    assert project.call("GET", made["name"]) == made
    assert project.call("GET", topic + "/subscriptions") == {"subscriptions": [made["name"]]}
    assert project.call("GET", f"projects/{project.name}/subscriptions")["subscriptions"] == [made]
    project.refused("PUT", made["name"], {"topic": topic}, 409, "ALREADY_EXISTS")
    assert project.call("DELETE", made["name"]) == {}
    project.refused("GET", made["name"], None, 404, "NOT_FOUND")


@pytest.mark.parametrize("settings", [
    {"ackDeadlineSeconds": 9}, {"ackDeadlineSeconds": 601}, {"ackDeadlineSeconds": "many"},
    {"retryPolicy": {"minimumBackoff": "601s"}}, {"retryPolicy": {"minimumBackoff": "20s", "maximumBackoff": "10s"}},
    {"retryPolicy": {"minimumBackoff": "soon"}}, {"retryPolicy": {"other": 1}},
    {"deadLetterPolicy": {"deadLetterTopic": "projects/p/topics/dead", "maxDeliveryAttempts": 4}},
    {"deadLetterPolicy": {"deadLetterTopic": "projects/p/topics/dead", "maxDeliveryAttempts": 101}},
    {"deadLetterPolicy": {"deadLetterTopic": "dead"}}, {"deadLetterPolicy": {}},
    {"messageRetentionDuration": "599s"}, {"messageRetentionDuration": "2678401s"},
    {"expirationPolicy": {"ttl": "3600s"}}, {"unknownField": 1}, {"pushConfig": {"pushEndpoint": "ftp://x"}},
    {"pushConfig": {"pushEndpoint": "http://x/", "oidcToken": {"serviceAccountEmail": "nobody"}}},
    {"pushConfig": {"pushEndpoint": "http://x/", "unknown": 1}},
    {"filter": "attributes.k ~ \"v\""}, {"filter": "data = \"v\""},
    {"filter": "attributes:a AND attributes:b OR attributes:c"},
])
def test_illegal_settings(project, settings):
    topic = project.topic()
    project.refused("PUT", project.path("subscriptions", "subscription"), {"topic": topic, **settings})
    project.refused("GET", project.path("subscriptions", "subscription"), None, 404, "NOT_FOUND")


def test_subscription_needs_a_topic_that_exists(project):
    path = project.path("subscriptions", "subscription")
    project.refused("PUT", path, {"topic": project.path("topics", "nothing")}, 404, "NOT_FOUND")
    project.refused("PUT", path, {})


def test_broken_json(project):
    for body in (b"{", b"[]", b'{"messages":[],"messages":[]}'):
        answer = requests.post(project.base + project.path("topics", "topic") + ":publish", data=body, timeout=10,
                               headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_patch(project):
    made = project.subscribe(project.topic(), ackDeadlineSeconds=20)
    changed = project.call("PATCH", made["name"], {
        "subscription": {"ackDeadlineSeconds": 30, "retryPolicy": {"minimumBackoff": "1s"}},
        "updateMask": "ack_deadline_seconds,retryPolicy.minimumBackoff"})
    assert changed["ackDeadlineSeconds"] == 30
    assert changed["retryPolicy"] == {"minimumBackoff": "1s", "maximumBackoff": "600s"}
    cleared = project.call("PATCH", made["name"], {"subscription": {}, "updateMask": "retryPolicy"})
    assert "retryPolicy" not in cleared
    for mask in ("filter", "topic", "nothing", ""):
        project.refused("PATCH", made["name"], {"subscription": {"filter": ""}, "updateMask": mask})
    project.refused("PATCH", made["name"],
                    {"subscription": {"ackDeadlineSeconds": 5}, "updateMask": "ackDeadlineSeconds"})
    assert project.call("GET", made["name"]) == cleared


def test_deleted_topic_leaves_its_subscription(project):
    topic = project.topic()
    made = project.subscribe(topic)
    project.publish(topic, "before")
    project.call("DELETE", topic)
    assert project.call("GET", made["name"])["topic"] == "_deleted-topic_"
    assert [text_of(one) for one in project.pull()] == ["before"]


def test_detach(project):
    topic = project.topic()
    made = project.subscribe(topic)
    project.publish(topic, "lost")
    assert project.call("POST", made["name"] + ":detach", {}) == {}
    project.publish(topic, "never")
    assert project.pull() == []


# ---- publish ----

@pytest.mark.parametrize("messages", [
    [], [{}], [{"data": ""}], [{"data": "a"}], [{"data": "%%%%"}], [{"data": 1}], [{"unknown": 1, "data": "YQ=="}],
    [{"attributes": {"k": 1}}], [{"attributes": {"k" * 257: "v"}}], [{"attributes": {"k": "v" * 1025}}],
    [{"attributes": {f"k{i}": "v" for i in range(101)}}], [{"attributes": {"": "v"}}],
    [{"data": "YQ=="}] * 1001, [{"data": "YQ==", "orderingKey": "a"}, {"data": "YQ==", "orderingKey": "b"}],
    [{"data": base64.b64encode(b"x" * 5_000_001).decode()}] * 2,
])
def test_refused_publish(project, messages):
    topic = project.topic()
    project.subscribe(topic)
    project.refused("POST", topic + ":publish", {"messages": messages})
    assert project.pull() == []


def test_publish(project):
    topic = project.topic()
    project.subscribe(topic)
    ids = project.publish(topic, *[str(i) for i in range(1000)])
    assert len(set(ids)) == 1000 and all(i.isdigit() for i in ids)
    got = project.pull(count=2000)
    assert [one["message"]["messageId"] for one in got] == ids
    assert project.call("POST", topic + ":publish",
                        {"messages": [{"attributes": {f"k{i}" + "k" * 250: "v" * 1024 for i in range(100)}}]})
    project.refused("POST", project.path("topics", "nothing") + ":publish", {"messages": [{"data": "YQ=="}]}, 404,
                    "NOT_FOUND")


@pytest.mark.parametrize("text, passes", [
    ('attributes.k = "v"', {"v"}), ('attributes.k != "v"', {"w", "none"}), ("attributes:k", {"v", "w"}),
    ("NOT attributes:k", {"none"}), ("-attributes:k", {"none"}), ('hasPrefix(attributes.k, "v")', {"v"}),
    ('attributes.k = "v" OR attributes.k = "w"', {"v", "w"}),
    ('attributes:k AND NOT attributes."k" = "w"', {"v"}),
    ('attributes:other AND (attributes.k="v" OR NOT attributes:k)', {"v", "none"}),
])
def test_filter(project, text, passes):
    topic = project.topic()
    project.subscribe(topic, filter=text)
    for name, attributes in {"v": {"k": "v"}, "w": {"k": "w"}, "none": {}}.items():
        project.publish(topic, name, attributes={"other": "o", **attributes})
    assert {text_of(one) for one in project.pull()} == passes


# ---- pull ----

def test_pull_and_acknowledge(project):
    topic = project.topic()
    project.subscribe(topic)
    assert project.call("POST", project.path("subscriptions", "subscription") + ":pull",
                        {"maxMessages": 1, "returnImmediately": True}) == {}
    ids = project.publish(topic, "one", "two", attributes={"k": "v"})
    first, = project.pull(count=1)
    assert set(first) == {"ackId", "message"}
    assert first["message"] == {"data": base64.b64encode(b"one").decode(), "attributes": {"k": "v"},
                                "messageId": ids[0], "publishTime": first["message"]["publishTime"]}
    assert first["message"]["publishTime"].endswith("Z")
    second = project.pull()
    assert [text_of(one) for one in second] == ["two"]
    assert project.ack([first]) == {}
    assert project.ack([first]) == {}  # an ack id that has had its day is no error
    project.modack(second, 0)
    assert [text_of(one) for one in project.pull()] == ["two"]
    path = project.path("subscriptions", "subscription")
    for refused in ({"maxMessages": 0}, {}, {"maxMessages": -1}, {"max": 1}):
        project.refused("POST", path + ":pull", refused)
    for refused in ({"ackIds": []}, {"ackIds": ["nonsense"]}, {}):
        project.refused("POST", path + ":acknowledge", refused)
    project.refused("POST", path + ":modifyAckDeadline", {"ackIds": [first["ackId"]], "ackDeadlineSeconds": 601})


def test_ack_deadline(project):
    topic = project.topic()
    project.subscribe(topic, ackDeadlineSeconds=10)
    project.publish(topic, "slow", "extended")
    begun = time.monotonic()
    leased = {text_of(one): one for one in project.pull()}
    project.modack([leased["slow"]], 1)
    project.modack([leased["extended"]], 600)
    again = project.wait_pull()
    assert [text_of(one) for one in again] == ["slow"]
    assert time.monotonic() - begun >= 1
    assert again[0]["ackId"] != leased["slow"]["ackId"]
    assert project.pull() == []


def test_pull_waits_for_a_message(project):
    topic = project.topic()
    project.subscribe(topic)
    publisher = threading.Timer(0.3, lambda: Project(project.base[:-4], project.name).publish(topic, "late"))
    publisher.start()
    begun = time.monotonic()
    got = project.pull(returnImmediately=False)
    publisher.join()
    assert [text_of(one) for one in got] == ["late"]
    assert 0.25 < time.monotonic() - begun
    begun = time.monotonic()
    assert project.pull(returnImmediately=False) == []
    assert time.monotonic() - begun >= 2


def test_retry_policy_of_a_pull(project):
    """However slow this machine is: never before the backoff is over."""
    topic = project.topic()
    project.subscribe(topic, retryPolicy={"minimumBackoff": "0.5s", "maximumBackoff": "0.8s"})
    project.publish(topic, "again")
    got = project.wait_pull()
    for least in (0.5, 0.8):
        begun = time.monotonic()
        project.modack(got, 0)
        project.ack(got)  # too late: the lease has ended
        got = project.wait_pull()
        assert time.monotonic() - begun >= least - 0.01


def test_ordering_key(project):
    topic = project.topic()
    project.subscribe(topic, enableMessageOrdering=True)
    project.publish(topic, "a1", "a2", "a3", orderingKey="a")
    project.publish(topic, "b1", orderingKey="b")
    project.publish(topic, "free")
    first = project.pull()
    assert sorted(text_of(one) for one in first) == ["a1", "b1", "free"]
    assert {one["message"].get("orderingKey") for one in first} == {"a", "b", None}
    a1 = [one for one in first if text_of(one) == "a1"]
    project.modack(a1, 0)
    a1 = project.pull()
    assert [text_of(one) for one in a1] == ["a1"]  # not a2: the key waits for its first
    project.ack(a1)
    a2 = project.pull()
    assert [text_of(one) for one in a2] == ["a2"]
    project.ack(a2)
    assert [text_of(one) for one in project.pull()] == ["a3"]


def test_seek(project):
    topic = project.topic()
    made = project.subscribe(topic, retainAckedMessages=True)
    project.publish(topic, "one", "two")
    project.ack(project.pull())
    assert project.pull() == []
    assert project.call("POST", made["name"] + ":seek", {"time": "2020-01-01T00:00:00Z"}) == {}
    got = project.pull()
    assert [text_of(one) for one in got] == ["one", "two"]
    project.call("POST", made["name"] + ":seek", {"time": "2100-01-01T00:00:00.5+01:00"})
    project.modack(got, 0)  # no effect: seeking acked them
    assert project.pull() == []
    project.refused("POST", made["name"] + ":seek", {"time": "yesterday"})
    project.refused("POST", made["name"] + ":seek", {"snapshot": "s"}, 501, "UNIMPLEMENTED")


def test_dead_letter_of_a_pull(project):
    topic, dead = project.topic(), project.topic("dead")
    project.subscribe(dead, "graveyard")
    project.subscribe(topic, deadLetterPolicy={"deadLetterTopic": dead, "maxDeliveryAttempts": 5})
    original, = project.publish(topic, "poison", attributes={"k": "v"})
    for attempt in range(1, 6):
        got = project.pull()
        assert [one["deliveryAttempt"] for one in got] == [attempt]
        project.modack(got, 0)
    assert project.pull() == []
    letter, = project.pull("graveyard")
    published = letter["message"]["attributes"].pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert published.endswith("+00:00")
    assert letter["message"]["attributes"] == {
        "k": "v", "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": "subscription",
        "CloudPubSubDeadLetterSourceSubscriptionProject": project.name}
    assert text_of(letter) == "poison"
    assert letter["message"]["messageId"] != original
    assert "deliveryAttempt" not in letter


def test_missing_dead_letter_topic_loses_nothing(project):
    topic = project.topic()
    project.subscribe(topic, deadLetterPolicy={"deadLetterTopic": project.path("topics", "nowhere")})
    project.publish(topic, "poison")
    for attempt in range(1, 8):
        got = project.pull()
        assert [one["deliveryAttempt"] for one in got] == [attempt]
        project.modack(got, 0)


# ---- push ----

def test_push_envelope(project, receiver):
    topic = project.topic()
    made = project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url + "/hook?x=1"})
    message_id, = project.publish(topic, "hello", attributes={"k": "v"})
    push, = receiver.wait(1)
    assert (push.method, push.path) == ("POST", "/hook?x=1")
    assert push.headers["content-type"] == "application/json"
    assert push.headers["user-agent"] == "CloudPubSub-Google"
    assert "authorization" not in push.headers
    published = push.json["message"]["publishTime"]
    assert push.json == {
        "message": {"data": "aGVsbG8=", "attributes": {"k": "v"}, "messageId": message_id, "message_id": message_id,
                    "publishTime": published, "publish_time": published},
        "subscription": made["name"]}
    project.refused("POST", made["name"] + ":pull", {"maxMessages": 1}, 400, "FAILED_PRECONDITION")


def test_push_of_ordered_message_with_dead_letter_policy(project, receiver):
    topic, dead = project.topic(), project.topic("dead")
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url}, enableMessageOrdering=True,
                      deadLetterPolicy={"deadLetterTopic": dead})
    project.publish(topic, "1", "2", "3", orderingKey="key")
    pushes = receiver.wait(3)
    assert [one.data for one in pushes] == ["1", "2", "3"]
    assert receiver.most_outstanding == 1
    for push in pushes:
        assert push.json["message"]["orderingKey"] == "key"
        assert push.json["deliveryAttempt"] == 1


def test_unwrapped_push(project, receiver):
    topic = project.topic()
    made = project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url, "noWrapper": {"writeMetadata": True}})
    message_id, = project.publish(topic, "raw", attributes={"colour": "blue", "content-type": "text/x", "host": "evil", "bad\r\nname": "x",
                                                            "split": "a\r\nInjected: 1"})
    push, = receiver.wait(1)
    assert push.body == b"raw"
    assert push.headers["x-goog-pubsub-subscription-name"] == made["name"]
    assert push.headers["x-goog-pubsub-message-id"] == message_id
    assert push.headers["x-goog-pubsub-publish-time"].endswith("Z")
    assert push.headers["colour"] == "blue"
    assert push.headers["content-type"] == "text/x"
    assert "evil" not in push.headers["host"]
    assert "injected" not in push.headers and "split" not in push.headers


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def check_token(emulator, authorization, audience, tmp_path):
    scheme, token = authorization.split(" ")
    assert scheme == "Bearer"
    head, claims, signature = token.split(".")
    assert (decode(head)["alg"], decode(head)["typ"]) == ("RS256", "JWT")
    certificates = requests.get(emulator.url + "/oauth2/v1/certs", timeout=10).json()
    (tmp_path / "certificate").write_text(certificates[decode(head)["kid"]])
    (tmp_path / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    (tmp_path / "signed").write_text(f"{head}.{claims}")
    key = subprocess.run(["openssl", "x509", "-in", "certificate", "-pubkey", "-noout"], cwd=tmp_path, check=True,
                         capture_output=True).stdout
    (tmp_path / "key").write_bytes(key)
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "signed"],
                   cwd=tmp_path, check=True, capture_output=True)
    claims = decode(claims)
    assert (claims["aud"], claims["email"], claims["email_verified"]) == (audience, ACCOUNT, True)
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 120


@pytest.mark.parametrize("audience", [None, "the-audience"])
def test_push_token(emulator, project, receiver, tmp_path, audience):
    topic = project.topic()
    oidc = {"serviceAccountEmail": ACCOUNT, **({"audience": audience} if audience else {})}
    endpoint = receiver.url + "/hook"
    project.subscribe(topic, pushConfig={"pushEndpoint": endpoint, "oidcToken": oidc})
    project.publish(topic, "hello")
    push, = receiver.wait(1)
    check_token(emulator, push.headers["authorization"], audience or endpoint, tmp_path)
    project.publish(topic, "again")
    assert receiver.wait(2)[1].headers["authorization"] == push.headers["authorization"]  # it is good for an hour


def test_ack_codes(project, receiver):
    """200, 201, 202 and 204 acknowledge; nothing else does."""
    answers = {"ok-200": 200, "ok-201": 201, "ok-202": 202, "ok-204": 204, "no-203": 203, "no-301": 301,
               "no-400": 400, "no-429": 429, "no-500": 500}
    seen = []

    def answer(push):
        first = push.data not in seen
        seen.append(push.data)
        return answers[push.data] if first else 204

    receiver.answer = answer
    topic = project.topic()
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url})
    for text in answers:
        project.publish(topic, text)
    refused = [text for text in answers if text.startswith("no")]
    receiver.wait(len(answers) + len(refused), 30)
    assert sorted(seen) == sorted([*answers, *refused])


def test_push_backoff_grows_and_ends(project, receiver):
    """Each nack doubles the silence of the whole subscription, from 100 ms."""
    receiver.answer = lambda push: 500 if len(receiver.received) <= 4 else 204
    topic = project.topic()
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url})
    project.publish(topic, "one")
    pushes = receiver.wait(5)
    gaps = [later.at - earlier.at for earlier, later in zip(pushes, pushes[1:])]
    for gap, least in zip(gaps, (0.1, 0.2, 0.4, 0.8)):
        assert least <= gap + 0.005 < least + 2
    project.publish(topic, "two")
    receiver.wait(6, 3)


def test_push_retry_policy(project, receiver):
    """The longer one of push backoff and the message's own retry policy holds."""
    receiver.answer = lambda push: 503 if push.data == "slow" and len(receiver.received) <= 3 else 204
    topic = project.topic()
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url},
                      retryPolicy={"minimumBackoff": "0.6s", "maximumBackoff": "1s"})
    project.publish(topic, "slow")
    receiver.wait(1)
    project.publish(topic, "other")
    pushes = receiver.wait(4)
    slow = [push.at for push in pushes if push.data == "slow"]
    other = [push.at for push in pushes if push.data == "other"]
    assert slow[1] - slow[0] >= 0.595
    assert slow[2] - slow[1] >= 0.995
    assert other[0] - slow[0] < 0.595  # only the nacked message waits for its own


def test_unanswered_push_is_a_nack(project, receiver):
    """No answer within the ack deadline (10 s, the least that there is)."""
    done = threading.Event()

    def answer(push):
        if len(receiver.received) == 1:
            done.wait(20)
        return 204

    receiver.answer = answer
    topic = project.topic()
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url}, ackDeadlineSeconds=10)
    project.publish(topic, "slow")
    first, second = receiver.wait(2, 20)
    done.set()
    assert 9.9 <= second.at - first.at < 15


def test_change_of_the_endpoint(project):
    """A connection that cannot be made is a nack; nothing is lost, and the next endpoint gets it."""
    absent = Receiver()
    url = absent.url
    absent.close()
    topic = project.topic()
    project.subscribe(topic, pushConfig={"pushEndpoint": url})
    project.publish(topic, "patient")
    made = project.path("subscriptions", "subscription")
    late = Receiver()
    try:
        project.call("POST", made + ":modifyPushConfig", {"pushConfig": {"pushEndpoint": late.url}})
        push, = late.wait(1)
        assert push.data == "patient"
        project.call("POST", made + ":modifyPushConfig", {"pushConfig": {}})
        project.publish(topic, "pulled")
        assert [text_of(one) for one in project.wait_pull()] == ["pulled"]
    finally:
        late.close()


def test_dead_letter_of_a_push(project, receiver):
    receiver.answer = lambda push: 500 if push.path == "/poison" else 204
    topic, dead = project.topic(), project.topic("dead")
    project.subscribe(dead, "graveyard", pushConfig={"pushEndpoint": receiver.url + "/dead"})
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url + "/poison"},
                      deadLetterPolicy={"deadLetterTopic": dead, "maxDeliveryAttempts": 5})
    project.publish(topic, "poison")
    letter, = receiver.wait(1, 30, path="/dead")
    attempts = [push.json["deliveryAttempt"] for push in receiver.wait(5, path="/poison")]
    assert attempts == [1, 2, 3, 4, 5]
    assert letter.data == "poison"
    assert letter.json["message"]["attributes"]["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert "deliveryAttempt" not in letter.json


def test_push_window(project, receiver):
    """At first no more than 4 pushes are outstanding; with fast acks the window grows, with nacks it shrinks."""
    gate = threading.Event()
    receiver.answer = lambda push: 204 if gate.wait(30) else 500
    topic = project.topic()
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url}, ackDeadlineSeconds=60)
    project.publish(topic, *["first"] * 8)
    receiver.wait(4)
    assert receiver.most_outstanding == 4
    gate.set()
    receiver.wait(8)

    def slowly(push):
        time.sleep(0.02)  # the handler's work
        return 204

    receiver.answer = slowly
    project.publish(topic, *["second"] * 400)
    receiver.wait(408, 30)
    assert 4 < receiver.most_outstanding <= 256


def test_nacks_shrink_the_window(project, receiver):
    receiver.answer = lambda push: 500 if len(receiver.received) <= 4 else 204
    topic = project.topic()
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url})
    project.publish(topic, "one", "two", "three", "four")
    wait_for(lambda: len(receiver.received) >= 4, "the first pushes", 10)
    receiver.most_outstanding = 0
    receiver.wait(8)
    assert receiver.most_outstanding <= 2


def test_slow_endpoint_holds_up_no_other(project, receiver):
    gate = threading.Event()
    receiver.answer = lambda push: 204 if push.path == "/quick" or gate.wait(30) else 500
    slow, quick = project.topic("slow-topic"), project.topic("quick-topic")
    project.subscribe(slow, "slow-subscription", pushConfig={"pushEndpoint": receiver.url + "/slow"})
    project.subscribe(quick, "quick-subscription", pushConfig={"pushEndpoint": receiver.url + "/quick"})
    project.publish(slow, *["x"] * 20)
    receiver.wait(4, path="/slow")
    project.publish(quick, *["y"] * 20)
    receiver.wait(20, path="/quick")
    gate.set()


def test_deleting_a_subscription_under_push(project, receiver):
    gate = threading.Event()
    receiver.answer = lambda push: 500 if gate.wait(30) else 500
    topic = project.topic()
    made = project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url})
    project.publish(topic, *["x"] * 10)
    receiver.wait(4)
    project.call("DELETE", made["name"])
    gate.set()
    project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url + "/new"})
    receiver.answer = lambda push: 204
    project.publish(topic, "fresh")
    push, = receiver.wait(1, path="/new")
    assert push.data == "fresh"
    assert len([one for one in receiver.received if one.path == "/"]) == 4


def test_stops_at_once_under_push(tmp_path):
    """A push that hangs does not hold up the emulator's end."""
    program = emulator_program(tmp_path)
    gate = threading.Event()
    receiver = Receiver(lambda push: 204 if gate.wait(30) else 500)
    program.start()
    try:
        project = Project(program.url, "project-stop")
        topic = project.topic()
        project.subscribe(topic, pushConfig={"pushEndpoint": receiver.url}, ackDeadlineSeconds=600)
        project.publish(topic, "hanging")
        receiver.wait(1)
        begun = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - begun < 5
    finally:
        gate.set()
        program.kill()
        receiver.close()


# ---- Google's own client ----

@pytest.fixture(scope="module")
def node_client():
    """build/node_pubsub with Google's client, as locked in tests/e2e/node_pubsub."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    source, target = ROOT / "tests" / "e2e" / "node_pubsub", ROOT / "build" / "node_pubsub"
    target.mkdir(parents=True, exist_ok=True)
    installed = target / "installed-lock.json"  # written last: a broken installation is done again
    lock = (source / "package-lock.json").read_bytes()
    if not installed.exists() or installed.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, target)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=target,
                              capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"npm ci failed: {done.stderr.strip()[-300:]}")
        installed.write_bytes(lock)
    return target


def test_google_node_client(emulator, node_client):
    script = shutil.copy(ROOT / "tests" / "e2e" / "node_pubsub" / "pubsub.test.mjs", node_client)
    here = f"127.0.0.1:{emulator.port}"
    settings = {**os.environ, "EMULATOR_HOST": "127.0.0.1", "EMULATOR_PORT": str(emulator.port),
                "PUBSUB_EMULATOR_HOST": here, "GCE_METADATA_HOST": here}
    done = subprocess.run(["node", "--test", script], cwd=node_client, env=settings, capture_output=True, text=True,
                          timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
