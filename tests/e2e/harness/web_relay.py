"""Web as a client sees it, through a relay that can lose answers."""

import http.server
import threading

import requests

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class WebRelay:
    """
    Forwards to web, and notes "METHOD path" of each request in .requests. before(request): called before it is forwarded; false:
    it is not, and the connection is closed. after(request, answer): called when web has answered; false: the answer is lost.
    """

    def __init__(self, url, before=lambda request: True, after=lambda request, answer: True):
        self.requests = []
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                request = f"{self.command} {self.path}"
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                relay.requests.append(request)
                if not before(request):
                    self.close_connection = True
                    return
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                with requests.request(self.command, url + self.path, data=body, headers=headers, allow_redirects=False,
                                      timeout=60) as answer:
                    if after(request, answer):
                        self.answer(answer)
                    else:
                        self.close_connection = True

            def answer(self, answer):
                self.send_response_only(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_DELETE = forward

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a client may be killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def count(self, request):
        return self.requests.count(request)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
