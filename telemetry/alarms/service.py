"""What people, the recorder and the lab's own watch do with alarms. The caller owns the transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from devices.models import Device
from devices.service import get_device
from devices.units import unit_symbol
from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.core.jobs import enqueue
from lab.core.paging import Page, PageWish
from lab.core.time import from_nanoseconds, to_nanoseconds
from lab.people.principals import SYSTEM, Principal
from telemetry.alarms import repository
from telemetry.alarms.definitions import Definition, Severity, SignalKind, check_definition, read_definition, written
from telemetry.alarms.errors import (
    AlarmClosedError,
    AlarmRuleChangedError,
    AlarmRuleFixedError,
    AlarmRuleInvalidError,
    AlarmRuleUnknownError,
    AlarmUnknownError,
)
from telemetry.alarms.models import Alarm, AlarmNote, AlarmRule
from telemetry.grants import Grant

TELL_JOB = "alarm"
"""Tells people and programs; payload `alarm_id`, `what`."""
STOP_JOB = "stop"
"""Stops what a plan's criterion stops; payload `alarm_id`."""
PLAN_SOURCE = "plan:"
MANUAL = "manual"
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
OVER = "it is over"
LAB = "lab"
"""Source of what the product watches by itself."""


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What an alarm takes over from its rule, which need not be a row (the product's own watch has none)."""

    id: str
    device_id: str
    """Empty: the recording itself."""
    kind: str
    severity: Severity | str
    signal: str | None = None
    source: str = LAB
    organisation_id: str | None = None
    run_id: str | None = None

    @classmethod
    def of(cls, rule: AlarmRule) -> "RuleFacts":
        """From the table's row."""
        run_id = rule.settings.get("run_id")
        return cls(
            rule.id,
            rule.device_id,
            rule.kind,
            rule.severity,
            rule.signal,
            rule.source,
            rule.organisation_id,
            run_id if isinstance(run_id, str) else None,
        )


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A line of an alarm's history, as somebody may read it."""

    at: datetime
    by: str
    what: str
    text: str


def signal_kind(device: Device, signal: str | None) -> SignalKind | None:
    """What must be known of a device's signal to judge a rule; `None` for the machine itself.

    Raises:
        AlarmRuleInvalidError: if the device has no such signal.
    """
    if signal is None:
        return None
    for one in device.signals:
        if one.name == signal:
            choices = tuple(one.choices) if one.choices is not None else None
            return SignalKind(one.type, one.expected_interval_ms, unit_symbol(one.unit), choices, one.label)
    raise AlarmRuleInvalidError(
        f"{device.id} has no signal {signal[:60]}",
        field="signal",
        rule="known-signal",
        nearest=sorted(one.name for one in device.signals),
    )


def list_rules(
    session: Session, principal: Principal, page: PageWish, *, device_id: str | None = None, ended: bool = False
) -> Page[AlarmRule]:
    """The rules (staff)."""
    principal.require_staff("see the rules of alarms")
    return repository.page_of_rules(session, page, device_id=device_id, ended=ended)


def get_rule(session: Session, principal: Principal, rule_id: str) -> AlarmRule:
    """One rule, ended or not (staff).

    Raises:
        ForbiddenError: for anybody but the staff.
        AlarmRuleUnknownError: if there is none.
    """
    principal.require_staff("see the rules of alarms")
    rule = repository.find_rule(session, rule_id)
    if rule is None:
        raise AlarmRuleUnknownError("there is no such rule", field="rule", rule="known-rule")
    return rule


def rule_in_mind(device_id: str, signal: str | None, definition: Definition) -> AlarmRule:
    """A rule that nobody has made yet, to see what it would do; it belongs to no session."""
    return _new_rule(device_id, signal, "warning", definition, by=SYSTEM.account_id, now=NEVER)


def create_rule(
    session: Session,
    principal: Principal,
    *,
    device_id: str,
    signal: str | None,
    severity: Severity,
    definition: Definition,
    now: datetime,
) -> AlarmRule:
    """Watch something from now on.

    Raises:
        ForbiddenError: for anybody but the staff.
        DeviceUnknownError: if the lab owns none of this name.
        InvalidError: a named refusal of `definitions.check_definition`.
    """
    principal.require_staff("make rules for alarms")
    check_definition(definition, signal_kind(get_device(session, device_id), signal))
    rule = _new_rule(device_id, signal, severity, definition, by=principal.account_id, now=now)
    session.add(rule)
    session.flush()
    note_change(session, "alarm-rule", rule.id, "created", by=principal.account_id, at=now, after=_facts(rule))
    return rule


def change_rule(
    session: Session,
    principal: Principal,
    rule_id: str,
    *,
    severity: Severity | None,
    definition: Definition | None,
    version: int | None,
    reason: str | None,
    now: datetime,
) -> AlarmRule:
    """Watch by another definition from now on; an open alarm of the rule clears.

    Raises:
        ForbiddenError: for anybody but the staff.
        AlarmRuleUnknownError: if there is none.
        AlarmRuleFixedError: if a locked plan has made it, or it has ended.
        AlarmRuleChangedError: if it is not the version that the decision was made on.
        InvalidError: a named refusal of `definitions.check_definition`.
    """
    principal.require_staff("change rules of alarms")
    rule = _changeable(session, rule_id, version)
    before = _facts(rule)
    if definition is not None:
        if definition.model_dump()["kind"] != rule.kind:
            raise AlarmRuleInvalidError(
                f"the rule is of kind {rule.kind}; make a new one for another kind", field="definition", rule="kind"
            )
        check_definition(definition, signal_kind(get_device(session, rule.device_id), rule.signal))
        rule.settings = written(definition)
    rule.severity = severity or rule.severity
    rule.version += 1
    rule.changed_by, rule.changed_at = principal.account_id, now
    clear_alarm(session, rule.id, "the rule was changed", by=principal.account_id, now=now)
    session.flush()
    _audit(session, rule, "changed", principal, before, reason, now)
    return rule


def end_rule(
    session: Session, principal: Principal, rule_id: str, *, version: int | None, reason: str | None, now: datetime
) -> AlarmRule:
    """Watch no longer by this rule; it is kept, for the alarms that it raised.

    Raises:
        ForbiddenError, AlarmRuleUnknownError, AlarmRuleFixedError, AlarmRuleChangedError: as `change_rule`.
    """
    principal.require_staff("end rules of alarms")
    rule = _changeable(session, rule_id, version)
    before = _facts(rule)
    rule.ended_at, rule.version = now, rule.version + 1
    clear_alarm(session, rule.id, "the rule has ended", by=principal.account_id, now=now)
    session.flush()
    _audit(session, rule, "ended", principal, before, reason, now)
    return rule


def begin_plan_rules(
    session: Session,
    *,
    pilot_id: str,
    run_id: str,
    organisation_id: str,
    criteria: Sequence[tuple[str, str, Definition, Sequence[str]]],
    now: datetime,
) -> None:
    """Watch the stop criteria of a locked plan while one of its runs is going.

    Args:
        session: a write session.
        pilot_id: whose plan it is.
        run_id: the run.
        organisation_id: the pilot's company.
        criteria: device, signal, definition, and the devices to stop.
        now: the present instant.
    """
    for device_id, signal, definition, stops in criteria:
        rule = _new_rule(device_id, signal, "critical", definition, by=SYSTEM.account_id, now=now)
        rule.settings = {**rule.settings, "run_id": run_id, "stops": list(stops)}
        rule.organisation_id, rule.source = organisation_id, f"{PLAN_SOURCE}{pilot_id}"
        session.add(rule)
    session.flush()


def end_plan_rules(session: Session, *, pilot_id: str, now: datetime) -> None:
    """The run is over: its stop criteria are watched no longer, and their alarms clear."""
    for rule in repository.rules_of_source(session, f"{PLAN_SOURCE}{pilot_id}"):
        rule.ended_at, rule.version = now, rule.version + 1
        clear_alarm(session, rule.id, "the run has ended", now=now)
    session.flush()


def raise_alarm(
    session: Session,
    rule: RuleFacts,
    text: str,
    *,
    at_ns: int,
    now: datetime,
    value: float | None = None,
    booking_id: str | None = None,
    from_ns: int | None = None,
) -> Alarm | None:
    """Note that an alarm begins, and have everybody told; one at a time for each rule.

    Args:
        session: a write session.
        rule: whose alarm it is.
        text: why, a sentence.
        at_ns: settled time of what raised it.
        now: the present instant.
        value: that raised it.
        booking_id: whose time it is, where that is known already.
        from_ns: settled time of the oldest value that the text tells of, where it is not that one alone.

    Returns:
        The new alarm; `None`: the rule has an open one already.
    """
    alarm = Alarm(
        id=new_id("alm"),
        rule_id=rule.id,
        device_id=rule.device_id,
        signal=rule.signal,
        kind=rule.kind,
        severity=rule.severity,
        organisation_id=rule.organisation_id,
        booking_id=booking_id,
        run_id=rule.run_id,
        raised_ns=at_ns,
        raised_at=from_nanoseconds(at_ns),
        from_ns=at_ns if from_ns is None else from_ns,
        acknowledged_at=None,
        acknowledged_by=None,
        cleared_at=None,
        value=value,
        text=text,
    )
    if not repository.add_alarm(session, alarm):
        return None
    repository.add_note(session, alarm.id, "raised", text, by=SYSTEM.account_id, at=now)
    if rule.source.startswith(PLAN_SOURCE):
        enqueue(session, kind=STOP_JOB, key=f"{STOP_JOB}:{alarm.id}", payload={"alarm_id": alarm.id}, now=now)
    _tell(session, alarm, "raised", now=now)
    return alarm


def clear_alarm(
    session: Session, rule_id: str, text: str, *, now: datetime, by: str = SYSTEM.account_id
) -> Alarm | None:
    """Note that what a rule's alarm was raised for is over; `None`: it has no open one."""
    alarm = repository.open_alarm(session, rule_id, lock=True)
    if alarm is not None:
        _clear(session, alarm, text, by=by, now=now)
    return alarm


def acknowledge_alarm(
    session: Session, principal: Principal, alarm_id: str, *, text: str | None = None, now: datetime
) -> Alarm:
    """Somebody of the staff has seen it and takes care.

    Raises:
        ForbiddenError: for anybody but the staff.
        AlarmUnknownError: if there is none.
        AlarmClosedError: if it is acknowledged already.
    """
    principal.require_staff("acknowledge alarms")
    alarm = _known(repository.find_alarm(session, alarm_id, lock=True), alarm_id)
    if alarm.acknowledged_at is not None:
        raise AlarmClosedError("somebody has acknowledged this alarm already", rule="acknowledged-once")
    alarm.acknowledged_at, alarm.acknowledged_by = now, principal.account_id
    _note(session, alarm, "acknowledged", text or "", principal, now)
    _tell(session, alarm, "acknowledged", now=now)
    return alarm


def clear_by_hand(
    session: Session, principal: Principal, alarm_id: str, *, text: str | None = None, now: datetime
) -> Alarm:
    """Somebody of the staff says that it is over; it is raised again when the cause comes again.

    Raises:
        ForbiddenError: for anybody but the staff.
        AlarmUnknownError: if there is none.
        AlarmClosedError: if it has cleared already.
    """
    principal.require_staff("clear alarms")
    alarm = _known(repository.find_alarm(session, alarm_id, lock=True), alarm_id)
    if alarm.cleared_at is not None:
        raise AlarmClosedError("this alarm has cleared already", rule="cleared-once")
    _clear(session, alarm, text or "", by=principal.account_id, now=now)
    _audit_alarm(session, alarm, "cleared", text, principal, now)
    return alarm


def comment_alarm(
    session: Session, principal: Principal, grant: Grant, alarm_id: str, *, text: str, now: datetime
) -> Alarm:
    """Say something about an alarm; for everybody who sees it.

    Raises:
        AlarmUnknownError: if there is none, or it was not raised in the asker's own time.
    """
    alarm = get_alarm(session, principal, grant, alarm_id)
    _note(session, alarm, "commented", text, principal, now)
    return alarm


def get_alarm(session: Session, principal: Principal, grant: Grant, alarm_id: str) -> Alarm:
    """One alarm: the staff sees all, a company those that were raised in its own time.

    Raises:
        AlarmUnknownError: if there is none, or it was not raised in the asker's own time.
    """
    alarm = _known(repository.find_alarm(session, alarm_id), alarm_id)
    if not principal.is_staff and not repository.is_within(grant, alarm):
        raise _unknown(alarm_id)
    return alarm


def list_alarms(
    session: Session,
    principal: Principal,
    grant: Grant,
    page: PageWish,
    *,
    device_id: str | None = None,
    only_open: bool = False,
) -> Page[Alarm]:
    """Alarms, the newest first: the staff sees all, a company those that were raised in its own time."""
    seen = None if principal.is_staff else grant
    return repository.page_of_alarms(session, page, grant=seen, device_id=device_id, only_open=only_open)


def history_of(session: Session, principal: Principal, alarm: Alarm) -> list[HistoryLine]:
    """What was done about an alarm, the oldest first.

    An alarm of one company's time may clear in another's: the value with which it does is told to the staff only (I4).
    """
    staff = principal.is_staff
    return [
        HistoryLine(note.at, note.by, note.what, note.text if staff else _without_value(note))
        for note in repository.notes_of(session, alarm.id)
    ]


def note_on_alarm(session: Session, alarm_id: str, what: str, text: str, *, now: datetime) -> None:
    """Add a line of the product's own to an alarm's history."""
    repository.add_note(session, alarm_id, what, text, by=SYSTEM.account_id, at=now)


def instant_ns(now: datetime) -> int:
    """The settled time of something that the product itself sees now."""
    return to_nanoseconds(now)


def _new_rule(
    device_id: str, signal: str | None, severity: Severity, definition: Definition, *, by: str, now: datetime
) -> AlarmRule:
    return AlarmRule(
        id=new_id("alr"),
        device_id=device_id,
        signal=signal,
        kind=definition.model_dump()["kind"],
        settings=written(definition),
        severity=severity,
        organisation_id=None,
        source=MANUAL,
        version=1,
        changed_by=by,
        changed_at=now,
        ended_at=None,
    )


def _changeable(session: Session, rule_id: str, version: int | None) -> AlarmRule:
    rule = repository.find_rule(session, rule_id, lock=True)
    if rule is None:
        raise AlarmRuleUnknownError("there is no such rule", field="rule", rule="known-rule")
    if rule.source.startswith(PLAN_SOURCE):
        raise AlarmRuleFixedError("this is a stop criterion of a locked plan and does not change", rule="plan-locked")
    if rule.ended_at is not None:
        raise AlarmRuleFixedError("this rule has ended; make a new one", rule="not-ended")
    if version is not None and version != rule.version:
        raise AlarmRuleChangedError("somebody changed the rule meanwhile; look at it again", version=rule.version)
    return rule


def _clear(session: Session, alarm: Alarm, text: str, *, by: str, now: datetime) -> None:
    alarm.cleared_at = now
    repository.add_note(session, alarm.id, "cleared", text, by=by, at=now)
    _tell(session, alarm, "cleared", now=now)


def _tell(session: Session, alarm: Alarm, what: str, *, now: datetime) -> None:
    payload = {"alarm_id": alarm.id, "what": what}
    enqueue(session, kind=TELL_JOB, key=f"{TELL_JOB}:{alarm.id}:{what}", payload=payload, now=now)


def _without_value(note: AlarmNote) -> str:
    own = note.by == SYSTEM.account_id and note.what == "cleared"
    return OVER if own and note.text.startswith("it is ") else note.text


def _note(session: Session, alarm: Alarm, what: str, text: str, principal: Principal, now: datetime) -> None:
    repository.add_note(session, alarm.id, what, text, by=principal.account_id, at=now)
    _audit_alarm(session, alarm, what, text, principal, now)


def _audit_alarm(
    session: Session, alarm: Alarm, what: str, text: str | None, principal: Principal, now: datetime
) -> None:
    note_change(session, "alarm", alarm.id, what, by=principal.account_id, at=now, reason=text or None)


def _audit(
    session: Session,
    rule: AlarmRule,
    what: str,
    principal: Principal,
    before: dict[str, Any],
    reason: str | None,
    now: datetime,
) -> None:
    by = principal.account_id
    note_change(session, "alarm-rule", rule.id, what, by=by, at=now, before=before, after=_facts(rule), reason=reason)


def _facts(rule: AlarmRule) -> dict[str, Any]:
    return {
        "device": rule.device_id,
        "signal": rule.signal,
        "severity": rule.severity,
        "definition": read_definition(rule).model_dump(mode="json"),
        "version": rule.version,
        "ended_at": rule.ended_at.isoformat() if rule.ended_at is not None else None,
    }


def _known(alarm: Alarm | None, alarm_id: str) -> Alarm:
    if alarm is None:
        raise _unknown(alarm_id)
    return alarm


def _unknown(alarm_id: str) -> AlarmUnknownError:
    return AlarmUnknownError(f"there is no alarm {alarm_id[:40]} that you may see", field="alarm", rule="known-alarm")


Unwritten = Callable[[], Sequence[tuple[RuleFacts, str, int]]]
"""Alarms that are raised and could not be written down yet: rule, text, settled time."""
