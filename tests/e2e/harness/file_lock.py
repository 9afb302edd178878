"""A lock that the processes of one test run share: a file in the run's directory."""

import contextlib
import fcntl


@contextlib.contextmanager
def file_lock(path):
    """Holds the lock; other threads and other processes wait for it."""
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
