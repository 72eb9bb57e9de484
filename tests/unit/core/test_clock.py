"""The lab's clock: stands, runs at any rate, is followed by other processes, and never goes back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.clock import ClockAnchor, FollowedClock, LabClock, SystemClock
from lab.core.time import from_nanoseconds, to_nanoseconds
from tests.factories import MONDAY_MORNING

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_system_clock_tells_one_time_in_both_forms() -> None:
    clock = SystemClock()
    before, now, after = clock.now_ns(), clock.now(), clock.now_ns()
    assert now.tzinfo is UTC
    assert before // 1000 <= to_nanoseconds(now) // 1000 <= after // 1000


def test_lab_clock_stands_still_until_it_is_moved(lab_clock: LabClock) -> None:
    assert lab_clock.now() == lab_clock.now() == MONDAY_MORNING
    lab_clock.advance(timedelta(hours=5))
    assert lab_clock.now() == NOON
    assert lab_clock.now_ns() == to_nanoseconds(NOON)


def test_lab_clock_does_not_go_back(lab_clock: LabClock) -> None:
    lab_clock.jump_to(NOON)
    with pytest.raises(ValueError, match="cannot go back"):
        lab_clock.jump_to(NOON - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="cannot go back"):
        lab_clock.set_rate(-1.0)
    assert lab_clock.now() == NOON


def test_change_of_rate_goes_on_from_the_present_instant(lab_clock: LabClock) -> None:
    lab_clock.set_rate(3600.0)
    running = lab_clock.now_ns()
    stopped = lab_clock.set_rate(0.0)
    assert stopped.lab_ns >= running >= to_nanoseconds(MONDAY_MORNING)
    assert lab_clock.now_ns() == lab_clock.now_ns() == stopped.lab_ns


@given(
    rate=st.floats(0, 10_000),
    earlier=st.integers(-(10**12), 10**12),
    later=st.integers(0, 10**12),
)
def test_lab_time_is_never_before_its_anchor_and_keeps_the_order(rate: float, earlier: int, later: int) -> None:
    anchor = ClockAnchor(real_ns=10**18, lab_ns=2 * 10**18, rate=rate)
    first = anchor.lab_time_at(10**18 + earlier)
    assert anchor.lab_ns <= first <= anchor.lab_time_at(10**18 + earlier + later)


def test_other_process_follows_the_clock_through_a_file(tmp_path: Path, lab_clock: LabClock) -> None:
    path = tmp_path / "clock.json"
    lab_clock.anchor.write_to(path)
    followed = FollowedClock(path)
    assert followed.now() == MONDAY_MORNING
    lab_clock.jump_to(NOON).write_to(path)
    assert followed.now() == NOON
    assert followed.now_ns() == to_nanoseconds(NOON)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clock.json"]


def test_clock_shows_microseconds_of_nanoseconds() -> None:
    assert from_nanoseconds(1_999) == datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
