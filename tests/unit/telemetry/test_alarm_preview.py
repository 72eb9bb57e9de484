"""How often a rule would have rung over what was recorded."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarms.previewing import MOST_EPISODES, follow
from telemetry.alarms.rules import LimitRule, Rule, SilenceRule, StateRule, Watcher
from telemetry.stores.interface import Flag

S = 1_000_000_000


def piece(times_s: Sequence[float], values: Sequence[object], flags: int = 0):
    kind = object if any(isinstance(value, str) for value in values) else np.float64
    times = np.array([round(time * S) for time in times_s], dtype=np.int64)
    return times, np.array(values, dtype=kind), np.full(len(times), flags, dtype=np.uint8)


def test_each_time_above_the_limit_is_one_alarm_with_its_length() -> None:
    found = follow(
        LimitRule(high=5.0, hysteresis=1.0),
        [piece([0, 1, 2, 3], [1, 6, 7, 4.5]), piece([4, 5, 6, 7], [4, 9, 3, 2])],
        start_ns=0,
        end_ns=10 * S,
    )
    assert (found.samples, found.count, found.open_ns) == (8, 2, 4 * S)
    assert [(one.raised.at_ns // S, one.cleared_ns and one.cleared_ns // S) for one in found.episodes] == [
        (1, 4),
        (5, 6),
    ]
    assert found.episodes[0].raised.value == 6.0


def test_what_was_late_or_uncertain_would_not_have_rung() -> None:
    for flag in (Flag.LATE, Flag.BUFFERED, Flag.UNCERTAIN):
        assert follow(LimitRule(high=5.0), [piece([1], [9], int(flag))], start_ns=0, end_ns=9 * S).count == 0


def test_an_alarm_that_would_still_be_open_has_no_end() -> None:
    found = follow(StateRule(frozenset({"stop"})), [piece([0, 4], ["go", "stop"])], start_ns=0, end_ns=10 * S)
    assert (found.count, found.open_ns, found.episodes[0].cleared_ns) == (1, 6 * S, None)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_silences_are_found_wherever_the_answer_is_cut(cut: int) -> None:
    times = [1, 2, 30, 31, 80]
    pieces = [piece(times[:cut], [0] * cut), piece(times[cut:], [0] * (5 - cut))]
    found = follow(SilenceRule(10.0), pieces, start_ns=0, end_ns=100 * S)
    spans = [(one.raised.at_ns // S, one.cleared_ns and one.cleared_ns // S) for one in found.episodes]
    assert spans == [(12, 30), (41, 80), (90, None)]


def test_what_never_spoke_cannot_fall_silent() -> None:
    assert follow(SilenceRule(10.0), [piece([], [])], start_ns=0, end_ns=100 * S).count == 0
    assert follow(SilenceRule(10.0), [piece([95], [0])], start_ns=0, end_ns=100 * S).count == 0


def test_of_very_many_alarms_all_are_counted_and_some_are_told() -> None:
    count = 3 * MOST_EPISODES
    found = follow(LimitRule(high=0.5), [piece(range(2 * count), [1, 0] * count)], start_ns=0, end_ns=2 * count * S)
    assert (found.count, len(found.episodes)) == (count, MOST_EPISODES)


RULES: list[Rule] = [LimitRule(low=2.0, high=7.0, hysteresis=1.0, delay_s=2.0), LimitRule(high=5.0), SilenceRule(4.0)]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=60),
    st.integers(0, 60),
    st.sampled_from(RULES),
)
def test_it_finds_what_the_watch_itself_would_have_found(steps: list[tuple[int, int]], cut: int, rule: Rule) -> None:
    """The watch sees one sample after the other, and the clock every second in between."""
    times = np.cumsum([step for step, _ in steps]).tolist()
    values = [float(value) for _, value in steps]
    at = times[0] if times else 0
    watcher, raised = Watcher(rule, start_ns=at * S), 0
    for time, value in zip(times, values, strict=True):
        if isinstance(rule, SilenceRule):
            raised += sum(len(watcher.tick(second * S)) for second in range(at, time + 1))
        at = time
        kind = np.array([value])
        raised += sum(type(one).__name__ == "Raised" for one in watcher.look(np.array([time * S]), kind))
    raised += len(watcher.tick((at + 20) * S)) if times else 0
    pieces = [piece(times[:cut], values[:cut]), piece(times[cut:], values[cut:])]
    assert follow(rule, pieces, start_ns=0, end_ns=(at + 20) * S).count == raised
