"""What a mail looks like to whoever gets it."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from lab.post.errors import MailLineError
from lab.post.messages import LONGEST_SUBJECT, checked_recipient, checked_subject, compose, is_mail_address
from lab.post.models import Mail
from tests.post_office import INVITATION

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


def mail(**facts: object) -> Mail:
    given = {
        "id": "mail_1",
        "recipient": "anna@example.org",
        "subject": "Booked",
        "text": "Your slot is booked.\n",
        "calendar": None,
        "calendar_method": None,
    }
    return Mail(**{**given, **facts})


def sent(mail: Mail, mail_from: str = "Pilot Lab <lab@lab.example>") -> EmailMessage:
    message = message_from_bytes(compose(mail, mail_from=mail_from, now=NOW).as_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_head_says_who_when_and_that_no_person_wrote_it() -> None:
    read = sent(mail())
    assert read["From"] == "Pilot Lab <lab@lab.example>"
    assert read["To"] == "anna@example.org"
    assert read["Date"].datetime == NOW
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Message-ID"] == sent(mail())["Message-ID"] == "<mail_1@lab.example>"


def test_a_mail_without_invitation_is_plain_text_and_nothing_else() -> None:
    read = sent(mail(text="Próba o 9:00 – 10:00 (Europe/Warsaw)\n.\nDo zobaczenia\n"))
    assert read.get_content_type() == "text/plain"
    assert read.get_content_charset() == "utf-8"
    assert read.get_content().replace("\r\n", "\n") == "Próba o 9:00 – 10:00 (Europe/Warsaw)\n.\nDo zobaczenia\n"


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL"])
def test_invitation_is_there_for_calendars_and_as_a_file(method: str) -> None:
    calendar = INVITATION.replace("REQUEST", method)
    read = sent(mail(calendar=calendar, calendar_method=method))
    kinds = [part.get_content_type() for part in read.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/calendar",
        "application/ics",
    ]
    _, _, _, inline, file = read.walk()
    assert inline["Content-Type"].params["method"] == method
    assert inline["Content-Type"].params["charset"] == "utf-8"
    assert file.get_filename() == "invitation.ics"
    for part in (inline, file):
        content = part.get_payload(decode=True)
        assert content == calendar.encode()
        event = Calendar.from_ical(content).walk("VEVENT")[0]
        assert event["SUMMARY"] == "Frezowanie – próba"


def test_every_byte_on_the_wire_is_ascii_in_lines_that_every_server_takes() -> None:
    raw = compose(
        mail(subject="Próba " * 40, text="ż" * 5000, calendar=INVITATION, calendar_method="REQUEST"),
        mail_from="Centrum Kompetencji – Gliwice <lab@lab.example>",
        now=NOW,
    ).as_bytes()
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "recipient",
    [
        "anna@example.org\r\nBcc: all@example.org",
        "anna@example.org\n",
        "anna@example.org, bert@example.org",
        "<anna@example.org>",
        "anna",
        "anna@",
        "@example.org",
        "an na@example.org",
        "anna..b@example.org",
        "anna@example..org",
        "anna@-example.org",
        "żaneta@example.org",
        '"a b"@example.org',
        "a@" + "b" * 400,
        "",
    ],
)
def test_a_recipient_that_is_no_single_plain_address_is_refused(recipient: str) -> None:
    assert not is_mail_address(recipient)
    with pytest.raises(MailLineError) as refused:
        checked_recipient(recipient)
    assert refused.value.facts["field"] == "recipient"


@pytest.mark.parametrize("subject", ["Booked\r\nBcc: all@example.org", "Booked\n", "a\rb", "a\x00b", "a\tb", "a\x1cb"])
def test_a_subject_of_several_lines_is_refused(subject: str) -> None:
    with pytest.raises(MailLineError) as refused:
        checked_subject(subject)
    assert refused.value.facts["field"] == "subject"


def test_a_long_subject_is_cut() -> None:
    assert checked_subject("a" * 400) == "a" * (LONGEST_SUBJECT - 1) + "…"
    assert checked_subject("a" * LONGEST_SUBJECT) == "a" * LONGEST_SUBJECT


@given(subject=st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_whatever_stands_in_a_subject_there_is_one_head_and_one_recipient(subject: str) -> None:
    try:
        line = checked_subject(subject)
    except MailLineError:
        return
    read = sent(mail(subject=line))
    assert sorted(read.keys()) == sorted(sent(mail()).keys())
    assert read["To"] == "anna@example.org"


@given(
    local=st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,20}", fullmatch=True),
    domain=st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True),
)
def test_every_address_that_counts_as_one_can_be_written_to(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    if is_mail_address(address):
        assert sent(mail(recipient=address))["To"].addresses[0].addr_spec == address
