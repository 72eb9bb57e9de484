"""The words of notices."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bookings.notice_texts import (
    News,
    Notice,
    OutageNews,
    Reader,
    instant_text,
    one_line,
    span_text,
    subject_of,
    text_of,
)
from lab.core.catalogues import writing_in
from lab.core.time import Span

WARSAW = "Europe/Warsaw"
NINE = datetime(2026, 11, 23, 8, tzinfo=UTC)
SPAN = Span(NINE, NINE + timedelta(hours=3))


def news(what: Notice = Notice.CREATED, **facts: Any) -> News:
    given = {"title": "Trial", "company": "Foundry", "devices": ["Mill 1"], "engineers": [], "span": SPAN}
    return News(what, **{**given, **facts})


def text(told: News, reader: Reader = Reader.BOOKER) -> str:
    return text_of(told, reader, name="Anna", lab="Lab", zone=WARSAW, page=None)


@pytest.mark.parametrize(
    ("start", "hours", "words"),
    [
        ((2026, 11, 23, 8), 3, "Monday 23 November 2026, 09:00–12:00 (Europe/Warsaw, UTC+1)"),
        ((2026, 7, 1, 8), 3, "Wednesday 1 July 2026, 10:00–13:00 (Europe/Warsaw, UTC+2)"),
        (
            (2026, 11, 23, 20),
            6,
            "Monday 23 November 2026, 21:00 – Tuesday 24 November 2026, 03:00 (Europe/Warsaw, UTC+1)",
        ),
        ((2027, 3, 28, 0), 2, "Sunday 28 March 2027, 01:00 (UTC+1) – 04:00 (UTC+2), Europe/Warsaw"),
        ((2026, 10, 25, 0), 1, "Sunday 25 October 2026, 02:00 (UTC+2) – 02:00 (UTC+1), Europe/Warsaw"),
    ],
)
def test_times_name_zone_and_offset(start: tuple[int, int, int, int], hours: int, words: str) -> None:
    begin = datetime(*start, tzinfo=UTC)
    assert span_text(Span(begin, begin + timedelta(hours=hours)), WARSAW) == words


def test_offsets_of_half_hours_are_told() -> None:
    assert instant_text(NINE, "Asia/Kolkata") == "Monday 23 November 2026, 13:30 (Asia/Kolkata, UTC+5:30)"
    assert instant_text(NINE, "America/St_Johns") == "Monday 23 November 2026, 04:30 (America/St_Johns, UTC-3:30)"


@pytest.mark.parametrize("reader", [Reader.BOOKER, Reader.ENGINEER])
@pytest.mark.parametrize("what", sorted(set(Notice) - {Notice.STARTED, Notice.FINISHED}))
def test_every_notice_has_words_for_everybody(what: Notice, reader: Reader) -> None:
    told = news(what, lapses_at=NINE)
    assert subject_of(told, reader, zone=WARSAW).endswith(": Trial, 23 November 2026 09:00")
    assert "{" not in text(told, reader)
    assert "When:           Monday 23 November 2026, 09:00–12:00" in text(told, reader)


def test_no_line_can_be_smuggled_into_a_mail() -> None:
    told = news(title="Trial\nWhen: never", reason="because\r\nSee it here: https://evil.example", by="A\u2028B")
    assert "\nWhen: never" not in text(told)
    assert "\nSee it here" not in text(told)
    assert "\n" not in subject_of(told, Reader.BOOKER, zone=WARSAW)
    assert one_line(" a \x00\x85 b ") == "a b"


def test_what_was_before_is_told_only_if_it_was_another_time() -> None:
    assert "Before:" not in text(news(before=SPAN))
    assert "Before:" in text(news(before=Span(NINE - timedelta(hours=1), NINE)))


def test_an_outage_without_a_known_end_lasts_until_further_notice() -> None:
    outage = OutageNews("the whole lab", Span(NINE, datetime(9000, 1, 1, tzinfo=UTC)), False, "Flood")
    words = text(news(Notice.OUTAGE_HIT, outage=outage))
    assert (
        "Out of service: the whole lab, from Monday 23 November 2026, 09:00 (Europe/Warsaw, UTC+1) until further notice"
        in words
    )


POLISH_START = "poniedziałek 23 listopada 2026, 09:00"


@pytest.mark.parametrize("reader", list(Reader))
@pytest.mark.parametrize("what", sorted(set(Notice) - {Notice.STARTED, Notice.FINISHED}))
def test_every_notice_is_polish_for_whoever_reads_polish(what: Notice, reader: Reader) -> None:
    outage = OutageNews(None, Span(NINE, NINE + timedelta(hours=1)), False, "Powódź")
    told = news(
        what,
        title="Próba",
        company="Odlewnia",
        devices=["Frezarka"],
        engineers=["Ewa"],
        lapses_at=NINE,
        before=Span(NINE - timedelta(hours=1), NINE),
        by="Ola",
        reason="Bo tak",
        now_stands=("in_use", SPAN),
        outage=outage,
        proposals=[SPAN],
    )
    with writing_in("pl"):
        subject = subject_of(told, reader, zone=WARSAW)
        words = text_of(told, reader, name="Anna", lab="Laboratorium", zone=WARSAW, page="https://x.example")
    assert subject.endswith(": Próba, 23 listopada 2026 09:00")
    assert words.startswith("Dzień dobry, Anna,\n\n")
    assert f"Kiedy:          {POLISH_START}–12:00 (Europe/Warsaw, UTC+1)\n" in words
    assert f"Nieczynne:      całe laboratorium, od: {POLISH_START} (Europe/Warsaw, UTC+1), do odwołania" in words
    english = re.compile(r"\b(the|you|your|slot|booking|is|has|machine|by|when|what|hello|now|until|monday)\b", re.I)
    assert english.findall(subject + words) == []
