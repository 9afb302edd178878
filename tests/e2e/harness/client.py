"""A client of the API that uses it as a user's program does."""

import itertools
import pathlib
import random
import uuid

import requests

from .waiting import wait_for

FINAL = ("processed", "failed", "canceled")
PASSWORD = "Correct-Horse-9"
_numbers = itertools.count(1)


class Client:
    def __init__(self, url):
        self.url = url
        self.http = requests.Session()
        self.token = None
        self.username = None

    def request(self, method, path, timeout=120, **kwargs):
        return self.http.request(method, self.url + path, timeout=timeout, **kwargs)

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self.request("POST", path, **kwargs)

    def delete(self, path, **kwargs):
        return self.request("DELETE", path, **kwargs)

    def use_token(self, token):
        self.token = token
        self.http.headers["Authorization"] = f"Bearer {token}"
        return self

    def signup(self, username=None, password=PASSWORD):
        """Signs up as a new user; the response has the token, so no login is needed."""
        self.username = username or f"user{next(_numbers)}-{uuid.uuid4().hex[:8]}"
        address = f"198.18.{random.randrange(256)}.{random.randrange(256)}"  # counts where web trusts a proxy
        answer = self.post("/api/auth/signup", headers={"X-Forwarded-For": address}, json={
            "username": self.username, "email": f"{self.username}@example.com",
            "password1": password, "password2": password})
        assert answer.status_code == 201, answer.text
        return self.use_token(answer.json()["access_token"])

    def try_upload(self, source, new_format, name=None, **fields):
        """source: a path or bytes. Returns the response, whatever it is."""
        data = {"newFormat": new_format, **fields}
        if isinstance(source, (bytes, bytearray)):
            return self.post("/api/tasks", data=data, files={"fileName": (name or "input.bin", source)})
        path = pathlib.Path(source)
        with open(path, "rb") as file:
            return self.post("/api/tasks", data=data, files={"fileName": (name or path.name, file)})

    def upload(self, source, new_format, name=None, **fields):
        """Returns the new task."""
        answer = self.try_upload(source, new_format, name, **fields)
        assert answer.status_code == 201, f"{answer.status_code}: {answer.text}"
        return answer.json()["task"]

    def task(self, task_id):
        answer = self.get(f"/api/tasks/{task_id}")
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        body = answer.json()
        return body.get("task", body)

    def tasks(self):
        """Returns the first page of the user's tasks."""
        answer = self.get("/api/tasks")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, task, seconds=60, states=FINAL, interval=0.05):
        """Waits until the task is in one of the states, and asks every `interval` seconds. Returns the task."""
        task_id = task["id"] if isinstance(task, dict) else task
        last = {}

        def reached():
            last.update(self.task(task_id))
            return last["status"] in states

        try:
            wait_for(reached, f"task {task_id} in {'/'.join(states)}", seconds, interval)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen: {last}") from None
        return last

    def finish(self, task, seconds=60, interval=0.05):
        """Waits until the task is processed; fails if it ends otherwise. Returns the task."""
        done = self.wait(task, seconds, interval=interval)
        assert done["status"] == "processed", done
        return done

    def download(self, task, path=None, **kwargs):
        """Returns the bytes of the result; also writes them to path."""
        answer = self.get(f"/api/files/{task['file_id']}", **kwargs)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:500]}"
        if path:
            pathlib.Path(path).write_bytes(answer.content)
        return answer.content

    def convert(self, source, new_format, path=None, name=None, seconds=60):
        """Uploads, waits, downloads. Returns (task, bytes)."""
        task = self.finish(self.upload(source, new_format, name), seconds)
        return task, self.download(task, path)
