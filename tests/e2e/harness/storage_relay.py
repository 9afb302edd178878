"""Cloud Storage as a program sees it, through a relay that can refuse."""

import http.server
import json
import threading

import requests

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class StorageRelay:
    """Forwards to the emulator's storage. refuse: an HTTP status to answer with instead, as Google does; None: none."""

    def __init__(self, emulator_url):
        self.refuse = None
        self.refused = 0
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if relay.refuse:
                    relay.refused += 1
                    reason = json.dumps({"error": {"code": relay.refuse, "message": "refused by the relay"}}).encode()
                    return self.answer(relay.refuse, {"Content-Type": "application/json"}, reason)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                with requests.request(self.command, emulator_url + self.path, data=body, headers=headers, stream=True,
                                      allow_redirects=False, timeout=30) as found:
                    return self.answer(found.status_code, found.headers, found.raw.read(decode_content=False))

            def answer(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = forward

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # the program may close its connections

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
