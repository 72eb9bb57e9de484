"""A plan's stop criterion: alarm → command → reply → note; and no reply is an alarm of its own.

Only the locked plan of a run that is still going may stop machines, and the command expires with the booking, so that a
machine which gets it late does not stop somebody else's run. It is no safety function (`devices.commanding`).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from bookings.repository import find_booking
from devices.commanding import NO_ANSWER, Sender, stop_device
from devices.models import DeviceCommand
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.people.principals import SYSTEM
from lab.pilots.service import locked_plan
from lab.watch import repository
from telemetry.alarms.keeping import AlarmKeeper
from telemetry.alarms.repository import find_alarm, find_rule, notes_of
from telemetry.alarms.service import PLAN_SOURCE, RuleFacts, instant_ns, note_on_alarm

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stop:
    """What is to be stopped, and why."""

    alarm_id: str
    run_id: str
    organisation_id: str | None
    devices: tuple[str, ...]
    reason: str
    until: datetime
    """End of the booking."""


def stop_for_alarm(database: Database, sender: Sender, keeper: AlarmKeeper, alarm_id: str) -> None:
    """Stop what the criterion stops whose alarm this is; asked again after a crash, each machine is asked once.

    Args:
        database: the relational store.
        sender: the way to the devices.
        keeper: takes the alarm of a stop that was not confirmed.
        alarm_id: the alarm of a stop criterion.
    """
    now = sender.clock.now()
    with database.read() as session:
        found = plan_stop(session, alarm_id)
    if isinstance(found, str):
        log.warning("nothing is stopped", alarm=alarm_id, why=found)
        database.transact(lambda session: _note_once(session, alarm_id, "stop-refused", found, now=now))
        return
    for device in found.devices:
        command = stop_device(
            database,
            sender,
            SYSTEM,
            device,
            reason=found.reason,
            run_id=found.run_id,
            alarm_id=alarm_id,
            command_id=_command_id(alarm_id, device),
            until=found.until,
        )
        _note(database, keeper, found, command, now=sender.clock.now())


def plan_stop(session: Session, alarm_id: str) -> Stop | str:
    """What an alarm stops, or why it stops nothing."""
    alarm = find_alarm(session, alarm_id)
    rule = find_rule(session, alarm.rule_id) if alarm is not None else None
    if alarm is None or rule is None or not rule.source.startswith(PLAN_SOURCE):
        return "this is not the alarm of a stop criterion"
    run = repository.find_run(session, str(rule.settings.get("run_id")))
    if run is None or run.started_at is None or run.ended_at is not None:
        return "the run is over"
    try:
        plan_row, plan = locked_plan(session, rule.source.removeprefix(PLAN_SOURCE))
    except PilotLabError as error:
        return error.message
    if plan_row.id != run.plan_id or plan_row.pilot_id != run.pilot_id:
        return "the run is of another plan"
    criteria = [one for one in plan.stop if (one.signal.device, one.signal.signal) == (rule.device_id, rule.signal)]
    allowed = {device for one in criteria for device in one.devices}
    devices = tuple(device for device in rule.settings.get("stops", ()) if device in allowed)
    booking = find_booking(session, run.booking_id) if run.booking_id is not None else None
    if booking is None:
        return "the run has no booking"
    held = {row.device_id for row in booking.devices if row.active}
    return Stop(
        alarm_id,
        run.id,
        booking.organisation_id,
        tuple(device for device in devices if device in held),
        f"stop criterion: {alarm.text}"[:500],
        booking.end_at,
    )


def _note(database: Database, keeper: AlarmKeeper, stop: Stop, command: DeviceCommand, *, now: datetime) -> None:
    what = {"done": "stop-done", NO_ANSWER: "stop-unanswered"}.get(command.result or NO_ANSWER, "stop-refused")
    text = f"{command.device_id}: {command.result}" + (f", {command.detail}" if command.detail else "")
    database.transact(lambda session: _note_once(session, stop.alarm_id, what, text, now=now))
    if what == "stop-done":
        return
    rule = RuleFacts(
        _unconfirmed_id(stop.alarm_id, command.device_id),
        command.device_id,
        "stop",
        "critical",
        organisation_id=stop.organisation_id,
        run_id=stop.run_id,
    )
    said = "has refused to stop" if what == "stop-refused" else "has not confirmed that it stopped"
    text = f"Machine {command.device_id} {said} ({command.detail or 'no reason given'}): go to the machine and look"
    keeper.raised(rule, text, at_ns=instant_ns(now))


def _note_once(session: Session, alarm_id: str, what: str, text: str, *, now: datetime) -> None:
    known = find_alarm(session, alarm_id) is not None
    if known and not any((note.what, note.text) == (what, text) for note in notes_of(session, alarm_id)):
        note_on_alarm(session, alarm_id, what, text, now=now)


def _command_id(alarm_id: str, device: str) -> str:
    return "cmd_" + hashlib.sha256(f"{alarm_id} {device}".encode()).hexdigest()[:20]


def _unconfirmed_id(alarm_id: str, device: str) -> str:
    return "stop_" + hashlib.sha256(f"{alarm_id} {device}".encode()).hexdigest()[:20]
