"""Green and red lines before a booking, each with what to do."""

from datetime import timedelta

import pytest

from lab.core.findings import Finding
from lab.preflight.broker import BrokerTrial, Keeping, broker_lines, message_rate
from lab.preflight.lines import DeviceSeen, SignalSeen, alarm_lines, device_lines, recorder_lines
from telemetry.broker_probe import BrokerLimits, BrokerProbeError

SECOND = timedelta(seconds=1)
GIB = 1024**3


def told(lines: list[Finding]) -> list[tuple[str, str]]:
    assert all(line.what_to_do for line in lines if line.level == "wrong"), "a red line says what to do"
    return [(line.level, line.fact) for line in lines]


def device(
    *signals: SignalSeen,
    online: bool | None = True,
    offset_s: float | None = 0.0,
    uncertain: int = 0,
    sending: bool = True,
) -> DeviceSeen:
    return DeviceSeen("mill-1", "Mill 1", online, signals, offset_s, uncertain, sending)


def test_a_machine_that_is_off_has_one_line() -> None:
    assert told(device_lines(device(online=None, sending=False))) == [("wrong", "has not been heard")]
    assert told(device_lines(device(online=False))) == [("wrong", "is offline")]


def test_a_machine_that_only_sends_values_is_judged_by_them() -> None:
    lines = told(device_lines(device(SignalSeen("power", 500.0, 7, planned=True), online=None)))
    assert ("mind", "sends, but has never said that it has started") in lines
    assert ("wrong", "power: 7 of 120 values in the last minute") in lines


@pytest.mark.parametrize(("count", "level"), [(120, "good"), (108, "good"), (107, "wrong"), (0, "wrong")])
def test_a_planned_signal_needs_nine_tenths_of_its_rate(count: int, level: str) -> None:
    lines = device_lines(device(SignalSeen("power", 500.0, count, planned=True)))
    assert max((line.level for line in lines), key=["good", "mind", "wrong"].index) == level


def test_a_signal_that_nobody_planned_is_only_minded() -> None:
    lines = told(device_lines(device(SignalSeen("power", 500.0, 0, planned=False))))
    assert ("mind", "power: 0 of 120 values in the last minute") in lines
    assert ("mind", "0 of 1 signals arrive") in lines
    assert not any(level == "wrong" for level, _ in lines)


def test_what_is_to_be_minded_says_what_to_do_too() -> None:
    signals = SignalSeen("power", 500.0, 0, planned=True), SignalSeen("wear", None, 0, planned=True)
    lines = device_lines(device(*signals, online=None, offset_s=None))
    assert {line.level for line in lines} == {"mind", "wrong"}
    assert all(line.what_to_do for line in lines)


def test_a_signal_slower_than_a_minute_needs_one_value() -> None:
    assert not any(
        line.level == "wrong" for line in device_lines(device(SignalSeen("wear", 600_000.0, 1, planned=True)))
    )


def test_clocks_are_judged_by_what_they_cost() -> None:
    assert ("good", "its clock is right within a second") in told(device_lines(device()))
    assert ("mind", "its clock is 3.0 s behind; that is corrected") in told(device_lines(device(offset_s=3.0)))
    assert any(level == "wrong" for level, _ in told(device_lines(device(uncertain=5))))


GOOD = BrokerLimits(None, None, 20, 1_000_000, True)
WEAK = BrokerLimits(20, 1020, None, None, True)


class Tried(BrokerTrial):
    def __init__(self, limits: BrokerLimits | None) -> None:
        self.found = limits

    def limits(self) -> BrokerLimits:
        if self.found is None:
            raise BrokerProbeError("the broker at h:1 does not answer")
        return self.found


def lines_of(limits: BrokerLimits | None, keeping: Keeping, rate: tuple[float, float] = (100.0, 25_000.0)):
    return told(broker_lines(Tried(limits), keeping, rate=rate, max_payload_bytes=262_144))


def test_a_good_broker_is_green_and_says_how_long_it_can_wait() -> None:
    lines = lines_of(GOOD, Keeping(True, GIB, "mosquitto"))
    assert {level for level, _ in lines} == {"good"}
    assert ("good", "keeps 1024 MiB of messages while the recorder is away, which lasts 12 hours") in lines


def test_a_weak_broker_is_named_by_window_queue_and_persistence() -> None:
    lines = lines_of(WEAK, Keeping(False))
    assert lines == [
        ("mind", "passes on only 20 messages at once (in-flight window)"),
        ("good", "keeps messages for the recorder while it is away"),
        ("wrong", "loses what it holds when it restarts"),
        ("wrong", "keeps only 1020 messages while the recorder is away, which lasts 10 s"),
    ]


def test_what_nobody_has_declared_is_asked_for() -> None:
    assert ("mind", "nobody has said whether it keeps messages across its own restarts") in lines_of(
        GOOD, Keeping(None)
    )
    assert any("amqtt" in fact for _, fact in lines_of(GOOD, Keeping(False, None, "amqtt")))


def test_a_broker_that_is_away_forgetful_or_small_is_red() -> None:
    assert lines_of(None, Keeping(True)) == [("wrong", "the broker at h:1 does not answer")]
    lines = lines_of(BrokerLimits(None, 0, 10, 1000, False), Keeping(True))
    assert sum(level == "wrong" for level, _ in lines) == 3
    assert told(broker_lines(None, Keeping(True), rate=(0, 0), max_payload_bytes=1)) == [
        ("wrong", "this program knows no broker")
    ]


def test_the_rate_is_that_of_the_most_frequent_signal() -> None:
    messages, size = message_rate([[100.0, 1000.0, None], [None], []])
    assert messages == 10
    assert size == pytest.approx(10 * 220 + 11 * 32)


def recorder(age: timedelta = SECOND, **facts: object) -> list[tuple[str, str]]:
    well = {"connected": True, "problem": None, "lag_seconds": 0.1, "spool_bytes": 10, "disk_free_bytes": 9 * GIB}
    return told(recorder_lines({**well, **facts}, age=age, low_disk_bytes=2 * GIB, spool_max_bytes=GIB))


def test_the_recorder_is_green_or_says_what_is_wrong() -> None:
    assert {level for level, _ in recorder()} == {"good"}
    assert told(recorder_lines(None, age=SECOND, low_disk_bytes=1, spool_max_bytes=1))[0][0] == "wrong"
    assert recorder(age=90 * SECOND)[0] == ("wrong", "The recorder has said nothing for 90 s")
    assert recorder(connected=False)[0][0] == "wrong"
    assert ("mind", "what machines say is stored 20 s late") in recorder(lag_seconds=20)
    assert any(level == "mind" and "spool" in fact for level, fact in recorder(spool_bytes=GIB))
    assert any(
        level == "wrong" and "has only 100 MiB left" in fact for level, fact in recorder(disk_free_bytes=100 * 1024**2)
    )


def test_open_alarms_are_told() -> None:
    assert told(alarm_lines([])) == [("good", "none is open on these machines")]
    assert told(alarm_lines([("critical", "hot"), ("info", "idle")])) == [("wrong", "hot"), ("mind", "idle")]
