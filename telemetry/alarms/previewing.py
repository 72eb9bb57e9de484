"""How often a rule would have raised an alarm: it follows what was recorded as it would have followed it then."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from telemetry.alarms.definitions import SignalKind
from telemetry.alarms.rules import (
    SECOND_NS,
    Raised,
    Rule,
    SilenceRule,
    StateRule,
    Times,
    Transition,
    Values,
    Watcher,
    are_certain,
    are_fresh,
)
from telemetry.grants import END_NS, Grant
from telemetry.queries import events, visible_spans
from telemetry.stores.interface import SampleStore

MOST_SAMPLES = 1_000_000
"""Followed for one preview; a signal that comes so often is looked at over a shorter time."""
MOST_EPISODES = 1000
_HOUR_NS = 3600 * SECOND_NS
SPANS_NS = (30 * 24 * _HOUR_NS, 7 * 24 * _HOUR_NS, 24 * _HOUR_NS, _HOUR_NS, 60 * SECOND_NS)
"""How far back is looked, the longest first that holds few enough samples."""
_MOST_STATES = 100_000


@dataclass(frozen=True, slots=True)
class Episode:
    """From when to when an alarm would have been open.

    Attributes:
        raised: when, and by which value.
        cleared_ns: settled time; None: it would still be open.
    """

    raised: Raised
    cleared_ns: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would have done.

    Attributes:
        start_ns: from when on it was looked, settled time.
        end_ns: up to when.
        samples: how many were followed.
        episodes: at most `MOST_EPISODES`, the oldest first.
        count: how many there would have been.
        open_ns: how long an alarm would have been open, all together.
    """

    start_ns: int
    end_ns: int
    samples: int
    episodes: tuple[Episode, ...]
    count: int
    open_ns: int


def preview_rule(
    store: SampleStore,
    session: Session,
    grant: Grant,
    device: str,
    signal: str | None,
    rule: Rule,
    *,
    kind: SignalKind | None,
    end_ns: int,
) -> Preview:
    """Follow a rule over the last time, up to 30 days.

    Args:
        store: where samples are.
        session: to read the machine's states with.
        grant: of whoever asks.
        device: whose.
        signal: which; None: the machine's own state.
        rule: what it would be followed by.
        kind: of the signal.
        end_ns: the present instant.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
        TooManySamplesError: if the machine has changed its state too often.
        StoreUnavailableError: if the store does not answer.
    """
    if signal is None:
        start_ns = end_ns - SPANS_NS[0]
        found = events(session, grant, device, start_ns, end_ns, ("state",), limit=_MOST_STATES)
        times = np.array([event.settled_ns for event in found], dtype=np.int64)
        flags = np.array([event.flags for event in found], dtype=np.uint8)
        states = np.array([event.fields.get("item_state") for event in found], dtype=object)
        return follow(rule, [(times, states, flags)], start_ns=start_ns, end_ns=end_ns)
    start_ns = _start_ns(store, grant, device, signal, end_ns)
    spans = visible_spans(grant, device, start_ns, end_ns)
    pieces = (_columns(batch, rule, kind) for batch in store.stream(device, [signal], spans))
    return follow(rule, pieces, start_ns=start_ns, end_ns=end_ns)


def follow(
    rule: Rule, pieces: Iterable[tuple[Times, Values, NDArray[np.uint8]]], *, start_ns: int, end_ns: int
) -> Preview:
    """Pure: follow samples in order of settled time.

    Args:
        rule: by which.
        pieces: settled times, values and flags, each (n,).
        start_ns: from when on.
        end_ns: up to when; silence is counted from the first sample up to here.
    """
    watcher = Watcher(rule, start_ns=start_ns)
    episodes: list[Episode] = []
    begun: Raised | None = None
    samples = count = open_ns = 0
    for one in _transitions(watcher, pieces, end_ns):
        if isinstance(one, int):
            samples += one
        elif isinstance(one, Raised):
            begun, count = one, count + 1
        elif begun is not None:
            open_ns += one.at_ns - begun.at_ns
            if len(episodes) < MOST_EPISODES:
                episodes.append(Episode(begun, one.at_ns))
            begun = None
    if begun is not None:
        open_ns += max(0, end_ns - begun.at_ns)
        episodes = [*episodes[: MOST_EPISODES - 1], Episode(begun, None)]
    return Preview(start_ns, end_ns, samples, tuple(episodes), count, open_ns)


def _transitions(
    watcher: Watcher, pieces: Iterable[tuple[Times, Values, NDArray[np.uint8]]], end_ns: int
) -> Iterator[Transition | int]:
    """What becomes of the alarm, and how many samples were looked at for it."""
    heard, silence = False, watcher.rule if isinstance(watcher.rule, SilenceRule) else None
    for times, values, flags in pieces:
        certain = are_certain(flags)
        times, values, flags = times[certain], values[certain], flags[certain]
        yield len(times)
        fresh = are_fresh(times, flags, now_ns=0)
        if silence is not None:
            if not heard and fresh.any():  # before the first one there is nothing that could have fallen silent
                watcher, heard = Watcher(silence, start_ns=int(times[fresh][0])), True
            yield from _silences(watcher, times[fresh], silence)
        else:
            yield from watcher.look(times, values, fresh=fresh)
    if heard or silence is None:
        yield from watcher.tick(end_ns)


def _silences(watcher: Watcher, times: Times, rule: SilenceRule) -> Iterator[Transition]:
    """Time is looked at just before each sample that comes after too long a silence, as the clock would have done."""
    after_ns = round(rule.after_s * SECOND_NS)
    if not len(times):
        return
    cuts = [0, *(np.flatnonzero(np.diff(times) > after_ns) + 1), len(times)]
    for first, last in pairwise(cuts):
        yield from watcher.tick(int(times[first]))
        yield from watcher.look(times[first:last], np.empty(last - first))


def _start_ns(store: SampleStore, grant: Grant, device: str, signal: str, end_ns: int) -> int:
    for length_ns in SPANS_NS[:-1]:
        spans = visible_spans(grant, device, end_ns - length_ns, end_ns)
        found = store.coverage(device, [signal], spans, longest_gap_ns=END_NS)
        if sum(found.column("count").to_pylist()) <= MOST_SAMPLES:
            return end_ns - length_ns
    return end_ns - SPANS_NS[-1]


def _columns(batch: pa.RecordBatch, rule: Rule, kind: SignalKind | None) -> tuple[Times, Values, NDArray[np.uint8]]:
    times = batch.column("settled_ns").to_numpy(zero_copy_only=False)
    flags = batch.column("flags").to_numpy(zero_copy_only=False)
    values: Values
    if not isinstance(rule, StateRule):
        values = batch.column("value").to_numpy(zero_copy_only=False)
    elif kind is not None and kind.type == "boolean":
        truths = batch.column("value").to_pylist()
        values = np.array([None if one is None else "true" if one else "false" for one in truths], dtype=object)
    else:
        values = np.array(batch.column("text").to_pylist(), dtype=object)
    return times, values, flags
