"""The HTML: the same content as the PDF, nothing executed, nothing styled inline, readable without sight."""

import html.parser
import itertools
import re

import pytest

from lab.reports.charts import draw_charts
from lab.reports.document import build_document
from lab.reports.html import render_html, render_page
from tests.unit.reports.report_examples import AWKWARD, example_results, with_texts

VOID = {"img", "meta", "br"}


class Reader(html.parser.HTMLParser):
    """Collects tags and text, and checks that every tag is closed in its place."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("case", AWKWARD)
def test_every_case_is_well_formed(case):
    results = AWKWARD[case]()
    Reader(render_html(results, {}))


def test_the_fragment_keeps_to_the_pages_policy():
    reader = Reader(render_html(example_results(), draw_charts(example_results())))
    names = {tag for tag, _ in reader.tags}
    assert not names & {"script", "style", "link", "iframe", "h1", "path", "use", "foreignObject", "a"}
    drawn = [attrs for tag, attrs in reader.tags if tag == "svg"]
    assert {attrs["class"] for attrs in drawn} == {"report-marks"}, "no drawing but the places that one can point at"
    assert all("style" not in attrs and not any(name.startswith("on") for name in attrs) for _, attrs in reader.tags)


def test_every_chart_is_an_image_inside_with_words_for_who_cannot_see_it():
    results = example_results()
    images = [attrs for tag, attrs in Reader(render_html(results, draw_charts(results))).tags if tag == "img"]
    assert len(images) == 8
    for image in images:
        assert (image["src"] or "").startswith("data:image/svg+xml;base64,")
        assert len(image["alt"] or "") > 50


def test_a_missing_chart_is_told_in_words():
    assert "Interval chart of the difference" in Reader(render_html(example_results(), {})).text


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }} {% x %}", "& < >"]
)
def test_what_people_type_comes_out_letter_by_letter(text):
    reader = Reader(render_page(with_texts(text), {}))
    assert reader.text.count(text) > 10
    assert "script" not in {tag for tag, _ in reader.tags}
    assert all("onerror" not in attrs for _, attrs in reader.tags)


def test_the_page_stands_alone():
    source = render_page(example_results(), draw_charts(example_results()))
    assert source.startswith("<!doctype html>")
    assert not re.search(r'(?:src|href)="(?!data:)', source)
    assert [attrs.get("lang") for tag, attrs in Reader(source).tags if tag == "html"] == ["en"]


def test_headings_never_skip_a_level_and_tables_name_their_columns():
    reader = Reader(render_page(example_results(), {}))
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(attrs.get("scope") == "col" for tag, attrs in reader.tags if tag == "th")


def test_page_and_pdf_are_made_of_the_same_blocks():
    results = example_results()
    text = " ".join(Reader(render_html(results, {})).text.split())
    document = build_document(results)
    for section in document.sections:
        assert " ".join(section.title.split()) in text
        for block in section.blocks:
            for row in getattr(block, "rows", ()):
                assert all(" ".join(cell.split()) in text for cell in row)


@pytest.mark.parametrize("case", AWKWARD)
def test_every_chart_and_table_scrolls_in_a_region_with_a_name_of_its_own(case):
    results = AWKWARD[case]()
    charts = draw_charts(results)
    tags = Reader(render_html(results, charts)).tags
    names = [attrs["aria-label"] for _, attrs in tags if attrs.get("role") == "region"]
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
    document = build_document(results)
    figures = 1 + sum(block.kind == "figure" for section in document.sections for block in section.blocks)
    word = document.labels["chart"]
    assert [name for name in names if re.fullmatch(f"{word} [0-9]+", name or "")] == [
        f"{word} {number}" for number in range(1, figures + 1)
    ]
    assert sum(attrs.get("class") == "chart-scroll" for _, attrs in tags) == figures
    assert not [tag for tag, _ in tags if tag == "caption"], "in a wide table a caption would be cut off with it"
    assert sum(tag == "details" for tag, _ in tags) == figures, "every chart has its numbers beneath"
