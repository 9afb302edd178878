"""A client of the emulator's Pub/Sub."""

import base64

import requests

from .waiting import wait_for


class Project:
    """The REST API of the emulator's Pub/Sub, in a project of its own."""

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


def text_of(received):
    return base64.b64decode(received["message"]["data"]).decode()
