"""What a refusal proposes can be taken as it stands: also while a booking runs, and with something out of service."""

from datetime import datetime, timedelta

import pytest

from bookings import life, service
from bookings.errors import DeviceBusyError, EngineersBusyError, RuleBrokenError
from bookings.models import Booking
from bookings.outages.declaring import declare_outage
from bookings.outages.schemas import OutageRequest
from bookings.schemas import BookingRequest
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.core.time import Span
from lab.people.principals import Principal, Role
from tests.booking_lab import RULES, BookingLab, at, make_booking_lab
from tests.factories import make_account

HALF_PAST_NINE = at(9.5).start


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def extend(lab: BookingLab, booking: Booking, end: datetime) -> Booking:
    return lab.transact(life.extend_booking, lab.anna, booking.id, end, version=None, now=HALF_PAST_NINE, rules=RULES)


def supervised(lab: BookingLab, who: Principal, span: Span, device: str) -> Booking:
    request = BookingRequest(device_ids=[device], start=span.start, end=span.end, title="With help", supervised=True)
    return lab.transact(service.book_devices, who, request, rules=RULES)


def out_of_service(lab: BookingLab, device: str, span: Span) -> None:
    request = OutageRequest(device_id=device, kind="planned", start=span.start, end=span.end, reason="New bearings")
    with lab.database.write() as session:
        declare_outage(session, lab.engineer, request, now=lab.now, defaults=RULES)


def span_of(facts: dict[str, str]) -> Span:
    return Span(datetime.fromisoformat(facts["start"]), datetime.fromisoformat(facts["end"]))


def ends(refusal: PilotLabError) -> list[datetime]:
    """Of the alternatives that a refusal names."""
    return [span_of(facts).end for facts in refusal.facts["alternatives"]]


def test_a_running_booking_is_told_how_long_it_can_go_on(lab: BookingLab) -> None:
    running = lab.book(lab.anna, at(9))
    lab.book(lab.bert, at(11))
    with pytest.raises(DeviceBusyError) as refused:
        extend(lab, running, at(12).start)
    assert "how long it can go on" in refused.value.message
    (end,) = ends(refused.value)
    assert end == at(11).start - timedelta(minutes=15)  # clean-up after it, set-up before the next
    assert extend(lab, running, end).end_at == end


def test_a_running_booking_with_another_right_behind_it_is_offered_nothing(lab: BookingLab) -> None:
    running = lab.book(lab.anna, at(9), "robot-1")
    lab.book(lab.bert, at(10), "robot-1")
    with pytest.raises(DeviceBusyError) as refused:
        extend(lab, running, at(10.5).start)
    assert refused.value.facts["alternatives"] == []
    assert "cannot go on longer" in refused.value.message


def test_a_running_booking_goes_on_as_long_as_its_engineer_and_its_device_are_free(lab: BookingLab) -> None:
    with lab.database.write() as session:
        make_account(session, Role.ENGINEER)
    running = supervised(lab, lab.anna, at(9), "robot-1")
    supervised(lab, lab.bert, at(11.5), "meter-1")
    with pytest.raises(EngineersBusyError) as refused:
        extend(lab, running, at(12).start)
    assert ends(refused.value) == [at(11.5).start]
    lab.book(lab.bert, at(11, length=0.5), "robot-1")
    with pytest.raises(EngineersBusyError) as refused:
        extend(lab, running, at(12).start)
    assert ends(refused.value) == [at(11).start]
    assert extend(lab, running, at(11).start).end_at == at(11).start


def test_a_running_booking_is_extended_up_to_an_outage(lab: BookingLab) -> None:
    running = lab.book(lab.anna, at(9))
    out_of_service(lab, "mill-1", at(11))
    with pytest.raises(RuleBrokenError) as refused:
        extend(lab, running, at(12).start)
    assert refused.value.facts["rule"] == "outage"
    nearest = span_of(refused.value.facts["nearest"])
    assert nearest == Span(at(9).start, at(11).start - timedelta(minutes=5))
    assert extend(lab, running, nearest.end).end_at == nearest.end


@pytest.mark.parametrize("wished", [at(7), at(6.5), at(18.5)], ids=["past", "closed-and-past", "after-hours"])
def test_what_is_proposed_instead_of_a_forbidden_time_is_not_out_of_service(lab: BookingLab, wished: Span) -> None:
    out_of_service(lab, "mill-1", Span(at(8).start, at(10).start))
    out_of_service(lab, "mill-1", Span(at(17).start, at(19).start))
    with pytest.raises(RuleBrokenError) as refused:
        lab.book(lab.anna, wished)
    assert refused.value.facts["rule"] != "outage"
    nearest = span_of(refused.value.facts["nearest"])
    assert lab.book(lab.anna, nearest).start_at == nearest.start
