"""One run of infra/local/run.sh."""

import os
import re
import subprocess

from .paths import ROOT
from .waiting import free_port, free_ports, wait_for


class Run:
    def __init__(self, directory, **settings):
        self.data = directory / "data"
        self.log_path = directory / "run.log"
        self.port, self.emulator_port = settings.pop("PORT", None) or free_port(), free_port()
        self.worker_port = free_ports(3)[0]  # with WORKERS=2 the two behind it are used as well
        self.env = {**os.environ, "PORT": str(self.port), "EMULATOR_PORT": str(self.emulator_port),
                    "WORKER_PORT": str(self.worker_port), "DATA_DIR": str(self.data), **settings}
        self.env.pop("BUILD", None)
        self.url = f"http://localhost:{self.port}"
        self.process = None

    def start(self, ready=True):
        with open(self.log_path, "wb") as log:
            # As in a terminal: its own process group, so that Ctrl-C reaches all of it, and SIGINT not ignored (as it is for
            # what a script runs in the background; a shell cannot undo that).
            self.process = subprocess.Popen(["env", "--default-signal=INT", ROOT / "infra/local/run.sh"], env=self.env, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        if ready:
            wait_for(self.is_ready, "ready line of run.sh", 300)
        return self

    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def is_ready(self):
        assert self.process.poll() is None, self.log()[-3000:]
        return re.search(rf"^ready: {self.url} \(API reader: {self.url}/docs\)$", self.log(), re.MULTILINE)

    def wait(self, seconds=25):
        return self.process.wait(seconds)

    def family(self):
        """Every process of this run: {pid: name}."""
        return {pid: name for pid, name in processes() if self.owns(pid)}

    def owns(self, pid):
        """Its environment has this DATA_DIR, or its working directory is inside (PostgreSQL overwrites its environment)."""
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(str(self.data)):
                return True
            with open(f"/proc/{pid}/environ", "rb") as file:
                return f"DATA_DIR={self.data}".encode() in file.read()
        except OSError:
            return False

    def pid_of(self, name):
        return next(pid for pid, found in self.family().items() if found == name[:15] and self.is_main(pid))

    def is_main(self, pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return int(file.read().rpartition(")")[2].split()[1]) == self.process.pid

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def processes():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/comm", encoding="utf-8") as file:
                    yield int(entry), file.read().strip()
            except OSError:
                pass
