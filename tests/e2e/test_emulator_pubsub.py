"""The emulator's Pub/Sub, tested by its REST API: topics, subscriptions, publish, pull."""

import base64
import threading
import time
import uuid

import pytest
import requests

from harness.pubsub import Project, text_of

pytestmark = [pytest.mark.sanitized, pytest.mark.sequential]


@pytest.fixture
def project(emulator):
    return Project(emulator.url, f"project-{uuid.uuid4().hex[:12]}")


def test_life_of_a_topic(project):
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
    assert project.ack([first]) == {}  # an old ack id is not an error
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
    """Never delivered before the backoff is over."""
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
    assert [text_of(one) for one in a1] == ["a1"]  # not a2: messages of a key are delivered one after another
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


def test_long_queue(project):
    """Beyond the first thousands of messages it is on disk: each comes once, in order, and a seek drops them all."""
    topic = project.topic()
    made = project.subscribe(topic, ackDeadlineSeconds=600)
    texts = [f"{n:05}" for n in range(9000)]
    for start in range(0, len(texts), 1000):
        project.publish(topic, *texts[start:start + 1000], attributes={"k": "v"})
    got = []
    while received := project.pull(count=1000):
        got += [text_of(one) for one in received]
        assert received[-1]["message"]["attributes"] == {"k": "v"}
        project.ack(received)
    assert got == texts
    for _ in range(6):
        project.publish(topic, *texts[:1000])
    project.call("POST", made["name"] + ":seek", {"time": "2100-01-01T00:00:00Z"})
    assert project.pull() == []
    project.publish(topic, "new")
    assert [text_of(one) for one in project.pull()] == ["new"]
    assert project.call("DELETE", made["name"]) == {}


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


def test_missing_dead_letter_topic_loses_no_message(project):
    topic = project.topic()
    project.subscribe(topic, deadLetterPolicy={"deadLetterTopic": project.path("topics", "nowhere")})
    project.publish(topic, "poison")
    for attempt in range(1, 8):
        got = project.pull()
        assert [one["deliveryAttempt"] for one in got] == [attempt]
        project.modack(got, 0)
