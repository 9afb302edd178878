"""Anonymous clients and logged-in ones that try to stop web: the others are answered within a second, meanwhile and after."""

import asyncio
import re
import socket
import threading
import time

import pytest

from harness.client import PASSWORD
from harness.paths import SANITIZED, VARIANT
from harness.stack import Stack

pytestmark = pytest.mark.xdist_group("attacks")
CONNECTIONS = 150 if VARIANT == "tsan" else 1000  # it starts 40 threads a second
LOGINS = CONNECTIONS * 7 // 10
LATEST = 10 if SANITIZED else 2  # seconds, beside tests that take all processors


# Those of config.c and infra/services, where the other tests have others.
LIMITS = {"MAX_CONNECTIONS": CONNECTIONS * 6 // 5, "LOGIN_WAITERS": 14, "LOGIN_FAILURES_PER_ADDRESS": 60, "SIGNUPS_PER_ADDRESS": 20}


@pytest.fixture(scope="module")
def guarded(workdir, postgres):
    """A system with the limits that web has by itself, behind one proxy."""
    directory = workdir / "guarded"
    directory.mkdir()
    stack = Stack(directory, postgres, web_settings={**LIMITS, "TRUSTED_PROXIES": 1, "CLIENT_TIMEOUT_MS": 6000}).start()
    yield stack
    stack.stop()


def memory_mib(program):
    with open(f"/proc/{program.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) / 1024


class Bystander:
    """A user who goes on working while others attack; `worst` is how long the slowest answer took."""

    def __init__(self, stack):
        self.user, self.alive = stack.client(), stack.anonymous()
        self.worst, self.count = 0, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def ask(self):
        for client, path in ((self.user, "/api/tasks"), (self.alive, "/alive")):
            began = time.monotonic()
            assert client.get(path, timeout=30).status_code == 200
            self.worst = max(self.worst, time.monotonic() - began)
            self.count += 1

    def work(self):
        while not self.ended.wait(0.02):
            self.ask()

    def __enter__(self):
        self.ask()
        self.worst, self.count = 0, 0
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


async def send_login(port, number):
    body = b'{"username":"nobody%d","password":"Wrong123"}' % number
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 10.0.%d.%d\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (number // 250, number % 250, len(body), body))
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1]), b"\r\nRetry-After: " in answer


async def send_logins(port, count):
    return await asyncio.gather(*(send_login(port, number) for number in range(count)))


@pytest.mark.sanitized
@pytest.mark.measured
def test_many_logins_at_once(guarded):
    with Bystander(guarded) as bystander:
        answers = asyncio.run(send_logins(guarded.web_port, LOGINS))
    statuses = [status for status, _ in answers]
    print(f"{LOGINS} logins: {statuses.count(401)} computed, slowest answer to others {bystander.worst:.2f} s of {bystander.count}")
    assert set(statuses) <= {401, 429} and statuses.count(401) >= 8
    assert all(has_retry_after for status, has_retry_after in answers if status == 429)
    assert bystander.worst < LATEST
    began = time.monotonic()
    login = {"username": bystander.user.username, "password": PASSWORD}
    assert guarded.anonymous().post("/api/auth/login", json=login).status_code == 200
    assert time.monotonic() - began < 5


DRIPS = [
    (b"GET /alive HTTP/1.1\r\nHost: a\r\nX: ", b"x"),
    (b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", b"x"),
    (b"POST /api/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 30000, b"x"),
    (b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 50, None),
    (b"", None),
]


@pytest.mark.sanitized
@pytest.mark.measured
def test_dripping_connections(guarded):
    before = memory_mib(guarded.web)
    with Bystander(guarded) as bystander:
        socks = [socket.create_connection(("127.0.0.1", guarded.web_port)) for _ in range(CONNECTIONS)]
        for number, sock in enumerate(socks):
            sock.sendall(DRIPS[number % len(DRIPS)][0])
            sock.setblocking(False)
        for _ in range(10):
            for number, sock in enumerate(socks):
                if byte := DRIPS[number % len(DRIPS)][1]:
                    try:
                        sock.send(byte)
                    except OSError:
                        pass
            bystander.ended.wait(0.2)
        during = memory_mib(guarded.web)
    print(f"{CONNECTIONS} connections: web {before:.0f} to {during:.0f} MiB, slowest answer to others {bystander.worst:.2f} s "
          f"of {bystander.count}")
    assert bystander.worst < LATEST
    assert SANITIZED or during - before < 128
    for sock in socks:
        sock.close()
    began = time.monotonic()
    assert guarded.anonymous().get("/api-health").status_code == 200
    assert time.monotonic() - began < 5


@pytest.mark.sanitized
@pytest.mark.measured
def test_wrong_passwords_are_throttled(guarded):
    owner = guarded.client()

    def login(password, address):
        return guarded.anonymous().post("/api/auth/login", json={"username": owner.username, "password": password},
                                        headers={"X-Forwarded-For": f"6.6.6.6, {address}"})

    answers = [login("Wrong123", "192.0.2.1") for _ in range(30)]
    assert [answer.status_code for answer in answers[:20]] == [401] * 20
    assert {answer.status_code for answer in answers[22:]} == {429}
    assert answers[-1].json()["code"] == "too_many_logins" and int(answers[-1].headers["Retry-After"]) > 0
    assert login(PASSWORD, "192.0.2.1").status_code == 429
    assert login(PASSWORD, "192.0.2.2").status_code == 200, "the owner cannot be locked out"


@pytest.mark.sanitized
@pytest.mark.measured
def test_signups_are_throttled(guarded):
    def sign_up(number, address):
        fields = {"username": f"many{number}", "email": f"many{number}@example.org", "password1": "Secret123", "password2": "Secret123"}
        return guarded.anonymous().post("/api/auth/signup", json=fields, headers={"X-Forwarded-For": address})

    answers = [sign_up(number, "192.0.2.9") for number in range(24)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [429] * 4
    assert answers[-1].json()["code"] == "too_many_signups" and int(answers[-1].headers["Retry-After"]) > 0
    assert sign_up(99, "192.0.2.10").status_code == 201
