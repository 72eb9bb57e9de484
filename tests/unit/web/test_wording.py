"""How things read on a page."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.time import aware_utc
from lab.web import languages, wording
from lab.web.wording import LabTimeError, read_field_time

WARSAW = "Europe/Warsaw"
MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)


def test_times_are_the_labs_with_the_zones_short_name() -> None:
    assert wording.lab_time(MONDAY, WARSAW) == "Mon 23 Nov 2026, 08:00 CET"
    assert wording.lab_time(datetime(2026, 7, 1, 7, tzinfo=UTC), WARSAW) == "Wed 1 Jul 2026, 09:00 CEST"
    assert wording.lab_date(date(2027, 6, 30), WARSAW) == "Wed 30 Jun 2027"
    assert wording.lab_clock(MONDAY, WARSAW) == "08:00:00 CET"
    assert wording.lab_second(MONDAY, WARSAW) == "Mon 23 Nov 2026, 08:00:00"


def test_a_span_names_a_shared_date_once() -> None:
    assert wording.lab_span(MONDAY, MONDAY + timedelta(hours=2), WARSAW) == "Mon 23 Nov 2026, 08:00–10:00 CET"
    over_night = wording.lab_span(MONDAY, MONDAY + timedelta(hours=20), WARSAW)
    assert over_night == "Mon 23 Nov 2026, 08:00 CET – Tue 24 Nov 2026, 04:00 CET"


def test_a_span_over_the_end_of_summer_time_names_both_zones() -> None:
    start = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert wording.lab_span(start, start + timedelta(hours=1), WARSAW) == (
        "Sun 25 Oct 2026, 02:30 CEST – Sun 25 Oct 2026, 02:30 CET"
    )


def test_an_end_today_is_a_time_of_day_only() -> None:
    assert wording.lab_until(MONDAY + timedelta(hours=1), MONDAY, WARSAW) == "09:00 CET"
    assert wording.lab_until(MONDAY + timedelta(days=1), MONDAY, WARSAW) == "Tue 24 Nov 2026, 08:00 CET"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))
def test_what_a_form_shows_is_read_back_as_the_same_minute(instant: datetime) -> None:
    instant = instant.replace(second=0, microsecond=0)
    read = aware_utc(read_field_time(wording.field_time(instant, WARSAW), WARSAW, field="start"))
    assert read in {instant, instant - timedelta(hours=1)}  # the hour that autumn repeats is read as its first
    assert wording.field_time(read, WARSAW) == wording.field_time(instant, WARSAW)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T09:00", "09:00"])
def test_what_is_no_time_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(LabTimeError) as refusal:
        read_field_time(text, WARSAW, field="end")
    assert refusal.value.facts["field"] == "end"


def test_the_hour_that_spring_skips_does_not_exist() -> None:
    with pytest.raises(LabTimeError, match="skip 02:30"):
        read_field_time("2026-03-29T02:30", WARSAW, field="start")


def test_a_time_with_its_own_zone_is_taken_as_it_is() -> None:
    assert aware_utc(read_field_time("2026-11-23T07:00:00+00:00", WARSAW, field="start")) == MONDAY


def test_opening_hours_are_grouped_by_days_in_a_row() -> None:
    week = dict.fromkeys(["mon", "tue", "wed", "fri"], "07:00-19:00")
    assert wording.opening_hours(week) == "Mon–Wed 07:00–19:00, Fri 07:00–19:00"
    assert wording.opening_hours({"sun": "10:00-12:00", "sat": "08:00-12:00"}) == "Sat 08:00–12:00, Sun 10:00–12:00"
    assert wording.opening_hours({}) == ""


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("feed_mm_s", 6.0, "feed 6 mm/s"),
        ("roughness_um", 1.25, "roughness 1.25 µm"),
        ("passed", True, "passed yes"),
        ("program", "P17", "program P17"),
        ("axes", 3, "axes 3"),
        ("materials", ["PLA", "PETG"], "materials PLA, PETG"),
        ("travel_x_mm", 500, "travel x 500 mm"),
    ],
)
def test_a_unit_in_a_name_goes_behind_the_value(name: str, value: object, written: str) -> None:
    assert wording.named_value(name, value) == written


def test_what_a_machine_can_do_is_characterised_in_the_readers_language() -> None:
    token = languages._language.set("pl")
    try:
        assert wording.named_value("axes", 3) == "osie 3"
        assert wording.named_value("travel_x_mm", 500) == "przesuw X 500 mm"
        assert wording.named_value("resolution_mpx", 5) == "rozdzielczość 5 Mpx"
        assert wording.named_value("gripper", "soft") == "gripper soft"
    finally:
        languages._language.reset(token)


def test_values_prices_and_lengths_read_like_speech() -> None:
    assert wording.value_text(None, "cutting", "enumeration") == "cutting"
    assert wording.value_text(1.0, None, "boolean") == "yes"
    assert wording.value_text(None, None, "number") == "–"
    assert wording.price(12_050) == "120.50\u00a0EUR"
    assert wording.short_duration(timedelta(seconds=200)) == "3 min 20 s"
    assert wording.short_duration(timedelta(seconds=59)) == "59 s"


def test_times_inside_a_message_become_lab_times() -> None:
    message = "the lab is closed at 2026-12-06 09:00+01:00; it opens at 2026-12-07T06:00:00+00:00"
    assert wording.sentence(message, WARSAW) == (
        "The lab is closed at Sun 6 Dec 2026, 09:00 CET; it opens at Mon 7 Dec 2026, 07:00 CET."
    )
    assert wording.sentence("gone?", WARSAW) == "Gone?"


@pytest.mark.parametrize(
    ("language", "amount"), [("en", "1\u202f234\u202f567.50\u00a0EUR"), ("pl", "1\u202f234\u202f567,50\u00a0EUR")]
)
def test_pages_group_digits_as_reports_do(language: str, amount: str) -> None:
    token = languages._language.set(language)
    try:
        written = [wording.price(123_456_750), wording.number(12_500), wording.number(-0.5, decimals=1)]
    finally:
        languages._language.reset(token)
    assert written == [amount, "12\u202f500", {"en": "\u22120.5", "pl": "\u22120,5"}[language]]
