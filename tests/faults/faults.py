"""
The faults. Each is a function of a Fault (below) that makes it, waits while it lasts, and takes it back; FAULTS is the table
that the plan draws from.
"""

import collections
import contextlib
import dataclasses
import os
import random
import signal
import threading
import time

from harness.jobs import is_confined
from harness.paths import PATIENCE

from database_proxy import Cut
from proxy import Exchange, answer

Kind = collections.namedtuple("Kind", "make weight target")
FAULTS = {}  # name → Kind
LEASE_S = 10  # LEASE_SECONDS, of which the suite keeps the default


def fault(name, weight=2, target=None):
    """target: what the fault changes; two faults of one target never meet. Default: nothing that others change."""
    def register(make):
        FAULTS[name] = Kind(make, weight, target)
        return make
    return register


@dataclasses.dataclass
class Fault:
    """One fault of a run. began, ended: time.time()."""

    name: str
    world: object
    platform: object
    chance: random.Random
    lease_s: float
    began: float = 0
    ended: float = 0
    skipped: str = ""

    def last(self, shortest, longest):
        """How long it lasts: the fault's thread sleeps."""
        time.sleep(self.chance.uniform(shortest, longest))

    def worker(self):
        return self.chance.choice(self.world.stack.workers)

    def end(self, program, number):
        """Ends a program; the platform starts it again."""
        if program.alive():
            self.platform.expect_end(program)
            program.signal(number)

    def wait_for_start(self, program, since):
        """Until the platform has started the program again."""
        deadline = time.monotonic() + 60 * PATIENCE
        while self.platform.starts.get(program, 0) < since and time.monotonic() < deadline:
            time.sleep(0.05)

    def end_and_wait(self, program, number):
        since = time.monotonic()
        self.end(program, number)
        self.wait_for_start(program, since)


@fault("worker SIGKILL", 6)
def kill_worker(self):
    self.end_and_wait(self.worker(), signal.SIGKILL)


@fault("worker SIGTERM", 4)
def stop_worker(self):
    self.end_and_wait(self.worker(), signal.SIGTERM)


@fault("zygote SIGKILL", 3)
def kill_zygote(self):
    worker = self.worker()
    zygotes = children(worker.pid)
    if not zygotes:
        self.skipped = "no zygote"
        return
    since = time.monotonic()
    self.platform.expect_end(worker)  # it ends with its zygote
    kill(zygotes[0])
    self.wait_for_start(worker, since)


@fault("child SIGKILL", 5)
def kill_child(self):
    """Waits for a child that decodes."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [pid for worker in self.world.stack.workers for pid in worker.descendants() if is_confined(pid)]
        if found:
            kill(self.chance.choice(found))
            return
        time.sleep(0.01)
    self.skipped = "no child was running"


@fault("web SIGKILL", 5, "web")
def kill_web(self):
    self.end_and_wait(self.world.stack.web, signal.SIGKILL)


@fault("web SIGTERM", 3, "web")
def stop_web(self):
    self.end_and_wait(self.world.stack.web, signal.SIGTERM)


@fault("emulator SIGKILL", 3, "emulator")
def kill_emulator(self):
    self.end_and_wait(self.world.stack.emulator, signal.SIGKILL)


@fault("emulator SIGTERM", 2, "emulator")
def stop_emulator(self):
    self.end_and_wait(self.world.stack.emulator, signal.SIGTERM)


@fault("PostgreSQL crash", 4, "database")
def crash_database(self):
    self.platform.hold_database.set()
    self.world.postgres.crash()
    self.last(0.5, 2)
    self.platform.hold_database.clear()
    self.platform.wait_for_database()


@fault("worker frozen beyond its lease", 1)
def freeze_worker(self):
    """All its processes, as Cloud Run freezes an instance."""
    worker = self.worker()
    pids = [worker.pid, *worker.descendants()]
    if not worker.alive():
        self.skipped = "the worker was restarting"
        return
    send_all(pids, signal.SIGSTOP)
    self.last(self.lease_s + 1, self.lease_s + 3)
    send_all(pids, signal.SIGCONT)


@fault("worker frozen shortly", 2)
def freeze_worker_shortly(self):
    worker = self.worker()
    pids = [worker.pid, *worker.descendants()]
    send_all(pids, signal.SIGSTOP)
    self.last(1, 4)
    send_all(pids, signal.SIGCONT)


def children(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    return []


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def send_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def inject(self, proxy, handler, rate, fits=lambda request: True, lasts=(1, 4)):
    """Lets a part of the proxy's requests end in the handler, a coroutine of an Exchange, for a while."""
    chance = random.Random(self.chance.random())
    proxy.inject = lambda request: handler if fits(request) and chance.random() < rate else None
    try:
        self.last(*lasts)
    finally:
        proxy.inject = lambda request: None


def respond(*statuses):
    async def handler(exchange):
        await exchange.send(answer(random.choice(statuses)))
    return handler


async def cut_request(exchange):
    await exchange.forward(0.6)
    exchange.reset()


async def cut_response(exchange):
    await exchange.send(await exchange.forward(), 0.5)
    exchange.reset()


async def lose_response(exchange):
    await exchange.forward()
    exchange.reset()


async def damage(exchange):
    await exchange.send((await exchange.forward()).damaged())


def is_read(request):
    return request.method == "GET" and "alt=media" in request.target


@fault("storage 503", 3, "storage")
def storage_unavailable(self):
    inject(self, self.world.storage, respond(503), self.chance.choice((0.3, 1)))


@fault("storage 429", 2, "storage")
def storage_busy(self):
    inject(self, self.world.storage, respond(429), self.chance.choice((0.3, 1)))


@fault("storage 403 and 404", 2, "storage")
def storage_refuses(self):
    """A false 404 to a DELETE is left out: nobody could know that the object is still there."""
    lie, refuse = respond(401, 403, 404), respond(401, 403)

    async def handler(exchange):
        await (refuse if exchange.request.method == "DELETE" else lie)(exchange)
    inject(self, self.world.storage, handler, self.chance.choice((0.2, 1)))


@fault("storage breaks requests", 2, "storage")
def storage_breaks_requests(self):
    inject(self, self.world.storage, cut_request, 0.3)


@fault("storage breaks bodies", 3, "storage")
def storage_breaks_bodies(self):
    inject(self, self.world.storage, cut_response, 0.3)


@fault("storage loses responses", 2, "storage")
def storage_loses_responses(self):
    inject(self, self.world.storage, lose_response, 0.3)


@fault("storage damages bytes", 2, "storage")
def storage_damages(self):
    inject(self, self.world.storage, damage, 0.5, is_read)


@fault("storage stalls", 2, "storage")
def storage_stalls(self):
    hold(self, self.world.storage, (2, 8))


def hold(self, proxy, lasts):
    """Holds every request until the end of the fault."""
    over = threading.Event()

    async def handler(exchange):
        while not over.is_set():
            await exchange.pause(0.05)
        await exchange.relay()
    try:
        inject(self, proxy, handler, 1, lasts=lasts)
    finally:
        over.set()


@fault("Pub/Sub doubles", 3, "push")
def pubsub_doubles(self):
    inject(self, self.world.push, Exchange.twice, 0.7, lasts=(2, 6))


@fault("Pub/Sub delays and reorders", 3, "push")
def pubsub_delays(self):
    chance = random.Random(self.chance.random())

    async def handler(exchange):
        await exchange.pause(chance.uniform(0, 5))
        await exchange.relay()
    inject(self, self.world.push, handler, 0.7, lasts=(2, 6))


@fault("Pub/Sub loses messages", 3, "push")
def pubsub_loses(self):
    inject(self, self.world.push, respond(204), 0.5, lasts=(1, 3))


@fault("Pub/Sub push answers lost", 2, "push")
def push_answers_lost(self):
    inject(self, self.world.push, lose_response, 0.5)


@fault("Pub/Sub publish fails", 2, "pubsub")
def publish_fails(self):
    inject(self, self.world.pubsub, self.chance.choice((respond(503), respond(429, 500), cut_request)), 0.7)


@fault("Pub/Sub publish answers lost", 2, "pubsub")
def publish_answers_lost(self):
    inject(self, self.world.pubsub, lose_response, 0.7)


@fault("users' connections break", 3, "front door")
def users_break(self):
    inject(self, self.world.front_door, self.chance.choice((lose_response, cut_request)), 0.4, lasts=(1, 3))


STATEMENTS = ("commit", "tasks_insert.*", "lease_claim", "lease_commit", "lease_.*", "orphans_.*", "records_.*", "outbox_.*",
              "deliver.*", "uploads_.*", ".+")


@fault("cut after COMMIT was sent", 8, "database answers")
def cut_after_commit(self):
    database = self.world.database
    database.cut = Cut(self.chance.choice(STATEMENTS), self.chance.choice((1, 1, 2, 5)), self.chance.random() < 0.6)
    before = database.cuts
    deadline = time.monotonic() + 6
    while database.cut.left and time.monotonic() < deadline:
        time.sleep(0.02)
    self.skipped = "" if database.cuts > before else "no such statement came"
    database.cut = None


@fault("database answers held back", 2, "database answers")
def database_stalls(self):
    self.world.database.flowing = False
    try:
        self.last(2, 8)
    finally:
        self.world.database.flowing = True


def fill_disk(self, name):
    disk = self.world.disks[name]
    disk.fill()
    try:
        self.last(1, 3)
    finally:
        disk.empty()


@fault("disk of the database full", 2, "database")
def database_disk_full(self):
    fill_disk(self, "database")
    self.platform.wait_for_database()  # it ends if it cannot write its log


@fault("disk of the emulator full", 2, "emulator")
def emulator_disk_full(self):
    fill_disk(self, "storage")


@fault("migration", 4, "database")
def migrate(self):
    """A column comes and goes, as in a rollout that is taken back."""
    name = f"fault_{self.chance.randrange(1 << 20)}"
    alter(self, f"ADD COLUMN {name} integer DEFAULT 7")
    self.last(0.5, 3)
    alter(self, f"DROP COLUMN {name}")


def alter(self, change):
    """As a careful migration does: it waits for the lock for a short time only."""
    for table in ("tasks", "deliveries", "outputs"):
        for _ in range(100):
            with contextlib.suppress(AssertionError):
                self.world.sql(f"SET LOCAL lock_timeout = '500ms'; ALTER TABLE {table} {change}")
                break
            time.sleep(0.1)
