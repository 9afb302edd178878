"""A third-party HTTP server, as a URL may name one. Each path has a behaviour; each connection has a thread."""

import collections
import http.server
import socket
import threading
import time

from .waiting import wait_for

GATE_SECONDS = 120  # the longest that a response waits at the gate


class Origin:
    """
    routes: path → callable(handler) that sends the response, on a thread of its own; the methods below make the usual ones.
    hits: requests by path. connections: accepted connections, including those without a request.
    certificate: a webhook.Certificate, for https.
    """

    def __init__(self, address="127.0.0.1", port=0, certificate=None):
        self.routes = {}
        self.hits = collections.Counter()
        self.connections = 0
        self.headers = {}  # of the last request to a path
        self.gate = threading.Event()
        self._lock = threading.Lock()
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                with origin._lock:
                    origin.hits[path] += 1
                    origin.headers[path] = dict(self.headers)
                origin.routes.get(path, lambda handler: handler.send_error(404))(self)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

            def process_request(self, request, client_address):
                with origin._lock:
                    origin.connections += 1
                super().process_request(request, client_address)

            def handle_error(self, request, client_address):
                pass  # some tests make the other side close the connection

        self._server = Server((address, port), Handler)
        self.port = self._server.server_port
        self.host = f"{address}:{self.port}"
        self.url = f"http://{self.host}"
        if certificate:
            self._server.socket = certificate.server_context().wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for_hit(self, path, count=1, seconds=20):
        wait_for(lambda: self.hits[path] >= count, f"{count} requests for {path}", seconds)

    def add(self, path, route):
        """Sets the behaviour of a path. Returns the URL, as the methods below do."""
        self.routes[path] = route
        return self.url + path

    def file(self, path, body, content_type=None, headers=(), announced=None):
        """Sends a file. announced: a false Content-Length; the connection then ends after the body."""
        def route(handler):
            send_head(handler, 200, len(body) if announced is None else announced, content_type, headers)
            handler.wfile.write(body)
            handler.close_connection = announced is not None
        return self.add(path, route)

    def status(self, path, *codes, then=None):
        """Answers with the codes in turn, then as `then` does (by default: the last code again)."""
        left = list(codes)

        def route(handler):
            with self._lock:
                code = left.pop(0) if len(left) > (0 if then else 1) else (left[0] if left else None)
            if code is None:
                return then(handler)
            send_head(handler, code, 0)
            return None
        return self.add(path, route)

    def redirect(self, path, target, code=302):
        return self.add(path, lambda handler: send_head(handler, code, 0, headers=[("Location", target)]))

    def gated(self, path, body, content_type="audio/wav", first=1 << 16):
        """Sends the first bytes, and the rest when the gate opens."""
        def route(handler):
            send_head(handler, 200, len(body), content_type)
            handler.wfile.write(body[:first])
            handler.wfile.flush()
            self.gate.wait(GATE_SECONDS)
            handler.wfile.write(body[first:])
        return self.add(path, route)

    def drip(self, path, body, content_type="audio/wav", pause=0.2):
        """Sends a few bytes at a time and never ends."""
        def route(handler):
            send_head(handler, 200, 1 << 20, content_type)
            handler.wfile.write(body)
            while not self.gate.wait(pause):
                handler.wfile.write(b"\0" * 16)
        return self.add(path, route)

    def endless(self, path, start, content_type="audio/mpeg"):
        """Sends chunks without end and without a Content-Length."""
        def route(handler):
            send_head(handler, 200, None, content_type, [("Transfer-Encoding", "chunked")])
            block = start
            deadline = time.monotonic() + GATE_SECONDS
            while time.monotonic() < deadline:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
                block = bytes(1 << 16)
        return self.add(path, route)


def send_head(handler, status, length, content_type=None, headers=()):
    handler.send_response(status)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    if content_type:
        handler.send_header("Content-Type", content_type)
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
