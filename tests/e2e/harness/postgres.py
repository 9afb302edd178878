"""A private PostgreSQL server, started by the shell functions of infra/local/run.sh."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

import psycopg2
import psycopg2.extensions

from .paths import LIB
from .waiting import wait_for

SOURCE = 'set -euo pipefail; for lib in common postgres; do . "$0/$lib.sh"; done; '


def connect(url):
    """A connection whose values are texts as PostgreSQL writes them."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    kinds = psycopg2.extensions.new_type(tuple(psycopg2.extensions.string_types), "TEXT", lambda value, cursor: value)
    psycopg2.extensions.register_type(kinds, connection)
    return connection


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
        self._local = threading.local()

    def start(self):
        subprocess.run(_bash('postgres_init "$1"; postgres_directory "$2"', self.data, self.sockets), check=True)
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as settings:
            settings.write("fsync = off\n")  # for speed; the data need not survive a crash of the machine
            settings.write("autovacuum_naptime = 1h\n")  # a process for each database every minute takes its part of the time
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
        """Runs a statement. Returns the rows, as lists of texts; NULL is an empty one. What fails is an AssertionError."""
        try:
            rows = self._execute_again(statement, database)
        except psycopg2.Error as error:
            raise AssertionError(str(error)) from error
        return [["" if value is None else value for value in row] for row in rows]

    def _execute_again(self, statement, database):
        """On a new connection, if the server was restarted or ended the one that there was."""
        try:
            return self._execute(statement, database)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            if not self._forget(database):
                raise
            return self._execute(statement, database)

    def _execute(self, statement, database):
        connections = self._connections()
        if database not in connections:
            connections[database] = connect(self.url(database))
        with connections[database].cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _connections(self):
        """Those of this thread: one for each database, as starting a server process takes longer than most statements."""
        if not hasattr(self._local, "connections"):
            self._local.connections = {}
        return self._local.connections

    def _forget(self, database):
        """Whether there was a broken connection."""
        connection = self._connections().get(database)
        if connection is None or not connection.closed:
            return False
        del self._connections()[database]
        return True
