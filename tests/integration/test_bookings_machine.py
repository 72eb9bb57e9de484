"""Whatever people do in whatever order: the calendar agrees with a model that fits on one screen."""

import functools
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from bookings import repository
from bookings.errors import BookingClosedError, BookingStartedError, DeviceBusyError, RuleBrokenError
from lab.core.database import Database
from lab.core.time import Span
from tests.booking_lab import BookingLab, at, make_booking_lab
from tests.conftest import create_tables

DEVICES = {"mill-1": (10, 5), "meter-1": (0, 0), "robot-1": (0, 0)}
"""By device: minutes before and after each use."""

device_sets = st.sets(st.sampled_from(sorted(DEVICES)), min_size=1).map(sorted)
slots = st.builds(
    lambda quarter, quarters: at(7 + quarter / 4, length=quarters / 4), st.integers(0, 46), st.integers(1, 10)
)


@dataclass(frozen=True)
class Held:
    """A booking as the model knows it."""

    owner: str
    device_ids: tuple[str, ...]
    span: Span
    gone: bool = False
    """Cancelled before its start: nothing is held."""
    closed: bool = False

    def reserved(self, device_id: str) -> Span:
        before, after = DEVICES[device_id]
        return self.span.widened(before=timedelta(minutes=before), after=timedelta(minutes=after))


class Calendar(RuleBasedStateMachine):
    """Bookings on three devices on one day."""

    bookings = Bundle("bookings")

    @initialize()
    def open_the_lab(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pilotlab-tests-"))
        self.lab: BookingLab = make_booking_lab(_empty_database(self.folder / "lab.sqlite"))
        self.model: dict[str, Held] = {}

    def teardown(self) -> None:
        if hasattr(self, "lab"):
            self.lab.database.close()
            shutil.rmtree(self.folder)

    def free(self, device_ids: tuple[str, ...], span: Span, *, but: str = "") -> bool:
        wish = Held("", device_ids, span)
        return not any(
            wish.reserved(device_id).overlaps(other.reserved(device_id))
            for booking_id, other in self.model.items()
            if booking_id != but and not other.gone
            for device_id in set(device_ids) & set(other.device_ids)
        )

    def allowed(self, span: Span) -> bool:
        return self.lab.now <= span.start and span.end <= at(19).start

    @rule(target=bookings, device_ids=device_sets, span=slots, by_anna=st.booleans())
    def book(self, device_ids: list[str], span: Span, by_anna: bool) -> object:
        who = self.lab.anna if by_anna else self.lab.bert
        expected = RuleBrokenError if not self.allowed(span) else DeviceBusyError
        possible = self.allowed(span) and self.free(tuple(device_ids), span)
        try:
            booking = self.lab.book(who, span, *device_ids)
        except expected:
            assert not possible
            return multiple()
        assert possible
        self.model[booking.id] = Held(who.organisation_id, tuple(device_ids), span)
        return booking.id

    @rule(booking_id=bookings, span=slots)
    def move(self, booking_id: str, span: Span) -> None:
        held = self.model[booking_id]
        expected: type[Exception] = DeviceBusyError
        if held.closed:
            expected = BookingClosedError
        elif held.span.start <= self.lab.now:
            expected = BookingStartedError
        elif not self.allowed(span):
            expected = RuleBrokenError
        possible = expected is DeviceBusyError and self.free(held.device_ids, span, but=booking_id)
        try:
            self.lab.move(self.lab.engineer, booking_id, span)
        except expected:
            assert not possible
        else:
            assert possible
            self.model[booking_id] = replace(held, span=span)

    @rule(booking_id=consumes(bookings))
    def cancel(self, booking_id: str) -> None:
        held, now = self.model[booking_id], self.lab.now
        possible = not held.closed and now < held.span.end
        try:
            self.lab.cancel(self.lab.engineer, booking_id)
        except BookingClosedError:
            assert not possible
            return
        assert possible
        if now <= held.span.start:
            self.model[booking_id] = replace(held, gone=True, closed=True)
        else:
            self.model[booking_id] = replace(held, span=Span(held.span.start, now), closed=True)

    @rule(booking_id=bookings)
    def finish(self, booking_id: str) -> None:
        held, now = self.model[booking_id], self.lab.now
        if held.closed or now <= held.span.start:
            return
        self.lab.finish(self.lab.engineer, booking_id, now=now)
        self.model[booking_id] = replace(held, span=Span(held.span.start, min(now, held.span.end)), closed=True)

    @rule(quarters=st.integers(1, 6))
    def wait(self, quarters: int) -> None:
        self.lab.now += timedelta(minutes=15 * quarters)

    @invariant()
    def the_database_holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "lab"):
            return
        for device_id in DEVICES:
            expected = [
                held.reserved(device_id)
                for held in self.model.values()
                if not held.gone and device_id in held.device_ids
            ]
            assert self.lab.held(device_id) == sorted(expected)

    @invariant()
    def every_company_occupies_what_it_booked(self) -> None:
        if not hasattr(self, "lab"):
            return
        for who in (self.lab.anna, self.lab.bert):
            with self.lab.database.read() as session:
                found = repository.occupancies(session, who.organisation_id)
            assert [(occupancy.device_id, Span(occupancy.start, occupancy.end)) for occupancy in found] == sorted(
                (device_id, held.span)
                for held in self.model.values()
                if held.owner == who.organisation_id and not held.gone
                for device_id in held.device_ids
            )


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
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
