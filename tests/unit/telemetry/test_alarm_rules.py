"""When an alarm is raised and when it clears, against a slow and obvious oracle."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.alarms.rules import (
    OLDEST_NS,
    SECOND_NS,
    Cleared,
    LimitRule,
    Raised,
    RateRule,
    Rule,
    SilenceRule,
    StateRule,
    Transition,
    Watcher,
    are_certain,
    are_fresh,
    limits_in_words,
)
from telemetry.stores.interface import Flag

Sample = tuple[int, Any, bool]
"""Settled second, value, fresh."""


def look(watcher: Watcher, samples: list[Sample]) -> list[Transition]:
    kind = object if isinstance(watcher.rule, StateRule) else np.float64
    return watcher.look(
        np.array([time * SECOND_NS for time, _, _ in samples], dtype=np.int64),
        np.array([value for _, value, _ in samples], dtype=kind),
        fresh=np.array([fresh for _, _, fresh in samples], dtype=np.bool_),
    )


def seen(transitions: list[Transition]) -> list[tuple[str, float]]:
    return [(type(one).__name__, one.at_ns / SECOND_NS) for one in transitions]


@dataclass
class Oracle:
    """One sample after another, as somebody would do it by hand."""

    rule: Rule
    raised: bool = False
    seen: int = -(10**9)
    since: int | None = None
    history: list[tuple[int, float]] = field(default_factory=list)

    def look(self, samples: list[Sample]) -> list[tuple[str, float]]:
        found = []
        for time, value, fresh in sorted(samples, key=lambda sample: sample[0]):  # stable: the first of a time wins
            if time <= self.seen:
                continue
            if isinstance(self.rule, RateRule):
                if not fresh:
                    continue
                old = [one for one in self.history if one[0] <= time - max(1e-9, self.rule.over_s)]
                self.history.append((time, value))
                value = abs(value - old[-1][1]) / (time - old[-1][0]) if old else None
                bad = value is not None and value > self.rule.most_per_s
                good = value is not None and value <= self.rule.most_per_s - self.rule.hysteresis
            elif isinstance(self.rule, LimitRule):
                low, high = self.rule.low, self.rule.high
                bad = (low is not None and value < low) or (high is not None and value > high)
                inside = low is None or value >= low + self.rule.hysteresis
                good = not bad and inside and (high is None or value <= high - self.rule.hysteresis)
            else:
                assert isinstance(self.rule, StateRule)
                bad, good = value in self.rule.states, value not in self.rule.states
            if not fresh and not good:
                continue
            self.seen = time
            if self.raised:
                if good:
                    self.raised = False
                    found.append(("Cleared", float(time)))
                continue
            if not bad:
                self.since = None
                continue
            self.since = time if self.since is None else self.since
            if time - self.since >= self.rule.delay_s:
                self.raised, self.since = True, None
                found.append(("Raised", float(time)))
        return found


levels = st.integers(-4, 4).map(float)
delays = st.sampled_from([0.0, 1.0, 3.0, 7.0])
limit_rules = st.builds(
    LimitRule,
    low=st.none() | st.integers(-3, 0).map(float),
    high=st.integers(0, 3).map(float),
    hysteresis=st.sampled_from([0.0, 1.0, 2.0]),
    delay_s=delays,
)
rate_rules = st.builds(
    RateRule,
    most_per_s=st.sampled_from([0.5, 1.0, 2.0]),
    over_s=st.sampled_from([0.0, 2.0, 5.0]),
    hysteresis=st.sampled_from([0.0, 0.5]),
    delay_s=delays,
)
state_rules = st.builds(StateRule, states=st.sets(st.sampled_from("abc"), min_size=1).map(frozenset), delay_s=delays)
times = st.integers(0, 60)


@st.composite
def watched(draw: st.DrawFn) -> tuple[Rule, list[list[Sample]]]:
    rule = draw(st.one_of(limit_rules, rate_rules, state_rules))
    values: st.SearchStrategy[Any] = st.sampled_from("abcd") if isinstance(rule, StateRule) else levels
    batch = st.lists(st.tuples(times, values, st.sampled_from([True, True, True, False])), max_size=25)
    return rule, draw(st.lists(batch, max_size=6))


@given(watched())
@settings(max_examples=400, deadline=None)
def test_whole_batches_say_what_one_sample_after_another_says(case: tuple[Rule, list[list[Sample]]]) -> None:
    rule, batches = case
    watcher, oracle = Watcher(rule, start_ns=0), Oracle(rule)
    for batch in batches:
        assert seen(look(watcher, batch)) == oracle.look(batch)
        assert watcher.raised == oracle.raised


@given(watched(), st.lists(st.integers(0, 60), max_size=6))
@settings(max_examples=150, deadline=None)
def test_it_does_not_matter_how_a_stream_is_cut_into_batches(
    case: tuple[Rule, list[list[Sample]]], cuts: list[int]
) -> None:
    rule, batches = case
    stream = sorted({time: (time, value, fresh) for batch in batches for time, value, fresh in batch}.values())
    whole = seen(look(Watcher(rule, start_ns=0), stream))
    watcher, pieces = Watcher(rule, start_ns=0), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 61], strict=True):
        pieces += seen(look(watcher, [sample for sample in stream if start <= sample[0] < end]))
    assert pieces == whole


@given(watched())
@settings(max_examples=150, deadline=None)
def test_what_came_late_never_raises_an_alarm(case: tuple[Rule, list[list[Sample]]]) -> None:
    rule, batches = case
    watcher = Watcher(rule, start_ns=0)
    for batch in batches:
        assert look(watcher, [(time, value, False) for time, value, _ in batch]) == []
        assert watcher.tick(10**6 * SECOND_NS) == []


@given(watched())
@settings(max_examples=100, deadline=None)
def test_raised_and_cleared_take_turns(case: tuple[Rule, list[list[Sample]]]) -> None:
    rule, batches = case
    watcher = Watcher(rule, start_ns=0)
    kinds = [type(one) for batch in batches for one in look(watcher, batch)]
    assert all(kind is (Raised, Cleared)[place % 2] for place, kind in enumerate(kinds))


def test_a_value_that_jitters_around_the_limit_raises_one_alarm() -> None:
    watcher = Watcher(LimitRule(high=2.0, hysteresis=0.5), start_ns=0)
    values = [1.0, 2.1, 1.9, 2.2, 1.8, 2.1, 1.4, 2.1]
    assert seen(look(watcher, [(second, value, True) for second, value in enumerate(values)])) == [
        ("Raised", 1),
        ("Cleared", 6),
        ("Raised", 7),
    ]


def test_a_delay_also_ends_without_another_sample() -> None:
    watcher = Watcher(LimitRule(high=2.0, delay_s=30), start_ns=0)
    assert look(watcher, [(10, 3.0, True)]) == []
    assert watcher.tick(39 * SECOND_NS) == []
    # It is told of the time of the value: by the end of the delay, another company may have the machine.
    assert watcher.tick(41 * SECOND_NS) == [Raised(10 * SECOND_NS, 3.0)]
    assert watcher.tick(42 * SECOND_NS) == []
    assert look(watcher, [(50, 1.0, True)]) == [Cleared(50 * SECOND_NS, 1.0)]


def test_a_rate_tells_from_which_value_on_it_is_taken() -> None:
    watcher = Watcher(RateRule(1.0), start_ns=0)
    assert look(watcher, [(10, 1.0, True), (20, 31.0, True)]) == [Raised(20 * SECOND_NS, 3.0, None, 10 * SECOND_NS)]
    slow = Watcher(RateRule(1.0, delay_s=30), start_ns=0)
    assert look(slow, [(10, 1.0, True), (20, 31.0, True)]) == []
    assert slow.tick(60 * SECOND_NS) == [Raised(20 * SECOND_NS, 3.0, None, 10 * SECOND_NS)]


def test_silence_is_raised_once_and_ends_with_the_next_fresh_sample() -> None:
    watcher = Watcher(SilenceRule(after_s=5), start_ns=0)
    assert watcher.tick(5 * SECOND_NS) == []
    assert watcher.tick(6 * SECOND_NS) == [Raised(5 * SECOND_NS, None)]
    assert watcher.tick(7 * SECOND_NS) == []
    assert look(watcher, [(3, 1.0, False)]) == []
    assert look(watcher, [(8, 1.0, True)]) == [Cleared(8 * SECOND_NS, None)]
    assert watcher.tick(13 * SECOND_NS) == []
    assert watcher.tick(14 * SECOND_NS) == [Raised(13 * SECOND_NS, None)]


def test_after_a_restart_an_open_alarm_is_not_raised_again_and_still_clears() -> None:
    watcher = Watcher(LimitRule(high=2.0), start_ns=0, raised=True)
    assert look(watcher, [(1, 3.0, True), (2, 3.5, True)]) == []
    assert look(watcher, [(3, 1.0, True)]) == [Cleared(3 * SECOND_NS, 1.0)]


def test_only_what_tells_of_the_present_is_fresh() -> None:
    flags = [0, Flag.SKEWED, Flag.OUT_OF_RANGE, Flag.LATE, Flag.BUFFERED, Flag.UNCERTAIN, 0]
    now_ns = 10 * OLDEST_NS
    settled = np.array([now_ns] * 6 + [now_ns - OLDEST_NS - 1], dtype=np.int64)
    marks = np.array([int(flag) for flag in flags], dtype=np.uint8)
    assert are_fresh(settled, marks, now_ns=now_ns).tolist() == [True, True, True, False, False, False, False]
    assert are_certain(marks).tolist() == [True, True, True, True, True, False, True]


def test_the_reason_reads_like_a_sentence() -> None:
    assert limits_in_words(LimitRule(high=2.0), Raised(0, 2.4), unit="kW") == "is 2.4 kW, above 2 kW"
    assert limits_in_words(LimitRule(low=1, high=2), Raised(0, 0.5), unit="kW") == "is 0.5 kW, below 1 kW"
    assert limits_in_words(RateRule(3.0), Raised(0, 4.0), unit="Cel") == "changes by 4 Cel a second, more than 3 Cel"
    assert limits_in_words(SilenceRule(5), Raised(0, None)) == "has sent nothing for more than 5 s"
    assert limits_in_words(StateRule(frozenset({"alarm"})), Raised(0, None, "alarm")) == "is alarm"
