"""What charts say where one points: every number that is drawn, in the words of the report, and nothing on paper."""

import re
from datetime import UTC, datetime

import pytest

from lab.reports.charts import draw_charts
from lab.reports.html import render_html, render_page
from lab.reports.marks import marks_of
from lab.reports.numbers import format_quantity
from lab.reports.pdf import render_pdf
from tests.unit.reports.report_examples import AWKWARD, example_results, polish, with_texts

SEALED = datetime(2026, 11, 23, 12, tzinfo=UTC)
_GROUP = re.compile(rb'<g fill="none" stroke="none" pointer-events="all">.*?</g>\n', re.DOTALL)


def texts_of(svg: bytes) -> list[str]:
    found = marks_of(svg)
    return [] if found is None else [mark.text for mark in found.marks]


def test_every_run_of_the_run_chart_says_its_number_and_its_arm():
    results = example_results()
    texts = texts_of(draw_charts(results)["runs.svg"])
    arms = {arm.arm: arm.label for arm in results.primary.arms}
    for run in results.primary.runs:
        assert run.value is not None
        value = format_quantity(run.value, results.primary.unit)
        assert any(
            text.startswith(f"{results.primary.label}: {arms[run.arm]}, run {run.run}: {value}") for text in texts
        )


def test_the_deciding_chart_says_difference_interval_and_what_it_is_held_against():
    *lines, difference = texts_of(draw_charts(example_results())["primary.svg"])
    assert [line.split(": ", 1)[1].split("\N{MINUS SIGN}")[0].strip() for line in lines[1:]] == [
        "break-even",
        "hoped for",
    ]
    assert re.search(r"kWh, 95\s% interval .* to .*kWh$", difference)


@pytest.mark.parametrize("case", AWKWARD)
def test_marks_lie_inside_their_drawing_whatever_the_numbers_are(case):
    for name, svg in draw_charts(AWKWARD[case]()).items():
        found = marks_of(svg)
        if found is None:
            assert name in {"primary.svg", "effects.svg"}, "only where nothing can be said about a difference"
            continue
        assert all(0 <= mark.x <= found.width and 0 <= mark.y <= found.height for mark in found.marks), name


def test_charts_speak_the_language_of_the_report():
    texts = texts_of(draw_charts(polish())["runs.svg"])
    assert all(", przebieg " in text or "rednia" in text for text in texts)


def test_the_pdf_is_the_same_with_and_without_marks():
    results = example_results()
    charts = draw_charts(results)
    bare = {name: _GROUP.sub(b"", svg) for name, svg in charts.items()}
    assert all(b"<circle" in charts[name] and b"<circle" not in bare[name] for name in charts)
    assert render_pdf(results, charts, timestamp=SEALED) == render_pdf(results, bare, timestamp=SEALED)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "]]> &amp; &", "a\x00b\x1bc", "株式会社 😀", "a\nb"])
def test_names_come_out_of_a_mark_as_they_went_in(text):
    texts = texts_of(draw_charts(with_texts(text))["runs.svg"])
    wanted = text.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\n", " ")
    assert texts
    assert all(wanted in one for one in texts)


def test_the_page_lays_the_marks_over_the_chart_and_the_page_alone_does_without_a_script():
    results = example_results()
    charts = draw_charts(results)
    for page in (render_html(results, charts), render_page(results, charts)):
        assert page.count("<circle ") == sum(len(texts_of(svg)) for svg in charts.values())
        assert page.count('class="report-marks"') == len(charts)
    assert "<script" not in render_page(results, charts)


def test_a_chart_of_a_former_release_is_shown_without_marks():
    page = render_html(example_results(), {"primary.svg": b'<svg viewBox="0 0 10 10"></svg>'})
    assert page.count("<img ") == 1
    assert "report-marks" not in page
