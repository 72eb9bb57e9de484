"""Charts: the same bytes for the same numbers, whatever the numbers are; words that say what is drawn."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import pytest

from lab.reports.charts import describe_chart, draw_charts, list_charts, primary_chart
from lab.reports.effects_drawing import reference_lines
from lab.reports.results import Results
from lab.reports.words import words_of
from tests.unit.reports.report_examples import AWKWARD, example_document, example_results, with_texts

WORDS = words_of("en")


def test_a_report_has_the_deciding_number_the_effects_the_runs_and_what_is_known_about_money():
    always = ["primary.svg", "effects.svg", "runs.svg", "distribution.svg", "traces.svg", "energy-1.svg"]
    assert list(draw_charts(example_results())) == [*always, "tornado.svg", "npv.svg"]
    assert list(draw_charts(AWKWARD["no figures"]())) == always
    assert "control.svg" in draw_charts(AWKWARD["process"]())


def test_the_same_numbers_give_the_same_bytes_also_from_four_threads_at_once():
    results = example_results()
    once = draw_charts(results)
    with ThreadPoolExecutor(4) as pool:
        assert all(charts == once for charts in pool.map(draw_charts, [results] * 4))


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_numbers_are_drawn_without_a_warning(case):
    for svg in draw_charts(AWKWARD[case]()).values():
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg")


def test_letters_are_paths_so_that_no_font_is_needed():
    for svg in draw_charts(example_results()).values():
        assert b"<text" not in svg
        assert b"font-family" not in svg


@pytest.mark.parametrize(
    "text", ["$x^2$ \\frac", "<script>alert(1)</script>", "--> ]]> &amp;", "株式会社 \x00 😀", " ", "w" * 100]
)
def test_names_are_drawn_as_letters_and_never_read_as_commands(text):
    for svg in draw_charts(with_texts(text)).values():
        ElementTree.fromstring(svg)
        assert b"<script" not in svg


def test_more_kpis_than_fit_a_page_go_on_in_a_second_chart():
    names = [chart.name for chart in list_charts(AWKWARD["many"]())]
    assert names == ["effects.svg", "effects-2.svg", "effects-3.svg", "runs.svg", "runs-2.svg", "runs-3.svg"]


def test_break_even_is_drawn_on_the_better_side():
    document = example_document()
    primary = Results.model_validate(document).primary
    assert [(round(at, 3), text) for at, _, text in reference_lines(primary, (), WORDS)] == [
        (0.0, "no difference"),
        (-0.02, "break-even"),
        (-0.04, "hoped for"),
    ]
    document["kpis"][0]["direction"] = "higher"
    higher = Results.model_validate(document).primary
    assert [round(at, 3) for at, _, _ in reference_lines(higher, (), WORDS)] == [0.0, 0.02, 0.04]


def test_the_margin_of_a_guard_is_drawn_on_the_worse_side():
    results = example_results()
    roughness = next(kpi for kpi in results.kpis if kpi.key == "roughness")
    assert reference_lines(roughness, results.guards, WORDS)[1:] == [(0.3, "-.", "margin")]


def test_the_alternative_text_names_the_numbers_that_are_drawn():
    results = example_results()
    text = describe_chart(results, primary_chart(results), WORDS)
    assert "Energy per part: −0.1007\u00a0kWh, 95 % interval −0.1038 to −0.0977\u00a0kWh" in text
    assert "break-even −0.02\u00a0kWh" in text
    runs = describe_chart(results, list_charts(results)[-1], WORDS)
    assert "standard 6 runs from" in runs
    assert "excluded runs: 7" in runs


def test_without_inference_the_alternative_text_says_so():
    results = AWKWARD["no inference"]()
    assert "No inference possible: two runs only." in describe_chart(results, primary_chart(results), WORDS)


def test_the_drawing_library_is_not_loaded_before_the_first_chart():
    code = "import sys, lab.reports.charts, lab.reports.pdf; print('matplotlib' in sys.modules, 'typst' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
