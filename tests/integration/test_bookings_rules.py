"""Every rule of the lab, set in the database and met by somebody who books, on both databases."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bookings import service
from bookings.errors import DeviceBusyError, EngineersBusyError, OverrideRefusedError
from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.outages import declaring
from bookings.outages.rules import OutageKind
from bookings.outages.schemas import OutageRequest
from bookings.rulebook.models import Qualification, RuleEntry
from bookings.rulebook.schemas import RuleSettings
from bookings.schemas import BookingRequest
from bookings.states import BookingState
from lab.core.audit import changes_of
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.core.ids import new_id
from lab.core.time import Span
from lab.people.principals import Principal, Role
from tests.booking_lab import RULES, at
from tests.booking_town import race
from tests.factories import MONDAY_MORNING, make_account, make_device, make_organisation

WARSAW = ZoneInfo("Europe/Warsaw")
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
PILOT = "plt_1"


def wall(year: int, month: int, day: int, hour: float = 0, *, length: float = 1) -> Span:
    """A span by the clock on the wall in Gliwice."""
    start = (datetime(year, month, day) + hour * HOUR).replace(tzinfo=WARSAW).astimezone(UTC)
    return Span(start, start + length * HOUR)


@dataclass
class Lab:
    """Two mills with a class of their own and a meter, a company with two members, the staff with two engineers."""

    database: Database
    anna: Principal
    adam: Principal
    ewa: Principal
    boss: Principal
    now: datetime = MONDAY_MORNING

    def rule(self, scope: str = "lab", name: str = "", **settings: Any) -> None:
        given = RuleSettings(**settings).given()
        with self.database.write() as session:
            entry = RuleEntry(
                scope=scope, name=name, settings=given, version=1, changed_by="test", changed_at=MONDAY_MORNING
            )
            session.merge(entry)

    def train(self, who: Principal, name: str, expires_at: datetime | None = None, *, revoked: bool = False) -> None:
        with self.database.write() as session:
            session.add(
                Qualification(
                    id=new_id("qual"),
                    account_id=who.account_id,
                    name=name,
                    granted_by="test",
                    granted_at=MONDAY_MORNING,
                    expires_at=expires_at,
                    revoked_at=MONDAY_MORNING if revoked else None,
                )
            )

    def book(self, who: Principal, span: Span, *device_ids: str, now: datetime | None = None, **fields: Any) -> Booking:
        request = BookingRequest(
            device_ids=list(device_ids or ("mill-1",)), start=span.start, end=span.end, title="Feed rates", **fields
        )
        return self.database.transact(
            lambda session: service.book_devices(
                session,
                who,
                request,
                now=now or self.now,
                rules=RULES,
                company_of_pilot=lambda _, pilot: self.anna.organisation_id if pilot == PILOT else None,
            )
        )

    def refused(self, who: Principal, span: Span, *device_ids: str, **fields: Any) -> dict[str, Any]:
        """The facts of a refusal that writes nothing; what it proposes, the same rule does not refuse."""
        before = self.count()
        with pytest.raises(PilotLabError) as refusal:
            self.book(who, span, *device_ids, **fields)
        assert self.count() == before
        facts = {"message": refusal.value.message, "type": type(refusal.value).__name__, **refusal.value.facts}
        assert facts["field"]
        if facts.get("nearest"):
            span = Span(*(datetime.fromisoformat(facts["nearest"][end]) for end in ("start", "end")))
        instead = dict(facts.get("instead") or {})
        if "book_from" in instead:
            fields["now"] = datetime.fromisoformat(instead.pop("book_from"))
        chosen = instead.pop("device_ids", list(device_ids))
        if facts.get("nearest") or facts.get("instead"):
            assert facts["rule"] not in self.tried(who, span, *chosen, **{**fields, **instead})
        return facts

    def tried(self, who: Principal, span: Span, *device_ids: str, **fields: Any) -> list[str]:
        """The rules that refuse, if any; nothing is written either way."""
        found: list[str] = []
        now = fields.pop("now", self.now)
        request = BookingRequest(
            device_ids=list(device_ids or ("mill-1",)), start=span.start, end=span.end, title="Trial", **fields
        )
        with self.database.write() as session:
            try:
                service.book_devices(
                    session,
                    who,
                    request,
                    now=now,
                    rules=RULES,
                    company_of_pilot=lambda _, pilot: self.anna.organisation_id if pilot == PILOT else None,
                )
            except PilotLabError as error:
                found = error.facts.get("rules", [error.facts.get("rule")])
            session.rollback()
        return found

    def count(self) -> tuple[int, int]:
        with self.database.read() as session:
            models = (Booking, BookingDevice)
            one, other = (session.scalar(sa.select(sa.func.count()).select_from(model)) or 0 for model in models)
        return one, other

    def log(self, booking: Booking) -> list[Any]:
        with self.database.read() as session:
            return list(changes_of(session, "booking", booking.id))


@pytest.fixture
def lab(each_database: Database) -> Lab:
    with each_database.write() as session:
        make_device(session, "mill-1")
        make_device(session, "mill-2")
        make_device(session, "meter-1", kind="meter")
        company, ours = make_organisation(session), make_organisation(session, kind="lab")
        people = {
            "anna": make_account(session, Role.MEMBER, organisation=company),
            "adam": make_account(session, Role.MEMBER, organisation=company),
            "ewa": make_account(session, Role.ENGINEER, organisation=ours, id="acc_a_ewa"),
            "boss": make_account(session, Role.MANAGER, organisation=ours),
        }
        who = {
            name: Principal(account.id, account.organisation_id, Role(account.role), account.name)
            for name, account in people.items()
        }
    return Lab(each_database, **who)


# When


def test_opening_hours_of_a_device_by_weekday_with_several_stretches(lab: Lab) -> None:
    lab.rule("device", "mill-1", opening_hours={"mon": "06:00-12:00,13:00-22:00", "sat": "08:00-10:00"})
    lab.book(lab.anna, at(8, length=4))
    lab.book(lab.anna, at(20, length=2))
    lab.book(lab.anna, at(8, day=28, length=2))
    for closed in (at(11.5), at(12, length=1), at(13, day=24), at(21.5)):
        assert lab.refused(lab.anna, closed)["rule"] == "opening-hours"
    lab.book(lab.anna, at(12), "mill-2")
    facts = lab.refused(lab.anna, at(10, day=28), "mill-1", "mill-2")  # Saturday: mill-2 is closed
    assert facts["rule"] == "opening-hours"
    assert facts["nearest"]["start"] == "2026-11-30T06:00:00Z"  # when both open next


def test_around_the_clock_a_booking_goes_over_midnight(lab: Lab) -> None:
    week = dict.fromkeys(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "00:00-24:00")
    lab.rule("class", "cnc-mill", opening_hours=week)
    lab.book(lab.anna, at(22, length=10))
    assert lab.refused(lab.anna, at(22, length=10), "meter-1")["rule"] == "opening-hours"


def test_public_holidays_of_poland_own_closed_days_and_special_days(lab: Lab) -> None:
    lab.rule(
        holidays="PL",
        closed_days=[{"day": "2026-12-28", "name": "Stock-taking"}],
        special_days={"2026-12-26": "10:00-14:00", "2026-12-31": "07:00-12:00"},
        horizon_days=365,
    )
    christmas = lab.refused(lab.anna, wall(2026, 12, 25, 9))
    assert (christmas["rule"], christmas["field"]) == ("holiday", "start")
    assert christmas["message"].startswith("the lab is closed on 2026-12-25: Christmas Day")
    assert lab.refused(lab.anna, wall(2027, 5, 3, 9))["rule"] == "holiday"  # Monday, Constitution Day
    assert "Stock-taking" in lab.refused(lab.anna, wall(2026, 12, 28, 9))["message"]
    lab.book(lab.anna, wall(2026, 12, 26, 10, length=4))  # a Saturday and a holiday, but open
    assert lab.refused(lab.anna, wall(2026, 12, 31, 11.5))["rule"] == "opening-hours"


def test_a_region_keeps_holidays_of_its_own(lab: Lab) -> None:
    lab.rule(holidays="DE-BE", horizon_days=365)
    lab.rule("device", "mill-1", holidays="DE-BY")
    corpus_christi = wall(2027, 5, 27, 9)
    assert lab.refused(lab.anna, corpus_christi)["rule"] == "holiday"
    assert lab.refused(lab.anna, corpus_christi, "mill-1", "mill-2")["rule"] == "holiday"
    lab.book(lab.anna, corpus_christi, "mill-2")


def test_lead_time_horizon_shortest_and_longest(lab: Lab) -> None:
    lab.rule(lead_minutes=120, horizon_days=7, shortest_minutes=60, longest_minutes=180)
    assert lab.refused(lab.anna, at(9))["rule"] == "lead-time"
    assert lab.refused(lab.anna, at(10, length=0.5))["rule"] == "shortest-booking"
    assert lab.refused(lab.anna, at(10, length=3.5))["rule"] == "longest-booking"
    assert lab.refused(lab.anna, wall(2026, 11, 30, 7.5))["rule"] == "horizon"
    lab.book(lab.anna, at(10, length=3))
    lab.book(lab.anna, wall(2026, 11, 30, 7))
    assert lab.refused(lab.anna, at(7))["rule"] == "not-in-the-past"


def test_start_and_end_lie_on_steps_of_the_wall_clock(lab: Lab) -> None:
    lab.rule(granularity_minutes=45)
    lab.book(lab.anna, at(9, length=0.75))  # 09:00 is twelve times 45 minutes
    assert lab.refused(lab.anna, at(10))["rule"] == "granularity"
    off = lab.refused(lab.anna, at(9.75, length=1))
    assert (off["rule"], off["field"]) == ("granularity", "end")


@pytest.mark.parametrize(("month", "day", "steps"), [(3, 29, [0, 4, 6, 8]), (10, 25, [0, 2, 4, 6])])
def test_steps_on_the_days_when_the_clocks_change(lab: Lab, month: int, day: int, steps: list[int]) -> None:
    lab.rule(opening_hours={"sun": "00:00-24:00"}, granularity_minutes=120)
    now = wall(2026, month, day).start - DAY
    for begins, ends in pairwise(steps):
        span = Span(wall(2026, month, day, begins).start, wall(2026, month, day, ends).start)
        lab.book(lab.anna, span, now=now)
    assert lab.refused(lab.anna, wall(2026, month, day, 9, length=2), now=now)["rule"] == "granularity"
    midnight = wall(2026, month, day).start
    elapsed = Span(midnight + 10 * HOUR, midnight + 12 * HOUR)  # ten hours after midnight it is 9 or 11
    assert lab.refused(lab.anna, elapsed, now=now)["rule"] == "granularity"


def test_set_up_and_clean_up_times_by_rule_keep_others_away(lab: Lab) -> None:
    lab.rule("class", "cnc-mill", setup_minutes=30)
    lab.rule("device", "mill-1", cleanup_minutes=15)
    booking = lab.book(lab.anna, at(10))
    (row,) = booking.devices
    assert (row.reserved_start, row.reserved_end) == (at(10).start - 30 * MINUTE, at(10).end + 15 * MINUTE)
    with pytest.raises(DeviceBusyError):
        lab.book(lab.anna, at(11.5))
    lab.book(lab.anna, at(11.75))
    lab.book(lab.anna, at(10), "mill-2")
    with pytest.raises(DeviceBusyError):
        lab.book(lab.anna, at(11.25), "mill-2")
    lab.book(lab.anna, at(11.5), "mill-2")


# How much


def test_a_company_has_so_many_hours_a_week_and_another_company_its_own(lab: Lab) -> None:
    lab.rule(week_quota_minutes=4 * 60)
    lab.book(lab.anna, at(9, length=3))
    lab.book(lab.adam, at(13))
    full = lab.refused(lab.anna, at(9, day=25), "mill-2")
    assert full["rule"] == "week-quota"
    assert full["nearest"]["start"] == "2026-12-02T08:00:00Z"  # the same time a week later
    assert lab.refused(lab.adam, at(9, day=25))["rule"] == "week-quota"
    lab.book(lab.boss, at(14, day=25))
    lab.book(lab.anna, wall(2026, 11, 30, 9, length=4))


def test_a_cancelled_booking_does_not_count_any_more(lab: Lab) -> None:
    lab.rule(week_quota_minutes=60, most_open=1)
    booking = lab.book(lab.anna, at(9, day=24))
    assert lab.refused(lab.anna, at(9, day=25))["rule"] == "week-quota"
    with lab.database.write() as session:
        found = session.get_one(Booking, booking.id)
        found.state = BookingState.CANCELLED.value
        found.devices[0].active = False
    lab.book(lab.anna, at(9, day=25))


def test_a_week_ends_on_sunday_at_midnight_of_the_lab_and_parts_count_where_they_lie(lab: Lab) -> None:
    lab.rule(opening_hours=dict.fromkeys(["sun", "mon"], "00:00-24:00"), week_quota_minutes=4 * 60)
    over_the_end = wall(2026, 11, 29, 22, length=5)  # two hours of this week, three of the next
    lab.book(lab.anna, over_the_end)
    lab.book(lab.anna, wall(2026, 11, 29, 10, length=2), "mill-2")
    assert lab.refused(lab.anna, wall(2026, 11, 29, 23, length=0.5), "meter-1")["rule"] == "week-quota"
    lab.book(lab.anna, wall(2026, 11, 30, 10), "mill-2")
    assert lab.refused(lab.anna, wall(2026, 11, 30, 12, length=0.5), "mill-2")["rule"] == "week-quota"


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25)])
def test_the_week_in_which_the_clocks_change_counts_the_hours_that_pass(
    lab: Lab, month: int, day: int, hours: int
) -> None:
    lab.rule(opening_hours={"sun": "00:00-24:00"}, longest_minutes=30 * 60, week_quota_minutes=hours * 60)
    midnight = wall(2026, month, day).start
    now = midnight - 2 * DAY
    whole_day = Span(midnight, wall(2026, month, day + 1).start if month == 3 else wall(2026, 10, 26).start)
    assert whole_day.length == hours * HOUR
    lab.book(lab.anna, whole_day, now=now)
    assert lab.refused(lab.anna, Span(midnight, midnight + MINUTE), "mill-2", now=now)["rule"] == "week-quota"


def test_quotas_of_lab_class_and_device_add_up(lab: Lab) -> None:
    lab.rule(week_quota_minutes=5 * 60)
    lab.rule("class", "cnc-mill", week_quota_minutes=3 * 60)
    lab.rule("device", "mill-1", week_quota_minutes=60)
    lab.book(lab.anna, at(9), "mill-1")
    assert "of mill-1" in lab.refused(lab.anna, at(10), "mill-1")["message"]
    lab.book(lab.anna, at(9, length=2), "mill-2")
    assert "of the class cnc-mill" in lab.refused(lab.anna, at(12), "mill-2")["message"]
    lab.book(lab.anna, at(9, length=2), "meter-1")
    assert lab.refused(lab.anna, at(12), "meter-1")["rule"] == "week-quota"


def test_a_pilot_has_its_own_hours(lab: Lab) -> None:
    lab.rule(pilot_quota_minutes=3 * 60)
    lab.book(lab.anna, at(9, length=2), pilot_id=PILOT)
    lab.book(lab.anna, at(9, day=25, length=5))  # for no pilot
    short = lab.refused(lab.anna, at(9, day=26, length=2), pilot_id=PILOT)
    assert short["rule"] == "pilot-quota"
    assert short["nearest"] == {"start": "2026-11-26T08:00:00Z", "end": "2026-11-26T09:00:00Z"}
    lab.book(lab.anna, at(9, day=26), pilot_id=PILOT)
    used_up = lab.refused(lab.anna, at(9, day=27), pilot_id=PILOT)
    assert "cancel another booking of this pilot" in used_up["message"]


def test_bookings_at_one_time_and_bookings_ahead(lab: Lab) -> None:
    lab.rule(most_concurrent=1, most_open=2)
    lab.book(lab.anna, at(9, length=2))
    at_once = lab.refused(lab.adam, at(10), "mill-2")
    assert (at_once["rule"], at_once["nearest"]["start"]) == ("concurrent-bookings", "2026-11-23T10:00:00Z")
    lab.book(lab.adam, at(11), "mill-2")
    ahead = lab.refused(lab.anna, at(14), "meter-1")
    assert (ahead["rule"], ahead["instead"]) == ("open-bookings", {"book_from": at(11).start.isoformat()})
    lab.book(lab.anna, at(14), "meter-1", now=at(11).start)


def test_two_bookings_at_the_same_moment_cannot_exceed_a_quota_together(lab: Lab) -> None:
    lab.rule(week_quota_minutes=60)
    for day in (23, 30, 37):
        monday = datetime(2026, 11, 1, tzinfo=UTC) + (day - 1) * DAY
        deeds: list[Callable[[], Booking]] = [
            partial(lab.book, lab.anna, Span(monday + hour * HOUR, monday + (hour + 1) * HOUR), device)
            for hour, device in ((8, "mill-1"), (9, "mill-2"), (10, "meter-1"), (11, "mill-1"))
        ]
        won, refused, failed = race(deeds)
        assert failed == []
        assert (len(won), {error.facts["rule"] for error in refused}) == (1, {"week-quota"})


# Who


def test_a_training_is_needed_valid_until_the_end_or_an_engineer_with_it(lab: Lab) -> None:
    lab.rule("device", "mill-1", qualifications=["milling"])
    assert "no training 'milling'" in lab.refused(lab.anna, at(9))["message"]
    lab.train(lab.anna, "milling", at(9.5).start)
    during = lab.refused(lab.anna, at(9))
    assert (during["rule"], during["instead"]) == ("qualification", {"supervised": True})
    assert "expires before this booking ends" in during["message"]
    supervised = lab.book(lab.anna, at(9), supervised=True)
    assert [row.account_id for row in supervised.engineers] == [lab.ewa.account_id]
    lab.train(lab.anna, "milling", at(11).start)
    lab.book(lab.anna, at(10))
    assert lab.refused(lab.adam, at(11))["rule"] == "qualification"  # a colleague's training is not one's own
    lab.train(lab.adam, "milling", revoked=True)
    assert lab.refused(lab.adam, at(11))["rule"] == "qualification"
    lab.train(lab.adam, "milling", at(18).start)
    lab.book(lab.adam, at(11))
    lab.book(lab.ewa, at(14))  # the staff is trained


def test_a_booking_that_needs_approval_is_a_request_and_holds_the_slot(lab: Lab) -> None:
    lab.rule("class", "cnc-mill", approval=True, approval_lapses_minutes=60)
    lab.rule("device", "mill-2", approval=False)
    asked = lab.book(lab.anna, at(12))
    assert (asked.state, asked.lapses_at) == ("requested", lab.now + HOUR)
    soon = lab.book(lab.anna, at(8.5, length=0.5))
    assert soon.lapses_at == at(8.5).start  # it lapses at its start at the latest
    with pytest.raises(DeviceBusyError):
        lab.book(lab.adam, at(12))
    assert lab.book(lab.anna, at(12), "mill-2").state == "confirmed"
    assert lab.book(lab.anna, at(14), "mill-1", "mill-2").state == "requested"
    assert lab.book(lab.ewa, at(16)).state == "confirmed"


def test_where_supervision_is_needed_an_engineer_is_booked_and_none_supervises_two_at_once(lab: Lab) -> None:
    lab.rule("class", "cnc-mill", supervision=True)
    alone = lab.refused(lab.anna, at(9))
    assert (alone["rule"], alone["field"], alone["instead"]) == ("supervision", "supervised", {"supervised": True})
    booking = lab.book(lab.anna, at(9), "mill-1", supervised=True)
    assert [row.account_id for row in booking.engineers] == [lab.ewa.account_id]
    with pytest.raises(EngineersBusyError) as busy:
        lab.book(lab.adam, at(9.5), "mill-2", supervised=True)
    assert busy.value.facts["rule"] == "engineer-free"
    for free in busy.value.facts["alternatives"]:
        span = Span(*(datetime.fromisoformat(free[end]) for end in ("start", "end")))
        assert lab.tried(lab.adam, span, "mill-2", supervised=True) == []
    lab.book(lab.adam, at(10), "mill-2", supervised=True)  # touching is allowed
    lab.book(lab.adam, at(9), "meter-1")


def test_two_bookings_at_the_same_moment_compete_for_the_one_engineer(lab: Lab) -> None:
    for hour in (9, 11, 13, 15):
        deeds: list[Callable[[], Booking]] = [
            partial(lab.book, lab.anna, at(hour, length=2), device, supervised=True)
            for device in ("mill-1", "mill-2", "meter-1")
        ]
        won, refused, failed = race(deeds)
        assert failed == []
        assert (len(won), [type(error) for error in refused]) == (1, [EngineersBusyError] * 2)
    with lab.database.read() as session:
        rows = session.scalars(sa.select(BookingEngineer).where(BookingEngineer.active)).all()
        held = sorted((row.reserved_start, row.reserved_end) for row in rows)
    assert len(held) == 4
    assert all(one[1] <= other[0] for one, other in pairwise(held))


def test_with_two_engineers_two_supervised_bookings_go_side_by_side(lab: Lab) -> None:
    with lab.database.write() as session:
        make_account(session, Role.ENGINEER, organisation_id=lab.ewa.organisation_id, id="acc_b_jan")
    one, other = (lab.book(lab.anna, at(9), device, supervised=True) for device in ("mill-1", "mill-2"))
    assert {row.account_id for booking in (one, other) for row in booking.engineers} == {"acc_a_ewa", "acc_b_jan"}
    with pytest.raises(EngineersBusyError):
        lab.book(lab.anna, at(9), "meter-1", supervised=True)
    chosen = lab.book(lab.anna, at(10), engineer_id="acc_b_jan")
    assert [row.account_id for row in chosen.engineers] == ["acc_b_jan"]


def test_a_device_that_needs_another_is_booked_with_it_and_with_what_that_needs(lab: Lab) -> None:
    lab.rule("device", "mill-1", needs_devices=["mill-2"])
    lab.rule("device", "mill-2", needs_devices=["meter-1"])
    alone = lab.refused(lab.anna, at(9))
    assert (alone["rule"], alone["instead"]) == ("needs-device", {"device_ids": ["meter-1", "mill-1", "mill-2"]})
    assert len(lab.book(lab.anna, at(9), "mill-1", "mill-2", "meter-1").devices) == 3
    lab.book(lab.anna, at(10), "meter-1")
    with lab.database.write() as session:
        session.execute(sa.text("UPDATE devices SET retired_at = created_at WHERE id = 'meter-1'"))
    gone = lab.refused(lab.anna, at(11))
    assert (gone["rule"], gone.get("instead")) == ("needs-device", None)
    assert "meter-1: no longer in service; ask the lab" in gone["message"]


# For whom which rule


def test_the_rules_of_the_lab_the_class_and_the_device_narrow_each_other_field_by_field(lab: Lab) -> None:
    lab.rule(longest_minutes=60, lead_minutes=60)
    lab.rule("class", "cnc-mill", longest_minutes=120)
    lab.rule("device", "mill-1", longest_minutes=180)
    lab.book(lab.anna, at(9, length=3), "mill-1")
    lab.book(lab.anna, at(9, length=2), "mill-2")
    assert lab.refused(lab.anna, at(9, length=2), "meter-1")["rule"] == "longest-booking"
    assert lab.refused(lab.anna, at(12, length=3), "mill-2")["rule"] == "longest-booking"
    assert lab.refused(lab.anna, at(12, length=2), "mill-1", "meter-1")["rule"] == "longest-booking"
    assert lab.refused(lab.anna, at(8.5), "mill-1")["rule"] == "lead-time"


def test_a_changed_rule_holds_for_the_next_booking(lab: Lab) -> None:
    lab.book(lab.anna, at(9, length=2))
    lab.rule(longest_minutes=60)
    assert lab.refused(lab.anna, at(11, length=2))["rule"] == "longest-booking"
    lab.rule(longest_minutes=120)
    lab.book(lab.anna, at(11, length=2))
    with lab.database.write() as session:
        session.delete(session.get_one(RuleEntry, ("lab", "")))
    lab.book(lab.anna, at(13, length=3))


# Setting rules aside


def test_the_staff_sets_rules_aside_for_a_reason_and_the_log_names_both(lab: Lab) -> None:
    lab.rule(longest_minutes=60, granularity_minutes=60, week_quota_minutes=60, needs_devices=["meter-1"])
    span = at(18.5, day=28, length=2.25)  # Saturday evening
    booking = lab.book(lab.ewa, span, organisation_id=lab.anna.organisation_id, override_reason="Trade fair on Sunday")
    (line,) = lab.log(booking)
    assert (line.reason, line.by) == ("Trade fair on Sunday", lab.ewa.account_id)
    assert set(line.after["overridden"]) == {"longest-booking", "week-quota", "needs-device"}
    plain = lab.book(lab.ewa, at(9, day=24), "meter-1", override_reason="To be safe")
    assert "overridden" not in lab.log(plain)[0].after


def test_a_member_sets_nothing_aside(lab: Lab) -> None:
    lab.rule(longest_minutes=60)
    for length in (1, 2):
        with pytest.raises(OverrideRefusedError) as refused:
            lab.book(lab.anna, at(9, length=length), override_reason="Please")
        assert refused.value.facts == {"field": "override_reason", "rule": "staff-only"}
    assert lab.count() == (0, 0)


def test_not_even_the_staff_books_the_past_or_what_somebody_holds(lab: Lab) -> None:
    over = lab.refused(lab.boss, at(7), override_reason="It was so")
    assert over["rule"] == "not-in-the-past"
    lab.book(lab.anna, at(9))
    with pytest.raises(DeviceBusyError):
        lab.book(lab.boss, at(9), override_reason="Urgent")
    lab.book(lab.anna, at(11), supervised=True)
    with pytest.raises(EngineersBusyError):
        lab.book(lab.boss, at(11), "mill-2", supervised=True, override_reason="Urgent")


def test_an_outage_is_a_rule_that_the_staff_may_set_aside(lab: Lab) -> None:
    span = at(9, length=3)
    request = OutageRequest(
        device_id="mill-1", kind=OutageKind.PLANNED, start=span.start, end=span.end, reason="Spindle service"
    )
    lab.database.transact(
        lambda session: declaring.declare_outage(session, lab.ewa, request, now=lab.now, defaults=RULES)
    )
    out = lab.refused(lab.anna, at(10))
    assert (out["rule"], "Spindle service" in out["message"]) == ("outage", True)
    booking = lab.book(lab.ewa, at(10), override_reason="To try the new spindle")
    assert lab.log(booking)[0].after["overridden"] == ["outage"]
