"""What is recorded is followed by the rules: raised once, never by the past, also across restarts and outages."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy.exc import OperationalError

from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.time import to_nanoseconds
from lab.people.principals import SYSTEM
from telemetry.alarms import repository, service
from telemetry.alarms.definitions import (
    Definition,
    LimitDefinition,
    RateDefinition,
    SilenceDefinition,
    StateDefinition,
)
from telemetry.alarms.keeping import AlarmKeeper
from telemetry.alarms.models import Alarm
from telemetry.alarms.watching import AlarmWatch
from telemetry.stores.interface import ROWS, Flag, SampleBatch
from tests.factories import MONDAY_MORNING, make_device, make_signal

SECOND = 1_000_000_000


@dataclass
class Told:
    """A batch as the drain shows it."""

    rows: list[tuple[str, float, float | str, int]] = field(default_factory=list)
    """Signal, seconds after the start, value, flags."""
    states: list[tuple[float, str, int]] = field(default_factory=list)

    @property
    def samples(self) -> "Told":
        return self

    @property
    def events(self) -> list[dict[str, Any]]:
        start = to_nanoseconds(MONDAY_MORNING)
        known = {"device_id": "mill-1", "kind": "state"}
        return [
            {**known, "settled_ns": start + round(at * SECOND), "flags": flags, "fields": {"item_state": state}}
            for at, state, flags in self.states
        ]

    @property
    def series(self) -> list[tuple[str, str, str]]:
        return [("mill-1", name, "b") for name in sorted({signal for signal, *_ in self.rows} | {"other"})]

    def build(self) -> SampleBatch:
        found = []
        for signal, at, value, flags in self.rows:
            time = to_nanoseconds(MONDAY_MORNING) + round(at * SECOND)
            number, text = (None, value) if isinstance(value, str) else (value, None)
            times = {"device_ns": time, "settled_ns": time, "received_ns": time}
            series = self.series.index(("mill-1", signal, "b"))
            found.append({"series": series, **times, "value": number, "text": text, "flags": flags})
        return SampleBatch(tuple(self.series), pa.Table.from_pylist(found, schema=ROWS))


class Watched:
    """A mill, its rules, and who watches them."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.database, self.clock = database, clock
        with database.write() as session:
            mill = make_device(session, "mill-1", signals={"spindle_power_kw": "kW"})
            mill.signals.append(make_signal("door", type="enumeration", unit=None, choices=["open", "closed"]))
            mill.signals.append(make_signal("coolant", type="boolean", unit=None))
            mill.signals.append(make_signal("fast", expected_interval_ms=500.0))
        self.restart()

    def restart(self) -> None:
        self.keeper = AlarmKeeper(self.database, self.clock)
        self.watch = AlarmWatch(self.database, self.clock, self.keeper)

    def rule(self, definition: Definition, signal: str | None = "spindle_power_kw") -> str:
        made = self.database.transact(
            lambda session: service.create_rule(
                session,
                SYSTEM,
                device_id="mill-1",
                signal=signal,
                severity="warning",
                definition=definition,
                now=self.clock.now(),
            )
        )
        self.pass_time(3)
        return made.id

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def power(self, *values: float, at: float, flags: int = 0) -> None:
        rows = [("spindle_power_kw", at + place, value, flags) for place, value in enumerate(values)]
        self.watch(Told([*rows]))

    def alarms(self) -> list[tuple[str, bool]]:
        with self.database.read() as session:
            found = session.query(Alarm).order_by(Alarm.raised_at, Alarm.id).all()
            return [(alarm.text, alarm.cleared_at is None) for alarm in found]


@pytest.fixture
def watched(each_database: Database, lab_clock: LabClock) -> Watched:
    return Watched(each_database, lab_clock)


def test_a_limit_is_raised_with_words_and_clears(watched: Watched) -> None:
    watched.rule(LimitDefinition(kind="limit", high=2.0, hysteresis=0.5))
    watched.power(1.0, 2.5, 1.9, at=0)
    assert watched.alarms() == [("Spindle power kw of Mill 1 is 2.5 kW, above 2 kW", True)]
    watched.power(1.0, at=4)
    assert watched.alarms() == [("Spindle power kw of Mill 1 is 2.5 kW, above 2 kW", False)]


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.BUFFERED, Flag.UNCERTAIN])
def test_the_past_raises_nothing(watched: Watched, flag: Flag) -> None:
    watched.rule(LimitDefinition(kind="limit", high=2.0))
    watched.power(9.0, at=0, flags=int(flag))
    watched.pass_time(3600)
    watched.power(9.0, at=5)  # good when it was received, but the store was away for an hour
    assert watched.alarms() == []


def test_all_kinds_of_rules_are_followed(watched: Watched) -> None:
    watched.rule(RateDefinition(kind="rate", most_per_s=5.0))
    watched.rule(StateDefinition(kind="state", states=("open",)), "door")
    watched.rule(StateDefinition(kind="state", states=("true",)), "coolant")
    watched.rule(StateDefinition(kind="state", states=("OutOfService",)), None)
    watched.power(1.0, 9.0, at=10)
    watched.watch(Told([("door", 11, "closed", 0), ("door", 12, "open", 0), ("coolant", 13, 1.0, 0)]))
    watched.watch(Told(states=[(14, "Executing", 0), (15, "OutOfService", 0)]))
    assert [text for text, _ in watched.alarms()] == [
        "Spindle power kw of Mill 1 changes by 8 kW a second, more than 5 kW",
        "Door of Mill 1 is open",
        "Coolant of Mill 1 is true",
        "The state of Mill 1 is OutOfService",
    ]
    watched.watch(Told([("door", 16, "closed", 0), ("coolant", 16, 0.0, 0)], states=[(17, "NotExecuting", 0)]))
    assert [still for _, still in watched.alarms()] == [True, False, False, False]


def test_silence_is_told_by_the_clock(watched: Watched) -> None:
    watched.rule(SilenceDefinition(kind="silence", intervals=10), "fast")
    watched.watch.tick()
    watched.pass_time(4)
    watched.watch.tick()
    assert watched.alarms() == []
    watched.pass_time(3)
    watched.watch.tick()
    watched.watch.tick()
    assert watched.alarms() == [("Fast of Mill 1 has sent nothing for more than 5 s", True)]
    watched.watch(Told([("fast", 10, 1.0, 0)]))
    assert [still for _, still in watched.alarms()] == [False]


def test_a_restart_forgets_no_alarm_and_raises_none_twice(watched: Watched) -> None:
    watched.rule(LimitDefinition(kind="limit", high=2.0))
    watched.power(1.0, 3.0, at=0)
    watched.restart()
    watched.power(1.0, 3.0, 4.0, at=0)  # what was not noted as drained comes again
    assert [still for _, still in watched.alarms()] == [True]
    watched.power(1.0, at=9)
    assert [still for _, still in watched.alarms()] == [False]
    watched.restart()
    watched.power(1.0, 3.0, at=0)
    assert [still for _, still in watched.alarms()] == [False]


def test_a_rule_that_ends_or_is_new_is_heeded_within_seconds(watched: Watched) -> None:
    watched.power(3.0, at=0)
    rule = watched.rule(LimitDefinition(kind="limit", high=2.0))
    watched.power(3.0, at=1)
    assert [still for _, still in watched.alarms()] == [True]
    watched.database.transact(
        lambda session: service.end_rule(session, SYSTEM, rule, version=None, reason=None, now=watched.clock.now())
    )
    watched.pass_time(3)
    watched.power(3.0, at=5)
    assert [still for _, still in watched.alarms()] == [False]


def test_without_rules_a_batch_is_not_even_looked_at(watched: Watched) -> None:
    class Untouchable(Told):
        def build(self) -> SampleBatch:
            raise AssertionError("nobody asked for it")

    watched.watch(Untouchable([("spindle_power_kw", 1, 2.0, 0)]))
    watched.rule(StateDefinition(kind="state", states=("OutOfService",)), None)
    watched.rule(StateDefinition(kind="state", states=("open",)), "door")
    watched.watch(Untouchable([("spindle_power_kw", 5, 2.0, 0)]))


def test_what_cannot_be_written_waits_and_is_told_meanwhile(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.rule(LimitDefinition(kind="limit", high=2.0))
    watched.power(1.0, at=0)
    transact = watched.database.transact
    full = OperationalError("INSERT", {}, Exception("database or disk is full"))

    def fail(_: object) -> None:
        raise full

    monkeypatch.setattr(watched.database, "transact", fail)
    watched.power(3.0, at=1)
    assert watched.alarms() == []
    assert [text for _, text, _ in watched.keeper.unwritten()] == ["Spindle power kw of Mill 1 is 3 kW, above 2 kW"]
    monkeypatch.setattr(watched.database, "transact", transact)
    watched.watch.tick()
    assert [still for _, still in watched.alarms()] == [True]
    assert list(watched.keeper.unwritten()) == []
    with watched.database.read() as session:
        assert repository.rules_with_open_alarm(session) != set()
