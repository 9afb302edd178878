"""Waiting by polling, with a deadline."""

import socket
import time

from .paths import PATIENCE


def wait_for(condition, what, seconds=10, interval=0.05):
    """The first true value of condition(); fails after the deadline."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds * PATIENCE} s")
        time.sleep(interval)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
