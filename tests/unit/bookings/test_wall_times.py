"""Times that the clock on the lab's wall skips or shows twice."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.wall_times import WallTimeError, clear_span, require_clear_time
from lab.core.errors import PilotLabError
from lab.core.time import NaiveTimeError

WARSAW = "Europe/Warsaw"


def refused(written: str, zone: str = WARSAW) -> PilotLabError:
    with pytest.raises(PilotLabError) as refusal:
        clear_span(datetime.fromisoformat(written), datetime(2026, 12, 24, tzinfo=UTC), zone=zone)
    assert refusal.value.facts["field"] == "start"
    return refusal.value


def test_a_time_that_spring_skips_is_named_with_the_two_instants_to_choose_from() -> None:
    error = refused("2026-03-29T02:30:00")
    assert isinstance(error, WallTimeError)
    assert error.facts["rule"] == "time-does-not-exist"
    assert error.facts["choices"] == ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]
    assert error.message == (
        "start: 02:30 on 2026-03-29 does not exist in Europe/Warsaw, because the clocks change; "
        "write 2026-03-29T01:30:00+01:00 or 2026-03-29T03:30:00+02:00"
    )


def test_a_time_that_autumn_repeats_is_named_with_both_offsets() -> None:
    error = refused("2026-10-25T02:30:00")
    assert error.facts["rule"] == "time-exists-twice"
    assert error.facts["choices"] == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


@pytest.mark.parametrize("written", ["2026-03-29T01:59:59", "2026-03-29T03:00:00", "2026-10-25T03:00:00", "0001-01-01"])
def test_any_other_time_without_offset_is_refused_as_such(written: str) -> None:
    error = refused(written)
    assert isinstance(error, NaiveTimeError)
    assert error.facts["rule"] == "aware-time"


@pytest.mark.parametrize("offset", ["+01:00", "+02:00"])
def test_a_skipped_time_with_the_usual_offset_behind_it_is_refused(offset: str) -> None:
    error = refused(f"2026-03-29T02:30:00{offset}")
    assert error.facts["rule"] == "time-does-not-exist"


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-29T02:30:00Z",  # an instant, 04:30 in Warsaw
        "2026-03-29T02:30:00+05:30",  # somebody elsewhere
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T02:30:00+02:00",
        "2026-03-29T01:59:59+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:00:00+01:00",
    ],
)
def test_what_names_an_instant_stays_that_instant(written: str) -> None:
    start = datetime.fromisoformat(written)
    assert clear_span(start, start.astimezone(UTC) + timedelta(hours=1), zone=WARSAW).start == start


def test_utc_is_never_the_wall_clock_even_where_the_zone_uses_its_offset() -> None:
    skipped = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    require_clear_time(skipped, zone="Europe/London", field="start")
    assert refused("2026-03-29T01:30:00", "Europe/London").facts["rule"] == "time-does-not-exist"
    assert refused("2026-03-29T01:30:00+01:00", "Europe/London").facts["rule"] == "time-does-not-exist"


def test_the_end_is_looked_at_like_the_start() -> None:
    with pytest.raises(WallTimeError) as error:
        clear_span(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 29, 2, 30), zone=WARSAW)
    assert error.value.facts["field"] == "end"


@settings(deadline=None)
@given(
    reading=st.datetimes(datetime(2026, 3, 27), datetime(2026, 4, 7)) | st.datetimes(),
    offset=st.none() | st.integers(-14 * 4, 14 * 4),
    zone=st.sampled_from([WARSAW, "Australia/Lord_Howe", "America/Santiago", "UTC"]),
)
def test_what_is_proposed_is_clear_itself(reading: datetime, offset: int | None, zone: str) -> None:
    written = reading if offset is None else reading.replace(tzinfo=timezone(timedelta(minutes=15 * offset)))
    try:
        require_clear_time(written, zone=zone, field="start")
    except WallTimeError as error:
        one, other = (datetime.fromisoformat(choice) for choice in error.facts["choices"])
        assert one < other
        for choice in (one, other):
            require_clear_time(choice, zone=zone, field="start")
            assert choice.astimezone(ZoneInfo(zone)).isoformat() == choice.isoformat()
