"""The mill: its formulas, and the truth that a pilot on it should find."""

import math
import random
import statistics

import pytest
from scipy import stats

from simulators.errors import RefusedLineError
from simulators.mill import Chances, Mill, MillPart, expected_part, true_effect

SLOW, FAST = {"feed_mm_s": 6.0}, {"feed_mm_s": 9.0}
ENERGY, TIME, ROUGHNESS = "energy_kwh", "part_time_s", "roughness_um"


def measured(part: MillPart) -> dict[str, float]:
    return {ENERGY: part.energy_kwh(math.inf), TIME: part.duration_s, ROUGHNESS: part.result["roughness_um"]}


def pilot(seed: int) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Six parts at each feed in random order, beginning with a new tool."""
    rng = random.Random(seed)
    order = [SLOW] * 6 + [FAST] * 6
    rng.shuffle(order)
    mill = Mill()
    parts = [measured(mill.work(feed, run=run, rng=rng)) for run, feed in enumerate(order, start=1)]
    return (
        [part for part, feed in zip(parts, order, strict=True) if feed is SLOW],
        [part for part, feed in zip(parts, order, strict=True) if feed is FAST],
    )


def test_a_faster_feed_saves_energy_and_time_and_costs_a_little_smoothness() -> None:
    effect = true_effect(SLOW, FAST)
    assert effect["energy_kwh_saving"] == pytest.approx(0.0389, abs=1e-4)
    assert effect["part_time_s_difference"] == pytest.approx(-70, abs=1e-9)
    assert effect["roughness_um_difference"] == pytest.approx(0.1406, abs=1e-4)
    assert effect["baseline_energy_kwh"] == pytest.approx(0.1555, abs=1e-4)


@pytest.mark.parametrize(("name", "size"), [(ENERGY, 1e-3), (TIME, 1.0), (ROUGHNESS, 0.02)])
def test_the_stated_truth_is_the_mean_of_very_many_pilots(name: str, size: float) -> None:
    effect = true_effect(SLOW, FAST)
    differences = []
    for seed in range(400):
        slow, fast = pilot(seed)
        differences.append(statistics.mean(p[name] for p in fast) - statistics.mean(p[name] for p in slow))
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    assert error < size
    assert abs(statistics.mean(differences) - effect[f"{name}_difference"]) < 4 * error + 1e-9


def test_a_pilots_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = true_effect(SLOW, FAST)["energy_kwh_difference"]
    covered = 0
    for seed in range(400):
        slow, fast = pilot(seed)
        interval = stats.ttest_ind(
            [part[ENERGY] for part in fast], [part[ENERGY] for part in slow], equal_var=False
        ).confidence_interval(0.95)
        covered += interval.low <= truth <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("feed", [1.0, 6.0, 9.0, 20.0])
def test_energy_is_the_integral_of_power(feed: float) -> None:
    part = Mill().work({"feed_mm_s": feed}, run=1, rng=random.Random(3))
    steps = 100_000
    step_s = part.duration_s / steps
    total = sum(part.power_kw((i + 0.5) * step_s) for i in range(steps)) * step_s / 3600
    assert part.energy_kwh(part.duration_s) == pytest.approx(total, rel=1e-5)
    half = sum(part.power_kw((i + 0.5) * step_s) for i in range(steps // 2)) * step_s / 3600
    assert part.energy_kwh(part.duration_s / 2) == pytest.approx(half, rel=1e-4)


def test_the_drives_and_the_base_load_are_all_the_mill_draws() -> None:
    part = MillPart(
        {"feed_mm_s": 6.0, "depth_mm": 2.0, "width_mm": 8.0, "spindle_speed_rpm": 3000.0}, chances=Chances()
    )
    for t in (5.0, 60.3, 200.0, 245.0):
        values = part.values(t)
        drives = sum(float(values[name]) for name in ("spindle_power_kw", "x_power_kw", "y_power_kw"))
        assert drives + 1.40 == pytest.approx(part.power_kw(t), abs=0.05)


def test_wear_grows_with_the_path_whatever_the_feed() -> None:
    mill = Mill()
    first = mill.work(SLOW, run=1, rng=random.Random(1))
    second = mill.work(FAST, run=2, rng=random.Random(1))
    assert first.values(first.duration_s)["tool_wear_um"] == pytest.approx(3.78)
    assert second.values(0)["tool_wear_um"] == pytest.approx(3.78)
    assert second.values(second.duration_s)["tool_wear_um"] == pytest.approx(7.56)
    fresh, worn = expected_part(SLOW), expected_part(SLOW, tool_wear_um=200)
    assert worn.energy_kwh > fresh.energy_kwh
    assert worn.roughness_um > fresh.roughness_um
    assert worn.time_s == fresh.time_s


def test_a_feed_that_is_too_fast_makes_scrap_and_says_so() -> None:
    part = Mill().work({"feed_mm_s": 20}, run=1, rng=random.Random(1))
    (finished,) = part.occurrences
    assert part.result["passed"] is False
    assert finished.fields["result"] == "scrap"
    assert finished.fields["roughness_um"] == part.result["roughness_um"]


def test_the_same_seed_makes_the_same_part() -> None:
    one, other = (Mill().work(FAST, run=1, rng=random.Random("7 mill-1 1")) for _ in range(2))
    assert [one.values(t) for t in range(200)] == [other.values(t) for t in range(200)]
    assert one.result == other.result


@pytest.mark.parametrize(
    "settings", [{"speed": 1}, {"feed_mm_s": "fast"}, {"feed_mm_s": 0.5}, {"feed_mm_s": math.nan}, {"feed_mm_s": True}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(RefusedLineError, match="setting"):
        Mill().work(settings, run=1, rng=random.Random(1))
