"""How the processes of one test run share the machine: locks of files in the run's directory."""

import contextlib
import fcntl


@contextlib.contextmanager
def file_lock(path, how=fcntl.LOCK_EX):
    """Holds a lock; other threads and other processes wait for it."""
    with open(path, "ab") as file:
        fcntl.flock(file, how)
        yield


class Machine:
    """Many tests run at once, or one alone. A test that wants to be alone keeps others from starting while it waits."""

    def __init__(self, directory):
        self._turn = directory / "turn.lock"
        self._use = directory / "use.lock"

    @contextlib.contextmanager
    def shared(self):
        with open(self._use, "ab") as use:
            with file_lock(self._turn):
                fcntl.flock(use, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def alone(self):
        with file_lock(self._turn), file_lock(self._use):
            yield
