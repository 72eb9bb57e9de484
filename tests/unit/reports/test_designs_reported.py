"""A made-up pilot in every design: sealed, read back, compared as the design asks, and judged at its grade."""

import numpy as np
import pytest

from lab.pilots.designs import planned_runs_of
from lab.pilots.examples import demo_plan
from lab.pilots.plans import AnalysisPlan, Arm, Factor
from lab.reports.assembly import compute_results
from lab.reports.bootstrap import effect_draws_of
from lab.reports.document import build_document
from lab.reports.results import Results, Verdict
from tests.unit.reports.sealed_examples import constant_power, sealed_device, sealed_run, write_pilot

SHIFT_KWH = 0.05
"""What blocks differ by: more than the effect."""
SAVING_KWH = 0.04
KW_PER_KWH = 36.0  # in runs of 100 s


def designed(design, **facts):
    return AnalysisPlan.model_validate({**demo_plan().model_dump(), "design": design, "runs_per_arm": 8, **facts})


CONTROLS = (
    Arm(name="beside-before", label="beside, before", role="control_before"),
    Arm(name="beside-after", label="beside, after", role="control_after"),
)
PLANS = {
    "blocked": designed("blocked", blocks=("a", "b", "c", "d")),
    "pairs": designed("blocked", blocks=tuple("abcdefgh")),
    "abab": designed("abab"),
    "abba": designed("abba"),
    "crossover": designed("crossover", blocks=tuple("abcdefgh")),
    "factorial": designed("factorial", factors=[Factor(name="coolant", label="Coolant", low="off", high="on")]),
    "controlled": designed("before_after").model_copy(update={"arms": (*demo_plan().arms, *CONTROLS)}),
    "before_after": designed("before_after"),
}
GRADES = dict(zip(PLANS, "AABBBACD", strict=True))


@pytest.fixture
def pilot(tmp_path):
    """Gives the results of a pilot by its plan, with whole runs changed by number."""

    def make(plan, *, folder="sealed", sd=0.002, **changes):
        rng = np.random.default_rng(6)
        planned = planned_runs_of(plan)
        places = list(dict.fromkeys(run.block for run in planned))
        levels, runs = {}, []
        for number, run in enumerate(planned, start=1):
            energy = 0.2 - SAVING_KWH * (run.arm == "fast") + rng.normal(0, sd)
            shifted = plan.design != "abab"  # there, what is allowed for is a drift
            energy += SHIFT_KWH * (places.index(run.block) % 3) * shifted + 0.01 * (run.levels.get("coolant") == "on")
            energy -= 0.03 * (
                run.arm in ("fast", "beside-after") and plan.design == "before_after" and len(plan.arms) > 2
            )
            levels[number] = energy * KW_PER_KWH
            facts = {"result": {"finished": True, "roughness_um": 1.0 + 0.01 * (number % 3)}}
            facts |= {"block": run.block, "levels": dict(run.levels)} | changes.get(f"run_{number}", {})
            runs.append(sealed_run(number, run.arm, seconds=100, **facts))
        devices = [sealed_device("meter-1", {"active_power_kw": "kW"}), sealed_device("mill-1", {})]
        write_pilot(tmp_path / folder, plan, runs, devices, lambda run: [constant_power(run, levels[run.number])])
        return compute_results(tmp_path / folder)

    return make


@pytest.mark.parametrize("name", PLANS)
def test_every_design_finds_the_effect_at_its_grade(pilot, name):
    found = pilot(PLANS[name])
    comparison = found.primary.comparison
    assert comparison.improvement == pytest.approx(SAVING_KWH, abs=0.004)
    assert comparison.interval.high - comparison.interval.low < 0.015  # the blocks would make it three times as wide
    assert found.grade.letter == GRADES[name]
    assert found.verdict is (Verdict.INVEST if GRADES[name] in "ABC" else Verdict.INVEST_UNDER_CONDITIONS)
    assert Results.model_validate_json(found.model_dump_json()) == found
    assert found.primary.checks
    draws = effect_draws_of(PLANS[name], found.primary, seed=1, n=4000)
    assert draws.mean() == pytest.approx(comparison.improvement, abs=3e-4)
    assert draws.std() == pytest.approx(comparison.standard_error, rel=0.25)


@pytest.mark.parametrize("name", PLANS)
def test_no_test_by_chance_is_told_where_chance_did_not_deal_the_arms(pilot, name):
    found = pilot(PLANS[name]).primary.comparison
    assert (found.permutation_p is not None) == (name in ("blocked", "pairs", "before_after"))
    # before and after keeps the plain comparison of two groups, whose grade says what it is worth


@pytest.mark.parametrize(
    ("name", "titles", "places"),
    [
        ("blocked", ["Block"], ["a", "b", "c", "d"]),
        ("abba", ["Block"], ["abba-1", "abba-4"]),
        ("crossover", ["Block", "Period"], ["a", "h"]),
        ("factorial", ["Coolant"], []),
        ("before_after", [], []),
    ],
)
def test_the_report_prints_what_every_run_was_laid_out_with(pilot, name, titles, places):
    found = pilot(PLANS[name])
    sections = {part.id: part for part in build_document(found).sections}
    table = sections["annex-runs"].blocks[-1]
    shown = [column.title for column in table.columns]
    assert shown[3 : shown.index("Start")] == titles
    for title in titles:
        cells = [row[shown.index(title)] for row in table.rows]
        by_run = {
            run.run: run.block if title == "Block" else next(iter(run.levels.values())) for run in found.primary.runs
        }
        numbers = [int(row[1]) for row in table.rows]
        assert cells == [by_run[run] if isinstance(by_run[run], str) else f"{by_run[run]:g}" for run in numbers]
    orders = next(block for block in sections["method"].blocks if getattr(block, "kind", "") == "table")
    planned = " ".join(row[1] for row in orders.rows)
    assert [place for place in places if f", {place}" not in planned] == []


def test_blocks_and_levels_stand_in_the_run_table_and_in_the_orders(pilot, tmp_path):
    found = pilot(PLANS["crossover"])
    header, first, *_ = (tmp_path / "sealed" / "runs.csv").read_text().splitlines()
    assert "data,block,level_period,result_finished" in header
    assert ",a,1.0," in first
    assert [run.block for run in found.method.planned_order][:4] == ["a", "a", "b", "b"]


def test_a_pair_that_lost_a_run_counts_no_more_and_the_others_do(pilot):
    whole, short = (
        pilot(PLANS["pairs"], folder=name, **changes)
        for name, changes in (("whole", {}), ("short", {"run_3": {"excluded": "tool broke"}}))
    )
    assert (whole.primary.comparison.df, short.primary.comparison.df) == (7, 6)
    assert short.primary.comparison.improvement == pytest.approx(SAVING_KWH, abs=0.004)


def test_blocks_without_both_arms_are_no_inference(pilot):
    plan = designed("blocked", blocks=("a", "b"), runs_per_arm=2)
    arms = {number: run.arm for number, run in enumerate(planned_runs_of(plan), start=1)}
    first = {number: arm for number, arm in arms.items() if number <= 2}
    excluded = [number for number, arm in arms.items() if arm != ("fast" if number <= 2 else "standard")]
    found = pilot(plan, **{f"run_{number}": {"excluded": "tool broke"} for number in excluded})
    assert len(first) == 2
    assert found.primary.comparison is None
    assert found.verdict is Verdict.EXTEND


def test_a_drift_is_named_where_the_plan_does_not_allow_for_it(pilot, tmp_path):
    plan = demo_plan(runs_per_arm=8)
    runs, levels = [], {}
    for number, run in enumerate(planned_runs_of(plan), start=1):
        levels[number] = 7.2 + 0.05 * number - 1.4 * (run.arm == "fast") + 0.01 * (number % 2)
        runs.append(sealed_run(number, run.arm, seconds=100))
    devices = [sealed_device("meter-1", {"active_power_kw": "kW"}), sealed_device("mill-1", {})]
    write_pilot(tmp_path / "drift", plan, runs, devices, lambda run: [constant_power(run, levels[run.number])])
    primary = compute_results(tmp_path / "drift").primary
    (drift,) = [check for check in primary.checks if check.name == "drift"]
    assert drift.status == "caution"
    assert drift.sentence in primary.assumptions


def test_more_runs_of_a_blocked_pilot_are_whole_blocks(pilot):
    found = pilot(designed("blocked", blocks=("a", "b", "c", "d"), break_even=0.0385), sd=0.006)
    assert found.verdict is Verdict.EXTEND
    assert found.further_runs.per_arm is None or (found.further_runs.per_arm + 8) % 4 == 0
