"""A mail server and a receiver of webhooks, both real, on this computer; and certificates for them."""

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from lab.core.settings import Settings
from tests.services import free_port
from tests.services.programs import installed_program

PASSWORD = "of the lab"
INVITATION = "\r\n".join(
    [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//test//EN",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        "UID:bkg_1@lab",
        "DTSTAMP:20261123T070000Z",
        "DTSTART:20261124T080000Z",
        "DTEND:20261124T090000Z",
        "SUMMARY:Frezowanie – próba",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
)


@dataclass
class PostOffice:
    """Takes mails; `refuse_…` is what it answers instead, `on_…` is called before it answers."""

    port: int = field(default_factory=free_port)
    taken: list[Envelope] = field(default_factory=list)
    refuse_recipient: str | None = None
    refuse_mail: str | None = None
    on_recipient: Callable[[], object] | None = None
    on_mail: Callable[[], object] | None = None

    @property
    def mails(self) -> list[EmailMessage]:
        """What was taken, read by Python's own library."""
        return [_read(envelope.content) for envelope in self.taken]

    def settings(self, **more: Any) -> Settings:
        """Settings of an installation that sends its mails here."""
        given = {
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_security": "none",
            "mail_from": "Pilot Lab <lab@lab.example>",
        }
        return Settings(**{**given, **more})

    def hold_answer(self) -> threading.Event:
        """Take the next mail, but do not say so before the event is set."""
        held = threading.Event()
        self.on_mail = lambda: held.wait(10)
        return held

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802
        """Asked by aiosmtpd for each recipient."""
        if self.refuse_recipient:
            return self.refuse_recipient
        if self.on_recipient:
            await asyncio.to_thread(self.on_recipient)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Asked by aiosmtpd when the mail is there."""
        if self.refuse_mail:
            return self.refuse_mail
        self.taken.append(envelope)
        if self.on_mail:
            await asyncio.to_thread(self.on_mail)
        return "250 taken"

    @contextmanager
    def open(self, *, tls: ssl.SSLContext | None = None) -> Iterator["PostOffice"]:
        """Take mails from now on; with `tls` only after STARTTLS and a sign-in."""

        def sign_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
            return AuthResult(success=given.password == PASSWORD.encode(), handled=False)

        more: dict[str, Any] = {}
        if tls is not None:
            more = {"tls_context": tls, "require_starttls": True, "authenticator": sign_in, "auth_required": True}
        controller = Controller(self, hostname="127.0.0.1", port=self.port, **more)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()


@dataclass
class Receiver:
    """Takes webhooks at `url`, answering with `status` and `headers`."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers by lower-case name, body."""
    url: str = ""

    @contextmanager
    def open(self, *, tls: ssl.SSLContext | None = None, name: str = "127.0.0.1") -> Iterator["Receiver"]:
        """Listen on a free port."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.path, {key.lower(): text for key, text in self.headers.items()}, body))
                self.send_response(receiver.status)
                for key, text in receiver.headers.items():
                    self.send_header(key, text)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        self.url = f"{'https' if tls else 'http'}://{name}:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


def make_certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS with a fresh certificate for these names (`DNS:…` or `IP:…`), and the file to trust."""
    program = installed_program("openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    request = [str(program), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    request += ["-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={','.join(names)}"]
    subprocess.run([*request, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def _read(content: bytes | str | None) -> EmailMessage:
    assert isinstance(content, bytes)
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message
