"""The calendar of a window, for pages and programs: a constant number of statements, however full it is.

Times are written by the database itself and never become objects here: a week of 10,000 bookings is read, not thought
about.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.errors import WindowTooLongError
from bookings.models import Booking, BookingDevice
from bookings.outages.service import outages_within
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules
from lab.core.database import storable
from lab.core.time import Span
from lab.people.principals import Principal, Role

LONGEST_WINDOW = timedelta(days=100)


class Event(msgspec.Struct, omit_defaults=True):
    """A booking as a calendar shows it; of strangers only when a device is taken, buffers included."""

    start: str
    """RFC 3339, UTC."""
    end: str
    device_ids: list[str]
    busy: bool = False
    """Somebody else's: nothing more is said."""
    id: str | None = None
    title: str | None = None
    state: str | None = None
    organisation_id: str | None = None
    pilot_id: str | None = None
    version: int | None = None


class Stretch(msgspec.Struct, omit_defaults=True):
    """A time in which the lab is open, or something cannot be used."""

    start: str
    end: str
    device_id: str | None = None
    """Of an outage; left out: the whole lab."""
    kind: str | None = None
    reason: str | None = None


class Calendar(msgspec.Struct):
    """What a window of the calendar holds, by start."""

    events: list[Event]
    outages: list[Stretch]
    openings: list[Stretch]
    """When the lab is open; devices may have hours of their own."""


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """A JSON schema without references, which an OpenAPI document would look for elsewhere."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(parts[schema["$ref"].rsplit("/", 1)[1]], parts)
        return {key: _inlined(value, parts) for key, value in schema.items()}
    return [_inlined(one, parts) for one in schema] if isinstance(schema, list) else schema


def _calendar_schema() -> dict[str, Any]:
    (schema,), parts = msgspec.json.schema_components([Calendar], ref_template="#/{name}")
    inlined: dict[str, Any] = _inlined(schema, parts)
    return inlined


CALENDAR_SCHEMA: dict[str, Any] = _calendar_schema()
"""JSON schema of `Calendar`."""


def calendar_of(
    session: Session, principal: Principal, window: Span, *, device_ids: Sequence[str] | None, rules: Rules
) -> bytes:
    """The calendar of a window as JSON (`Calendar`).

    Args:
        session: to read in.
        principal: who looks: the staff sees every booking, a member the own company's, and when devices are taken.
        window: at most `LONGEST_WINDOW`.
        device_ids: only these; None: all.
        rules: `Rules.from_settings`.

    Raises:
        WindowTooLongError: it is longer than a calendar shows.
    """
    if window.length > LONGEST_WINDOW:
        raise WindowTooLongError(
            f"a calendar shows {LONGEST_WINDOW.days} days at most; choose a shorter window",
            field="end",
            rule="longest-window",
            limit=LONGEST_WINDOW.days,
        )
    devices = None if device_ids is None else [one for one in device_ids if storable(one)]
    events: list[Event] = []
    if principal.is_staff or principal.role is Role.MEMBER:
        events = _own(session, None if principal.is_staff else principal.organisation_id, window, devices)
    if principal.role is Role.MEMBER:
        events += _taken(session, principal.organisation_id, window, devices)
        events.sort(key=lambda event: event.start)
    zone = rules.zone
    lab = load_rulebook(session, rules).rules_of("", "")
    return msgspec.json.encode(
        Calendar(
            events,
            [
                Stretch(_text(one.span.start), _text(one.span.end), one.device_id, one.kind, one.reason)
                for one in outages_within(session, devices, window, zone=zone)
            ],
            [Stretch(_text(one.start), _text(one.end)) for one in lab.openings(window) if one.overlaps(window)],
        )
    )


def _own(session: Session, organisation_id: str | None, window: Span, devices: Sequence[str] | None) -> list[Event]:
    held = sa.func.aggregate_strings(BookingDevice.device_id, ",").label("held")
    query = (
        sa.select(
            _written(session, Booking.start_at),
            _written(session, Booking.end_at),
            held,
            Booking.id,
            Booking.title,
            Booking.state,
            Booking.organisation_id,
            Booking.pilot_id,
            Booking.version,
        )
        .join(BookingDevice, BookingDevice.booking_id == Booking.id)
        .where(BookingDevice.active, Booking.start_at < window.end, Booking.end_at > window.start)
        .group_by(Booking.id)
        .order_by(Booking.start_at, Booking.id)
    )
    if organisation_id is not None:
        query = query.where(Booking.organisation_id == organisation_id)
    if devices is not None:
        wanted = sa.select(BookingDevice.booking_id).where(BookingDevice.device_id.in_(devices))
        query = query.where(Booking.id.in_(wanted))
    return [
        Event(start, end, sorted(held.split(",")), False, which, title, state, whose, pilot, version)
        for start, end, held, which, title, state, whose, pilot, version in session.execute(query)
    ]


def _taken(session: Session, organisation_id: str, window: Span, devices: Sequence[str] | None) -> list[Event]:
    """When others hold devices: neither who nor what for."""
    query = (
        sa.select(
            _written(session, BookingDevice.reserved_start),
            _written(session, BookingDevice.reserved_end),
            BookingDevice.device_id,
        )
        .join(Booking, Booking.id == BookingDevice.booking_id)
        .where(
            BookingDevice.active,
            Booking.organisation_id != organisation_id,
            BookingDevice.reserved_start < window.end,
            BookingDevice.reserved_end > window.start,
        )
    )
    if devices is not None:
        query = query.where(BookingDevice.device_id.in_(devices))
    return [Event(start, end, [device_id], True) for start, end, device_id in session.execute(query)]


def _written(session: Session, column: Any) -> sa.ColumnElement[str]:
    """A time as RFC 3339 text, whole seconds if it has no fraction, made by the database."""
    if session.get_bind().dialect.name == "sqlite":
        seconds = sa.func.strftime("%Y-%m-%dT%H:%M:%S", sa.type_coerce(column, sa.BigInteger) / 1_000_000, "unixepoch")
        fraction = sa.type_coerce(column, sa.BigInteger) % 1_000_000
        return seconds + sa.case((fraction == 0, "Z"), else_=sa.func.printf(".%06dZ", fraction))
    text = sa.func.to_char(sa.func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US')
    return sa.func.replace(text + "Z", ".000000Z", "Z", type_=sa.String())


def _text(instant: Any) -> str:
    written: str = instant.isoformat()
    return written.replace("+00:00", "Z")
