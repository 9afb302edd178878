"""An HTTP endpoint inside the test: records each request, and answers as the test says."""

import base64
import dataclasses
import http.server
import json
import threading
import time

from .waiting import wait_for


@dataclasses.dataclass
class Received:
    at: float  # time.monotonic()
    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        """The data of a wrapped Pub/Sub push, as text."""
        return base64.b64decode(self.json["message"].get("data", "")).decode()


class Receiver:
    """answer: called with each Received, on a thread of its own; returns the status of the response."""

    def __init__(self, answer=lambda received: 204):
        self.answer = answer
        self.received = []
        self.outstanding = 0
        self.most_outstanding = 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                receiver.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, client_address):
                pass  # tests of deadlines make the other side close the connection

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        received = Received(time.monotonic(), handler.command, handler.path,
                            {name.lower(): value for name, value in handler.headers.items()}, body)
        with self._lock:
            self.received.append(received)
            self.outstanding += 1
            self.most_outstanding = max(self.most_outstanding, self.outstanding)
        try:
            status = self.answer(received)
        finally:
            with self._lock:
                self.outstanding -= 1
        handler.send_response(status)
        if status != 204:
            handler.send_header("Content-Length", "0")
        handler.end_headers()

    def wait(self, count, seconds=15, path=None):
        """Waits for `count` requests (to path, if given). Returns the first of them."""
        def enough():
            with self._lock:
                found = [one for one in self.received if path is None or one.path == path]
            return found if len(found) >= count else None
        return wait_for(enough, f"{count} requests, {len(self.received)} came", seconds)[:count]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
