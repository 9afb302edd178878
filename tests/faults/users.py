"""The users: they order tasks as the plan says, and repeat requests that got no answer, as a careful client does."""

import collections
import concurrent.futures
import dataclasses
import random
import threading
import time
import uuid

import requests
from harness import direct_upload
from harness.client import FINAL, Client
from harness.paths import PATIENCE

from plan import USERS

THREADS = 24
ANSWER_S = 40 * PATIENCE  # for one request
GIVE_UP_S = 150 * PATIENCE  # for an order: no outage lasts that long
AGAIN = (429, 500, 502, 503, 504)
UNCERTAIN = (500, 502, 503, 504)  # a request without a key may have had its effect
PAUSE_S = (0.2, 0.5, 1, 1, 2)


class NoAnswer(Exception):
    """The request got no usable answer: nobody knows whether it had its effect."""


class Refused(Exception):
    """An answer that a valid request must not get."""


@dataclasses.dataclass
class Outcome:
    """What the user of an order knows. task: its last view, None if the request had no answer that says 201."""

    order: object
    task: dict = None
    wanted: object = None  # by the last change
    generations: int = 1  # at most
    deleted: bool = False
    probe: dict = None
    problem: str = None


class Users:
    def __init__(self, world, sources):
        self.world, self.sources = world, sources
        self.clients = [world.client() for _ in range(USERS)]
        self.statuses = collections.Counter()  # of all answers
        self.broken = 0  # requests whose connection broke
        self.outcomes = []
        self._lock = threading.Lock()

    def client(self, user):
        """A client with a connection of its own: the threads share none."""
        return Client(self.world.front_door.url).use_token(self.clients[user].token)

    def run(self, orders, started):
        """Carries all orders out, each at its time. Returns when all have their answers."""
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for order in orders:
                time.sleep(max(0, started + order.at - time.monotonic()))
                pool.submit(self.order, order)

    def order(self, order):
        outcome = Outcome(order, wanted=order.wanted)
        client = self.client(order.user)
        try:
            self._create(client, outcome)
            if outcome.task:
                self._change(client, outcome)
        except NoAnswer as error:
            if order.has_key or outcome.task:
                outcome.problem = f"gave up: {error}"
        except Exception as error:  # whatever it is, the run must report it
            outcome.problem = f"{type(error).__name__}: {error}"
        with self._lock:
            self.outcomes.append(outcome)
        return outcome

    def send(self, client, method, path, repeat=True, good=(200, 201, 202), **kwargs):
        """Sends a request, and again while it gets no answer or one that asks for it. Returns the response."""
        give_up = time.monotonic() + GIVE_UP_S
        for attempt in range(1000):
            try:
                answer = client.request(method, path, timeout=ANSWER_S, **kwargs)
            except requests.RequestException as error:
                answer, said = None, type(error).__name__
                with self._lock:
                    self.broken += 1
            if answer is not None:
                said = f"{answer.status_code} {answer.text[:150]}"
                with self._lock:
                    self.statuses[answer.status_code] += 1
                if answer.status_code in good:
                    return answer
                if answer.status_code not in AGAIN:
                    raise Refused(f"{method} {path}: {said}")
            if not repeat and (answer is None or answer.status_code in UNCERTAIN) or time.monotonic() > give_up:
                raise NoAnswer(f"{method} {path}: {said}")
            time.sleep(PAUSE_S[min(attempt, len(PAUSE_S) - 1)] * random.uniform(0.5, 1))
        raise NoAnswer(path)

    def _create(self, client, outcome):
        order = outcome.order
        if order.kind == "probe":
            answer = self.send(client, "POST", "/api/probe", repeat=False,
                               files={"fileName": (order.name, self.sources[order.source])})
            outcome.probe, outcome.task = answer.json().get("probe"), answer.json().get("task")
            return
        headers = {"Idempotency-Key": str(uuid.uuid4())} if order.has_key else {}
        body = self._body(client, order)
        answer = self.send(client, "POST", "/api/tasks", repeat=order.has_key, good=(201,), headers=headers, **body)
        outcome.task = answer.json()["task"]

    def _body(self, client, order):
        fields = {"priority": order.priority}
        if order.kind == "records":
            return {"json": {**fields, "kind": "insert_records", "records": order.wanted}}
        fields |= {"preset": order.wanted} if order.kind == "edit" else {"newFormat": order.wanted}
        if order.has_webhook:
            fields["callback_url"] = f"{self.world.receiver.url}/{order.number}"
        if order.way == "form":
            return {"data": fields, "files": {"fileName": (order.name, self.sources[order.source])}}
        if order.way == "upload":
            return {"json": {**fields, "upload_id": self._upload(client, order)}}
        if order.kind != "missing":
            self.world.origin.file(f"/{order.name}", self.sources[order.source])
        return {"json": {**fields, "url": f"{self.world.origin.url}/{order.name}"}}

    def _upload(self, client, order):
        """Uploads to Cloud Storage; a session that is broken is continued, one that is lost begun again."""
        data = self.sources[order.source]
        give_up = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up:
            upload = self.send(client, "POST", "/api/uploads", json={"fileName": order.name, "size": len(data)}).json()
            while time.monotonic() < give_up:
                try:
                    stored = direct_upload.ask(upload["upload_url"], len(data))
                    if stored is None or direct_upload.send(upload["upload_url"], data[stored:], stored,
                                                            len(data)).status_code in (200, 201):
                        return upload["upload_id"]
                except AssertionError as error:  # not 308
                    if str(error)[:3] in ("404", "410"):
                        break
                except requests.RequestException:
                    pass
                time.sleep(0.3)
        raise NoAnswer("direct upload")

    def _change(self, client, outcome):
        for wait, action, wanted in outcome.order.changes:
            path = f"/api/tasks/{outcome.task['id']}"
            if wait is None:
                self.wait(client, outcome.task)
            else:
                time.sleep(wait)
            if action == "put":
                outcome.wanted = wanted
                outcome.generations += 1
                outcome.task = self.send(client, "PUT", path, json={"newFormat": wanted}).json()["task"]
            else:
                outcome.deleted = True
                self.send(client, "DELETE", path, good=(200, 404))

    def wait(self, client, task):
        """Waits until the task is final. Returns it."""
        give_up = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up:
            answer = self.send(client, "GET", f"/api/tasks/{task['id']}").json()
            view = answer.get("task", answer)
            if view["status"] in FINAL:
                return view
            time.sleep(0.3)
        raise NoAnswer(f"task {task['id']} is not final")
