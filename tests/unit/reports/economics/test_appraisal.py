"""What the report says about money, from sealed data alone."""

import dataclasses
import json

import pytest

from lab.pilots.economics.cash_flow import likely_terms, net_present_value
from lab.pilots.plans import AnalysisPlan
from lab.reports.assembly import compute_results
from lab.reports.document import build_document
from lab.reports.economics.writing import format_money, format_probability, format_years
from lab.reports.results import Results
from lab.reports.words import words_of
from tests.unit.reports.report_examples import (
    BREAK_EVEN_KWH,
    example_document,
    example_economics,
    example_plan,
    example_results,
    seal_example,
    without_figures,
)

WORDS = words_of("en")


def computed(folder, **facts):
    seal_example(folder / "sealed", **facts)
    return compute_results(folder / "sealed")


def section_text(results):
    (section,) = (part for part in build_document(results).sections if part.id == "economics")
    return json.dumps(dataclasses.asdict(section), ensure_ascii=False)


def test_figures_follow_from_the_locked_plan_and_the_effect_seen():
    results = example_results()
    money, terms = results.economics, likely_terms(example_economics())
    effect = results.primary.comparison.improvement
    assert money.effect == effect
    assert money.with_grant.npv_cents == round(float(net_present_value(terms, effect)))
    assert money.with_grant.break_even == pytest.approx(BREAK_EVEN_KWH)
    assert money.without_grant.npv_cents == money.with_grant.npv_cents - 168_000
    assert money.without_grant.break_even > money.with_grant.break_even
    assert money.with_grant.payback_years < money.without_grant.payback_years
    assert len(money.with_grant.internal_rates) == 1
    assert money.distribution.draws == 10_000
    assert money.distribution.seed == example_plan().seed
    assert money.distribution.probability_positive > 0.99


def test_results_with_economics_survive_json_and_come_out_the_same_again(tmp_path):
    results = computed(tmp_path)
    assert Results.model_validate_json(results.model_dump_json()) == results
    assert compute_results(tmp_path / "sealed") == results


def test_payback_and_the_probability_that_it_pays_stand_on_the_decision_page():
    results = example_results()
    labels = [row[0] for row in build_document(results).decision.numbers.rows]
    assert labels[-2:] == ["Payback", "Probability that it pays"]
    payback = results.key_numbers[-2]
    assert payback.value == results.economics.with_grant.payback_years
    assert payback.interval.low < payback.value < payback.interval.high


def test_the_section_says_everything_that_was_computed():
    results = example_results()
    text = section_text(results)
    assert all(sentence in text for sentence in results.economics.sentences)
    assert results.economics.more_runs.sentence in text
    assert f"with seed {example_plan().seed}" in text
    assert "tornado.svg" in text
    assert "npv.svg" in text


def test_public_support_of_the_slots_is_named_with_its_legal_basis():
    results = example_results()
    support = results.economics.support
    assert (support.market_value_cents, support.price_cents, support.support_cents) == (84_000, 25_200, 47_040)
    assert support.support_cents == (support.market_value_cents - support.price_cents) * 800 // 1000
    text = section_text(results)
    assert "de minimis, (EU) 2023/2831" in text
    for amount in ("840.00", "252.00", "470.40"):  # a ledger's amounts are never rounded
        assert text.count(f"{amount}\u00a0EUR") == 2


def test_a_run_costs_what_the_company_paid_for_the_slots_unless_it_says_otherwise(tmp_path):
    assert example_results().economics.more_runs.run_cost_cents == round(25_200 / 11)
    figures = example_economics().model_copy(update={"run_cost_cents": 5_000})
    said = computed(tmp_path, plan=example_plan().model_copy(update={"economics": figures}))
    assert said.economics.more_runs.run_cost_cents == 5_000
    assert said.economics.more_runs.cost_cents == 2 * said.economics.more_runs.per_arm * 5_000


def test_without_figures_of_the_company_only_the_plans_break_even_is_named():
    results = without_figures()
    money = results.economics
    assert "does not check them against prices" in money.sentence
    assert money.with_grant is None
    assert money.currency is None
    assert "name no price" in section_text(results)


def test_without_inference_nothing_is_computed_and_the_reason_is_given(tmp_path):
    results = computed(tmp_path, arms=("standard", "fast"))
    money = results.economics
    assert money.distribution is None
    assert money.with_grant is None
    assert money.inputs
    assert "no inference possible" in money.not_appraised
    assert "allow no conclusion on the effect" in section_text(results)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"plan": example_plan().model_copy(update={"economics": None})}, "the plan has no figures of the company"),
        ({"arms": ("standard", "fast")}, "the runs allow no conclusion on the effect"),
    ],
)
def test_where_payback_is_not_known_the_decision_page_says_so_and_why(tmp_path, facts, why):
    *kpis, money = build_document(computed(tmp_path, **facts)).decision.numbers.rows
    assert len(kpis) == 3
    assert money == ("Payback, probability that it pays", f"not shown: {why}", "none")


def test_a_share_is_valued_by_the_part_and_shown_in_percentage_points(tmp_path):
    plan = example_plan()
    share = {"unit": "1", "kind": "proportion", "direction": "higher", "role": "primary", "margin": None}
    share["measure"] = {"kind": "result_value", "field": "good"}
    document = plan.model_dump(mode="json") | {"break_even": 0.02, "expected": 0.9}
    document["kpis"][0] |= share
    seal_example(tmp_path / "first", plan=AnalysisPlan.model_validate(document))
    results = compute_results(tmp_path / "first")  # nobody noted whether a part was good
    assert results.economics.not_appraised is not None
    assert results.economics.break_even == pytest.approx(2.0)
    assert results.economics.unit == "percentage points"


def test_a_report_from_before_there_were_economics_is_still_shown():
    document = example_document()
    kept = ("break_even", "expected", "unit", "sentence")
    document["economics"] = {name: document["economics"][name] for name in kept}
    document["key_numbers"] = document["key_numbers"][:3]
    assert "economics" in {section.id for section in build_document(Results.model_validate(document)).sections}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (format_money(780_000, "EUR"), "7\u202f800\u00a0EUR"),
        (format_money(-1_234, "PLN"), "−12.34\u00a0PLN"),
        (format_money(0, "EUR"), "0\u00a0EUR"),
        (format_probability(1.0), "more than 99.9\u00a0%"),
        (format_probability(0.0), "less than 0.1\u00a0%"),
        (format_probability(0.954), "95\u00a0%"),
        (format_probability(0.9951), "99.5\u00a0%"),
        (format_years(3.25, WORDS), "3.2\u00a0years"),
        (format_years(None, WORDS), "not within its lifetime"),
    ],
)
def test_how_money_years_and_probabilities_are_written(text, wanted):
    assert text == wanted
