"""Each design lays its runs out as its name says, the same for the same seed; contradictions are refused by name."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.pilots.designs import planned_runs_of
from lab.pilots.errors import PlanFormError
from lab.pilots.examples import demo_plan
from lab.pilots.plans import AnalysisPlan, Arm, Factor
from lab.pilots.rules import check_plan

UNITS = {"mill-1": {}, "meter-1": {"active_power_kw": "kW"}}
COOLANT = Factor(name="coolant", label="Coolant", low="off", high="on")
TOOL = Factor(name="tool", label="Tool", low="old", high="new")
CONTROLS = (
    Arm(name="beside-before", label="beside, before", role="control_before"),
    Arm(name="beside-after", label="beside, after", role="control_after"),
)


def designed(design, **facts):
    """The demonstration's plan in another design."""
    return AnalysisPlan.model_validate({**demo_plan().model_dump(), "design": design, **facts})


def with_arms(plan, *arms):
    return plan.model_copy(update={"arms": (*plan.arms, *arms)})


def letters(plan):
    """The planned order, `B` for the baseline and `T` for the treatment."""
    return "".join({"standard": "B", "fast": "T"}.get(run.arm, "c") for run in planned_runs_of(plan))


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(2, 6), st.integers(1, 4))
def test_every_block_holds_every_arm_equally_often(seed, blocks, times):
    names = tuple(f"shift-{number}" for number in range(blocks))
    plan = designed("blocked", blocks=names, runs_per_arm=blocks * times, seed=seed)
    check_plan(plan, UNITS) if plan.runs_per_arm > 1 else None
    runs = planned_runs_of(plan)
    assert Counter((run.block, run.arm) for run in runs) == {
        (block, arm): times for block in names for arm in ("standard", "fast")
    }
    assert list(dict.fromkeys(run.block for run in runs)) == list(names)
    assert runs == planned_runs_of(plan)


def test_blocks_are_shuffled_each_for_itself():
    plan = designed("blocked", blocks=("a", "b", "c", "d"), runs_per_arm=12)
    order = letters(plan)
    assert len({order[place : place + 6] for place in range(0, 24, 6)}) > 1


def test_alternating_designs_take_turns():
    assert letters(designed("abab", runs_per_arm=3)) == "BTBTBT"
    assert letters(designed("abba", runs_per_arm=4)) == "BTTBBTTB"
    assert [run.block for run in planned_runs_of(designed("abab", runs_per_arm=2))] == ["pair-1"] * 2 + ["pair-2"] * 2
    assert {run.block for run in planned_runs_of(designed("abba", runs_per_arm=4))} == {"abba-1", "abba-2"}


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_half_of_the_subjects_of_a_crossover_begin_with_the_treatment(seed):
    plan = designed("crossover", blocks=("a", "b", "c", "d", "e", "f"), runs_per_arm=6, seed=seed)
    order = letters(plan)
    assert Counter(order[place : place + 2] for place in range(0, 12, 2)) == {"BT": 3, "TB": 3}
    assert [run.levels["period"] for run in planned_runs_of(plan)] == [1.0, 2.0] * 6


def test_a_full_factorial_has_every_combination_equally_often():
    plan = designed("factorial", factors=[COOLANT, TOOL], runs_per_arm=8)
    cells = Counter((run.arm, run.levels["coolant"], run.levels["tool"]) for run in planned_runs_of(plan))
    assert len(cells) == 8
    assert set(cells.values()) == {2}


def test_half_a_factorial_has_half_of_the_combinations_balanced_in_every_factor():
    plan = designed("factorial", factors=[COOLANT, TOOL], runs_per_arm=4, generators="a b ab")
    check_plan(plan, UNITS)
    runs = planned_runs_of(plan)
    assert len({(run.arm, *run.levels.values()) for run in runs}) == 4
    assert Counter((run.arm, run.levels["tool"]) for run in runs) == {
        (arm, level): 2 for arm in ("standard", "fast") for level in ("old", "new")
    }


def test_before_and_after_go_beside_their_controls():
    assert letters(designed("before_after", runs_per_arm=3)) == "BBBTTT"
    plan = with_arms(designed("before_after", runs_per_arm=2), *CONTROLS)
    check_plan(plan, UNITS)
    assert [run.arm for run in planned_runs_of(plan)][:4] == ["standard", "beside-before"] * 2


@pytest.mark.parametrize(
    ("plan", "rule"),
    [
        (designed("blocked"), "blocks"),
        (designed("blocked", blocks=("a",)), "blocks"),
        (designed("blocked", blocks=("a", "a")), "blocks"),
        (designed("blocked", blocks=("a", "b", "c", "d")), "even-blocks"),
        (designed("completely_randomised", blocks=("a", "b")), "blocks"),
        (designed("crossover", blocks=("a", "b", "c")), "even-subjects"),
        (designed("crossover", blocks=("a", "b", "c"), runs_per_arm=3), "even-subjects"),
        (designed("abba", runs_per_arm=3), "even-runs"),
        (designed("factorial"), "factors"),
        (designed("abab", factors=[COOLANT]), "factors"),
        (designed("abab", generators="a b"), "factors"),
        (designed("factorial", factors=[COOLANT, COOLANT]), "factors"),
        (designed("factorial", factors=[COOLANT, TOOL], generators="a b"), "fraction"),
        (designed("factorial", factors=[COOLANT, TOOL], generators="a b a"), "fraction"),
        (designed("factorial", factors=[COOLANT, TOOL], runs_per_arm=6), "even-cells"),
        (with_arms(designed("before_after"), CONTROLS[0]), "control"),
        (with_arms(designed("abab"), *CONTROLS), "control"),
        (with_arms(designed("abab"), Arm(name="third", label="third", role="other")), "two-arms"),
    ],
)
def test_contradictions_are_refused_by_name(plan, rule):
    with pytest.raises(PlanFormError) as refused:
        check_plan(plan, UNITS)
    assert refused.value.facts["rule"] == rule
