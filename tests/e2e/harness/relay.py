"""A relay in front of PostgreSQL, for outages: the programs connect through it, and PostgreSQL itself keeps running."""

import pathlib
import shutil
import socket
import tempfile
import threading


class Relay:
    """Listens on a Unix socket of its own and forwards to PostgreSQL's."""

    NAME = ".s.PGSQL.5432"

    def __init__(self, postgres):
        self.target = str(pathlib.Path(postgres.sockets) / self.NAME)
        self.directory = tempfile.mkdtemp(prefix="mediarun.", dir="/tmp")
        self.speaks = threading.Event()  # cleared: nothing is forwarded, and nothing is closed
        self.speaks.set()
        self._pairs = []
        self._lock = threading.Lock()
        self._listener = None
        self.listen()

    def url(self, url):
        """A connection string of Postgres.url, through the relay."""
        return f"{url} host={self.directory}"

    def listen(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self.directory}/{self.NAME}")
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self):
        """Closes all connections and takes no more, as a server that is down. listen() ends it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        pathlib.Path(self.directory, self.NAME).unlink()
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _shut(end)

    def close(self):
        self.speaks.set()
        self.refuse()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _accept(self, listener):
        while True:
            try:
                client = listener.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.target)
            except OSError:
                return
            with self._lock:
                self._pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source, sink):
        try:
            while data := source.recv(1 << 16):
                self.speaks.wait()
                sink.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(sink)


def _shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
