"""All machines: they say what the catalogue says they say, and what they draw adds up."""

import math
import random
from collections.abc import Callable

import pytest

from devices.catalogue import DEFAULT_CATALOGUE, RECORDING_CATALOGUE, SignalEntry, load_catalogue
from simulators.activities import Activity, Machine, Value
from simulators.meter import Meter
from simulators.mill import BASE_KW, Mill
from simulators.protocol import MACHINES, METERS, REPLAYED
from simulators.recording import CHANNELS

SIGNALS = {
    entry.id: {signal.name: signal for signal in entry.signals} for entry in load_catalogue(DEFAULT_CATALOGUE).devices
}
EACH_MACHINE = pytest.mark.parametrize(("device", "make"), sorted(MACHINES.items()))


def fits(value: Value, signal: SignalEntry) -> bool:
    if signal.type == "boolean":
        return isinstance(value, bool)
    if signal.type == "enumeration":
        return value in (signal.choices or [])
    if isinstance(value, bool | str):
        return False
    low, high = signal.range or (-math.inf, math.inf)
    return low <= value <= high


def activities(machine: Machine) -> list[Activity]:
    rng = random.Random(5)
    return [machine.rest(rng=rng), machine.work({}, run=1, rng=rng), machine.rest(rng=rng)]


@EACH_MACHINE
def test_every_value_is_known_to_the_catalogue_and_within_its_range(device: str, make: Callable[[], Machine]) -> None:
    machine = make()
    assert set(machine.signals) == set(SIGNALS[device])
    said: set[str] = set()
    for activity in activities(machine):
        end = min(activity.duration_s, 600)
        for t in (end * i / 500 for i in range(501)):
            values = activity.values(t)
            wrong = {name: value for name, value in values.items() if not fits(value, SIGNALS[device][name])}
            assert not wrong
            said |= set(values)
        burst = activity.burst(end / 2)
        if burst is not None:
            for name, wave in burst.waves.items():
                assert all(fits(value, SIGNALS[device][name]) for value in wave)
            said |= set(burst.waves)
    assert said == set(machine.signals)


@EACH_MACHINE
def test_the_expected_interval_is_the_machines_own(device: str, make: Callable[[], Machine]) -> None:
    machine = make()
    for signal in SIGNALS[device].values():
        fast = signal.name.startswith("vibration")
        interval_s = machine.burst_interval_s if fast else machine.interval_s
        assert interval_s is not None
        assert signal.expected_interval_ms == interval_s * 1000


@EACH_MACHINE
def test_work_ends_with_a_finished_part(device: str, make: Callable[[], Machine]) -> None:
    work = make().work({}, run=7, rng=random.Random(5))
    last = sorted(work.occurrences, key=lambda one: one.at_s)[-1]
    assert (last.name, last.at_s, last.fields["run"]) == ("part_finished", work.duration_s, 7)
    assert work.result["finished"] is True


@EACH_MACHINE
def test_what_a_machine_draws_adds_up(device: str, make: Callable[[], Machine]) -> None:
    work = make().work({}, run=1, rng=random.Random(5))
    steps = 50_000
    step_s = work.duration_s / steps
    total = sum(work.power_kw((i + 0.5) * step_s) for i in range(steps)) * step_s / 3600
    assert work.energy_kwh(work.duration_s) == pytest.approx(total, rel=2e-3)
    rest = make().rest(rng=random.Random(5))
    assert rest.energy_kwh(3600) == pytest.approx(rest.power_kw(0))


def test_the_meter_counts_the_mill_at_work_and_at_rest() -> None:
    meter, rng = Meter(), random.Random(5)
    start_ns = 1_795_419_000_000_000_000
    meter.pass_idle_time(start_ns)
    part = Mill().work({}, run=1, rng=rng)
    before = meter.read(0, mill=part, cell=[], rng=rng)["energy_kwh"]
    after = meter.read(part.duration_s, mill=part, cell=[], rng=rng)["energy_kwh"]
    assert float(after) - float(before) == pytest.approx(part.energy_kwh(math.inf), abs=2e-6)
    meter.count(part, start_ns=start_ns)
    an_hour_later = start_ns + round(part.duration_s * 1e9) + 3600 * 10**9
    meter.pass_idle_time(an_hour_later)
    idle = meter.read(0, mill=None, cell=[], rng=rng)["energy_kwh"]
    assert float(idle) - float(after) == pytest.approx(BASE_KW, abs=2e-6)


def test_readings_of_power_integrate_to_what_the_mill_drew() -> None:
    meter, rng = Meter(), random.Random(5)
    part = Mill().work({"feed_mm_s": 9}, run=1, rng=rng)
    seconds = [*range(int(part.duration_s) + 1), part.duration_s]
    readings = [float(meter.read(t, mill=part, cell=[], rng=rng)["active_power_kw"]) for t in seconds]
    trapezia = zip(seconds, seconds[1:], readings, readings[1:], strict=False)
    energy_kwh = sum((b - a) * (p + q) / 2 for a, b, p, q in trapezia) / 3600
    assert energy_kwh == pytest.approx(part.energy_kwh(math.inf), rel=5e-3)


def test_the_meters_values_are_known_to_the_catalogue() -> None:
    rng = random.Random(5)
    values = Meter().read(0, mill=None, cell=[], rng=rng)
    assert set(values) == set(Meter.signals) == set(SIGNALS[METERS[0]])
    assert all(fits(value, SIGNALS[METERS[0]][name]) for name, value in values.items())


def test_the_replayed_channels_are_known_to_their_catalogue() -> None:
    (mill,) = load_catalogue(RECORDING_CATALOGUE).devices
    assert list(REPLAYED) == [mill.id]
    assert {signal.name for signal in mill.signals} == set(CHANNELS)
