"""A complete mediarun with a proxy on each of its connections, and the platform that restarts what has ended."""

import contextlib
import ctypes
import os
import pathlib
import subprocess
import threading
import time
import urllib.parse

import requests
from harness.origin import Origin
from harness.postgres import Postgres
from harness.stack import BUCKET, Stack
from harness.waiting import wait_for
from harness.webhook import WebhookReceiver

from database_proxy import DatabaseProxy
from proxy import Loop, Proxy

WORKERS = 2
RESTART_S = 1  # the platform's time to notice that a program has ended
SWEEP_S = 5  # Cloud Scheduler runs it every 60 s: the suite has less time
SETTINGS = {"LOG_LEVEL": "info"}
WEB_SETTINGS = {"REPUBLISH_AFTER_SECONDS": 5}  # lost messages come again after 120 s by default
PR_SET_CHILD_SUBREAPER = 36
DISK_MIB = {"database": 640, "storage": 512}  # without the tasks
TASK_MIB = 2  # of storage that a task needs at most on average


class Disk:
    """A small filesystem that can be full. available: False if this process may not mount."""

    def __init__(self, directory, mebibytes):
        self.directory = directory
        directory.mkdir()
        size = f"size={mebibytes}m,mode=755"
        self.available = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "mediarun-faults", str(directory)],
                                        capture_output=True, check=False).returncode == 0

    @property
    def ballast(self):
        return self.directory / "ballast"

    def fill(self):
        with open(self.ballast, "wb") as file, contextlib.suppress(OSError):
            free = os.statvfs(self.directory)
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)

    def empty(self):
        self.ballast.unlink(missing_ok=True)

    def unmount(self):
        if self.available:
            subprocess.run(["umount", "-l", str(self.directory)], check=False)


class World:
    """
    What a run takes place in. Users call web through `front_door`; the programs reach PostgreSQL, Cloud Storage and Pub/Sub
    through `database`, `storage` and `pubsub`, and Pub/Sub the workers through `push`.
    """

    def __init__(self, directory, tasks):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # a process that outlives its parent becomes a child of this one
        self.directory = pathlib.Path(directory)
        self.loop = Loop()
        self.origin, self.receiver = Origin(), WebhookReceiver()
        sizes = {**DISK_MIB, "storage": DISK_MIB["storage"] + TASK_MIB * tasks}
        self.disks = {name: Disk(self.directory / name, size) for name, size in sizes.items()}
        # The write-ahead log is kept small, so that the small disk has room for it.
        self.postgres = Postgres(self.disks["database"].directory, "max_wal_size = 96MB\nmin_wal_size = 32MB\n")
        self.postgres.log_path = self.directory / "postgres.log"
        self.postgres.start()
        self.front_door, self.storage, self.pubsub, self.push = (Proxy(self.loop) for _ in range(4))
        self.database = DatabaseProxy(self.loop, f"{self.postgres.sockets}/.s.PGSQL.5432")
        self.stack = self._make_stack()
        self.front_door.upstream = self.stack.web_port
        self.storage.upstream = self.pubsub.upstream = self.stack.emulator.port
        self.push.upstream = self.stack.push_port

    def _make_stack(self):
        storage = self.disks["storage"].directory
        settings = {**SETTINGS, "STORAGE_EMULATOR_HOST": self.storage.url,
                    "FETCH_ALLOW_HOSTS": f"{self.origin.host},{self.receiver.host}"}
        stack = Stack(self.directory, self.postgres, workers=WORKERS, settings=settings, web_settings=WEB_SETTINGS,
                      pubsub_host=self.pubsub.host, push_url=self.push.url)
        stack.emulator.env["DATA_DIR"] = str(storage / "emulator")
        stack.emulator.data = storage / "emulator"
        stack.emulator.data.mkdir()
        for program in (stack.web, *stack.workers):
            program.env["DATABASE_URL"] = program.env["DATABASE_URL"].replace(
                f"host={self.postgres.sockets}", f"host=127.0.0.1 port={self.database.port} sslmode=disable gssencmode=disable")
        return stack

    def sql(self, statement):
        return self.stack.sql(statement)

    def client(self):
        client = self.stack.client()
        client.url = self.front_door.url
        return client

    def objects(self):
        return set(self.stack.objects())

    def stored_at(self, name):
        """When and how large."""
        url = f"{self.stack.emulator.url}/storage/v1/b/{BUCKET}/o/{urllib.parse.quote(name, safe='')}"
        about = requests.get(url, timeout=10).json()
        return f"{about.get('timeCreated')}, {about.get('size')} bytes"

    def close(self):
        for disk in self.disks.values():
            disk.empty()
        for program in self.stack.programs:
            program.kill()
        self.postgres.end()
        for server in (self.origin, self.receiver, self.loop):
            server.close()
        for disk in self.disks.values():
            disk.unmount()


class Platform:
    """
    Restarts programs that have ended, and runs the sweep, until it is stopped. crashes: what ended without being told to.
    hold_database: set while PostgreSQL must stay away.
    """

    def __init__(self, world):
        self.world = world
        self.crashes = []
        self.starts = {}  # program → when its last start was complete
        self.hold_database = threading.Event()
        self._expected = set()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._keep_running, args=(program,), daemon=True)
                         for program in world.stack.programs]
        self._threads += [threading.Thread(target=run, daemon=True) for run in (self._keep_database, self._sweep)]
        for thread in self._threads:
            thread.start()

    def expect_end(self, program):
        """The program may end once: a fault is about to end it."""
        self._expected.add(program.pid)

    def stop(self):
        """The threads live on, because the programs that they have started end with them."""
        self._stop.set()

    def wait_for_database(self):
        wait_for(lambda: self.world.postgres.process.poll() is None and self.world.postgres.ready(), "restart of PostgreSQL", 60)

    def _keep_database(self):
        while True:
            time.sleep(0.1)
            if self.world.postgres.process.poll() is not None and not (self.hold_database.is_set() or self._stop.is_set()):
                with contextlib.suppress(AssertionError):  # the disk may be full
                    self.world.postgres.run()

    def _keep_running(self, program):
        while True:
            time.sleep(0.1)
            if self._stop.is_set():
                continue
            if program.alive():
                continue
            if program.pid not in self._expected:
                self.crashes.append(f"{program.name} ended with {program.process.returncode}: {last_lines(program)}")
            self._stop.wait(RESTART_S)
            self._start(program)

    def _start(self, program):
        """Starts it until it is ready: a program whose database or cloud is away ends, and the platform tries again."""
        while not self._stop.is_set():
            try:
                program.start()
                if program is self.world.stack.emulator:
                    wait_for(self._provisioned, "set-up of the emulated cloud", 20)
                self.starts[program] = time.monotonic()
                return
            except AssertionError:
                program.kill()
                self._stop.wait(RESTART_S)

    def _provisioned(self):
        """The emulator forgets topics and subscriptions at its end; Pub/Sub does not."""
        try:
            self.world.stack.provision()
            return True
        except subprocess.CalledProcessError:
            return False

    def _sweep(self):
        while not self._stop.wait(SWEEP_S):
            with contextlib.suppress(AssertionError, requests.RequestException):
                self.world.stack.sweep()


def last_lines(program):
    return " | ".join(program.log().splitlines()[-3:])[-600:]
