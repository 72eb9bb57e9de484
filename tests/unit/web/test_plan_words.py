"""How a pilot is tried, in the words of both languages."""

from collections.abc import Iterator

import pytest

from lab.pilots.examples import demo_plan
from lab.pilots.plans import AnalysisPlan, Factor
from lab.web import languages
from lab.web.plan_words import design_text

COOLANT = Factor(name="coolant", label="Coolant", low="off", high="on")


@pytest.fixture(params=["en", "pl"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    token = languages._language.set(request.param)
    yield request.param
    languages._language.reset(token)


@pytest.mark.parametrize(
    ("design", "facts", "told"),
    [
        ("completely_randomised", {}, {"en": "random order", "pl": "losowej kolejności"}),
        ("blocked", {"blocks": ("a", "b")}, {"en": "2 blocks", "pl": "bloków: 2"}),
        ("abab", {}, {"en": "taking turns", "pl": "na zmianę"}),
        ("abba", {}, {"en": "as today, new, new, today", "pl": "jak dziś, nowy, nowy, jak dziś"}),
        ("crossover", {"blocks": ("a", "b", "c", "d")}, {"en": "4 subjects", "pl": "4"}),
        ("factorial", {"factors": (COOLANT,)}, {"en": "Coolant", "pl": "Coolant"}),
        ("before_after", {}, {"en": "first all as before", "pl": "najpierw wszystkie"}),
        (
            "as_recorded",
            {"runs_per_arm": None, "order": ("standard", "fast") * 2},
            {"en": "earlier", "pl": "wcześniej"},
        ),
    ],
)
def test_every_design_is_told_in_a_line_of_the_readers_language(
    language: str, design: str, facts: dict[str, object], told: dict[str, str]
) -> None:
    plan = AnalysisPlan.model_validate({**demo_plan().model_dump(), "design": design, **facts})
    line = design_text(plan)
    assert told[language] in line
    assert str(plan.seed) not in line
    by_chance = design in {"completely_randomised", "blocked", "crossover", "factorial"}
    assert (str(plan.seed) in design_text(plan, with_seed=True)) is by_chance
    if language == "pl":
        assert not {"runs", "order", "all"} & set(line.replace(",", "").split())
