"""The verdict rule of domain.md §3, branch by branch, and the grade of the evidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.pilots.power import Layout
from lab.reports.comparison import compare_numbers, not_worse_p
from lab.reports.results import GuardStatus, Interval, Verdict
from lab.reports.verdict import Evidence, decision_of, grade_of, guard_status, runs_needed, verdict_of

MET, UNDECIDED, FAILED = GuardStatus.MET, GuardStatus.UNDECIDED, GuardStatus.FAILED
ABOVE, OPEN, BELOW = Interval(low=2.1, high=3.0), Interval(low=1.0, high=3.0), Interval(low=-1.0, high=1.9)
BREAK_EVEN = 2.0


@pytest.mark.parametrize(
    ("improvement", "guards", "grade", "verdict"),
    [
        (ABOVE, [], "A", Verdict.INVEST),
        (ABOVE, [MET, MET], "B", Verdict.INVEST),
        (ABOVE, [MET], "C", Verdict.INVEST),
        (ABOVE, [MET], "D", Verdict.INVEST_UNDER_CONDITIONS),
        (ABOVE, [UNDECIDED], "A", Verdict.INVEST_UNDER_CONDITIONS),
        (ABOVE, [UNDECIDED, MET], "D", Verdict.INVEST_UNDER_CONDITIONS),
        (ABOVE, [MET], "E", Verdict.EXTEND),
        (ABOVE, [UNDECIDED], "E", Verdict.EXTEND),
        (ABOVE, [FAILED], "A", Verdict.DO_NOT_INVEST),
        (ABOVE, [UNDECIDED, FAILED], "D", Verdict.DO_NOT_INVEST),
        (OPEN, [MET], "A", Verdict.EXTEND),
        (OPEN, [UNDECIDED], "A", Verdict.EXTEND),
        (OPEN, [FAILED], "A", Verdict.DO_NOT_INVEST),
        (OPEN, [MET], "E", Verdict.EXTEND),
        (BELOW, [MET], "A", Verdict.DO_NOT_INVEST),
        (BELOW, [UNDECIDED], "D", Verdict.DO_NOT_INVEST),
        (None, [MET], "A", Verdict.EXTEND),
        (None, [], "E", Verdict.EXTEND),
        (None, [FAILED], "A", Verdict.DO_NOT_INVEST),
    ],
)
def test_every_branch_of_the_rule(improvement, guards, grade, verdict):
    assert verdict_of(improvement, BREAK_EVEN, guards, grade) is verdict


def test_an_interval_that_touches_break_even_leaves_the_question_open():
    touching_below, touching_above = Interval(low=2.0, high=3.0), Interval(low=1.0, high=2.0)
    assert verdict_of(touching_below, BREAK_EVEN, [], "A") is Verdict.EXTEND
    assert verdict_of(touching_above, BREAK_EVEN, [], "A") is Verdict.EXTEND
    assert decision_of(touching_below, BREAK_EVEN) == decision_of(touching_above, BREAK_EVEN) == "open"


intervals = st.tuples(st.floats(-5, 5), st.floats(0, 5)).map(lambda pair: Interval(low=pair[0], high=sum(pair)))
guard_lists = st.lists(st.sampled_from(list(GuardStatus)), max_size=3)
RANK = [Verdict.DO_NOT_INVEST, Verdict.EXTEND, Verdict.INVEST_UNDER_CONDITIONS, Verdict.INVEST]


@given(intervals, guard_lists, st.sampled_from("ABCDE"))
def test_worse_evidence_never_gives_a_better_verdict(improvement, guards, letter):
    found = RANK.index(verdict_of(improvement, BREAK_EVEN, guards, letter))
    for worse in "ABCDE"["ABCDE".index(letter) :]:
        assert RANK.index(verdict_of(improvement, BREAK_EVEN, guards, worse)) <= found


@given(intervals, guard_lists, st.sampled_from("ABCDE"), st.floats(0, 3))
def test_a_larger_improvement_never_gives_a_worse_verdict(improvement, guards, letter, more):
    shifted = Interval(low=improvement.low + more, high=improvement.high + more)
    first, second = (RANK.index(verdict_of(part, BREAK_EVEN, guards, letter)) for part in (improvement, shifted))
    assert second >= first


@given(intervals, guard_lists, st.sampled_from("ABCDE"))
def test_an_undecided_guard_is_worth_no_more_than_a_met_one(improvement, guards, letter):
    better = [MET if guard is UNDECIDED else guard for guard in guards]
    first, second = (RANK.index(verdict_of(improvement, BREAK_EVEN, part, letter)) for part in (guards, better))
    assert second >= first


@pytest.mark.parametrize(
    ("worsening", "status"),
    [
        (Interval(low=-0.2, high=0.2), MET),
        (Interval(low=0.1, high=0.5), UNDECIDED),
        (Interval(low=-0.1, high=0.3), UNDECIDED),
        (Interval(low=0.3, high=0.5), UNDECIDED),
        (Interval(low=0.31, high=0.5), FAILED),
        (None, UNDECIDED),
    ],
)
def test_guards_are_judged_by_the_whole_interval(worsening, status):
    assert guard_status(worsening, 0.3) is status


def evidence(**facts):
    given = {
        "design": "completely_randomised",
        "demonstration_only": False,
        "written_after_data": False,
        "order_followed": True,
        "least_runs": 6,
    }
    return Evidence(**{**given, **facts})


@pytest.mark.parametrize(
    ("facts", "letter"),
    [
        ({}, "A"),
        ({"order_followed": False}, "D"),
        ({"design": "as_recorded"}, "D"),
        ({"written_after_data": True}, "D"),
        ({"design": "as_recorded", "written_after_data": True}, "D"),
        ({"design": "blocked"}, "A"),
        ({"design": "blocked", "order_followed": False}, "D"),
        ({"design": "factorial"}, "A"),
        ({"design": "abab"}, "B"),
        ({"design": "abba"}, "B"),
        ({"design": "crossover"}, "B"),
        ({"design": "crossover", "order_followed": False}, "D"),
        ({"design": "abab", "written_after_data": True}, "D"),
        ({"design": "before_after", "controlled": True}, "C"),
        ({"design": "before_after", "controlled": True, "written_after_data": True}, "D"),
        ({"design": "before_after"}, "D"),
        ({"least_runs": 1}, "E"),
        ({"demonstration_only": True}, "E"),
        ({"demonstration_only": True, "written_after_data": True}, "E"),
    ],
)
def test_grade_follows_from_how_it_was_done(facts, letter):
    found = grade_of(evidence(**facts))
    assert found.letter == letter
    assert found.reason.endswith(".")


def test_runs_needed_are_those_of_the_power_tables():
    # domain.md §3: d = 1, α = 0.05, power 0.8 gives 17 an arm
    found = runs_needed(improvement=3.0, break_even=2.0, sd=1.0, runs=6, alpha=0.05)
    assert (found.per_arm, found.further) == (17, 11)


@pytest.mark.parametrize(("gain", "sd"), [(0.8, 1.0), (-1.0, 1.0), (2.0, 1.5)])
def test_with_the_runs_needed_four_of_five_pilots_decide(gain, sd):
    needed = runs_needed(improvement=BREAK_EVEN + gain, break_even=BREAK_EVEN, sd=sd, runs=3, alpha=0.05).per_arm
    rng, pilots = np.random.default_rng(11), 4000
    base = rng.normal(10, sd, (pilots, needed))
    treat = rng.normal(10 - BREAK_EVEN - gain, sd, (pilots, needed))
    interval = stats.ttest_ind(base, treat, axis=1, equal_var=False).confidence_interval()
    decided = (interval.low > BREAK_EVEN) if gain > 0 else (interval.high < BREAK_EVEN)
    assert 0.78 <= decided.mean() <= 0.87


def test_runs_needed_in_blocks_are_whole_blocks():
    layout = Layout("blocked", blocks=6)
    assert runs_needed(improvement=3.0, break_even=2.0, sd=1.0, runs=6, alpha=0.05, layout=layout).per_arm == 18


def test_a_guard_is_met_where_one_side_of_tost_says_so():
    rng = np.random.default_rng(2)
    seen = set()
    for place in range(60):
        base, treat = rng.normal(10, 0.5, 7), rng.normal(10.1 + 0.01 * place, 0.8, 9)
        for direction, turn in (("lower", 1), ("higher", -1)):
            first, second = (turn * base).tolist(), (turn * treat).tolist()
            found = compare_numbers(first, second, direction=direction, alpha=0.05, seed=1)
            worsening = Interval(low=-found.improvement_interval.high, high=-found.improvement_interval.low)
            p = not_worse_p(first, second, found, direction=direction, margin=0.9)
            assert (guard_status(worsening, 0.9) is MET) == (p < 0.025)
            seen.add(p < 0.025)
    assert seen == {True, False}


def test_tost_is_that_of_its_formula():
    base, treat = [10.0, 12.0, 11.0, 13.0, 9.0], [10.5, 12.5, 11.0, 13.5, 9.5]
    found = compare_numbers(base, treat, direction="lower", alpha=0.05, seed=1)
    assert found.df is not None
    expected = stats.t.sf((3.0 - 0.4) / found.standard_error, found.df)
    assert not_worse_p(base, treat, found, direction="lower", margin=3.0) == pytest.approx(expected)


def test_no_number_of_runs_is_promised_for_an_effect_at_break_even():
    assert runs_needed(improvement=2.0, break_even=2.0, sd=1.0, runs=6, alpha=0.05).per_arm is None
    assert runs_needed(improvement=2.01, break_even=2.0, sd=1.0, runs=6, alpha=0.05).further is None


def test_an_effect_of_only_break_even_rarely_ends_in_invest():
    rng, verdicts = np.random.default_rng(1), []
    for _ in range(300):
        base, treat = rng.normal(10, 0.5, 6), rng.normal(10 - BREAK_EVEN, 0.7, 6)
        found = compare_numbers(base, treat, direction="lower", alpha=0.05, seed=1)
        verdicts.append(verdict_of(found.improvement_interval, BREAK_EVEN, [MET], "A"))
    assert verdicts.count(Verdict.INVEST) <= 0.05 * len(verdicts)
