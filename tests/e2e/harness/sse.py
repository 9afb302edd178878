"""A client of event streams that reads only when asked, so that many can be open without threads."""

import json
import socket
import time
import urllib.parse

from .paths import PATIENCE


class Event:
    def __init__(self, fields):
        self.id = int(fields["id"]) if "id" in fields else None
        self.name = fields.get("event")
        self.data = json.loads(fields["data"])

    @property
    def status(self):
        return self.data.get("status")

    def __repr__(self):
        return f"<{self.id} {self.name} {self.data.get('id')} {self.status}>"


class Stream:
    """Reads the head of the response at once: .status and .headers."""

    def __init__(self, url, path, token=None, last_id=None, receive_buffer=None, seconds=10):
        parts = urllib.parse.urlsplit(url)
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(seconds * PATIENCE)
        self.sock.connect((parts.hostname, parts.port))
        self.bytes = b""
        self.ended = False
        self.last_id = None
        lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", "Accept: text/event-stream"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"Last-Event-ID: {last_id}"] if last_id is not None else []
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())
        self._read_head(time.monotonic() + seconds * PATIENCE)

    def _read_head(self, deadline):
        while b"\r\n\r\n" not in self.bytes:
            assert self._receive(deadline), f"no answer: {self.bytes}"
        head, _, self.bytes = self.bytes.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def _receive(self, deadline):
        """Receives more bytes. Returns False at the end of the stream or after the deadline."""
        left = deadline - time.monotonic()
        if self.ended or left <= 0:
            return False
        self.sock.settimeout(left)
        try:
            piece = self.sock.recv(65536)
        except TimeoutError:
            return False
        except ConnectionResetError:
            piece = b""
        self.bytes += piece
        self.ended = not piece
        return bool(piece)

    def next(self, seconds=10):
        """Returns the next event, or None at the end of the stream. Fails after the deadline."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            block, mark, rest = self.bytes.partition(b"\n\n")
            if not mark:
                if self._receive(deadline):
                    continue
                assert self.ended, f"no event within {seconds} s"
                return None
            self.bytes = rest
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if line and line[0] != ":")
            if "event" in fields:
                event = Event(fields)
                self.last_id = event.id if event.id is not None else self.last_id
                return event

    def until(self, condition, seconds=10):
        """Returns the events up to the first that satisfies the condition."""
        events = []
        while not events or not condition(events[-1]):
            events.append(self.next(seconds))
            assert events[-1], f"the stream ended after {events[:-1]}"
        return events

    def rest(self, seconds=10):
        """Returns all events up to the end of the stream."""
        return list(iter(lambda: self.next(seconds), None))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
