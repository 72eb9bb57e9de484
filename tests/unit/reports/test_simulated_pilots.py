"""Pilots on the simulated mill, whose true effect is known: how often the interval covers it, and what is advised."""

import math
import random

import pytest
from scipy import stats

from lab.pilots.designs import randomised_order
from lab.pilots.examples import demo_plan
from lab.reports.comparison import compare_numbers
from lab.reports.results import Verdict
from lab.reports.verdict import guard_status, verdict_of
from simulators.mill import PATH_MM, WEAR_UM_PER_M, Chances, MillPart, true_effect

SETTINGS = {"depth_mm": 2.0, "width_mm": 8.0, "spindle_speed_rpm": 3000.0}
FEEDS = {"standard": 6.0, "fast": 9.0}
PILOTS = 500


def settings_of(arm):
    return {**SETTINGS, "feed_mm_s": FEEDS[arm]}


def simulate(seed):
    """Energy and roughness of every part of a pilot, by arm, in randomised order with one tool."""
    rng = random.Random(seed)
    energy, roughness = {"standard": [], "fast": []}, {"standard": [], "fast": []}
    for made, arm in enumerate(randomised_order(demo_plan(seed=seed))):
        wear_um = made * PATH_MM / 1000 * WEAR_UM_PER_M
        part = MillPart(settings_of(arm), chances=Chances.draw(rng), wear_before_um=wear_um)
        energy[arm].append(part.energy_kwh(math.inf))
        roughness[arm].append(part.roughness_um)
    return [
        compare_numbers(by_arm["standard"], by_arm["fast"], direction="lower", alpha=0.05, seed=seed)
        for by_arm in (energy, roughness)
    ]


@pytest.fixture(scope="module")
def pilots():
    """(comparison of energy, comparison of roughness) of many pilots."""
    return [simulate(seed) for seed in range(PILOTS)]


@pytest.fixture(scope="module")
def truth():
    """What the simulated mill does in the mean."""
    return true_effect(settings_of("standard"), settings_of("fast"))


@pytest.mark.parametrize(("place", "name"), [(0, "energy_kwh_difference"), (1, "roughness_um_difference")])
def test_interval_covers_the_true_effect_as_often_as_it_says(pilots, truth, place, name):
    found = [comparisons[place].interval for comparisons in pilots]
    covered = sum(interval.low <= truth[name] <= interval.high for interval in found)
    low, high = stats.binom.interval(0.999, PILOTS, 0.95)
    assert low <= covered <= high


def test_an_investment_that_pays_only_just_is_rarely_advised_and_a_good_one_nearly_always(pilots, truth):
    saving = truth["energy_kwh_saving"]
    advised = {"just": 0, "good": 0}
    for energy, roughness in pilots:
        guard = guard_status(turned(roughness.improvement_interval), 0.3)
        for case, break_even in (("just", saving), ("good", saving / 2)):
            advised[case] += verdict_of(energy.improvement_interval, break_even, [guard], "A") is Verdict.INVEST
    assert advised["just"] <= 0.05 * PILOTS
    assert advised["good"] >= 0.95 * PILOTS


def turned(interval):
    return interval.model_copy(update={"low": -interval.high, "high": -interval.low})
