"""Receivers of webhooks (plain HTTP, or TLS with a self-signed certificate), and the check of signatures."""

import base64
import collections
import hashlib
import hmac
import ssl
import subprocess
import time

from .receiver import Receiver


class Certificate:
    """A self-signed certificate for 127.0.0.1 and localhost: .file, .key, .server_context()."""

    def __init__(self, directory):
        self.file = directory / "certificate.pem"
        self.key = directory / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mediarun test",
             "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", self.key, "-out", self.file],
            check=True, capture_output=True)

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


class WebhookReceiver(Receiver):
    """A Receiver that counts which webhooks it has accepted, by webhook-id."""

    def __init__(self, certificate=None, answer=lambda received: 204):
        self.accepted = collections.Counter()
        super().__init__(lambda received: self._count(received, answer(received)))
        if certificate:
            # The handshake runs on the connection's own thread, so that a slow client does not block the others.
            self._server.socket = certificate.server_context().wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = self.url.replace("http://", "https://")
        self.host = self.url.partition("://")[2]

    def _count(self, received, status):
        if 200 <= status < 300:
            with self._lock:
                self.accepted[received.headers["webhook-id"]] += 1
        return status


def verify(received, secret):
    """Fails unless the request is signed as Standard Webhooks require, with the secret that the API shows."""
    head = received.headers
    assert abs(time.time() - int(head["webhook-timestamp"])) < 300
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + received.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert head["webhook-signature"] == f"v1,{expected}"
    assert head["content-type"] == "application/json"
