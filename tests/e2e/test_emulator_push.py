"""The push subscriptions of the emulator's Pub/Sub."""

import base64
import json
import subprocess
import threading
import time
import uuid

import pytest
import requests

from harness.pubsub import Project, text_of
from harness.receiver import Receiver
from harness.stack import emulator_program
from harness.waiting import wait_for

pytestmark = pytest.mark.sanitized
ACCOUNT = "push@mediarun-local.iam.gserviceaccount.com"


@pytest.fixture
def project(emulator):
    return Project(emulator.url, f"project-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


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
    assert receiver.wait(2)[1].headers["authorization"] == push.headers["authorization"]  # valid for an hour


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
    """Each nack doubles the pause of the whole subscription, from 100 ms."""
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
    """The longer of push backoff and retry policy applies."""
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
    assert other[0] - slow[0] < 0.595  # only the nacked message waits for its retry policy


@pytest.mark.slow
def test_unanswered_push_is_a_nack(project, receiver):
    """No response within the ack deadline (10 s is the minimum)."""
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
    """A failed connection is a nack. The message is kept, and the next endpoint gets it."""
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


@pytest.mark.slow
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
    """At first at most 4 pushes are outstanding. Fast acks increase the limit."""
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
        time.sleep(0.02)  # the work of the handler
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


def test_slow_endpoint_delays_no_other(project, receiver):
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


def test_delete_of_a_subscription_during_a_push(project, receiver):
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


def test_stops_at_once_during_a_push(tmp_path):
    """A push without a response does not delay the end of the emulator."""
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
