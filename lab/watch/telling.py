"""Who is told of an alarm: engineers by mail, who booked where it is in the company's own time, and webhooks.

A company's webhook and mail tell only of what was raised within its own time (I4); the lab is told everything.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.notice_facts import accounts_in_use
from devices.repository import find_device
from lab.core.catalogues import marked as N_  # noqa: N812
from lab.core.catalogues import writing_in
from lab.core.settings import Settings
from lab.core.time import from_nanoseconds, in_zone, to_microseconds
from lab.people.models import Account
from lab.people.rules import mail_language
from lab.post.messages import is_mail_address
from lab.post.service import queue_event, queue_mail
from lab.watch import repository
from lab.watch.words import alarm_text
from lab.watch.words import say as _
from telemetry.alarms.models import Alarm
from telemetry.alarms.repository import find_alarm
from telemetry.alarms.schemas import AlarmAnswer
from telemetry.alarms.service import note_on_alarm

log = structlog.get_logger(__name__)

QUIET_MICROSECONDS = 600_000_000
"""An alarm that comes and goes is mailed once in so long."""


def tell(session: Session, payload: Mapping[str, Any], *, settings: Settings, now: datetime) -> None:
    """Write the mails and events of one step of an alarm; once, however often it is called.

    Args:
        session: a write session.
        payload: `alarm_id`, and `what`: raised, acknowledged or cleared.
        settings: of the installation.
        now: the present instant.
    """
    alarm, what = find_alarm(session, payload["alarm_id"], lock=True), str(payload["what"])
    if alarm is None:
        log.warning("news of an alarm that is not there", alarm=payload["alarm_id"])
        return
    booking = _whose(session, alarm)
    if booking is not None and alarm.booking_id is None:
        alarm.booking_id, alarm.organisation_id = booking.id, booking.organisation_id
        alarm.run_id = alarm.run_id or repository.run_at(session, booking.id, alarm.raised_at)
    queue_event(
        session,
        key=f"alarm:{alarm.id}:{what}",
        organisation_id=booking.organisation_id if booking is not None else "",
        event=f"alarm.{what}",
        payload={"what": what, "alarm": AlarmAnswer.of(alarm, staff=False).model_dump(mode="json")},
        now=now,
    )
    if what == "raised" and alarm.severity != "info":
        _write_mails(session, alarm, booking, settings, now=now)


def _whose(session: Session, alarm: Alarm) -> Booking | None:
    """The booking in whose company's time everything was said that the alarm tells of."""
    if not alarm.device_id:
        return None
    booking = repository.booking_at(session, alarm.device_id, alarm.raised_at)
    if booking is None or alarm.from_ns == alarm.raised_ns:
        return booking
    before = repository.booking_at(session, alarm.device_id, from_nanoseconds(alarm.from_ns))
    return booking if before is not None and before.organisation_id == booking.organisation_id else None


def _write_mails(session: Session, alarm: Alarm, booking: Booking | None, settings: Settings, *, now: datetime) -> None:
    staff = repository.engineers(session)
    company = accounts_in_use(session, [booking.booked_by], booking) if booking is not None else []
    device = find_device(session, alarm.device_id) if alarm.device_id else None
    told = []
    for account in {account.id: account for account in [*staff, *company]}.values():
        if not is_mail_address(account.sign_in):
            continue
        quiet = to_microseconds(alarm.raised_at) // QUIET_MICROSECONDS
        with writing_in(mail_language(account, settings.language)):
            machine = device.name if device is not None else _("Recording")
            fresh = queue_mail(
                session,
                key=f"alarm:{alarm.rule_id}:{quiet}:{account.id}",
                recipient=account.sign_in,
                subject=f"{_(_LEVELS.get(alarm.severity, 'Alarm'))}: {machine}",
                text=_text(alarm, machine, account, settings),
                now=now,
                about=alarm.id,
            )
        if fresh:  # else it has come and gone within the quiet time
            told.append(account.id)
    if told:
        note_on_alarm(session, alarm.id, "told", f"by mail: {len(told)}", now=now)


_LEVELS = {"critical": N_("CRITICAL ALARM"), "warning": N_("Alarm"), "info": N_("Note")}


def _text(alarm: Alarm, machine: str, account: Account, settings: Settings) -> str:
    when = in_zone(alarm.raised_at, settings.time_zone)
    facts = [f"{_('Machine')}: {machine}", f"{_('Since')}: {when:%Y-%m-%d %H:%M:%S %Z} ({settings.time_zone})"]
    parts = [_("Hello {name},", name=account.name), f"{alarm_text(alarm.text)}.", "\n".join(facts)]
    if settings.public_url:
        parts.append(f"{_('The alarm')}: {settings.public_url.rstrip('/')}/alarms/{alarm.id}")
    return "\n\n".join([*parts, settings.lab_name]) + "\n"
