"""Follows what is recorded by the rules of alarms: an observer of the drain, and a look at the clock now and then.

A series without a rule costs nothing, a batch without any such series next to nothing. Rules are read again every few
seconds; an open alarm is found again after a restart, so that it is not raised twice and still clears.
"""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from devices.repository import find_devices
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import PilotLabError
from telemetry.alarms import repository
from telemetry.alarms.definitions import SAMPLE_KINDS, SignalKind, rule_of
from telemetry.alarms.keeping import AlarmKeeper
from telemetry.alarms.models import AlarmRule
from telemetry.alarms.rules import (
    SECOND_NS,
    Raised,
    StateRule,
    Transition,
    Values,
    Watcher,
    are_certain,
    are_fresh,
    limits_in_words,
)
from telemetry.alarms.service import RuleFacts, signal_kind
from telemetry.stores.interface import SampleBatch, Series

log = structlog.get_logger(__name__)

RULES_EVERY_NS = 2 * SECOND_NS
TICK_SECONDS = 1.0
Key = tuple[str, str | None]
"""Device, and signal; `None`: the machine's own state."""


class _Samples(Protocol):
    @property
    def series(self) -> Collection[Series]: ...

    def build(self) -> SampleBatch: ...


class StoredBatch(Protocol):
    """What the drain shows: samples that are stored, and events."""

    @property
    def samples(self) -> _Samples:
        """They have been built before."""
        ...

    @property
    def events(self) -> list[dict[str, Any]]:
        """Rows of `MachineEvent`."""
        ...


@dataclass(slots=True)
class _Followed:
    facts: RuleFacts
    watcher: Watcher
    what: str
    """In words: the signal of the machine."""
    unit: str
    boolean: bool


class AlarmWatch:
    """Follows every rule on samples and states.

    Args:
        database: where the rules are.
        clock: the lab's clock.
        keeper: writes down what becomes of alarms.
    """

    def __init__(self, database: Database, clock: Clock, keeper: AlarmKeeper) -> None:
        self._database = database
        self._clock = clock
        self._keeper = keeper
        self._followed: dict[Key, list[_Followed]] = {}
        self._versions: dict[str, int] = {}
        """Of the rules in force as they were last read, also of those that cannot be followed."""
        self._read_ns: int | None = None
        self._lock = threading.Lock()

    def __call__(self, batch: StoredBatch) -> None:
        """Look at a batch that is stored."""
        with self._lock:
            now_ns = self._clock.now_ns()
            self._read_rules(now_ns)
            if not self._followed:
                return
            self._look_at_events(batch.events, now_ns)
            if any((device, signal) in self._followed for device, signal, _ in batch.samples.series):
                self._look_at_samples(batch.samples.build(), now_ns)

    def tick(self) -> None:
        """Time has passed: silences, delays that end, and what could not be written down before."""
        with self._lock:
            now_ns = self._clock.now_ns()
            self._read_rules(now_ns)
            for followed in self._all():
                self._tell(followed, followed.watcher.tick(now_ns))
        self._keeper.write()

    def _all(self) -> Iterable[_Followed]:
        return (followed for some in self._followed.values() for followed in some)

    def _look_at_events(self, events: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        for device, some in ((device, some) for (device, signal), some in self._followed.items() if signal is None):
            found = [event for event in events if event["device_id"] == device and event["kind"] == "state"]
            if found:
                settled = np.array([event["settled_ns"] for event in found], dtype=np.int64)
                flags = np.array([event["flags"] for event in found], dtype=np.uint8)
                states = np.array([event["fields"].get("item_state") for event in found], dtype=object)
                self._look(some, settled, states, flags, now_ns)

    def _look_at_samples(self, samples: SampleBatch, now_ns: int) -> None:
        for key, some in self._followed.items():
            if key[1] is None:
                continue
            rows = _rows_of(samples, key[0], key[1])
            if rows is None or not rows.num_rows:
                continue
            settled = rows.column("settled_ns").to_numpy()
            flags = rows.column("flags").to_numpy()
            for followed in some:
                self._look([followed], settled, _values(rows, followed), flags, now_ns)

    def _look(self, some: Sequence[_Followed], settled: Any, values: Values, flags: Any, now_ns: int) -> None:
        certain = are_certain(flags)
        settled, values, flags = settled[certain], values[certain], flags[certain]
        fresh = are_fresh(settled, flags, now_ns=now_ns)
        for followed in some:
            self._tell(followed, followed.watcher.look(settled, values, fresh=fresh))

    def _tell(self, followed: _Followed, transitions: Sequence[Transition]) -> None:
        for one in transitions:
            if isinstance(one, Raised):
                why = limits_in_words(followed.watcher.rule, one, unit=followed.unit)
                text = f"{followed.what} {why}"
                self._keeper.raised(followed.facts, text, at_ns=one.at_ns, from_ns=one.from_ns, value=one.value)
            else:
                said = f"{one.value:.6g} {followed.unit}".strip() if one.value is not None else one.text
                self._keeper.cleared(followed.facts, f"it is {said} again" if said else "it is over")

    def _read_rules(self, now_ns: int) -> None:
        if self._read_ns is not None and 0 <= now_ns - self._read_ns < RULES_EVERY_NS:
            return
        try:
            with self._database.read() as session:
                self._follow(session, repository.rules_in_force(session, SAMPLE_KINDS), now_ns)
        except SQLAlchemyError as error:
            log.warning("the rules of alarms cannot be read; the known ones hold", problem=type(error).__name__)
        self._read_ns = now_ns

    def _follow(self, session: Session, rules: Sequence[AlarmRule], now_ns: int) -> None:
        wanted = {rule.id: rule.version for rule in rules}
        if wanted == self._versions:
            return
        known = {followed.facts.id: followed for followed in self._all()}
        fresh = [rule for rule in rules if self._versions.get(rule.id) != rule.version]
        devices = find_devices(session, sorted({rule.device_id for rule in fresh}))
        raised = repository.rules_with_open_alarm(session) if fresh else set()
        seen_ns = repository.looked_at_until(session, [rule.id for rule in fresh])
        for rule in fresh:
            known.pop(rule.id, None)
            device = devices.get(rule.device_id)
            try:
                kind = signal_kind(device, rule.signal) if device is not None else None
                watcher = Watcher(
                    rule_of(rule, kind), start_ns=now_ns, raised=rule.id in raised, seen_ns=seen_ns.get(rule.id)
                )
            except (PilotLabError, ValueError) as error:  # the catalogue has changed under it
                log.warning("a rule of alarms cannot be followed", rule=rule.id, problem=str(error).partition("\n")[0])
                continue
            name = device.name if device is not None else rule.device_id
            known[rule.id] = _followed(rule, watcher, name, kind)
        followed: dict[Key, list[_Followed]] = {}
        for one in known.values():
            if one.facts.id in wanted:
                followed.setdefault((one.facts.device_id, one.facts.signal), []).append(one)
        self._followed, self._versions = followed, wanted


def _followed(rule: AlarmRule, watcher: Watcher, name: str, kind: SignalKind | None) -> _Followed:
    called = (kind.label if kind is not None else "") or rule.signal
    what = f"{called} of {name}" if called is not None else f"The state of {name}"
    unit = kind.unit if kind is not None else ""
    boolean = kind is not None and kind.type == "boolean"
    return _Followed(RuleFacts.of(rule), watcher, what, unit, boolean)


def _rows_of(samples: SampleBatch, device: str, signal: str) -> pa.Table | None:
    """The rows of one signal, whatever the boot; `None`: the batch has none."""
    places = [place for place, one in enumerate(samples.series) if one[:2] == (device, signal)]
    if not places:
        return None
    column = samples.rows.column("series")
    return samples.rows.filter(pc.is_in(column, value_set=pa.array(places, column.type)))


def _values(rows: pa.Table, followed: _Followed) -> Values:
    """Numbers, or texts where the rule is about states."""
    if not isinstance(followed.watcher.rule, StateRule):
        numbers: Values = rows.column("value").to_numpy()
        return numbers
    if followed.boolean:
        truths = [None if value is None else "true" if value else "false" for value in rows.column("value").to_pylist()]
        return np.array(truths, dtype=object)
    return np.array(rows.column("text").to_pylist(), dtype=object)
