"""The talk with the mail server, and what can be said for sure about a mail afterwards."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Literal

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from lab.core.settings import Settings

STEP_SECONDS = 20.0
"""For each answer of the server."""
OPENING_SECONDS = 90.0
"""For all steps up to the mail itself."""
HANDING_OVER_SECONDS = 180.0
"""For the mail itself, whose taking may include a check for viruses. Together well within the lease of a job, so that
nobody takes a slow worker for a dead one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mail."""

    state: Literal["sent", "queued", "failed", "doubtful"]
    """queued: certainly not taken, worth another attempt. failed: refused for good. doubtful: perhaps taken."""
    reason: str | None = None
    begun: bool = True
    """Whether it was marked as being handed over."""


def hand_over(message: EmailMessage, settings: Settings, *, begin: Callable[[], bool]) -> Outcome | None:
    """Hand a mail to the mail server of the settings.

    Args:
        message: with `To` and `From`.
        settings: with `smtp_host` and `mail_from`.
        begin: called when the server is ready for the mail, immediately before it may take it; notes that from now on
            nobody can know, or says that the mail is not ours to send any more.

    Returns:
        What became of it; None: `begin` said no.
    """
    return asyncio.run(_hand_over(message, settings, begin))


async def _hand_over(message: EmailMessage, settings: Settings, begin: Callable[[], bool]) -> Outcome | None:
    server = SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        use_tls=settings.smtp_security == "tls",
        start_tls=False,
        timeout=STEP_SECONDS,
    )
    sender, recipient = (parseaddr(message[name])[1] for name in ("From", "To"))
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            await _open(server, settings)
    except (SMTPException, OSError) as error:  # also a wrong password: the mail waits until that is put right
        await _close(server)
        return Outcome("queued", _said(error), begun=False)
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            await server.mail(sender)
            await server.rcpt(recipient)
        return await _data(server, message) if begin() else None
    except (SMTPException, OSError) as error:
        return Outcome(_without(error), _said(error), begun=False)
    finally:
        await _close(server)


async def _open(server: SMTP, settings: Settings) -> None:
    await server.connect()
    if settings.smtp_security == "starttls":
        await server.starttls()
    if settings.smtp_username is not None and settings.smtp_password is not None:
        await server.login(settings.smtp_username, settings.smtp_password.get_secret_value())


async def _close(server: SMTP) -> None:
    """Say goodbye if the server still listens, and let go of the connection before the loop ends."""
    transport = server.transport
    with suppress(SMTPException, OSError):
        await server.quit(timeout=STEP_SECONDS)
    server.close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
        await asyncio.sleep(0)


async def _data(server: SMTP, message: EmailMessage) -> Outcome:
    try:
        await server.data(message.as_bytes(), timeout=HANDING_OVER_SECONDS)
    except SMTPResponseException as error:  # an answer is an answer: it was not taken
        return Outcome(_without(error), _said(error))
    except (SMTPException, OSError) as error:
        return Outcome("doubtful", f"the connection was lost while the mail was handed over ({_said(error)})")
    return Outcome("sent")


def _without(error: Exception) -> Literal["failed", "queued"]:
    """State of a mail that was certainly not taken: 5xx is an answer for good (RFC 5321 §4.2.1)."""
    return "failed" if isinstance(error, SMTPResponseException) and error.code // 100 == 5 else "queued"


def _said(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {error.message}"
    return f"{type(error).__name__}: {error}"
