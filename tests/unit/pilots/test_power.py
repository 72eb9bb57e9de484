"""Runs and minutes: the numbers of domain.md §3, every design's own degrees of freedom, and sums done by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.pilots.examples import demo_plan
from lab.pilots.plans import AnalysisPlan
from lab.pilots.power import RANDOMISED_LAYOUT, Layout, booking_time, layout_of, power_of, runs_for


def runs(layout, gain=1.0, **facts):
    return runs_for(gain=gain, sd=1.0, layout=layout, **facts).runs_per_arm


def test_one_standard_deviation_takes_seventeen_runs_an_arm():
    assert runs(RANDOMISED_LAYOUT) == 17


def test_pairs_whose_differences_spread_by_the_effect_take_ten():
    # the spread of a difference is √2 times that of runs within a pair
    assert runs_for(gain=1.0, sd=1 / np.sqrt(2), layout=Layout("blocked", pairs=True)).runs_per_arm == 10


def test_runs_come_in_whole_blocks_fours_subjects_and_combinations():
    assert runs(Layout("blocked", blocks=5)) % 5 == 0
    assert runs(Layout("abba")) % 2 == runs(Layout("crossover")) % 2 == 0
    assert runs(Layout("factorial", factors=2, cells=8)) % 4 == 0


def test_too_small_an_effect_gives_no_number():
    found = runs_for(gain=0.05, sd=1.0, layout=RANDOMISED_LAYOUT)
    assert found.runs_per_arm is None
    assert found.power < 0.8


@settings(deadline=None)
@given(st.floats(0.2, 3), st.integers(4, 40))
def test_more_runs_and_larger_gains_never_have_less_power(gain, n):
    first = power_of(gain=gain, sd=1.0, runs=n, layout=RANDOMISED_LAYOUT)
    assert power_of(gain=gain, sd=1.0, runs=n + 1, layout=RANDOMISED_LAYOUT) >= first - 1e-9
    assert power_of(gain=gain * 1.1, sd=1.0, runs=n, layout=RANDOMISED_LAYOUT) >= first - 1e-9
    assert power_of(gain=gain, sd=1.0, runs=n, layout=Layout("blocked", blocks=4)) <= first + 1e-9


@pytest.mark.parametrize(("layout", "n"), [(Layout("blocked", blocks=4), 12), (Layout("abab"), 12)])
def test_power_of_other_designs_is_that_of_the_noncentral_t(layout, n):
    df = layout.freedom(n)
    bound = stats.t.ppf(0.975, df)
    shift = 1.0 / np.sqrt(2 / n)
    expected = stats.nct.sf(bound, df, shift) + stats.nct.cdf(-bound, df, shift)
    assert power_of(gain=1.0, sd=1.0, runs=n, layout=layout) == pytest.approx(expected, rel=1e-6)


def test_a_control_costs_twice_the_variance():
    found = runs(Layout("before_after", controlled=True))
    assert found == pytest.approx(2 * runs(RANDOMISED_LAYOUT), abs=2)


def test_layout_is_read_from_the_plan():
    document = {**demo_plan().model_dump(), "design": "blocked", "blocks": ("a", "b", "c")}
    assert layout_of(AnalysisPlan.model_validate(document)) == Layout("blocked", blocks=3)
    document["blocks"] = tuple("abcdef")
    assert layout_of(AnalysisPlan.model_validate(document)).pairs


def test_minutes_are_runs_and_resets_and_set_up_and_a_reserve():
    # 12 × (5 + 3) + 30 = 126; with 15 % 144.9, booked as 145
    found = booking_time(12, run_minutes=5, reset_minutes=3, setup_minutes=30, longest_minutes=480)
    assert (found.sessions, found.runs_a_session, found.minutes) == (1, 12, 145)


def test_a_long_pilot_is_cut_into_sessions_with_a_set_up_each():
    # 34 × 20 = 680; two sessions of 17 × 20 + 30 = 370, with 15 % 425.5
    found = booking_time(34, run_minutes=15, reset_minutes=5, setup_minutes=30, longest_minutes=480)
    assert (found.sessions, found.runs_a_session, found.minutes_a_session, found.minutes) == (2, 17, 430, 860)


def test_a_run_that_is_longer_than_a_session_is_still_booked():
    found = booking_time(4, run_minutes=600, reset_minutes=0, setup_minutes=0, longest_minutes=480)
    assert (found.sessions, found.minutes_a_session) == (4, 690)
