"""When an alarm is raised and when it clears: pure, over whole batches of samples at once.

A watcher looks at one series. Only what is *fresh* can raise an alarm: what came late, was buffered, or has a settled
time that nobody can be sure of tells of the past. What came late and is newer than all that was seen may still clear
one. Of samples with the same settled time the first counts, as in the store (I3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from telemetry.stores.interface import Flag

SECOND_NS = 1_000_000_000
OLDEST_NS = 60 * SECOND_NS
"""A sample that is older than this when it is looked at tells of the past, whatever its flags say."""
_NOT_LIVE = int(Flag.LATE | Flag.BUFFERED | Flag.UNCERTAIN)
_MOST_REMEMBERED = 100_000
_NEVER_NS = -(2**63)

Times: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[Any]
"""float64 for limits and rates (NaN: no number), objects (texts) for states."""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A value leaves `[low, high]`; it is back when it is inside by more than nothing and at least `hysteresis`."""

    low: float | None = None
    high: float | None = None
    hysteresis: float = 0.0
    """How far inside the limit a value must be for the alarm to clear; in the signal's unit."""
    delay_s: float = 0.0
    """How long every value must be outside before the alarm is raised."""


@dataclass(frozen=True, slots=True)
class RateRule:
    """A value rises or falls faster than `most_per_s`."""

    most_per_s: float
    over_s: float = 0.0
    """Over which time the change is taken: against the newest value that is at least so old; 0: the one before."""
    hysteresis: float = 0.0
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """Nothing fresh has come for longer than `after_s`."""

    after_s: float


@dataclass(frozen=True, slots=True)
class StateRule:
    """A state, a text or a truth is one of `states`."""

    states: frozenset[str]
    delay_s: float = 0.0


Rule: TypeAlias = LimitRule | RateRule | SilenceRule | StateRule


class Raised(NamedTuple):
    """The alarm begins."""

    at_ns: int
    """Settled time."""
    value: float | None
    text: str | None = None
    """The state; of a limit or rate `None`."""
    from_ns: int | None = None
    """Settled time of the value against which a rate is taken; `None`: it tells of one value alone."""


class Cleared(NamedTuple):
    """The alarm ends."""

    at_ns: int
    value: float | None
    text: str | None = None


Transition: TypeAlias = Raised | Cleared


def are_fresh(settled_ns: Times, flags: NDArray[np.uint8], *, now_ns: int) -> NDArray[np.bool_]:
    """Which samples tell of the present."""
    fresh: NDArray[np.bool_] = ((flags & _NOT_LIVE) == 0) & (settled_ns >= now_ns - OLDEST_NS)
    return fresh


def are_certain(flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which samples have a settled time that can be trusted."""
    certain: NDArray[np.bool_] = (flags & int(Flag.UNCERTAIN)) == 0
    return certain


class Watcher:
    """Follows one series by one rule.

    Args:
        rule: when to raise.
        start_ns: since when it watches; silence is counted from here.
        raised: whether an alarm of this rule is open (after a restart).
        seen_ns: samples up to this settled time have been looked at (before a restart).
    """

    def __init__(self, rule: Rule, *, start_ns: int, raised: bool = False, seen_ns: int | None = None) -> None:
        self.rule = rule
        self.raised = raised
        self._seen_ns = _NEVER_NS if seen_ns is None else seen_ns
        if isinstance(rule, SilenceRule):
            self._seen_ns = max(start_ns, self._seen_ns)
        self._since_ns: int | None = None
        self._last: tuple[float | None, str | None] = (None, None)
        self._last_from_ns: int | None = None
        self._times: Times = np.empty(0, dtype=np.int64)
        self._values: Values = np.empty(0, dtype=np.float64)

    def look(self, times_ns: Times, values: Values, *, fresh: NDArray[np.bool_] | None = None) -> list[Transition]:
        """Follow the samples of a batch.

        Args:
            times_ns: (n,) settled times that can be trusted, in any order.
            values: (n,) of them.
            fresh: (n,) which tell of the present; `None`: all.

        Returns:
            What became of the alarm, in order.
        """
        if fresh is None:
            fresh = np.ones(len(times_ns), dtype=np.bool_)
        order = np.argsort(times_ns, kind="stable")
        order = order[times_ns[order] > self._seen_ns]
        times_ns, values, fresh = times_ns[order], values[order], fresh[order]
        match self.rule:
            case SilenceRule():
                return self._hear(times_ns[fresh])
            case RateRule():
                first = _firsts(times_ns[fresh])
                return self._follow_rate(times_ns[fresh][first], values[fresh][first], self.rule)
            case LimitRule():
                bad, good = _beyond(values, self.rule.low, self.rule.high, self.rule.hysteresis)
            case StateRule():
                bad = np.isin(values, list(self.rule.states))
                good = ~bad
        kept = np.flatnonzero(fresh | good)
        kept = kept[_firsts(times_ns[kept])]
        return self._follow(times_ns[kept], values[kept], bad[kept] & fresh[kept], good[kept], self.rule.delay_s)

    def tick(self, now_ns: int) -> list[Transition]:
        """Time passes without a sample: silence, or a delay that ends."""
        if self.raised:
            return []
        match self.rule:
            case SilenceRule(after_s=after_s):
                due_ns = self._seen_ns + round(after_s * SECOND_NS)
                if now_ns <= due_ns:
                    return []
                self.raised = True
                return [Raised(due_ns, None)]
            case LimitRule() | RateRule() | StateRule():
                if self._since_ns is None:
                    return []
                due_ns = self._since_ns + round(self.rule.delay_s * SECOND_NS)
                if now_ns < due_ns:
                    return []
                self.raised, self._since_ns = True, None
                # Of the value's own time: when the delay ends, another company may have the machine.
                return [Raised(self._seen_ns, *self._last, self._last_from_ns)]

    def _hear(self, times_ns: Times) -> list[Transition]:
        if not len(times_ns):
            return []
        self._seen_ns = int(times_ns[-1])
        if not self.raised:
            return []
        self.raised = False
        return [Cleared(int(times_ns[0]), None)]

    def _follow_rate(self, times_ns: Times, values: Values, rule: RateRule) -> list[Transition]:
        if not len(times_ns):
            return []
        before = len(self._times)
        times_ns, values = np.concatenate([self._times, times_ns]), np.concatenate([self._values, values])
        over_ns = max(1, round(rule.over_s * SECOND_NS))
        reference = np.searchsorted(times_ns, times_ns - over_ns, side="right") - 1
        known = reference >= 0
        step_s = np.where(known, times_ns - times_ns[reference], 1) / SECOND_NS
        rates = np.where(known, np.abs(values - values[reference]) / step_s, np.nan)
        keep_from = max(0, int(np.searchsorted(times_ns, times_ns[-1] - over_ns, side="right")) - 1)
        keep_from = max(keep_from, len(times_ns) - _MOST_REMEMBERED)
        self._times, self._values = times_ns[keep_from:], values[keep_from:]
        from_ns = np.where(known, times_ns[reference], times_ns)[before:]
        times_ns, rates = times_ns[before:], rates[before:]
        bad, good = _beyond(rates, None, rule.most_per_s, rule.hysteresis)
        return self._follow(times_ns, rates, bad, good, rule.delay_s, from_ns)

    def _follow(
        self,
        times_ns: Times,
        values: Values,
        bad: NDArray[np.bool_],
        good: NDArray[np.bool_],
        delay_s: float,
        from_ns: Times | None = None,
    ) -> list[Transition]:
        """From samples that are bad, good or neither to transitions; works from run to run, not sample by sample."""
        if not len(times_ns):
            return []
        delay_ns = round(delay_s * SECOND_NS)
        starts, ends = _runs(bad)
        goods = np.flatnonzero(good)
        found: list[Transition] = []
        place = 0
        while True:
            if self.raised:
                after = int(np.searchsorted(goods, place))
                if after == len(goods):
                    break
                place = int(goods[after])
                self.raised, self._since_ns = False, None
                found.append(Cleared(int(times_ns[place]), *_told(values[place])))
            run = int(np.searchsorted(ends, place, side="right"))
            if run == len(starts):
                break
            start, end = int(starts[run]), int(ends[run])
            pending = self._since_ns if start == 0 else None
            since_ns = pending if pending is not None else int(times_ns[start])
            due = start + int(np.searchsorted(times_ns[start:end], since_ns + delay_ns))
            if due < end:
                self.raised = True
                source = None if from_ns is None else int(from_ns[due])
                found.append(Raised(int(times_ns[due]), *_told(values[due]), source))
                place = due
            else:
                self._since_ns, place = since_ns, end
        self._seen_ns = int(times_ns[-1])
        self._last = _told(values[-1])
        self._last_from_ns = None if from_ns is None else int(from_ns[-1])
        if self.raised or not bad[-1]:
            self._since_ns = None
        return found


def _beyond(
    values: Values, low: float | None, high: float | None, hysteresis: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values are outside, and which inside by at least the hysteresis; NaN is neither."""
    numbers = values.astype(np.float64)
    bad = np.zeros(len(numbers), dtype=np.bool_)
    good = ~np.isnan(numbers)
    if low is not None:
        bad |= numbers < low
        good &= numbers >= low + hysteresis
    if high is not None:
        bad |= numbers > high
        good &= numbers <= high - hysteresis
    return bad, good & ~bad


def _firsts(times_ns: Times) -> NDArray[np.bool_]:
    """Of sorted times, the first of each."""
    first: NDArray[np.bool_] = np.diff(times_ns, prepend=_NEVER_NS) != 0
    return first


def _runs(bad: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where uninterrupted runs of bad samples begin, and where each has ended."""
    steps = np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


def _told(value: Any) -> tuple[float | None, str | None]:
    if isinstance(value, str):
        return None, value
    number = None if value is None else float(value)
    return (None if number is None or np.isnan(number) else number), None


def limits_in_words(rule: Rule, transition: Raised, *, unit: str = "") -> str:
    """Why the alarm is raised, in a sentence without its subject: `is 2.4 kW, above 2 kW`."""
    said = f"{transition.value:.6g} {unit}".strip() if transition.value is not None else (transition.text or "unknown")
    match rule:
        case LimitRule(low=low, high=high):
            below = low is not None and transition.value is not None and transition.value < low
            limit = low if below or high is None else high
            return f"is {said}, {'below' if below else 'above'} {limit:.6g} {unit}".strip()
        case RateRule(most_per_s=most):
            return f"changes by {said} a second, more than {most:.6g} {unit}".strip()
        case SilenceRule(after_s=after_s):
            return f"has sent nothing for more than {after_s:.6g} s"
        case StateRule(states=states):
            return f"is {said}" if len(states) == 1 else f"is {said}, one of {_listed(sorted(states))}"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
