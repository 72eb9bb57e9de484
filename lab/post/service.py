"""What is asked of the post: mails and events are queued in the transaction of their cause, and sent by jobs."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.core.jobs import enqueue
from lab.people.principals import Principal
from lab.post import repository
from lab.post.errors import MailOffError, MailOnItsWayError, MailSentError, MailUnknownError
from lab.post.messages import CALENDAR_METHODS, checked_recipient, checked_subject
from lab.post.models import Mail

MAIL_JOB = "mail"
WEBHOOK_JOB = "webhook"
TRIES = 35
"""Attempts of one mail or event: with the job table's waits, up to an hour each, a little more than a day."""
SENT_AGAIN_FROM = frozenset({"failed", "doubtful", "off"})


def queue_mail(
    session: Session,
    *,
    key: str,
    recipient: str,
    subject: str,
    text: str,
    now: datetime,
    calendar: str | None = None,
    calendar_method: str | None = None,
    about: str | None = None,
) -> bool:
    """Have a mail sent, if and only if the caller's transaction is kept.

    Args:
        session: a write session.
        key: names the effect; a second mail with the same key is the first one.
        recipient: one address.
        subject: one line; a long one is cut.
        text: plain text.
        now: the present instant.
        calendar: an iCalendar object to attach.
        calendar_method: REQUEST or CANCEL, as the object itself says; needed with it.
        about: id of what it is about.

    Returns:
        Whether it is a new one.

    Raises:
        MailLineError: recipient or subject cannot stand in a mail's head.
        ValueError: a calendar without its method.
    """
    if (calendar is None) != (calendar_method is None) or (calendar_method or "REQUEST") not in CALENDAR_METHODS:
        raise ValueError(f"a calendar goes with one of {sorted(CALENDAR_METHODS)}, not {calendar_method}")
    mail_id = new_id("mail")
    fresh = repository.add_mail(
        session,
        {
            "id": mail_id,
            "key": key,
            "recipient": checked_recipient(recipient),
            "subject": checked_subject(subject),
            "text": text,
            "calendar": calendar,
            "calendar_method": calendar_method,
            "about": about,
            "state": "queued",
            "queued_at": now,
            "sent_at": None,
            "last_error": None,
        },
    )
    if fresh:
        _ask_for(session, MAIL_JOB, mail_id, key=f"mail:{mail_id}", now=now)
    return fresh


def queue_event(
    session: Session, *, key: str, organisation_id: str, event: str, payload: Mapping[str, Any], now: datetime
) -> None:
    """Tell the webhooks of an organisation, and those of the lab, if and only if the caller's transaction is kept.

    Args:
        session: a write session.
        key: names the effect; a second event with the same key is the first one.
        organisation_id: whose business it is.
        event: its kind, parts parted by full stops: `booking.moved`.
        payload: JSON-ready; a company reads it as it is.
        now: when it happened.
    """
    for webhook in repository.webhooks_told_of(session, organisation_id):
        if not webhook.events or event in webhook.events:
            queue_delivery(session, webhook.id, key=key, event=event, payload=payload, now=now)


def queue_delivery(
    session: Session, webhook_id: str, *, key: str, event: str, payload: Mapping[str, Any], now: datetime
) -> str:
    """Have one event go to one webhook.

    Returns:
        Id of the delivery, made of webhook and key, so that the same event is told once.
    """
    delivery_id = "wdl_" + hashlib.sha256(f"{webhook_id} {key}".encode()).hexdigest()[:32]
    fresh = repository.add_delivery(
        session,
        {
            "id": delivery_id,
            "webhook_id": webhook_id,
            "event": event,
            "payload": dict(payload),
            "state": "queued",
            "attempts": 0,
            "created_at": now,
            "delivered_at": None,
            "last_status": None,
            "last_error": None,
        },
    )
    if fresh:
        _ask_for(session, WEBHOOK_JOB, delivery_id, key=f"webhook:{delivery_id}", now=now)
    return delivery_id


def list_mails(session: Session, principal: Principal, *, state: str | None = None, count: int) -> Sequence[Mail]:
    """Mails and what became of them, the newest first (staff)."""
    principal.require_staff("see the mails")
    return repository.mails(session, state=state, count=count)


def send_mail_again(session: Session, principal: Principal, mail_id: str, *, mail_is_on: bool, now: datetime) -> Mail:
    """Send a mail that did not get through, or of which nobody knows (staff).

    Raises:
        MailUnknownError: there is none.
        MailOnItsWayError, MailSentError: there is nothing to be done.
        MailOffError: there is no mail server.
    """
    principal.require_staff("send mails again")
    mail = repository.mail(session, mail_id, lock=True)
    if mail is None:
        raise MailUnknownError("there is no such mail")
    if mail.state == "sent":
        raise MailSentError("the mail server has taken this mail already; it is not sent twice", rule="sent-once")
    if mail.state not in SENT_AGAIN_FROM:
        raise MailOnItsWayError("this mail is on its way already; wait for what comes of it", rule="sent-once")
    if not mail_is_on:
        raise MailOffError("no mail server is set up here; set smtp_host and mail_from first", rule="mail-server")
    note_change(
        session,
        "mail",
        mail.id,
        "queued",
        by=principal.account_id,
        at=now,
        before={"state": mail.state},
        after={"state": "queued"},
    )
    mail.state, mail.queued_at = "queued", now
    _ask_for(session, MAIL_JOB, mail.id, key=f"mail:{mail.id}:{new_id('again')}", now=now)
    return mail


def _ask_for(session: Session, kind: str, id: str, *, key: str, now: datetime) -> None:
    # One attempt more than is used: after the last one it is looked whether its worker has died of it.
    enqueue(session, kind=kind, key=key, payload={"id": id}, now=now, max_attempts=TRIES + 1)
