"""Rows for tests: each function makes one, with everything that the test does not care about filled in."""

import itertools
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from devices.models import Device, Signal
from lab.core.ids import new_id
from lab.people.models import Account, Organisation
from lab.people.principals import Principal, Role

T = TypeVar("T")

MONDAY_MORNING = datetime(2026, 11, 23, 7, tzinfo=UTC)
"""08:00 in Gliwice; where `lab_clock` stands."""

_count = itertools.count(1)


def make_organisation(session: Session, name: str | None = None, **facts: Any) -> Organisation:
    """A company, unless `kind` says otherwise."""
    given = {
        "id": new_id("org"),
        "name": name or f"Company {next(_count)}",
        "kind": "company",
        "size_class": "small",
        "nace": "C25.62",
        "region": "PL22A",
        "created_at": MONDAY_MORNING,
    }
    return _added(session, Organisation(**{**given, **facts}))


def make_account(
    session: Session, role: Role | str = Role.MEMBER, *, organisation: Organisation | None = None, **facts: Any
) -> Account:
    """Somebody of that role, of a new organisation if none is given; nobody can sign in with its password."""
    number = next(_count)
    if organisation is None and "organisation_id" not in facts:
        organisation = make_organisation(
            session, kind="lab" if Role(role) in {Role.ENGINEER, Role.MANAGER} else "company"
        )
    given = {
        "id": new_id("acc"),
        "organisation_id": organisation.id if organisation else None,
        "sign_in": f"{Role(role)}-{number}@example.org",
        "name": f"{Role(role).title()} {number}",
        "role": str(role),
        "password_hash": "!",
        "created_at": MONDAY_MORNING,
        "disabled_at": None,
    }
    return _added(session, Account(**{**given, **facts}))


def make_device(
    session: Session, id: str = "mill-1", *, signals: dict[str, str | None] | None = None, **facts: Any
) -> Device:
    """A device with number signals.

    Args:
        session: a write session.
        id: its short name.
        signals: name → UCUM unit; default: spindle power and feed.
        facts: other columns of `Device`.
    """
    units = {"spindle_power_kw": "kW", "feed_mm_s": "mm/s"} if signals is None else signals
    given = {
        "id": id,
        "name": id.replace("-", " ").capitalize(),
        "kind": "cnc-mill",
        "description": "",
        "location": "Hall A",
        "capabilities": [{"name": "milling", "axes": 3}],
        "price_cents_per_hour": 12_000,
        "setup_minutes": 0,
        "cleanup_minutes": 0,
        "software_version": None,
        "mqtt_password_hash": None,
        "created_at": MONDAY_MORNING,
        "retired_at": None,
        "signals": [make_signal(name, unit=unit) for name, unit in units.items()],
    }
    return _added(session, Device(**{**given, **facts}))


def make_signal(name: str, **facts: Any) -> Signal:
    """A number signal that belongs to no device yet."""
    given = {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "type": "number",
        "unit": "1",
        "low": None,
        "high": None,
        "choices": None,
        "expected_interval_ms": 500.0,
        "sensor": None,
        "uncertainty": None,
        "calibration_due": None,
    }
    return Signal(**{**given, **facts})


def principal(role: Role | str = Role.MEMBER, organisation_id: str = "org_company", **facts: Any) -> Principal:
    """Somebody of that role who asks; need not have an account in the database."""
    given = {"account_id": f"acc_{role}", "name": f"{Role(role).title()} of {organisation_id}"}
    return Principal(organisation_id=organisation_id, role=Role(role), **{**given, **facts})


def _added(session: Session, row: T) -> T:
    session.add(row)
    session.flush()
    return row
