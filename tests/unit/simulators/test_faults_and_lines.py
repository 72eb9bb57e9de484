"""Faults on demand, the lab's time, and what an operator may say."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.core.clock import SystemClock
from simulators.activities import Value
from simulators.connection import Broker
from simulators.errors import RefusedLineError, StoppedError
from simulators.faults import read_fault
from simulators.lab_time import LabTime
from simulators.protocol import Operator

SIGNALS = ("power_kw", "feed_mm_s")
HOUR_NS = 3600 * 10**9


def operator() -> Operator:
    return Operator(Broker("127.0.0.1", 1, patience_s=0.1), lab="gliwice", seed=1, ended=threading.Event())


def test_a_fault_holds_in_its_time_only() -> None:
    fault = read_fault({"kind": "dropout", "after_s": 30, "for_s": 10}, signals=SIGNALS)
    assert [fault.holds(t) for t in (0, 29.9, 30, 39.9, 40)] == [False, False, True, True, False]


def test_a_stuck_sensor_shows_the_first_value_of_the_fault_again_and_again() -> None:
    fault = read_fault({"kind": "stuck_sensor", "signal": "power_kw", "after_s": 2, "for_s": 3}, signals=SIGNALS)
    shown = []
    for t in range(8):
        values: dict[str, Value] = {"power_kw": float(t), "feed_mm_s": 6.0}
        if fault.holds(t):
            fault.stick(values)
        shown.append(values["power_kw"])
    assert shown == [0, 1, 2, 2, 2, 5, 6, 7]


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "fire"},
        {},
        {"kind": "dropout", "after_s": -1},
        {"kind": "dropout", "for_s": "long"},
        {"kind": "duplicates", "every": 0},
        {"kind": "stuck_sensor", "signal": "unknown"},
        {"kind": "clock_skew", "offset_s": True},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(line: dict[str, object]) -> None:
    with pytest.raises(RefusedLineError):
        read_fault(line, signals=SIGNALS)


def test_the_labs_time_goes_at_its_own_rate() -> None:
    lab_time = LabTime()
    lab_time.set(real_ns=0, lab_ns=5 * HOUR_NS, rate=0)
    assert lab_time.now_ns() == 5 * HOUR_NS
    lab_time.set(real_ns=SystemClock().now_ns(), lab_ns=5 * HOUR_NS, rate=3600)
    begun = time.monotonic()
    lab_time.wait_until(5 * HOUR_NS + HOUR_NS // 20, ended=threading.Event())
    assert 0.04 < time.monotonic() - begun < 1
    assert lab_time.now_ns() >= 5 * HOUR_NS + HOUR_NS // 20


def test_nobody_waits_for_a_clock_that_stands_still() -> None:
    lab_time = LabTime()
    lab_time.set(real_ns=0, lab_ns=0, rate=0)
    lab_time.wait_until(0, ended=threading.Event())
    with pytest.raises(RefusedLineError, match="stands still"):
        lab_time.wait_until(1, ended=threading.Event())


def test_a_wait_ends_when_the_program_does() -> None:
    ended = threading.Event()
    threading.Timer(0.1, ended.set).start()
    with pytest.raises(StoppedError):
        LabTime().wait_until(2**62, ended=ended)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({}, "'do' is None"),
        ({"do": "dance"}, "clock, start, run, replay, idle, fault, stop"),
        ({"do": "clock", "real_ns": 1, "lab_ns": 1}, "'rate' must be a number"),
        ({"do": "clock", "real_ns": 1, "lab_ns": 1, "rate": -1}, "'rate' must be a number"),
        ({"do": "clock", "real_ns": "1", "lab_ns": 1, "rate": 1}, "'real_ns' must be a whole number"),
        ({"do": "start"}, "mill-1, robot-1, conveyor-1, printer-1, meter-1, mill-umich"),
        ({"do": "start", "device": "mill-1", "password": 5}, "'password' must be a text"),
        ({"do": "start", "device": "mill-1"}, "no broker answers at 127.0.0.1:1"),
        ({"do": "run", "run": 1, "devices": ["mill-1"]}, "mill-1 is not started"),
        ({"do": "run", "run": 1, "devices": "mill-1"}, "'devices' must be a list of names"),
        ({"do": "run", "run": 1, "devices": ["a", "a"]}, "names something twice"),
        ({"do": "run", "run": 1.5, "devices": ["mill-1"]}, "'run' must be a whole number"),
        ({"do": "fault", "kind": "dropout"}, "a fault needs a 'device'"),
        ({"do": "idle", "on": "yes"}, "'on' must be true or false"),
        ({"do": "replay", "recording": "/nowhere/at/all", "experiment": 1, "start_ns": 1}, "no such folder"),
    ],
)
def test_a_line_that_cannot_be_done_is_answered_in_one_line(line: dict[str, object], said: str) -> None:
    answer = operator().do(line)
    assert answer["ok"] is False
    assert said in answer["error"]
    assert "\n" not in answer["error"]


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.text(), max_size=2)


@settings(deadline=None)
@given(
    st.sampled_from(["clock", "start", "run", "replay", "idle", "fault"]),
    st.dictionaries(
        st.sampled_from(["device", "devices", "run", "settings", "kind", "real_ns", "lab_ns", "rate", "start_ns"]), JSON
    ),
)
def test_whatever_is_asked_gets_an_answer(deed: str, content: dict[str, object]) -> None:
    asked = operator()
    answer = asked.do({"do": deed, **content})
    asked.leave()
    assert isinstance(answer["ok"], bool)
