"""What gcloud prints for commands that only read, so that it need not be started again while the project is as it was."""

import json
import re
import socketserver
import threading

from recorder import Recorder

VERBS = {"list", "describe", "get-iam-policy", "list-configs", "print-access-token"}
# The first word of a command → what it reads of a recorder's store. Policies and enabled APIs count for all.
PLACES = {"secrets": r"/secrets/", "storage": r"^/storage/", "iam": r"/serviceAccounts/", "sql": r"^/sql/", "pubsub": r"/(topics|subscriptions)/",
          "run": r"^(/at/[^/]+)?/apis/", "artifacts": r"/repositories/", "logging": r"/metrics/", "scheduler": r"/jobs/", "builds": r"/(triggers|builds)/",
          "monitoring": r"/(alertPolicies|uptimeCheckConfigs|dashboards|notificationChannels)/", "projects": r"^$", "services": r"^$",
          "auth": r"^$", "compute": r"^/compute/"}


def state_for(cloud, place):
    with cloud.lock:
        return json.dumps([{path: value for path, value in cloud.store.items() if re.search(place, path)}, cloud.policies,
                           sorted(cloud.enabled), cloud.unsettled, [str(entry) for entry in cloud.failures], cloud.is_person], sort_keys=True)


class Memory:
    """Asked by warm_gcloud's client, with the port of the recorder; told by it what a command has printed."""

    def __init__(self):
        self.known = {}
        memory = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                call = json.loads(self.rfile.readline())
                key = memory.key(call["arguments"], call["recorder"])
                if key and "output" in call:
                    memory.known[key] = call["output"]
                self.wfile.write(json.dumps({"wanted": bool(key), "output": memory.known.get(key)}).encode())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def key(arguments, port):
        words = [word for word in arguments if not word.startswith("-") and word not in ("alpha", "beta")]
        if not words or words[0] not in PLACES or not VERBS & set(words) or port not in Recorder.running:
            return None
        return json.dumps([arguments, state_for(Recorder.running[port], PLACES[words[0]])])
