"""What is seen every few seconds becomes an alarm when it has held, and not before."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lab.watch.rules import Held, disk_problem, recorder_problem
from tests.factories import MONDAY_MORNING

SECOND = timedelta(seconds=1)


def followed(looks: list[tuple[int, bool]], *, after: int = 60, raised: bool = False) -> list[tuple[int, str]]:
    held, found = Held(raised=raised), []
    for second, holds in looks:
        became = held.see(holds, now=MONDAY_MORNING + second * SECOND, after=after * SECOND)
        if became is not None:
            found.append((second, became))
    return found


def test_it_must_hold_for_a_while_and_be_gone_for_a_while() -> None:
    looks = [(second, 30 <= second < 100 or 120 <= second < 130) for second in range(0, 240, 5)]
    assert followed(looks) == [(90, "raised"), (190, "cleared")]


def test_what_comes_and_goes_is_no_alarm() -> None:
    assert followed([(second, second % 60 < 30) for second in range(0, 1000, 5)]) == []


def test_after_a_restart_an_open_alarm_clears_and_is_not_raised_again() -> None:
    assert followed([(second, second < 30) for second in range(0, 200, 5)], raised=True) == [(90, "cleared")]


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=40))
def test_raised_and_cleared_take_turns_and_each_has_held(steps: list[tuple[int, bool]]) -> None:
    looks, second = [], 0
    for step, holds in steps:
        second += step
        looks.append((second, holds))
    found = followed(looks)
    assert [what for _, what in found] == ["raised", "cleared"] * (len(found) // 2) + ["raised"] * (len(found) % 2)
    for at, what in found:
        wanted = what == "raised"
        before = [holds for when, holds in looks if at - 60 < when <= at]
        assert all(holds is wanted for holds in before)


def test_a_disk_is_low_below_the_limit_and_unknown_is_no_alarm() -> None:
    assert disk_problem(None, low_bytes=10) is None
    assert disk_problem(10, low_bytes=10) is None
    assert "make room" in str(disk_problem(9, low_bytes=10))


def test_a_recorder_is_heard_out() -> None:
    well = {"connected": True, "problem": None, "lag_seconds": 0.2}
    assert recorder_problem(well, age=SECOND) is None
    assert recorder_problem({}, age=SECOND) is None
    assert "said nothing" in str(recorder_problem(well, age=61 * SECOND))
    assert "not connected" in str(recorder_problem({**well, "connected": False}, age=SECOND))
    assert "late" in str(recorder_problem({**well, "lag_seconds": 61}, age=SECOND))
    assert "store: away" in str(recorder_problem({**well, "problem": "store: away"}, age=SECOND))
