"""Whatever people do in whatever order: the calendar agrees with a model that fits on one screen."""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from sqlalchemy.orm import Session

from bookings import life, repository, service
from bookings.errors import (
    BookingClosedError,
    BookingNotStartedError,
    BookingStartedError,
    DeviceBusyError,
    NoRequestError,
    RuleBrokenError,
)
from bookings.models import Booking, BookingDevice
from bookings.outages.declaring import declare_outage
from bookings.outages.schemas import OutageRequest
from bookings.schemas import BookingRequest
from bookings.timekeeping import keep_time
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.core.time import EmptySpanError, Span
from lab.people.principals import Principal, Role
from tests.booking_lab import RULES, BookingLab, at, make_booking_lab
from tests.calendar_model import (
    BY_REQUEST,
    CHECK_IN,
    CHECKED_IN,
    DEVICES,
    FREE,
    LAPSES,
    MINUTE,
    OPEN,
    QUARTER,
    TAKEN,
    CalendarModel,
)
from tests.conftest import create_tables

device_sets = st.sets(st.sampled_from(sorted(DEVICES)), min_size=1).map(sorted)
slots = st.tuples(st.integers(-1, 14), st.integers(1, 6))
"""How many quarters of an hour from now a slot begins, and how many it lasts."""
wishes = st.tuples(device_sets, slots, st.booleans())

Deed = Callable[[Session], Any]


class UndoError(Exception):
    """Raised to undo a trial."""


class Calendar(RuleBasedStateMachine):
    """Bookings on three devices on one day."""

    bookings = Bundle("bookings")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pilotlab-tests-"))
        self.lab: BookingLab = make_booking_lab(_empty_database(self.folder / "lab.sqlite"))
        self.lab.rule("device", BY_REQUEST, approval=True, approval_lapses_minutes=LAPSES // MINUTE)
        self.lab.rule("device", CHECKED_IN, check_in_minutes=CHECK_IN // MINUTE)
        self.model = CalendarModel(self.lab.now, at(19).start)

    @initialize(target=bookings, several=st.lists(wishes, min_size=2, max_size=5))
    def book_some(self, several: list[tuple[list[str], tuple[int, int], bool]]) -> object:
        return multiple(*filter(None, (self.book_one(*wish) for wish in several)))

    def teardown(self) -> None:
        self.lab.database.close()
        shutil.rmtree(self.folder)

    # What people do

    @rule(target=bookings, wish=wishes)
    def book(self, wish: tuple[list[str], tuple[int, int], bool]) -> object:
        return multiple(*filter(None, [self.book_one(*wish)]))

    def book_one(self, device_ids: list[str], slot: tuple[int, int], by_anna: bool) -> str | None:
        who, span = self.lab.anna if by_anna else self.lab.bert, self.span(slot)
        expected = self.gate(tuple(device_ids), span)
        booking = self.attempt(
            self.booking(who, device_ids, span), expected, lambda other: self.booking(who, device_ids, other)
        )
        if booking is None:
            return None
        self.model.book(booking.id, who.organisation_id, tuple(device_ids), span)
        return str(booking.id)

    @rule(booking_id=bookings, slot=slots)
    def move(self, booking_id: str, slot: tuple[int, int]) -> None:
        held, span = self.model.held[booking_id], self.span(slot)
        expected = self.gate(held.device_ids, span, but=booking_id)
        if held.state not in OPEN or self.model.lapsed(booking_id):
            expected = BookingClosedError
        elif held.state == "in_use" or held.span.start <= self.model.now:
            expected = BookingStartedError
        if self.attempt(self.moving(booking_id, span), expected, lambda other: self.moving(booking_id, other)):
            self.model.place(booking_id, replace(held, span=span))

    @rule(booking_id=bookings, quarters=st.integers(-3, 8), begun=st.booleans())
    def extend(self, booking_id: str, quarters: int, begun: bool) -> None:
        self.wait_for(booking_id if begun else None)
        held = self.model.held[booking_id]
        end = held.span.end + quarters * QUARTER
        running = held.span.start <= self.model.now
        expected: type[PilotLabError] | None
        if held.state not in OPEN or held.span.end <= self.model.now or self.model.lapsed(booking_id):
            expected = BookingClosedError
        elif end <= held.span.start:
            expected = EmptySpanError
        elif end <= self.model.now:
            expected = RuleBrokenError
        else:
            expected = self.gate(held.device_ids, Span(held.span.start, end), but=booking_id, running=running)
        again = (
            (lambda other: self.extending(booking_id, other.end))
            if running
            else functools.partial(self.moving, booking_id)
        )
        if self.attempt(self.extending(booking_id, end), expected, again):
            self.model.place(booking_id, replace(held, span=Span(held.span.start, end)))

    @rule(booking_id=bookings)
    def cancel(self, booking_id: str) -> None:
        held = self.model.held[booking_id]
        closed = held.state not in OPEN or held.span.end <= self.model.now
        deed = functools.partial(
            life.cancel_booking,
            principal=self.lab.engineer,
            booking_id=booking_id,
            version=None,
            now=self.lab.now,
            rules=RULES,
        )
        if self.attempt(deed, BookingClosedError if closed else None):
            self.model.give_back(booking_id)

    @rule(booking_id=bookings, deed=st.sampled_from(["start", "finish", "nobody_came"]), begun=st.booleans())
    def use(self, booking_id: str, deed: str, begun: bool) -> None:
        self.wait_for(booking_id if begun else None)
        getattr(self, deed)(booking_id)

    def start(self, booking_id: str) -> None:
        held, now = self.model.held[booking_id], self.model.now
        expected: type[PilotLabError] | None = None
        if held.state == "in_use":
            pass
        elif held.state not in OPEN or held.span.end <= now:
            expected = BookingClosedError
        elif held.state == "requested" or held.span.start > now:
            expected = BookingNotStartedError
        if self.attempt(functools.partial(life.start_use, booking_id=booking_id, now=now), expected):
            self.model.change(booking_id, state="in_use")

    def finish(self, booking_id: str) -> None:
        held, now = self.model.held[booking_id], self.model.now
        expected: type[PilotLabError] | None = None
        if held.state not in OPEN | {"done"}:
            expected = BookingClosedError
        elif held.state == "requested" or (held.state != "done" and held.span.start >= now):
            expected = BookingNotStartedError
        deed = functools.partial(life.finish_use, principal=self.lab.engineer, booking_id=booking_id, now=now)
        if self.attempt(deed, expected) and held.state != "done":
            self.model.end(booking_id, "done")

    def nobody_came(self, booking_id: str) -> None:
        held, now = self.model.held[booking_id], self.model.now
        expected: type[PilotLabError] | None = None
        if held.state != "confirmed":
            expected = BookingClosedError
        elif held.span.start >= now:
            expected = BookingNotStartedError
        if self.attempt(self.by_staff(life.mark_no_show, booking_id), expected):
            self.model.end(booking_id, "no_show")

    @rule(booking_id=bookings, deed=st.sampled_from(["approve", "decline", "reinstate"]))
    def decide(self, booking_id: str, deed: str) -> None:
        getattr(self, deed)(booking_id)

    def approve(self, booking_id: str) -> None:
        in_time = self.model.held[booking_id].state == "requested" and not self.model.lapsed(booking_id)
        if self.attempt(self.by_staff(life.approve_booking, booking_id), None if in_time else NoRequestError):
            self.model.change(booking_id, state="confirmed", lapses=None)

    def decline(self, booking_id: str) -> None:
        asked = self.model.held[booking_id].state == "requested"
        if self.attempt(self.by_staff(life.decline_booking, booking_id), None if asked else NoRequestError):
            self.model.give_back(booking_id)

    def reinstate(self, booking_id: str) -> None:
        held = self.model.held[booking_id]
        given_back = self.model.lapsed(booking_id) or (held.state == "cancelled" and not held.holds)
        expected = self.gate(held.device_ids, held.span, but=booking_id) if given_back else NoRequestError
        deed = self.by_staff(life.reinstate_booking, booking_id, rules=RULES)
        who = self.lab.engineer
        if self.attempt(deed, expected, lambda other: self.booking(who, list(held.device_ids), other)):
            self.model.place(booking_id, replace(held, state="confirmed", lapses=None, holds=True))

    @rule(where=st.sampled_from([*sorted(DEVICES), None]), slot=slots)
    def declare_an_outage(self, where: str | None, slot: tuple[int, int]) -> None:
        span = self.span(slot)
        if span.end <= self.model.now or len(self.model.outages) > 1:  # a lab that is closed all day shows nothing
            return
        request = OutageRequest(device_id=where, kind="unplanned", start=span.start, end=span.end, reason="It smokes")
        manager = replace(self.lab.engineer, role=Role.MANAGER)
        with self.lab.database.write() as session:
            declare_outage(session, manager, request, now=self.lab.now, defaults=RULES)
        self.model.outages.append((where, span))

    @rule(quarters=st.integers(1, 5), kept=st.booleans())
    def wait(self, quarters: int, kept: bool) -> None:
        self.lab.now = self.model.now = self.model.now + quarters * QUARTER
        if kept:
            keep_time(self.lab.database, now=self.lab.now, rules=RULES)
            self.model.keep_time()

    # How it is done

    def wait_for(self, booking_id: str | None) -> None:
        """Until a little after its start."""
        if booking_id is not None:
            self.lab.now = self.model.now = max(self.model.now, self.model.held[booking_id].span.start + 5 * MINUTE)

    def span(self, slot: tuple[int, int]) -> Span:
        start = self.model.now + slot[0] * QUARTER
        return Span(start, start + slot[1] * QUARTER)

    def gate(
        self, device_ids: tuple[str, ...], span: Span, *, but: str = "", running: bool = False
    ) -> type[PilotLabError] | None:
        """What the gate is to say; None: pass."""
        verdict = self.model.verdict(device_ids, span, but=but, running=running)
        return {FREE: None, TAKEN: DeviceBusyError}.get(verdict, RuleBrokenError)

    def attempt(
        self, deed: Deed, expected: type[PilotLabError] | None, again: Callable[[Span], Deed] | None = None
    ) -> Any:
        """Do it; a refusal must be the expected one, and what it proposes must be possible `again`."""
        if expected is None:
            return self.lab.database.transact(deed)
        with pytest.raises(expected) as refused:
            self.lab.database.transact(deed)
        if again is not None:
            self.try_proposals(refused.value, again)
        return None

    def try_proposals(self, refusal: PilotLabError, again: Callable[[Span], Deed]) -> None:
        """Each alternative can be booked as it stands; the nearest allowed choice breaks no rule."""
        for facts in refusal.facts.get("alternatives", []):
            self.undone(again(_span(facts)))
        if refusal.facts.get("nearest") is not None:
            with contextlib.suppress(DeviceBusyError):
                self.undone(again(_span(refusal.facts["nearest"])))

    def undone(self, deed: Deed) -> None:
        with contextlib.suppress(UndoError), self.lab.database.write() as session:
            deed(session)
            session.flush()
            raise UndoError

    def booking(self, who: Principal, device_ids: list[str], span: Span) -> Deed:
        request = BookingRequest(device_ids=device_ids, start=span.start, end=span.end, title="Trial")
        return functools.partial(service.book_devices, principal=who, request=request, now=self.lab.now, rules=RULES)

    def moving(self, booking_id: str, span: Span) -> Deed:
        return self.by_staff(service.move_booking, booking_id, span=span, rules=RULES)

    def extending(self, booking_id: str, end: datetime) -> Deed:
        return self.by_staff(life.extend_booking, booking_id, end=end, rules=RULES)

    def by_staff(self, deed: Callable[..., Booking], booking_id: str, **facts: Any) -> Deed:
        who = self.lab.engineer
        return functools.partial(deed, principal=who, booking_id=booking_id, version=None, now=self.lab.now, **facts)

    # What is always so

    @invariant()
    def the_database_holds_what_the_model_holds(self) -> None:
        with self.lab.database.read() as session:
            rows = session.execute(
                sa.select(BookingDevice.device_id, BookingDevice.reserved_start, BookingDevice.reserved_end).where(
                    BookingDevice.active
                )
            )
            found = sorted((device_id, Span(start, end)) for device_id, start, end in rows)
            states = {one.id: one.state for one in session.execute(sa.select(Booking.id, Booking.state))}
        assert found == sorted(
            (device_id, held.reserved(device_id))
            for held in self.model.held.values()
            if held.holds
            for device_id in held.device_ids
        )
        assert states == {booking_id: held.state for booking_id, held in self.model.held.items()}

    @invariant()
    def every_company_occupies_what_it_booked(self) -> None:
        for who in (self.lab.anna, self.lab.bert):
            with self.lab.database.read() as session:
                found = repository.occupancies(session, who.organisation_id)
            assert [(occupancy.device_id, Span(occupancy.start, occupancy.end)) for occupancy in found] == sorted(
                (device_id, held.span)
                for held in self.model.held.values()
                if held.owner == who.organisation_id and held.holds and held.state != "requested"
                for device_id in held.device_ids
            )


def _span(facts: dict[str, str]) -> Span:
    return Span(datetime.fromisoformat(facts["start"]), datetime.fromisoformat(facts["end"]))


@functools.cache
def _tables() -> bytes:
    """A SQLite file with all tables, empty; made once."""
    with tempfile.TemporaryDirectory(prefix="pilotlab-tests-") as folder:
        path = Path(folder) / "tables.sqlite"
        database = Database(f"sqlite:///{path}")
        create_tables(database)
        database.close()
        return path.read_bytes()


def _empty_database(path: Path) -> Database:
    path.write_bytes(_tables())
    return Database(f"sqlite:///{path}")


TestCalendar = Calendar.TestCase
TestCalendar.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
