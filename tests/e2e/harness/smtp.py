"""A mail relay inside the test: requires STARTTLS and a login, answers as the test says, keeps the mails."""

import collections
import email
import email.policy
import re
import threading

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from .waiting import free_port, wait_for

USER, PASSWORD = "apikey", "relay-secret-4711"


class Relay:
    """
    answer: called with the number of each mail (from 1) and its recipient; returns the SMTP reply. Mails that ask for a
    confirmation are taken and kept apart: confirmations.
    """

    def __init__(self, certificate, answer=lambda number, recipient: "250 taken"):
        self.answer = answer
        self.seen = 0
        self.accepted = collections.Counter()  # Message-ID → how often
        self.mails = []
        self.confirmations = []
        self.logins = []
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self._certificate = certificate
        self._lock = threading.Lock()
        self._controller = None

    def start(self):
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, tls_context=self._certificate.server_context(),
            require_starttls=True, auth_required=True, authenticator=self._authenticate)
        self._controller.start()
        return self

    def close(self):
        if self._controller:
            self._controller.stop()
            self._controller = None

    def _authenticate(self, server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        self.logins.append((session.ssl is not None, good))
        return AuthResult(success=good, handled=False)  # handled=False: the library sends the error reply

    async def handle_DATA(self, server, session, envelope):
        if b"/api/auth/confirm?" in envelope.content.replace(b"=\r\n", b""):
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            mail.recipients = envelope.rcpt_tos
            self.confirmations.append(mail)
            return "250 taken"
        with self._lock:
            self.seen += 1
            reply = self.answer(self.seen, envelope.rcpt_tos[0])
            if reply.startswith("2"):
                mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
                mail.recipients = envelope.rcpt_tos
                self.accepted[mail["Message-ID"]] += 1
                self.mails.append(mail)
        return reply

    def confirmation_link(self, user):
        """Waits for the mail that asks a user for the confirmation of the address."""
        address = f"{user.username}@example.com"
        mail = wait_for(lambda: next((mail for mail in self.confirmations if mail.recipients == [address]), None),
                        f"a confirmation mail to {address}", 20)
        return re.search(r"https?://\S+/api/auth/confirm\?token=\S+", text_of(mail)).group()

    def confirm(self, user):
        """Confirms the address of a new user, as the button of the linked page does. Returns the user."""
        answer = requests.post(self.confirmation_link(user), timeout=20)
        assert answer.status_code == 200, answer.text
        return user

    def wait(self, count=1, seconds=15):
        return wait_for(lambda: len(self.mails) >= count and self.mails[:count], f"{count} mails", seconds)


def text_of(mail):
    """The decoded plain text of a mail."""
    return mail.get_body(("plain",)).get_content()
