"""Who is told of what becomes of a booking: mails with the invitation attached, and events for webhooks.

Nothing is sent, nor even written out, inside the request: a change only leaves a job behind. The job may run late,
twice, or after that of a later change; so each mail and event is named by the version it tells of, and an invitation
always shows the booking as it is now, with the number of its present version.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from email.utils import parseaddr
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from bookings.feeds.calendar import Names, booking_entry, status_of
from bookings.feeds.service import place_of
from bookings.feeds.writing import invitation
from bookings.language import writing_in
from bookings.models import Booking
from bookings.notice_facts import (
    Change,
    accounts_in_use,
    booking_with_parts,
    change_of,
    names_around,
    news_of,
    readers_of,
)
from bookings.notice_texts import Notice, Reader, subject_of, text_of
from bookings.rules import Rules
from bookings.schemas import BookingAnswer
from bookings.states import BookingState
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.jobs import ClaimedJob, Handler, enqueue, new_job
from lab.core.settings import Settings
from lab.people.models import Account
from lab.people.rules import mail_language
from lab.post.messages import is_mail_address
from lab.post.service import queue_event, queue_mail

__all__ = ["JOB_KIND", "Notice", "announce", "notice_handlers"]

JOB_KIND = "booking-notice"

log = structlog.get_logger(__name__)

_NOT_MAILED = frozenset({Notice.STARTED, Notice.FINISHED})
"""Whoever is at the machine knows; programs are told all the same."""
_NO_INVITATION = frozenset({Notice.OUTAGE_HIT})
"""The booking itself has not changed."""


def announce(
    session: Session, booking: Booking, what: Notice | str, *, now: datetime, cause: str | None = None
) -> None:
    """Have everybody told whom it concerns, if and only if the change itself is kept.

    Args:
        session: of the change itself.
        booking: as it is now, its version counted up.
        what: one of `Notice`.
        now: the present instant.
        cause: id of what did it, where a booking can be hit twice without changing itself (an outage).

    Raises:
        ValueError: for a word that is none of `Notice`.
    """
    enqueue(session, **_job(booking, Notice(what), cause), now=now)


def first_notice(booking: Booking, what: Notice, *, now: datetime) -> tuple[sa.Table, dict[str, Any]]:
    """The job that tells of a new booking as a row, to be written together with it; see `announce`."""
    return new_job(**_job(booking, what, None), now=now)


def _job(booking: Booking, what: Notice, cause: str | None) -> dict[str, Any]:
    payload = {"booking_id": booking.id, "what": what.value, "version": booking.version, "cause": cause}
    return {
        "kind": JOB_KIND,
        "key": f"{JOB_KIND}:{_key(booking.id, booking.version, what, cause)}",
        "payload": payload,
    }


def notice_handlers(database: Database, clock: Clock, settings: Settings) -> dict[str, Handler]:
    """Handler of the jobs that `announce` leaves behind."""

    def handle(job: ClaimedJob) -> None:
        database.transact(lambda session: tell(session, job.payload, settings=settings, now=clock.now()))

    return {JOB_KIND: handle}


def tell(session: Session, payload: Mapping[str, Any], *, settings: Settings, now: datetime) -> None:
    """Write the mails and events of one change; once, however often it is called.

    Args:
        session: of a write transaction.
        payload: as `announce` wrote it.
        settings: of the installation.
        now: the present instant.
    """
    what, version, cause = Notice(payload["what"]), payload["version"], payload["cause"]
    booking = booking_with_parts(session, payload["booking_id"])
    if booking is None:
        log.warning("notice of a booking that is not there", booking=payload["booking_id"], what=what.value)
        return
    # An outage changes no booking: what made the present version has been told by itself.
    change = None if what is Notice.OUTAGE_HIT else change_of(session, booking.id, version)
    key = f"booking:{_key(booking.id, version, what, cause)}"
    queue_event(
        session,
        key=key,
        organisation_id=booking.organisation_id,
        event=f"booking.{what.value}",
        payload=event_payload(booking, what, version, change, cause),
        now=now,
    )
    if what not in _NOT_MAILED:
        _write_mails(session, booking, what, version, change, cause, key=key, settings=settings, now=now)


def event_payload(
    booking: Booking, what: Notice, version: int, change: Change | None, cause: str | None
) -> dict[str, Any]:
    """What programs are told: the booking as the API shows it, at the version that the event is about.

    Of people there are ids only.
    """
    answer = BookingAnswer.of(booking)
    if change is not None and booking.version > version:
        answer = answer.model_copy(
            update={
                "start": datetime.fromisoformat(change.after["start"]),
                "end": datetime.fromisoformat(change.after["end"]),
                "changed_at": change.at,
                "state": BookingState(change.after["state"]),
                "engineer_ids": change.after.get("engineer_ids", answer.engineer_ids),
                "version": version,
            }
        )
    before = (
        {name: change.before[name] for name in ("start", "end", "state") if name in change.before} if change else {}
    )
    return {
        "what": what.value,
        "booking": answer.model_dump(mode="json"),
        "before": before or None,
        "cause": cause,
    }


def _write_mails(
    session: Session,
    booking: Booking,
    what: Notice,
    version: int,
    change: Change | None,
    cause: str | None,
    *,
    key: str,
    settings: Settings,
    now: datetime,
) -> None:
    readers = readers_of(session, booking, what, change)
    accounts = [one for one in accounts_in_use(session, list(readers), booking) if is_mail_address(one.sign_in)]
    if not accounts:
        return
    names = names_around(session, booking, change)
    defaults = Rules.from_settings(settings)
    news = news_of(session, booking, what, version, change=change, names=names, cause=cause, now=now, defaults=defaults)
    if news is None:
        return
    place = place_of(settings)
    for account in accounts:
        reader = readers[account.id]
        invited = what not in _NO_INVITATION and reader is not Reader.MANAGER
        with writing_in(mail_language(account, settings.language)):
            method, calendar = _invitation(booking, account, reader, names, settings) if invited else (None, None)
            queue_mail(
                session,
                key=f"{key}:{account.id}",
                recipient=account.sign_in,
                subject=subject_of(news, reader, zone=place.zone),
                text=text_of(news, reader, name=account.name, lab=place.name, zone=place.zone, page=place.page),
                now=now,
                calendar=calendar,
                calendar_method=method,
                about=booking.id,
            )


def _invitation(
    booking: Booking, account: Account, reader: Reader, names: Names, settings: Settings
) -> tuple[str | None, str | None]:
    """Method and iCalendar object; neither where the lab has no address to invite from."""
    organizer = parseaddr(settings.mail_from or "")[1]
    if not organizer:
        return None, None
    place = place_of(settings)
    gone = reader is Reader.RELIEVED or status_of(booking.state) == "CANCELLED"
    method = "CANCEL" if gone else "REQUEST"
    entry = booking_entry(booking, names=names, place=place, with_company=reader is not Reader.BOOKER)
    if gone:  # also for whoever is only relieved of it
        entry = replace(entry, status="CANCELLED")
    return method, invitation(entry, place=place, method=method, organizer=organizer, attendee=account.sign_in)


def _key(booking_id: str, version: int, what: Notice, cause: str | None) -> str:
    return f"{booking_id}:{version}:{what.value}" + (f":{cause}" if cause else "")
