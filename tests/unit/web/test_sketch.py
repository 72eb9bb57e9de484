"""What follows from a company's answers."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.web.sketch_pages import NUMBERS, Sketch, SketchError, sketch_of

ANSWERS = {
    "better": "energy per part", "unit": "kWh", "pays": "0,1", "hope": "0.3", "differ": "0.2", "run_minutes": "4",
    "reset_minutes": "1", "setup_minutes": "20", "longest_hours": "4",
}  # fmt: skip


def follows(**changes: str) -> Sketch:
    return sketch_of({**ANSWERS, **changes})


def test_the_worked_example_of_a_difference_as_large_as_the_spread() -> None:
    found = follows()  # d = 1, α = 0.05, power 0.8
    assert (found.runs_a_way, found.runs, found.differ_known) == (17, 34, True)
    assert (found.time.sessions, found.time.minutes_a_session) == (1, 220)  # (34 × 5 + 20) × 1.15 = 218.5


def test_who_does_not_know_how_parts_differ_gets_the_same_and_is_told_so() -> None:
    found = follows(differ="")
    assert (found.runs_a_way, found.differ_known) == (17, False)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"better": ""}, "better"),
        ({"pays": ""}, "pays"),
        ({"pays": "much"}, "pays"),
        ({"pays": "0"}, "pays"),
        ({"hope": "0.1"}, "hope"),
        ({"hope": "0.05"}, "hope"),
        ({"differ": "90"}, "differ"),
        ({"run_minutes": "0"}, "run_minutes"),
        ({"run_minutes": "1e3"}, "run_minutes"),
        ({"run_minutes": "5000"}, "run_minutes"),
        ({"setup_minutes": "-1"}, "setup_minutes"),
        ({"longest_hours": "25"}, "longest_hours"),
    ],
)
def test_an_answer_that_gives_no_trial_is_named(change: dict[str, str], field: str) -> None:
    with pytest.raises(SketchError) as refused:
        follows(**change)
    assert refused.value.facts["field"] == field
    assert refused.value.message.endswith((".", "?"))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(NUMBERS)), st.text(max_size=12)))
def test_nothing_that_is_typed_is_a_fault(changes: dict[str, str]) -> None:
    with contextlib.suppress(SketchError):
        assert follows(**changes).runs >= 4
