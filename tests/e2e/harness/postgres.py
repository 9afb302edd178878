"""A private PostgreSQL server, started by the shell functions of infra/local/run.sh."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .paths import LIB
from .waiting import wait_for

SOURCE = 'set -euo pipefail; for lib in common postgres; do . "$0/$lib.sh"; done; '


def _bash(script, *arguments):
    return ["bash", "-c", SOURCE + script, str(LIB), *map(str, arguments)]


class Postgres:
    """settings: further lines of postgresql.conf."""

    def __init__(self, directory, settings=""):
        self.settings = settings
        self.data = pathlib.Path(directory) / "postgres"
        self.log_path = pathlib.Path(directory) / "postgres.log"
        self.sockets = tempfile.mkdtemp(prefix="mediarun.", dir="/tmp")
        self.process = None
        self._count = 0

    def start(self):
        subprocess.run(_bash('postgres_init "$1"; postgres_directory "$2"', self.data, self.sockets), check=True)
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as settings:
            settings.write("fsync = off\n")  # for speed; the data need not survive a crash of the machine
            settings.write(self.settings)
        self.run()
        subprocess.run(_bash('postgres_roles "$1"', self.sockets), check=True)
        return self

    def run(self):
        """Starts the server with the data that is there."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(_bash('postgres_run "$1" "$2"', self.data, self.sockets), stdout=log, stderr=log)
        wait_for(self._started, "start of PostgreSQL", 60)
        return self

    def _started(self):
        assert self.process.poll() is None, self.log_path.read_text()
        return self.ready()

    def ready(self):
        return subprocess.run(["pg_isready", "-q", "-h", self.sockets], check=False).returncode == 0

    def crash(self):
        """Ends the server without a checkpoint; run() recovers."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def end(self):
        self.stop()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def create_database(self):
        """Creates an empty database. Returns its connection string."""
        self._count += 1
        name = f"mediarun_{os.getpid()}_{self._count}"
        self.sql(f'CREATE DATABASE "{name}"', "dbname=postgres")
        return f"dbname={name}"

    def url(self, database, user="mediarun"):
        """user: the owner of the tables, or one of the logins of infra/grants.sql."""
        return f"host={self.sockets} user={user} {database}"

    def sql(self, statement, database):
        """Runs a statement. Returns the rows, as lists of texts."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement],
            capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]
