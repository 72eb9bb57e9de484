"""Recurring bookings: each occurrence passes the gate by itself, all of them in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bookings.errors import (
    DevicesRetiredError,
    EngineerUnknownError,
    PilotUnfitError,
    UnknownDevicesError,
    UnknownOrganisationError,
)
from bookings.life import cancel_booking
from bookings.models import Booking, BookingSeries
from bookings.recurrence import Occurrence, occurrences
from bookings.rules import Rules, require_device_ids, span_facts, wall
from bookings.series import repository
from bookings.series.bulk import move_many
from bookings.series.errors import ClockTimeError, NothingBookedError, SeriesOverError, SeriesUnknownError
from bookings.series.outcomes import REFUSALS, Mode, Outcome, is_decided, proposals, require_enough
from bookings.series.schemas import MovesRequest, OneMove, SeriesRequest
from bookings.service import CompanyOfPilot, book_devices, no_pilots, require_may_book
from bookings.states import OPEN, UPCOMING
from bookings.wall_times import clear_span
from lab.core.errors import ForbiddenError, PilotLabError
from lab.core.ids import new_id
from lab.core.time import Span, in_zone
from lab.people.principals import Principal

MOST_OCCURRENCES = 100

Instead = Mapping[int, Span | None]
"""By the number of an occurrence, counted from 1, another span; None: it is left out."""
NOTHING_ELSE: Instead = MappingProxyType({})

_OF_THE_WHOLE = (
    ForbiddenError,
    UnknownDevicesError,
    DevicesRetiredError,
    UnknownOrganisationError,
    PilotUnfitError,
    EngineerUnknownError,
)
"""Refusals of what all occurrences have in common."""


@dataclass(frozen=True, slots=True)
class BookedSeries:
    """A series, and what became of each occurrence."""

    series: BookingSeries
    outcomes: Sequence[Outcome]


def book_series(
    session: Session,
    principal: Principal,
    request: SeriesRequest,
    *,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot = no_pilots,
    instead: Instead = NOTHING_ELSE,
) -> BookedSeries:
    """Book what a recurrence gives; what was booked for an occurrence counts for the quotas of the next.

    Args:
        session: of a write transaction, to be undone when this raises.
        principal: who books.
        request: the first occurrence and the rule.
        now: the present instant.
        rules: `Rules.from_settings`.
        company_of_pilot: knows whose a pilot is.
        instead: what somebody has chosen in place of some of the occurrences.

    Raises:
        RecurrenceError: the rule cannot be read, has no end, or gives more than `MOST_OCCURRENCES`.
        NothingBookedError: no occurrence can be booked, or each is left out.
        PilotLabError: what `book_devices` raises: of the whole, or, in mode "all", of the first occurrence refused.
    """
    series_id = new_id("ser")
    outcomes = _book_each(
        session,
        principal,
        request,
        series_id,
        now=now,
        rules=rules,
        company_of_pilot=company_of_pilot,
        instead=instead,
    )
    require_enough(outcomes, request.mode)
    if not outcomes:
        raise NothingBookedError(
            "every date is left out, so nothing is booked; keep one of them", rule="something-possible", refusals=[]
        )
    series = BookingSeries(
        id=series_id,
        organisation_id=next(one.booking.organisation_id for one in outcomes if one.booking is not None),
        rrule=request.rrule.strip(),
        created_by=principal.account_id,
        created_at=now,
    )
    session.add(series)
    session.flush()
    return BookedSeries(series, outcomes)


def preview_series(
    session: Session,
    principal: Principal,
    request: SeriesRequest,
    *,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot = no_pilots,
) -> Sequence[Outcome]:
    """What would become of each occurrence if the series were sent now, all of them told, whatever its mode.

    It books them as `book_series` does, so that both judge alike.

    Args:
        session: of a write transaction that is undone afterwards (`Database.rehearse`).
        principal: who would book.
        request: the first occurrence and the rule.
        now: the present instant.
        rules: `Rules.from_settings`.
        company_of_pilot: knows whose a pilot is.

    Raises:
        RecurrenceError: the rule cannot be read, has no end, or gives more than `MOST_OCCURRENCES`.
        PilotLabError: what `book_devices` raises of the whole.
    """
    told = request.model_copy(update={"mode": Mode.POSSIBLE})
    return _book_each(session, principal, told, new_id("ser"), now=now, rules=rules, company_of_pilot=company_of_pilot)


def _book_each(
    session: Session,
    principal: Principal,
    request: SeriesRequest,
    series_id: str,
    *,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot,
    instead: Instead = NOTHING_ELSE,
) -> list[Outcome]:
    """Book one occurrence after the other, until it is decided that nothing is to be kept."""
    require_may_book(principal)
    require_device_ids(request.device_ids)
    first = clear_span(request.start, request.end, zone=rules.zone)
    found = occurrences(request.rrule, first, zone=rules.zone, most=MOST_OCCURRENCES)
    outcomes: list[Outcome] = []

    def book(occurrence: Occurrence, chosen: Span | None) -> Booking:
        return book_devices(
            session,
            principal,
            request.at(chosen or _require_clock_time(occurrence)),
            now=now,
            rules=rules,
            company_of_pilot=company_of_pilot,
            series_id=series_id,
            propose=proposals(outcomes),
        )

    for number, occurrence in enumerate(found, start=1):
        if number in instead and instead[number] is None:
            continue
        facts, name = _facts(occurrence), f"{occurrence.start:%Y-%m-%d %H:%M}"
        try:
            outcomes.append(Outcome(number, name, facts, booking=book(occurrence, instead.get(number))))
        except _OF_THE_WHOLE:
            raise
        except REFUSALS as error:
            outcomes.append(Outcome(number, name, facts, refusal=error))
            if is_decided(outcomes, request.mode):
                break
    return outcomes


def get_series(session: Session, principal: Principal, series_id: str) -> tuple[BookingSeries, Sequence[Booking]]:
    """A series, with its bookings by start.

    Raises:
        SeriesUnknownError: there is none, or it is another company's.
    """
    series = _require_own(principal, repository.find_series(session, series_id))
    return series, repository.bookings_of_series(session, series.id)


def cancel_series(
    session: Session,
    principal: Principal,
    series_id: str,
    *,
    now: datetime,
    rules: Rules,
    reason: str | None = None,
) -> tuple[BookingSeries, Sequence[Outcome]]:
    """Give back what of a series has not begun yet; the others, and those that it is too late for, stay.

    Returns:
        The series, and what became of each of those, by start.

    Raises:
        SeriesUnknownError: there is none, or it is another company's.
    """
    series = _require_own(principal, repository.find_series(session, series_id))
    locked = repository.lock_bookings_of_series(session, series.id)  # all of them before anything else, by id
    ahead = [one for one in locked if one.state in OPEN and one.start_at > now]
    outcomes = []
    for number, booking in enumerate(sorted(ahead, key=lambda one: (one.start_at, one.id)), start=1):
        name = wall(booking.start_at, rules.zone)
        facts = {"booking_id": booking.id, **span_facts(Span(booking.start_at, booking.end_at))}
        refusal: PilotLabError | None = None
        try:
            cancel_booking(session, principal, booking.id, version=None, now=now, rules=rules, reason=reason)
        except REFUSALS as error:
            refusal = error
        outcomes.append(Outcome(number, name, facts, booking=booking, refusal=refusal))
    return series, outcomes


def move_series(
    session: Session, principal: Principal, series_id: str, start: datetime, *, now: datetime, rules: Rules
) -> Sequence[Booking]:
    """Move what of a series is ahead: the next of it to a new start, the others as far by the clock on the lab's wall.

    Args:
        session: of a write transaction, to be undone when this raises.
        principal: who moves it.
        series_id: which.
        start: of the next one.
        now: the present instant.
        rules: `Rules.from_settings`.

    Returns:
        Those that moved, by start.

    Raises:
        SeriesUnknownError: there is none, or it is another company's.
        SeriesOverError: nothing of it is ahead.
        PilotLabError: what `move_many` raises for the first move refused; then all stay where they are.
    """
    series = _require_own(principal, repository.find_series(session, series_id))
    ahead = movable_ahead(repository.bookings_of_series(session, series.id), now)
    if not ahead:
        raise SeriesOverError("nothing of this series is ahead, so nothing can move", rule="something-ahead")
    zone = ZoneInfo(rules.zone)
    by = in_zone(start, rules.zone).replace(tzinfo=None) - in_zone(ahead[0].start_at, rules.zone).replace(tzinfo=None)

    def shifted(instant: datetime) -> datetime:
        return (in_zone(instant, rules.zone).replace(tzinfo=None) + by).replace(tzinfo=zone)

    moves = [
        OneMove(booking_id=one.id, start=shifted(one.start_at), end=shifted(one.end_at), version=one.version)
        for one in ahead
    ]
    return move_many(session, principal, MovesRequest(moves=moves), now=now, rules=rules)


def movable_ahead(bookings: Sequence[Booking], now: datetime) -> list[Booking]:
    """Those of these bookings that have not begun and can move, in their order."""
    return [one for one in bookings if one.state in UPCOMING and one.start_at > now]


def _require_clock_time(occurrence: Occurrence) -> Span:
    if occurrence.span is None:
        raise ClockTimeError(
            f"{occurrence.fact}; book that day by itself, at another time",
            field=occurrence.field,
            rule=occurrence.refused,
            **_local(occurrence),
        )
    return occurrence.span


def _facts(occurrence: Occurrence) -> dict[str, str]:
    return {**(span_facts(occurrence.span) if occurrence.span is not None else {}), **_local(occurrence)}


def _local(occurrence: Occurrence) -> dict[str, str]:
    """By the clock on the lab's wall."""
    return {
        "local_start": occurrence.start.isoformat(timespec="minutes"),
        "local_end": occurrence.end.isoformat(timespec="minutes"),
    }


def _require_own(principal: Principal, series: BookingSeries | None) -> BookingSeries:
    if series is None or not principal.owns(series.organisation_id):
        raise SeriesUnknownError("there is no such series", field="series_id", rule="known-series")
    return series
