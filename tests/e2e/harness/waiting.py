"""Polling with a deadline, and free ports."""

import socket
import time

from .paths import PATIENCE


def wait_for(condition, what, seconds=10, interval=0.05):
    """Returns the first true value of condition(). Fails after the deadline."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds * PATIENCE} s")
        time.sleep(interval)


_reserved = []


def free_port():
    return free_ports(1)[0]


def free_ports(count):
    """
    Ports that follow each other, for programs to listen on. They stay reserved until this process ends: a socket is bound to
    each of them without listening, so the kernel gives it to nobody else, while a program that sets SO_REUSEADDR can listen.
    """
    for _ in range(50):
        sockets = []
        try:
            for _ in range(count):
                sockets.append(_bind(sockets[-1].getsockname()[1] + 1 if sockets else 0))
        except (OSError, OverflowError):
            continue  # the next port is taken, or there is none
        _reserved.extend(sockets)
        return [sock.getsockname()[1] for sock in sockets]
    raise AssertionError(f"no {count} free ports that follow each other")


def _bind(port):
    sock = socket.socket()
    sock.bind(("127.0.0.1", port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not before: a port that another test reserved would pass
    return sock
