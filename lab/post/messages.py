"""What a mail looks like: plain text, and an invitation that calendars understand (RFC 6047)."""

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from lab.core.settings import MAIL_ADDRESS
from lab.post.errors import MailLineError
from lab.post.models import Mail

LONGEST_SUBJECT = 300
LONGEST_ADDRESS = 320
CALENDAR_METHODS = frozenset({"REQUEST", "CANCEL"})

_POLICY = SMTP.clone(cte_type="7bit")  # not every server on the way takes eight
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OTHER_LINE_ENDS = re.compile("[\x85\u2028\u2029]")  # for Python's mail library these end a line too


def is_mail_address(text: str) -> bool:
    """Whether mail can go there: letters and digits of English on both sides (RFC 5321, without its quoted forms)."""
    return len(text) <= LONGEST_ADDRESS and MAIL_ADDRESS.fullmatch(text) is not None


def checked_recipient(recipient: str) -> str:
    """An address to which mail can go.

    Raises:
        MailLineError: for anything else, above all for what would add a line to the mail's head.
    """
    if not is_mail_address(recipient):
        raise MailLineError(
            f"{recipient[:100]!r} is no mail address; anna@example.org is one", field="recipient", rule="mail-address"
        )
    return recipient


def checked_subject(subject: str) -> str:
    """A subject in one line; a long one is cut.

    Raises:
        MailLineError: for what would add a line to the mail's head.
    """
    if _CONTROL.search(subject):
        raise MailLineError(
            "a mail's subject is one line; leave out line ends and other control characters",
            field="subject",
            rule="one-line",
        )
    line = _OTHER_LINE_ENDS.sub(" ", subject)
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


def compose(mail: Mail, *, mail_from: str, now: datetime) -> EmailMessage:
    """Write the mail as it is sent.

    The `Message-ID` is made of the mail's id: if one should be sent twice, mail systems can tell that it is the same.

    Args:
        mail: what to write, to whom.
        mail_from: `Name <address>`, or an address alone.
        now: what stands in `Date`.
    """
    name, address = parseaddr(mail_from)
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(addr_spec=checked_recipient(mail.recipient))
    message["Subject"] = checked_subject(mail.subject)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail.id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.calendar is not None:
        _invite(message, mail.calendar, mail.calendar_method or "REQUEST")
    return message


def _invite(message: EmailMessage, calendar: str, method: str) -> None:
    """Twice: as the part that calendars act on, and as a file for those whose mail program shows only the text."""
    message.add_alternative(calendar, subtype="calendar", params={"method": method})
    message.add_attachment(
        calendar.encode(),
        maintype="application",
        subtype="ics",
        filename="invitation.ics",
        params={"name": "invitation.ics"},
    )
