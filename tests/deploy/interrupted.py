"""Runs of infra/deploy.sh that are killed after a change, and how to make many of them in short time."""

import json
import os
import re
import signal
import socketserver
import subprocess
import threading

import cloud as programs
import recorder
from recorder import clone

VERBS = {"list", "describe", "get-iam-policy", "list-configs", "print-access-token"}
HOSTS = {"secrets": "secretmanager", "storage": "storage", "iam": "iam", "sql": "sqladmin", "pubsub": "pubsub", "run": "run",
         "artifacts": "artifactregistry", "logging": "logging", "monitoring": "monitoring", "scheduler": "cloudscheduler",
         "builds": "cloudbuild", "projects": "cloudresourcemanager", "services": "serviceusage", "auth": "", "billing": ""}


class Memory:
    """
    What gcloud printed for each command that only reads. It is printed again, without gcloud, while nothing was changed in the API
    that the command reads from. One for a chain of projects, each of which goes on from the one before.
    """

    def __init__(self):
        self.known, self.cloud = {}, None
        memory = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                call = json.loads(self.rfile.readline())
                key = memory.key(call["arguments"])
                if key and "output" in call:
                    memory.known[key] = call["output"]
                self.wfile.write(json.dumps({"wanted": bool(key), "output": memory.known.get(key)}).encode())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.settings = {"GCLOUD_MEMORY": str(self.server.server_address[1])}

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def key(self, arguments):
        words = [word for word in arguments if not word.startswith("-") and word not in ("alpha", "beta")]
        if words[0] not in HOSTS or not VERBS & set(words):
            return None
        host = HOSTS[words[0]] + ".googleapis.com"
        changes = sum(1 for request in self.cloud.mutations() if request["host"].endswith(host))
        return json.dumps([arguments, changes, self.cloud.unsettled.get(host, 0)])


def killed(cloud, directory, at, *options, settings=None):
    """
    infra/deploy.sh, killed with all its programs when Google has done the change number `at` of it, not counting the lock, and
    before it hears of that. Returns the project as it is then; None if the run ended before.
    """
    found, seen = [], [0]
    run = subprocess.Popen([programs.ROOT / "infra/deploy.sh", "--project", recorder.PROJECT, *options], start_new_session=True,
                           env={**programs.environment(cloud.port, directory), **(settings or {})}, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def after(request):
        seen[0] += request["status"] < 400 and request in cloud.changes(len(cloud.requests) - 1)
        if seen[0] == at and not found:
            found.append(clone(cloud))
            found[0].requests = list(cloud.requests)
            os.killpg(run.pid, signal.SIGKILL)

    cloud.after = after
    said = run.communicate(timeout=600)[1]
    cloud.after = lambda request: None
    assert found or run.returncode == 0, said
    return found[0] if found else None


# What differs from run to run: names and numbers that Google draws, times, and what is secret.
DRAWN = [(r"\bid-\d+", "id"), (r'"etag": "[^"]*"', '"etag": ""'), (r'"(generation|resourceVersion)": "?v?\d+"?', r'"\1": 0'),
         (r'"password": "[^"]*"', '"password": ""'), (r"-\d{5}-abc", "-revision"), (r'"settingsVersion": "\d+"', '""'), (r"\bb-\d+", "build")]


def state(cloud):
    """What there is in a project, and who may do what, to compare with another."""
    text = json.dumps([[path, value] for path, value in sorted(cloud.store.items())
                       if not re.search(r"/(revisions|builds|versions)/", path)] + [cloud.policies, sorted(cloud.enabled)], sort_keys=True)
    for pattern, instead in DRAWN:
        text = re.sub(pattern, instead, text)
    return sorted(json.dumps(entry, sort_keys=True) for entry in json.loads(text))
