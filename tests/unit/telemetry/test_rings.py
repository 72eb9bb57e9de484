"""What a screen gets to see of a device's messages."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devices.messages.native import Data
from devices.messages.times import format_time
from devices.service import SignalFacts
from telemetry.boot_clock import BootClock
from telemetry.live.reduction import kept, reduced
from telemetry.live.rings import MESSAGE_POINTS, RING_LENGTH, DeviceFacts, DeviceRings, Point, stamp
from telemetry.settling import EARLIEST_SANE_NS, ChangePoint

NOW = 1_795_435_200_000_000_000
SECOND = 1_000_000_000


class Rings:
    """The rings of a device, and what is known of it."""

    def __init__(self, clocks: dict[str, BootClock]) -> None:
        self.facts = DeviceFacts({"power", "program", "door"}, clocks, {"Leistung": "power"})
        self.ring = DeviceRings()

    def take(self, message: Data, *, now_ns: int) -> None:
        self.ring.put(stamp(message, self.facts, now_ns=now_ns))

    def newer_than(self, number: int) -> dict[str, list[Point]]:
        return self.ring.between(number, self.ring.last_number)


def rings(**clocks: ChangePoint) -> Rings:
    return Rings({boot: BootClock([point]) for boot, point in clocks.items()})


def message(second: float = 0, boot: str = "a", **values: Any) -> Data:
    return Data(boot=boot, seq=1, time=NOW + round(second * SECOND), values=values)


def seen(found: Rings, signal: str = "power", after: int = 0) -> list[tuple[float, Any]]:
    points = found.newer_than(after).get(signal, [])
    return [((point.time_ns - NOW) / SECOND, point.value) for point in points]


def test_numbers_booleans_and_texts_are_shown() -> None:
    ring = rings()
    ring.take(message(power=1, program="P17", door=True), now_ns=NOW)
    assert seen(ring) == [(0, 1.0)]
    assert seen(ring, "program") == [(0, "P17")]
    assert seen(ring, "door")[0][1] is True


def test_unknown_signals_and_impossible_values_are_not_shown() -> None:
    ring = rings()
    ring.take(message(secret=1.0, power=math.nan, program=None, door=[1]), now_ns=NOW)
    assert ring.newer_than(0) == {}


def test_what_the_recorder_refuses_is_not_shown() -> None:
    known = {
        "power": SignalFacts("number"),
        "door": SignalFacts("boolean"),
        "program": SignalFacts("enumeration", choices=frozenset({"P1"})),
    }
    facts = DeviceFacts(frozenset(known), known=known)
    wrong = [{"power": "1.5", "door": 1, "program": "P2"}, {"power": True, "door": "true", "program": 7}]
    for values in wrong:
        assert stamp(message(**values), facts, now_ns=NOW) == {}
    assert set(stamp(message(power=1, door=True, program="P1"), facts, now_ns=NOW)) == set(known)
    wave = Data(boot="a", seq=1, start=NOW, rate_hz=1e6, waves={"power": [1.0], "door": [1.0], "program": [1.0]})
    assert set(stamp(wave, facts, now_ns=NOW + 1)) == {"power"}


def test_a_reader_gets_each_point_once() -> None:
    ring = rings()
    ring.take(message(-0.5, power=1), now_ns=NOW)
    number = ring.ring.last_number
    assert seen(ring, after=number) == []
    ring.take(message(0, power=2), now_ns=NOW)
    assert seen(ring, after=number) == [(0, 2.0)]


def test_a_live_value_never_goes_back_in_time() -> None:
    ring = rings(a=ChangePoint(EARLIEST_SANE_NS, 0, False))
    for second in (5, 3, 5, 6, -86_400):
        ring.take(message(second, power=second), now_ns=NOW + 6 * SECOND)
    assert seen(ring) == [(5, 5.0), (6, 6.0)]


def test_while_nothing_is_known_of_a_clock_only_the_present_is_shown() -> None:
    ring = rings()
    ring.take(message(-600, power=1), now_ns=NOW)
    ring.take(message(600, power=2), now_ns=NOW)
    ring.take(message(-1.1, power=3), now_ns=NOW)
    ring.take(message(1.1, power=4), now_ns=NOW)
    ring.take(message(-0.9, power=5), now_ns=NOW)
    assert seen(ring) == [(-0.9, 5.0)]


def test_nothing_is_measured_after_it_came() -> None:
    ring = rings(fast=ChangePoint(EARLIEST_SANE_NS, 0, False))
    ring.take(message(0.9, boot="fast", power=1), now_ns=NOW)
    ring.take(message(0.9, boot="new", program="P1"), now_ns=NOW)
    assert seen(ring) == [(0, 1.0)]
    assert seen(ring, "program") == [(0, "P1")]


def test_a_point_of_an_unknown_clock_may_be_as_young_as_its_arrival() -> None:
    ring = rings(known=ChangePoint(EARLIEST_SANE_NS, 0, False))
    ring.take(message(-0.9, boot="known", power=1), now_ns=NOW)
    ring.take(message(-0.9, boot="new", program="P1"), now_ns=NOW)
    points = ring.newer_than(0)
    assert points["power"][0].latest_ns == points["power"][0].time_ns
    assert points["program"][0].latest_ns == NOW


def test_a_signal_is_shown_by_its_name_in_the_catalogue() -> None:
    ring = rings()
    ring.take(message(Leistung=2.0), now_ns=NOW)
    assert seen(ring) == [(0, 2.0)]


def test_a_known_clock_is_corrected_and_its_past_is_shown() -> None:
    ring = rings(
        skewed=ChangePoint(EARLIEST_SANE_NS, -3600 * SECOND, False), right=ChangePoint(EARLIEST_SANE_NS, 0, False)
    )
    ring.take(message(3600 - 30, boot="skewed", power=1), now_ns=NOW)
    ring.take(message(-20, boot="right", power=2), now_ns=NOW)
    ring.take(message(30, boot="right", power=3), now_ns=NOW)  # the future
    assert seen(ring) == [(-30, 1.0), (-20, 2.0)]


def test_the_correction_in_force_at_the_stamp_counts() -> None:
    ring = Rings({"a": BootClock([ChangePoint(NOW - 90 * SECOND, 0, False), ChangePoint(NOW, -50 * SECOND, True)])})
    ring.take(message(-60, power=1), now_ns=NOW)
    ring.take(message(10, power=2), now_ns=NOW)
    points = ring.newer_than(0)["power"]
    assert [((point.time_ns - NOW) // SECOND, point.uncertain) for point in points] == [(-60, False), (-40, True)]


def test_waves_are_spread_over_their_time_and_reduced() -> None:
    ring = rings()
    wave = [math.sin(index / 7) for index in range(1000)]
    ring.take(Data(boot="a", seq=1, start=NOW - SECOND, rate_hz=1000, waves={"power": wave}), now_ns=NOW)
    points = seen(ring)
    assert len(points) <= MESSAGE_POINTS
    assert max(value for _, value in points) == max(wave)
    assert min(value for _, value in points) == min(wave)
    assert points[-1] == (-0.001, wave[-1])


def test_buffered_samples_and_written_times_are_understood() -> None:
    ring = rings(a=ChangePoint(EARLIEST_SANE_NS, 0, False))
    pairs: list[tuple[str | int, Any]] = [
        (format_time(NOW - 10 * SECOND), 1.0),
        (NOW - 9 * SECOND, 2.0),
        (NOW - 20 * SECOND, 0.0),
    ]
    ring.take(Data(boot="a", seq=1, buffered=True, samples={"power": pairs}), now_ns=NOW)
    assert seen(ring) == [(-20, 0.0), (-10, 1.0), (-9, 2.0)]


def test_a_time_that_is_none_is_left_to_the_recorder() -> None:
    ring = rings()
    ring.take(Data(boot="a", seq=1, time="yesterday", values={"power": 1.0}), now_ns=NOW)
    assert ring.newer_than(0) == {}


def test_memory_is_bounded() -> None:
    ring = rings()
    for index in range(RING_LENGTH + 50):
        ring.take(message(index / 1000 - 1, power=index), now_ns=NOW)
    points = seen(ring)
    assert len(points) == RING_LENGTH
    assert points[-1][1] == RING_LENGTH + 49


def test_waves_of_typed_arrays_are_shown_and_what_is_no_number_is_not() -> None:
    ring = rings()
    wave: Any = np.array([1.0, np.nan, 3.0])
    start = NOW - SECOND
    ring.take(Data(boot="a", seq=1, start=start, rate_hz=10, waves={"power": wave, "door": ["1"]}), now_ns=NOW)
    assert seen(ring) == [(-1, 1.0), (-0.8, 3.0)]
    assert seen(ring, "door") == []


numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=300)


@given(numbers, st.integers(5, 50))
def test_reduction_keeps_extremes_order_and_the_last_point(values: list[float], most: int) -> None:
    points = [(index, value, False) for index, value in enumerate(values)]
    kept = list(reduced(points, most))
    assert len(kept) <= most
    assert all(a[0] < b[0] for a, b in pairwise(kept))
    assert set(kept) <= set(points)
    assert kept[-1] == points[-1]
    assert max(value for _, value, _ in kept) == max(values)
    assert min(value for _, value, _ in kept) == min(values)


@given(st.integers(1001, 3000), st.integers(5, 50), st.integers(0, 2**32))
def test_long_series_keep_extremes_order_and_the_last_point_too(count: int, most: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(NOW, NOW + 1000 * SECOND, count))
    values = random.normal(size=count)
    places = kept(values, most)
    assert len(places) <= most
    assert (np.diff(places) > 0).all()
    assert places[-1] == count - 1
    assert {values.argmax(), values.argmin()} <= set(places.tolist())
    points = list(zip(times.tolist(), values.tolist(), strict=True))
    assert list(reduced(points, most)) == [points[place] for place in places]
