"""Bookings as events: what readers make of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Event

from bookings.feeds.calendar import Entry, Place, busy_entry, busy_uid, entry_of, status_of
from bookings.feeds.writing import calendar_bytes, invitation
from tests.factories import MONDAY_MORNING

LAB = Place("gliwice", "Lab, Gliwice", "Europe/Warsaw", "https://lab.example/bookings")
NINE = datetime(2026, 11, 23, 8, tzinfo=UTC)
"""By the clock in Gliwice."""

words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=200).map(str.strip)
instants = st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 1), timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=0)
)


def entry(**facts: object) -> Entry:
    given = {
        "booking_id": "bkg_1",
        "version": 3,
        "start": NINE,
        "end": NINE + timedelta(hours=1),
        "state": "confirmed",
        "title": "Trial",
        "company": "Foundry",
        "devices": ["Mill 1", "Meter 1"],
        "engineers": ["Ewa"],
        "created": MONDAY_MORNING,
        "changed": MONDAY_MORNING,
        "place": LAB,
    }
    return entry_of(**{**given, **facts})  # type: ignore[arg-type]


def span_of(event: Event) -> tuple[datetime, datetime]:
    """In UTC: Python takes no time that a clock shows twice for equal to one of another zone."""
    return event.start.astimezone(UTC), event.end.astimezone(UTC)


def written(*entries: Entry, place: Place = LAB) -> bytes:
    return calendar_bytes("Foundry", entries, place=place, now=MONDAY_MORNING)


@given(title=words, company=words, device=words, start=instants, minutes=st.integers(1, 3000))
def test_a_reader_gets_back_what_was_written(
    title: str, company: str, device: str, start: datetime, minutes: int
) -> None:
    end = start + timedelta(minutes=minutes)
    raw = written(entry(title=title, company=company, devices=[device], start=start, end=end))
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    [event] = Calendar.from_ical(raw).events
    # `icalendar` reads an escaped backslash before N as the letters \n, as most readers once did.
    if "\\N" not in title + company + device:
        assert event["SUMMARY"] == title
        assert event["DESCRIPTION"].startswith(f"Devices: {device}\nCompany: {company}\nSupervised by: Ewa\n")
    assert span_of(event) == (start, end)
    assert event.errors == []


@given(text=st.text(max_size=300))
def test_no_text_breaks_out_of_its_line(text: str) -> None:
    text = text.encode(errors="ignore").decode()
    raw = written(entry(title=text + "\r\nEND:VEVENT\nBEGIN:VALARM\u2028X:1\x85Y:2"))
    [event] = Calendar.from_ical(raw).events
    plain = set(Calendar.from_ical(written(entry())).events[0])
    assert set(event) == plain
    assert len(raw.decode().splitlines()) == raw.count(b"\r\n")


def test_letters_are_never_cut_in_two() -> None:
    raw = written(entry(title="ł" * 200))
    assert all(line.decode() for line in raw.split(b"\r\n") if line)
    assert Calendar.from_ical(raw).events[0]["SUMMARY"] == "ł" * 200


def test_a_backslash_and_a_letter_stay_two_characters() -> None:
    assert b"SUMMARY:C:\\\\New\\, or \\; \r\n" in written(entry(title="C:\\New, or ; "))


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        # 28 March 2027: at two it is three.
        ((3, 28, 0), (3, 28, 2), (";TZID=Europe/Warsaw:20270328T010000", ";TZID=Europe/Warsaw:20270328T040000")),
        # 31 October 2027: at three it is two again. The first half past two is told by the wall clock …
        ((10, 31, 0.5), (10, 31, 2), (";TZID=Europe/Warsaw:20271031T023000", ";TZID=Europe/Warsaw:20271031T030000")),
        # … and the second cannot be told by it.
        ((10, 31, 1.5), (10, 31, 3), (":20271031T013000Z", ":20271031T030000Z")),
        ((10, 30, 23), (10, 31, 1.25), (":20271030T230000Z", ":20271031T011500Z")),
    ],
)
def test_times_around_the_changes_of_the_clocks(
    start: tuple[int, int, float], end: tuple[int, int, float], told: tuple[str, str]
) -> None:
    begin, finish = (
        datetime(2027, month, day, tzinfo=UTC) + timedelta(hours=hours) for month, day, hours in (start, end)
    )
    raw = written(entry(start=begin, end=finish))
    assert f"\r\nDTSTART{told[0]}\r\nDTEND{told[1]}\r\n".encode() in raw
    [event] = Calendar.from_ical(raw).events
    assert span_of(event) == (begin, finish)


def test_the_same_entries_are_the_same_bytes_all_year() -> None:
    later = MONDAY_MORNING + timedelta(days=30)
    assert calendar_bytes("X", [entry()], place=LAB, now=later) == calendar_bytes(
        "X", [entry()], place=LAB, now=MONDAY_MORNING
    )


def test_busy_tells_nothing_but_the_span() -> None:
    facts = {"link_id": "clk_1", "version": 2, "start": NINE, "end": NINE + timedelta(hours=1), "stamp": MONDAY_MORNING}
    busy = busy_entry(booking_id="bkg_1", place=LAB, **facts)  # type: ignore[arg-type]
    nothing = {name: getattr(busy, name) for name in ("created", "changed", "description", "location", "url")}
    assert set(nothing.values()) == {None}
    assert (busy.summary, busy.private) == ("busy", True)
    assert "bkg_1" not in busy.uid


def test_busy_ids_are_stable_in_a_link_and_different_in_another() -> None:
    assert busy_uid("clk_1", "bkg_1", "gliwice") == busy_uid("clk_1", "bkg_1", "gliwice")
    assert len({busy_uid(link, booking, "gliwice") for link in ("clk_1", "clk_2") for booking in ("a", "b")}) == 4


@pytest.mark.parametrize(
    ("state", "status"), [("requested", "TENTATIVE"), ("confirmed", "CONFIRMED"), ("no_show", "CANCELLED")]
)
def test_states(state: str, status: str) -> None:
    assert status_of(state) == status


@pytest.mark.parametrize(("method", "state"), [("REQUEST", "confirmed"), ("CANCEL", "cancelled")])
def test_an_invitation_names_who_invites_and_whom(method: str, state: str) -> None:
    text = invitation(
        entry(state=state), place=LAB, method=method, organizer="lab@example.org", attendee="anna@foundry.example"
    )
    calendar = Calendar.from_ical(text)
    [event] = calendar.events
    assert calendar["METHOD"] == method
    assert (event["UID"], event["SEQUENCE"]) == ("bkg_1@gliwice", 2)
    assert event["ORGANIZER"] == "mailto:lab@example.org"
    assert event["ATTENDEE"] == "mailto:anna@foundry.example"
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    assert event["STATUS"] == ("CANCELLED" if method == "CANCEL" else "CONFIRMED")
    assert len(calendar.walk("VTIMEZONE")) == 1


def test_an_address_cannot_smuggle_lines_into_an_invitation() -> None:
    text = invitation(
        entry(), place=LAB, method="REQUEST", organizer="lab@example.org", attendee='a@b.example\r\nX-EVIL:1;X="'
    )
    assert "\r\nX-EVIL" not in text
    assert len(Calendar.from_ical(text).events) == 1


def test_a_lab_with_a_long_name_keeps_its_lines_short() -> None:
    place = replace(LAB, lab="l" * 40)
    busy = busy_entry(
        link_id="clk_1",
        booking_id="bkg_1",
        version=1,
        start=NINE,
        end=NINE + timedelta(hours=1),
        stamp=NINE,
        place=place,
    )
    raw = written(busy, place=place)
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert Calendar.from_ical(raw).events[0]["UID"] == busy.uid
