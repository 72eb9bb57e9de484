"""Which thing a line of the log of changes is about, by the name that people know, and where it is shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.rulebook.targets import LAB, Scope
from devices.models import Device
from lab.core.audit import AuditEntry
from lab.people.models import Account, Organisation
from lab.pilots.models import Pilot
from lab.reports.links.models import ReportLink
from lab.reports.models import Report
from lab.web.languages import gettext as _
from telemetry.alarms.models import AlarmRule


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing that was changed."""

    name: str = ""
    """Empty: it has none."""
    address: str = ""
    """Of the page that shows it; empty: there is none."""


_NAMED: dict[str, tuple[Any, Any, str]] = {
    "account": (Account.id, Account.name, ""),
    "organisation": (Organisation.id, Organisation.name, ""),
    "booking": (Booking.id, Booking.title, "/bookings/"),
    "device": (Device.id, Device.name, "/devices/"),
    "device-time": (Device.id, Device.name, "/devices/"),
    "pilot": (Pilot.id, Pilot.number + " " + Pilot.title, "/pilots/"),
    "report": (Report.id, Report.number, "/reports/"),
    "report-link": (
        ReportLink.id,
        sa.select(Report.number + ", " + ReportLink.label).where(Report.id == ReportLink.report_id).scalar_subquery(),
        "",
    ),
    "alarm-rule": (
        AlarmRule.id,
        sa.select(Device.name).where(Device.id == AlarmRule.device_id).scalar_subquery(),
        "",
    ),
}
"""Kind → its id, its name, and where it is shown."""


def subjects_of(session: Session, changes: Iterable[AuditEntry]) -> dict[int, Subject]:
    """Line of the log → what it is about; at most one query for each kind of thing."""
    lines = list(changes)
    names: dict[tuple[str, str], str] = {}
    for kind, (key, name, _place) in _NAMED.items():
        ids = {change.subject_id for change in lines if change.subject == kind}
        if ids:
            names |= {(kind, found): said for found, said in session.execute(sa.select(key, name).where(key.in_(ids)))}
    called = _devices_of_rules(session, lines)
    return {change.id: _subject(change, names, called) for change in lines}


def _devices_of_rules(session: Session, lines: Iterable[AuditEntry]) -> dict[str, str]:
    prefix = f"{Scope.DEVICE}/"
    wanted = {one.subject_id.removeprefix(prefix) for one in lines if one.subject == "rule"}
    query = sa.select(Device.id, Device.name).where(Device.id.in_(wanted))
    return {prefix + found: name for found, name in session.execute(query)} if wanted else {}


def _subject(change: AuditEntry, names: dict[tuple[str, str], str], rules: dict[str, str]) -> Subject:
    if change.subject == "rule":
        lab = change.subject_id == LAB.id
        return Subject(_("the whole lab") if lab else rules.get(change.subject_id, change.subject_id), "/manage/rules")
    name = names.get((change.subject, change.subject_id)) or ""
    place = _NAMED[change.subject][2] if name else ""
    return Subject(name, f"{place}{change.subject_id}" if place else "")
