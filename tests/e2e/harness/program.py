"""A program under test: its process, its log, its memory."""

import json
import os
import re
import signal
import subprocess

from .waiting import wait_for

SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): \w*Sanitizer|SUMMARY: \w*Sanitizer|runtime error:")


class Program:
    def __init__(self, name, argv, env, log_path, ready):
        """ready: a regular expression; the program counts as started once its log matches."""
        self.name = name
        self.argv = [str(word) for word in argv]
        self.env = {key: str(value) for key, value in env.items()}
        self.log_path = log_path
        self.ready = re.compile(ready)
        self.process = None
        self._start_of_log = 0

    def start(self):
        assert not self.alive(), f"{self.name} runs already"
        self._start_of_log = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            # pdeathsig: the program must not outlive the tests, even if they are killed.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.argv],
                env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._is_ready, f"start of {self.name}", 20)
        return self

    def _is_ready(self):
        if not self.alive():
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.log()[-4000:]}")
        return self.ready.search(self.log())

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        """Waits for the end. Returns the exit status."""
        wait_for(lambda: not self.alive(), f"end of {self.name}", seconds)
        return self.process.returncode

    def stop(self, seconds=20):
        """Sends SIGTERM; kills the program and fails if it does not end in time."""
        if not self.alive():
            return self.process.returncode if self.process else None
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except AssertionError:
            self.kill()
            raise

    def kill(self):
        if self.alive():
            self.signal(signal.SIGKILL)
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        """What the program has logged since its last start."""
        if not self.log_path.exists():
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(self._start_of_log)
            return log.read().decode("utf-8", "replace")

    def whole_log(self):
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def records(self):
        """The JSON lines of log()."""
        found = []
        for line in self.log().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return [record for record in found if isinstance(record, dict)]

    def peak_rss_mib(self):
        """The peak memory of the process, without its children."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) / 1024

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def descendants(self):
        """Process ids of the children, their children, and so on."""
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            for task in _list(f"/proc/{pid}/task"):
                children = [int(word) for word in _read(f"/proc/{pid}/task/{task}/children").split()]
                found += children
                todo += children
        return found

    def sanitizer_report(self):
        """The first sanitizer report of the whole log, or ""."""
        text = self.whole_log()
        match = SANITIZER_REPORT.search(text)
        return text[max(0, match.start() - 200):match.start() + 4000] if match else ""


def _list(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
