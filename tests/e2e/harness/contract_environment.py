"""A running mediarun for the tests of the API contract: stacks, users and a finished task."""

import contextlib
import itertools
import signal

import requests

from .contract import Contract
from .stack import Stack

CONTRACT = Contract()
UPLOAD_MAX = 1 << 20
DIRECT_UPLOAD_MAX = 1 << 30
NOWHERE = "999999999"  # the number of no task


def contract_stack(directory, postgres, hook):
    """A stack with low limits, so that each can be exceeded, which may call the hook. Web thinks that mails can be sent."""
    return Stack(directory, postgres, settings={"FETCH_ALLOW_HOSTS": hook.host}, web_settings={
        "ENABLE_BENCHMARK": 1, "MAX_UPLOAD_BYTES": UPLOAD_MAX, "MAX_DIRECT_UPLOAD_BYTES": DIRECT_UPLOAD_MAX,
        "MAX_EVENT_STREAMS": 2, "PROBE_WAIT_SECONDS": 5, "SMTP_URL": "smtp://127.0.0.1:9",
        "TRUSTED_PROXIES": 1, "SIGNUPS_PER_ADDRESS": 12, "GUESTS": 1, "GUESTS_PER_ADDRESS": 2, "LOGIN_FAILURES_PER_ACCOUNT": 5})


class Environment:
    """Stacks, a user, another user, an operator, the platform's identity, and a finished task."""

    def __init__(self, stack, plain, media):
        """stack: of contract_stack; plain: one with the default settings."""
        self.stack, self.plain, self.media = stack, plain, media
        self.addresses = itertools.count(1)
        self.user, self.other, self.operator = stack.client(), stack.client(), stack.client()
        self.platform = stack.anonymous().use_token(stack.token_of_platform(stack.url))
        stack.sql(f"UPDATE users SET is_operator = true WHERE username = '{self.operator.username}'")
        self.done = self.user.finish(self.user.upload(media.tone("mp3"), "ogg"))

    def new_task(self, new_format="wav"):
        return self.user.upload(self.media.tone("mp3"), new_format)

    def records_task(self):
        return self.user.post("/api/tasks", json={"kind": "insert_records", "records": 1}).json()["task"]

    def new_user(self):
        """Signs up from an address of its own: the signups of one are limited."""
        client = self.stack.anonymous()
        client.http.headers["X-Forwarded-For"] = f"198.51.100.{next(self.addresses)}"
        return client.signup()

    def new_guest(self):
        client = self.stack.anonymous()
        client.http.headers["X-Forwarded-For"] = f"198.51.100.{next(self.addresses)}"
        return client.use_token(client.post("/api/auth/guest").json()["token"])

    def key(self, scopes):
        """A client with a new API key of the user; key_id names the key."""
        made = self.user.post("/api/keys", json={"name": f"for {scopes}", "scopes": scopes.split()}).json()
        client = self.stack.anonymous().use_token(made["key"])
        client.key_id = made["id"]
        return client

    def user_over(self, column):
        """A new user who has a lot of what this column of user_usage counts."""
        user = self.new_user()
        self.stack.sql(f"INSERT INTO user_usage (user_id, {column}) SELECT id, 1000000000000000 FROM users WHERE username = '{user.username}'")
        return user

    @contextlib.contextmanager
    def worker_stopped(self):
        """The worker is stopped meanwhile, so that tasks wait."""
        self.stack.worker.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.stack.worker.signal(signal.SIGCONT)

    def call(self, operation, who=None, path=None, content_type=None, stack=None, check_request=True, **kwargs):
        """Sends a request and checks the response. path: values of path parameters; who: None for no token."""
        url = operation.path
        for name, value in (path or {}).items():
            url = url.replace("{%s}" % name, str(value))
        if who and who.token:
            kwargs["headers"] = {"Authorization": f"Bearer {who.token}", **kwargs.get("headers", {})}
        answer = requests.request(operation.method, (stack or self.stack).url + url, timeout=60, allow_redirects=False, **kwargs)
        if check_request and answer.status_code < 400 and "requestBody" in operation.node:
            self._check_request(operation, kwargs)
        CONTRACT.check_answer(operation, answer)
        return answer

    @staticmethod
    def _check_request(operation, sent):
        if "files" in sent:
            CONTRACT.check_request(operation, "multipart/form-data", {**dict(sent["files"]), **sent.get("data", {})})
        elif "data" in sent:
            CONTRACT.check_request(operation, "application/x-www-form-urlencoded", sent["data"])
        else:
            CONTRACT.check_request(operation, "application/json", sent.get("json"))
