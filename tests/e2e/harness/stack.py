"""A complete mediarun (emulator, web, workers), set up as infra/local/run.sh does it, on free ports."""

import os
import pathlib
import secrets
import subprocess

import requests

from .client import Client
from .paths import BUILD, LIB, SANITIZED
from .program import Program
from .waiting import free_port, wait_for

PROJECT = "mediarun-test"
BUCKET = "mediarun-test"
TOPIC = "mediarun-tasks"
ACCOUNT = f"push@{PROJECT}.iam.gserviceaccount.com"
JOB = f"projects/{PROJECT}/locations/local/jobs/mediarun-sweep"
# Most users of the tests come from one address.
MANY_USERS = {"SIGNUPS_PER_ADDRESS": 1000000, "LOGIN_FAILURES_PER_ADDRESS": 1000000, "LOGIN_WAITERS": 500}
# A thread for each is made at the start. 600, the default, take a sanitizer's build seconds.
CONNECTIONS = 96
SWEEP_SECONDS = 60  # what another test deleted is part of it
LISTENING = r'"message":\s*"listening"'


class Emulator(Program):
    """The emulator of the cloud services. All emulators of a process share one signing key, because making a key takes time."""

    identity = {}  # name of a file → content

    def __init__(self, directory, port, name):
        self.data = directory / f"{name}-data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            name, [BUILD / "mediarun-emulator"],
            {"EMULATOR_PORT": port, "EMULATOR_CONNECTIONS": CONNECTIONS, "DATA_DIR": self.data, "GOOGLE_CLOUD_PROJECT": PROJECT},
            directory / f"{name}.log", rf"emulator listening on 127\.0\.0\.1:{port}\b")

    def start(self):
        directory = self.data / "identity"
        if self.identity and not directory.exists():
            directory.mkdir()
            for name, content in self.identity.items():
                (directory / name).write_bytes(content)
                (directory / name).chmod(0o600)
        super().start()
        if not self.identity:
            self.identity.update({path.name: path.read_bytes() for path in directory.iterdir()})
        return self


def emulator_program(directory, port=None, name="emulator"):
    """An emulator, for a stack or for tests of the emulator."""
    return Emulator(pathlib.Path(directory), port or free_port(), name)


class Stack:
    """
    settings: environment of web and workers; web_settings, worker_settings: of one of them.
    connections: MAX_CONNECTIONS of web and workers; None: the default.
    pubsub_host: host:port of a Pub/Sub other than the emulator. push_url: where it pushes to, if not to the workers themselves.
    """

    def __init__(self, directory, postgres, workers=1, settings=None, web_settings=None, worker_settings=None,
                 pubsub_host=None, push_url=None, connections=CONNECTIONS):
        self.directory = pathlib.Path(directory)
        self.postgres = postgres
        self.database = postgres.create_database()
        self.jwt_secret = secrets.token_hex(32)
        self.emulator = emulator_program(self.directory)
        self.pubsub_host = pubsub_host or f"127.0.0.1:{self.emulator.port}"
        self.web_port = free_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.common = {
            "LOG_LEVEL": "info",
            "GOOGLE_CLOUD_PROJECT": PROJECT, "BUCKET": BUCKET, "PUBSUB_TOPIC": TOPIC,
            "PUSH_SERVICE_ACCOUNT": ACCOUNT, "PUSH_AUTH": "oidc",
            "STORAGE_EMULATOR_HOST": self.emulator.url, "PUBSUB_EMULATOR_HOST": self.pubsub_host,
            "GCE_METADATA_HOST": f"127.0.0.1:{self.emulator.port}",
            "OIDC_CERTS_URL": f"{self.emulator.url}/oauth2/v1/certs",
            "IAM_CREDENTIALS_URL": self.emulator.url, "PUBLIC_URL": self.url,
            **({"MAX_CONNECTIONS": connections} if connections else {}), **(settings or {}),
        }
        if SANITIZED:
            worker_settings = {"SANDBOX_MEMORY_MIB": 0, **(worker_settings or {})}
        self.web = self._make_web(web_settings or {})
        self.push_port = free_port()
        self.worker_url = push_url or f"http://127.0.0.1:{self.push_port}"
        ports = [self.push_port] if workers == 1 else [free_port() for _ in range(workers)]
        self.workers = [self._make_worker(i, port, worker_settings or {}) for i, port in enumerate(ports)]
        self.front = self._make_front(ports) if workers > 1 else None

    def _make_web(self, settings):
        env = {"DATABASE_URL": self.postgres.url(self.database, "mr_web"),
               "MIGRATION_DATABASE_URL": self.postgres.url(self.database), **self.common, "PORT": self.web_port,
               "PUSH_AUDIENCE": self.url, "JWT_SECRET": self.jwt_secret, **MANY_USERS, **settings}
        return Program("web", [BUILD / "mediarun-web"], env, self.directory / "web.log", LISTENING)

    def _make_worker(self, number, port, settings):
        env = {"DATABASE_URL": self.postgres.url(self.database, "mr_worker"), **self.common, "PORT": port,
               "PUSH_AUDIENCE": self.worker_url, "SLOTS": 2, **settings}
        return Program(f"worker{number}", [BUILD / "mediarun-worker"], env,
                       self.directory / f"worker{number}.log", LISTENING)

    def _make_front(self, ports):
        backends = ",".join(f"127.0.0.1:{port}" for port in ports)
        return Program("front", [BUILD / "mediarun-emulator", "--front", f"{self.push_port}={backends}"], {},
                       self.directory / "front.log", "front listening on")

    @property
    def worker(self):
        return self.workers[0]

    @property
    def programs(self):
        return [program for program in (self.web, *self.workers, self.front, self.emulator) if program]

    def start(self):
        self.emulator.start()
        self.provision()
        self.web.start()
        for worker in self.workers:
            worker.start()
        if self.front:
            self.front.start()
        wait_for(lambda: requests.get(self.url + "/api-health", timeout=5).status_code == 200, "health of web", 10)
        return self

    def provision(self):
        """Sets up the emulated cloud."""
        env = {
            **os.environ, "STORAGE_URL": self.emulator.url, "SCHEDULER_URL": self.emulator.url,
            "PUBSUB_URL": f"http://{self.pubsub_host}", "GOOGLE_CLOUD_PROJECT": PROJECT, "BUCKET": BUCKET,
            "PUBSUB_TOPIC": TOPIC, "WORKER_URL": self.worker_url, "WEB_URL": self.url, "PUSH_SERVICE_ACCOUNT": ACCOUNT,
        }
        script = 'set -euo pipefail; for lib in common provision; do . "$0/$lib.sh"; done; provision'
        subprocess.run(["bash", "-c", script, str(LIB)], env=env, check=True)

    def stop(self):
        """Stops all programs in order. Fails if one ended badly or a sanitizer reported something."""
        problems = []
        for program in self.programs:
            try:
                status = program.stop()
                if status not in (None, 0, -9):
                    problems.append(f"{program.name} ended with status {status}:\n{program.log()[-2000:]}")
            except AssertionError as error:
                problems.append(str(error))
            if program.sanitizer_report():
                problems.append(f"{program.name}: {program.sanitizer_report()}")
        assert not problems, "\n".join(problems)

    def client(self, **kwargs):
        """A client signed in as a new user."""
        return Client(self.url).signup(**kwargs)

    def anonymous(self):
        return Client(self.url)

    def sql(self, statement):
        return self.postgres.sql(statement, self.database)

    def job_ms(self, task_ids):
        """Milliseconds of the committed job of each task, from claim to commit, as the workers log them."""
        def logged():
            return {record["task_id"]: record["seconds"] * 1000 for worker in self.workers for record in worker.records()
                    if record.get("end") == "committed"}
        wait_for(lambda: set(task_ids) <= set(logged()), "the workers' log lines", 10)
        found = logged()
        return [found[task_id] for task_id in task_ids]

    def token_of_platform(self, audience, account=ACCOUNT):
        """An identity token as the platform sends it, signed by the metadata server."""
        answer = requests.get(
            f"{self.emulator.url}/computeMetadata/v1/instance/service-accounts/{account}/identity",
            params={"audience": audience, "format": "full"}, headers={"Metadata-Flavor": "Google"}, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.text.strip()

    def sweep(self):
        """Runs the job that Cloud Scheduler runs every minute."""
        answer = requests.post(f"{self.emulator.url}/v1/{JOB}:run", json={}, timeout=30)
        assert answer.status_code == 200, answer.text

    def sweep_whole(self):
        """Returns when a sweep that began after the call is over."""
        for _ in range(2):  # the first to end may have begun before
            before = self.sweeps_logged()
            self.sweep()
            wait_for(lambda before=before: self.sweeps_logged() > before, "the end of a sweep", SWEEP_SECONDS)

    def sweeps_logged(self):
        return sum(record.get("path") == "/internal/sweep" for record in self.web.records())

    def storage_faults(self, *faults):
        """Storage has these faults from now on, and no others: (method, fault, count), count -1 without end."""
        body = {"faults": [{"method": method, "fault": fault, "count": count} for method, fault, count in faults]}
        answer = requests.put(f"{self.emulator.url}/emulator/storage/faults", json=body, timeout=10)
        assert answer.status_code == 204, answer.text

    def objects(self):
        """The names of all objects in the bucket."""
        names, token = [], None
        while True:
            page = requests.get(f"{self.emulator.url}/storage/v1/b/{BUCKET}/o",
                                params={"pageToken": token} if token else {}, timeout=10).json()
            names += [item["name"] for item in page.get("items", [])]
            token = page.get("nextPageToken")
            if not token:
                return names
