"""Prices at the instant of booking, and the ledger of public support, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.prices import publishing, service
from bookings.prices.constraints import LEDGER_KEPT
from bookings.prices.errors import CompanyInProgrammeError, ProgrammeNameTakenError, SupportCeilingError
from bookings.prices.models import Programme, ProgrammeMember, SupportEntry
from bookings.prices.publishing import ListedPrice
from bookings.prices.rules import CEILING_CENTS, LegalBasis, Quote
from devices.models import Device
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.paging import PageWish
from lab.core.time import Span
from lab.people.service import change_organisation
from tests.factories import MONDAY_MORNING as NOW
from tests.factories import make_device, make_organisation
from tests.lock_waiting import wait_for_a_lock
from tests.web_client import Town

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Till(Town):
    """The town, with a mill for EUR 120 an hour, and short ways to publish, quote and grant."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, LabClock(NOW))
        self.manager = self.principal("manager")
        with database.write() as session:
            make_device(session, "mill-1", price_cents_per_hour=12_000)
            make_device(session, "meter-1", price_cents_per_hour=3_000)

    def publish(self, valid_from: datetime | None = None, *, now: datetime = NOW, **prices: tuple[int, int]) -> int:
        """A price list with devices' prices (hour, set-up), names with _ for -."""
        devices = {name.replace("_", "-"): ListedPrice(*price) for name, price in prices.items()}
        with self.database.write() as session:
            return publishing.publish_price_list(
                session,
                self.manager,
                name="Prices",
                valid_from=valid_from,
                devices=devices,
                supervision_hour_cents=6_000,
                now=now,
            ).version

    def programme(
        self,
        name: str = "Regional",
        *,
        basis: LegalBasis = LegalBasis.DE_MINIMIS,
        price: int = 0,
        share: int = 1000,
        valid_from: datetime = NOW - DAY,
        valid_until: datetime | None = None,
    ) -> str:
        """A programme; by default a company pays nothing and everything is support."""
        with self.database.write() as session:
            return publishing.create_programme(
                session,
                self.manager,
                name=name,
                legal_basis=basis,
                price_per_mille=price,
                state_share_per_mille=share,
                valid_from=valid_from,
                valid_until=valid_until,
                now=NOW,
            ).id

    def add(self, programme_id: str, organisation_id: str | None = None, *, now: datetime = NOW) -> None:
        self.database.transact(
            lambda session: publishing.add_company(
                session, self.manager, programme_id, organisation_id or self.foundry.id, now=now
            )
        )

    def remove(self, programme_id: str, *, now: datetime = NOW) -> None:
        self.database.transact(
            lambda session: publishing.remove_company(session, self.manager, programme_id, self.foundry.id, now=now)
        )

    def link(self, *organisation_ids: str, undertaking: str | None = "group") -> None:
        for organisation_id in organisation_ids:
            facts = {"undertaking": undertaking}
            with self.database.write() as session:
                change_organisation(session, self.manager, organisation_id, facts, now=NOW)

    def quote(
        self,
        *device_ids: str,
        hours: float = 1,
        supervised: bool = False,
        now: datetime = NOW,
        organisation_id: str | None = None,
    ) -> Quote:
        with self.database.read() as session:
            return quote_in(
                session, organisation_id or self.foundry.id, *device_ids, hours=hours, supervised=supervised, now=now
            )

    def grant(self, cents: int, *, organisation_id: str | None = None, now: datetime = NOW) -> Booking:
        """A booking with so much support, as the gate makes one; refused if it does not fit."""
        whose = organisation_id or self.foundry.id
        return self.database.transact(lambda session: granted(session, whose, cents, now=now))

    def request(self, cents: int) -> Booking:
        """A request with so much support; the ledger has nothing of it before it is approved."""
        with self.database.write() as session:
            return granted(session, self.foundry.id, cents, now=NOW, state="requested")

    def decide(self, booking_id: str, state: str) -> None:
        with self.database.write() as session:
            booking = session.get_one(Booking, booking_id)
            booking.state = state
            booking.version += 1
            if state == "confirmed":
                service.write_support(session, booking, now=NOW + HOUR, by="acc_manager")

    def change(self, booking_id: str, cents: int, *, now: datetime) -> None:
        with self.database.write() as session:
            booking = session.get_one(Booking, booking_id)
            quote = supported(session, booking.organisation_id, cents, now=now)
            service.require_support_fits(session, quote, booking.organisation_id, now=now, except_booking=booking_id)
            booking.support_cents, booking.programme_id = quote.support_cents, quote.programme_id
            booking.version += 1
            service.write_support(session, booking, now=now, by="acc_somebody")

    def take_back(self, booking_id: str, *, now: datetime = NOW) -> None:
        with self.database.write() as session:
            booking = session.get_one(Booking, booking_id)
            service.counter_support(session, booking, now=now, by="acc_somebody", reason="cancelled")

    def ledger(self, booking_id: str) -> list[tuple[int, datetime, str]]:
        with self.database.read() as session:
            rows = session.scalars(
                sa.select(SupportEntry).where(SupportEntry.booking_id == booking_id).order_by(SupportEntry.id)
            )
            return [(row.cents, row.granted_at, row.reason) for row in rows]

    def used(self, name: str = "founder", *, now: datetime = NOW) -> int:
        """What is used of the ceiling, as a member of a company reads it."""
        with self.database.read() as session:
            view = service.list_support(session, self.principal(name), None, PageWish(), now=now)
        assert view.de_minimis is not None
        return view.de_minimis.used_cents


def quote_in(
    session: Session, organisation_id: str, *device_ids: str, hours: float = 1, supervised: bool = False, now: datetime
) -> Quote:
    wanted = device_ids or ("mill-1",)
    devices = list(session.scalars(sa.select(Device).where(Device.id.in_(wanted)).order_by(Device.id)))
    span = Span(NOW + DAY, NOW + DAY + HOUR * hours)
    return service.quote_for(
        session, organisation_id=organisation_id, devices=devices, span=span, supervised=supervised, now=now
    )


def supported(session: Session, organisation_id: str, cents: int, *, now: datetime) -> Quote:
    """A quote with exactly so much support, of a company in a programme that gives everything."""
    device = Device(id="mill-1", price_cents_per_hour=cents)
    span = Span(NOW + DAY, NOW + DAY + HOUR)
    return service.quote_for(
        session, organisation_id=organisation_id, devices=[device], span=span, supervised=False, now=now
    )


def granted(session: Session, organisation_id: str, cents: int, *, now: datetime, state: str = "confirmed") -> Booking:
    quote = supported(session, organisation_id, cents, now=now)
    service.require_support_fits(session, quote, organisation_id, now=now)
    number = session.scalar(sa.select(sa.func.count()).select_from(Booking)) or 0
    booking = Booking(
        id=f"bkg_{organisation_id[-12:]}_{number}",
        organisation_id=organisation_id,
        booked_by="acc_somebody",
        title="Trial",
        start_at=now + DAY,
        end_at=now + DAY + HOUR,
        state=state,
        version=1,
        created_at=now,
        changed_at=now,
        supervised=False,
        programme_id=quote.programme_id,
        market_value_cents=quote.market_value_cents,
        price_cents=quote.price_cents,
        support_cents=quote.support_cents,
        quote=quote.as_json(),
    )
    session.add(booking)
    if state == "confirmed":
        service.write_support(session, booking, now=now, by="acc_somebody")
    return booking


@pytest.fixture
def till(each_database: Database) -> Till:
    return Till(each_database)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(database.engine, "before_cursor_execute", note)


# Prices


def test_without_a_price_list_the_catalogue_counts(till: Till) -> None:
    quote = till.quote("mill-1", "meter-1", hours=1.5)
    assert (quote.market_value_cents, quote.price_list_version) == (22_500, None)


def test_a_device_left_out_of_the_price_list_has_its_catalogue_price_without_set_up(till: Till) -> None:
    version = till.publish(mill_1=(20_000, 500))
    quote = till.quote("mill-1", "meter-1", supervised=True)
    assert [(line.what, line.device_id, line.cents) for line in quote.lines] == [
        ("use", "meter-1", 3_000),
        ("use", "mill-1", 20_000),
        ("set-up", "mill-1", 500),
        ("supervision", None, 6_000),
    ]
    assert quote.price_list_version == version


def test_the_price_list_of_the_instant_of_booking_counts(till: Till) -> None:
    january = NOW + 39 * DAY
    first = till.publish(mill_1=(1_000, 0))
    second = till.publish(january, mill_1=(2_000, 0))
    assert till.quote(now=january - timedelta(microseconds=1)).price_list_version == first
    assert (till.quote(now=january).price_list_version, till.quote(now=january).price_cents) == (second, 2_000)
    late = till.publish(january, mill_1=(3_000, 0))  # a correction: of two that begin together the later one counts
    assert till.quote(now=january).price_list_version == late
    assert till.quote(now=NOW).price_list_version == first


def test_a_quote_costs_one_statement(till: Till) -> None:
    till.publish(mill_1=(1_000, 0))
    till.add(till.programme())
    with till.database.read() as session:
        devices = list(session.scalars(sa.select(Device)))
        with statements(till.database) as seen:
            quote = service.quote_for(
                session,
                organisation_id=till.foundry.id,
                devices=devices,
                span=Span(NOW, NOW + HOUR),
                supervised=True,
                now=NOW,
            )
    assert quote.programme_id is not None
    assert len(seen) == 1


# Programmes


def test_a_company_books_on_the_terms_of_its_programme_from_joining_to_leaving(till: Till) -> None:
    programme = till.programme(price=300, share=500)
    till.add(programme, now=NOW)
    till.remove(programme, now=NOW + DAY)
    before, within, after = (till.quote(now=NOW + offset) for offset in (-HOUR, HOUR, DAY))
    assert (before.price_cents, before.support_cents) == (12_000, 0)
    assert (within.price_cents, within.support_cents, within.programme) == (3_600, 4_200, "Regional")
    assert (after.price_cents, after.legal_basis) == (12_000, "none")
    assert till.quote(now=NOW + HOUR, organisation_id=till.joinery.id).programme_id is None


def test_a_programme_holds_from_its_beginning_to_its_end(till: Till) -> None:
    till.add(till.programme(valid_from=NOW + DAY, valid_until=NOW + 2 * DAY))
    found = [
        till.quote(now=NOW + offset).programme_id is not None for offset in (DAY - HOUR, DAY, 2 * DAY - HOUR, 2 * DAY)
    ]
    assert found == [False, True, True, False]


def test_a_company_is_in_one_programme_at_a_time(till: Till) -> None:
    first = till.programme("First", valid_until=NOW + DAY)
    second = till.programme("Second", valid_from=NOW + DAY - HOUR)
    third = till.programme("Third", valid_from=NOW + DAY, valid_until=NOW + 2 * DAY)
    till.add(first)
    till.add(first)  # twice is no error
    with pytest.raises(CompanyInProgrammeError, match="“First”") as refusal:
        till.add(second)
    assert refusal.value.facts["programme_id"] == first
    till.add(third)  # begins when the first ends
    till.remove(first)
    till.remove(third)
    till.add(second)
    till.remove(second)
    till.add(first, now=NOW + HOUR)
    assert till.quote(now=NOW + HOUR).programme == "First"


def test_two_managers_at_once_cannot_take_a_company_into_two_programmes(till: Till) -> None:
    first, second = till.programme("First"), till.programme("Second")
    with ThreadPoolExecutor(1) as aside:
        with till.database.write() as session:
            publishing.add_company(session, till.manager, first, till.foundry.id, now=NOW)
            other = aside.submit(till.add, second)
            if not till.database.is_sqlite:  # where writers queue anyway
                wait_for_a_lock(till.database)
        with pytest.raises(CompanyInProgrammeError):
            other.result(timeout=30)
    with till.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ProgrammeMember)) == 1


def test_a_name_is_given_to_one_programme_only(till: Till) -> None:
    till.programme("Regional")
    with pytest.raises(ProgrammeNameTakenError):
        till.programme("regional")
    with till.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Programme)) == 1


# The ceiling


def test_the_ceiling_can_be_reached_but_not_exceeded(till: Till) -> None:
    till.add(till.programme())
    till.grant(CEILING_CENTS - 100)
    with pytest.raises(SupportCeilingError) as refusal:
        till.grant(101)
    assert (refusal.value.facts["remaining_cents"], refusal.value.facts["support_cents"]) == (100, 101)
    till.grant(100)
    assert till.used() == CEILING_CENTS


def test_other_legal_bases_have_no_ceiling_and_use_none_up(till: Till) -> None:
    till.add(till.programme(basis=LegalBasis.GBER_28))
    till.grant(CEILING_CENTS + 1)
    assert till.used() == 0


def test_linked_companies_are_one_undertaking(till: Till) -> None:
    programme = till.programme()
    for company in (till.foundry.id, till.joinery.id):
        till.add(programme, company)
    till.grant(CEILING_CENTS - 100)
    assert till.used("joiner") == 0
    till.link(till.foundry.id, till.joinery.id)
    assert till.used("joiner") == CEILING_CENTS - 100
    with pytest.raises(SupportCeilingError):
        till.grant(101, organisation_id=till.joinery.id)
    till.link(till.joinery.id, undertaking=None)
    till.grant(101, organisation_id=till.joinery.id)


def test_companies_that_name_no_undertaking_are_not_linked_by_that(till: Till) -> None:
    till.add(till.programme())
    till.grant(1_000)
    assert (till.used("founder"), till.used("joiner")) == (1_000, 0)


def test_support_counts_for_three_years_from_the_granting_date(till: Till) -> None:
    till.add(till.programme())
    till.grant(CEILING_CENTS)
    later = NOW.replace(year=2029)
    with pytest.raises(SupportCeilingError):
        till.grant(1, now=later - timedelta(microseconds=1))
    till.grant(CEILING_CENTS, now=later)
    assert till.used(now=later) == CEILING_CENTS


def test_what_is_taken_back_leaves_the_three_years_together_with_what_it_takes_back(till: Till) -> None:
    till.add(till.programme())
    booking = till.grant(5_000)
    till.take_back(booking.id, now=NOW + 100 * DAY)
    later = NOW.replace(year=2029) + DAY
    assert (till.used(now=NOW + 200 * DAY), till.used(now=later)) == (0, 0)


@pytest.mark.parametrize("companies", [1, 2])
def test_many_bookings_at_once_do_not_pass_the_ceiling_together(till: Till, companies: int) -> None:
    programme = till.programme()
    for company in (till.foundry.id, till.joinery.id):
        till.add(programme, company)
    till.link(till.foundry.id, till.joinery.id)
    till.grant(CEILING_CENTS - 250)
    barrier = Barrier(6)

    def book(number: int) -> bool:
        company = (till.foundry.id, till.joinery.id)[number % companies]
        barrier.wait()
        try:
            with till.database.write() as session:
                quote = supported(session, company, 100, now=NOW)
                service.require_support_fits(session, quote, company, now=NOW)
                session.add(
                    SupportEntry(
                        organisation_id=company,
                        programme_id=programme,
                        legal_basis=LegalBasis.DE_MINIMIS,
                        booking_id=None,
                        granted_at=NOW,
                        cents=100,
                        counters=None,
                        written_by="acc_somebody",
                        written_at=NOW,
                        reason=f"booking {number}",
                    )
                )
        except SupportCeilingError:
            return False
        return True

    with ThreadPoolExecutor(6) as together:
        assert sum(together.map(book, range(6))) == 2
    assert till.used() == CEILING_CENTS - 50


def test_who_joins_an_undertaking_while_another_books_is_waited_for(postgres_database: Database) -> None:
    till = Till(postgres_database)
    programme = till.programme()
    third = None
    with till.database.write() as session:
        third = make_organisation(session, "Third", undertaking="group").id
    for company in (till.foundry.id, till.joinery.id, third):
        till.add(programme, company)
    till.grant(CEILING_CENTS - 100, organisation_id=till.joinery.id)
    till.link(till.joinery.id)
    with ThreadPoolExecutor(1) as aside:
        with till.database.write() as session:
            change_organisation(session, till.manager, till.foundry.id, {"undertaking": "group"}, now=NOW)
            booking = aside.submit(till.grant, 101)
            wait_for_a_lock(till.database)
        with pytest.raises(SupportCeilingError):
            booking.result(timeout=30)


def test_what_requests_were_promised_counts_until_they_are_declined(till: Till) -> None:
    till.add(till.programme())
    first, second = till.request(CEILING_CENTS - 300), till.request(200)
    assert till.used() == CEILING_CENTS - 100
    with pytest.raises(SupportCeilingError):
        till.request(101)
    till.decide(first.id, "confirmed")
    assert till.ledger(first.id) == [(CEILING_CENTS - 300, NOW, "booking")]
    assert till.used() == CEILING_CENTS - 100  # neither lost nor counted twice
    till.decide(second.id, "cancelled")
    assert till.used() == CEILING_CENTS - 300
    till.grant(300)


def test_a_booking_that_must_be_approved_again_is_counted_once(till: Till) -> None:
    till.add(till.programme())
    booking = till.grant(CEILING_CENTS)
    till.decide(booking.id, "requested")
    assert till.used() == CEILING_CENTS
    till.change(booking.id, CEILING_CENTS, now=NOW + DAY)
    till.change(booking.id, 1_000, now=NOW + DAY)
    assert till.used(now=NOW + DAY) == 1_000


# The ledger


def test_support_is_written_once(till: Till) -> None:
    till.add(till.programme())
    booking = till.grant(5_000)
    with till.database.write() as session:
        service.write_support(session, session.get_one(Booking, booking.id), now=NOW + DAY, by="acc_somebody")
    assert till.ledger(booking.id) == [(5_000, NOW, "booking")]


def test_a_booking_without_support_leaves_no_entry_and_asks_the_ledger_nothing(till: Till) -> None:
    with till.database.write() as session:
        booking = granted(session, till.foundry.id, 5_000, now=NOW)
    assert till.ledger(booking.id) == []
    with till.database.write() as session:
        known = session.get_one(Booking, booking.id)
        with statements(till.database) as seen:
            service.write_support(session, known, now=NOW, by="acc_somebody")
            quote = supported(session, till.foundry.id, 5_000, now=NOW)
            service.require_support_fits(session, quote, till.foundry.id, now=NOW)
    assert len(seen) == 1  # the quote's own


def test_less_support_keeps_its_date_and_more_is_granted_on_the_day_of_the_change(till: Till) -> None:
    till.add(till.programme())
    booking = till.grant(5_000)
    till.change(booking.id, 2_000, now=NOW + DAY)
    till.change(booking.id, 3_000, now=NOW + 2 * DAY)
    changed = "the booking was changed"
    assert till.ledger(booking.id) == [
        (5_000, NOW, "booking"),
        (-5_000, NOW, changed),
        (2_000, NOW, changed),
        (-2_000, NOW, changed),
        (3_000, NOW + 2 * DAY, changed),
    ]
    assert till.used(now=NOW + 3 * DAY) == 3_000


def test_a_changed_booking_may_always_keep_what_it_was_granted(till: Till) -> None:
    programme = till.programme()
    for company in (till.foundry.id, till.joinery.id):
        till.add(programme, company)
    booking = till.grant(CEILING_CENTS - 1_000)
    till.grant(CEILING_CENTS, organisation_id=till.joinery.id)
    till.link(till.foundry.id, till.joinery.id)  # from now on they have too much together, which was granted lawfully
    till.change(booking.id, CEILING_CENTS - 1_000, now=NOW + DAY)
    till.change(booking.id, CEILING_CENTS - 1_001, now=NOW + DAY)
    with pytest.raises(SupportCeilingError):
        till.change(booking.id, CEILING_CENTS - 1_000, now=NOW + DAY)


def test_a_changed_booking_does_not_count_twice(till: Till) -> None:
    till.add(till.programme())
    booking = till.grant(CEILING_CENTS - 1_000)
    till.change(booking.id, CEILING_CENTS, now=NOW + DAY)
    with pytest.raises(SupportCeilingError):
        till.change(booking.id, CEILING_CENTS + 1, now=NOW + DAY)
    assert till.used(now=NOW + DAY) == CEILING_CENTS


def test_a_booking_that_loses_its_programme_gives_its_support_back(till: Till) -> None:
    programme = till.programme()
    till.add(programme)
    booking = till.grant(5_000)
    till.remove(programme, now=NOW + DAY)
    assert till.used(now=NOW + DAY) == 5_000  # leaving alone takes nothing back
    till.change(booking.id, 5_000, now=NOW + DAY)
    assert [cents for cents, _, _ in till.ledger(booking.id)] == [5_000, -5_000]


def test_what_a_cancelled_booking_was_granted_is_taken_back_once_and_granted_anew_when_it_is_reinstated(
    till: Till,
) -> None:
    till.add(till.programme())
    booking = till.grant(CEILING_CENTS)
    for _ in range(2):
        till.take_back(booking.id, now=NOW + DAY)
    assert till.ledger(booking.id) == [(CEILING_CENTS, NOW, "booking"), (-CEILING_CENTS, NOW, "cancelled")]
    till.change(booking.id, CEILING_CENTS, now=NOW + 2 * DAY)
    assert till.ledger(booking.id)[2:] == [(CEILING_CENTS, NOW + 2 * DAY, "the booking was changed")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE support_entries SET cents = 1",
        "UPDATE support_entries SET reason = reason",
        "DELETE FROM support_entries",
    ],
)
def test_the_database_itself_keeps_the_ledger(till: Till, statement: str) -> None:
    till.add(till.programme())
    booking = till.grant(5_000)
    with pytest.raises(IntegrityError, match=LEDGER_KEPT), till.database.write() as session:
        session.execute(sa.text(statement))
    assert till.ledger(booking.id) == [(5_000, NOW, "booking")]


def test_postgresql_does_not_empty_the_ledger_either(postgres_database: Database) -> None:
    with pytest.raises(DBAPIError, match=LEDGER_KEPT), postgres_database.write() as session:
        session.execute(sa.text("TRUNCATE support_entries"))


def test_an_entry_is_not_countered_twice_even_by_hand(till: Till) -> None:
    till.add(till.programme())
    booking = till.grant(5_000)
    till.take_back(booking.id)
    copy = (
        "INSERT INTO support_entries (organisation_id, programme_id, legal_basis, booking_id, granted_at, cents, "
        "counters, written_by, written_at, reason) SELECT organisation_id, programme_id, legal_basis, booking_id, "
        "granted_at, cents, counters, written_by, written_at, reason FROM support_entries WHERE counters IS NOT NULL"
    )
    with pytest.raises(IntegrityError), till.database.write() as session:
        session.execute(sa.text(copy))
