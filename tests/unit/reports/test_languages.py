"""Reports in Polish: nothing is left in English, every number is the same, and anybody can check it."""

import ast
import json
import re
from collections.abc import Iterator
from gettext import NullTranslations
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from lab.core import catalogues
from lab.reports.assembly import compute_results
from lab.reports.blocks import printable
from lab.reports.charts import draw_charts
from lab.reports.document import build_document
from lab.reports.economics.writing import write_years
from lab.reports.html import render_page
from lab.reports.issue import ReportIssue
from lab.reports.language import LANGUAGES, LOCALES, say, writing_in
from lab.reports.numbers import format_interval, format_number
from lab.reports.words import GLOSSARY, SIGNS, english_words, words_of
from tests.unit.reports.report_examples import (
    ARMS,
    example_plan,
    in_polish,
    polish,
    process_events,
    process_plan,
    said,
    seal_example,
    with_statement,
)

OTHERS = [code for code in LANGUAGES if code != "en"]
SAYING = {"_", "N_", "say", "marked"}


def said_in_code() -> set[str]:
    """Every message that code says or marks."""
    found = set()
    for path in LOCALES.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=message), *_]) if name in SAYING:
                    found.add(message)
    return found


def needed() -> set[tuple[str | None, str]]:
    """(context, message) of everything that a report can say."""
    words = english_words()
    glossary, signs = words.pop(GLOSSARY), words.pop(SIGNS)
    layout = {(key, text) for key, text in words.items()}
    terms = {(GLOSSARY, text) for pair in glossary.items() for text in pair}
    terms |= {(SIGNS, text) for text in signs.values()}
    return {(None, message) for message in said_in_code()} | layout | terms


def catalogue(code: str) -> dict[tuple[str | None, str], str]:
    with (LOCALES / f"{code}.po").open("rb") as file:
        read = read_po(file, locale=code)
    assert not [message.id for message in read if message.id and message.fuzzy]
    return {(message.context, str(message.id)): str(message.string) for message in read if message.id}


@pytest.mark.parametrize("code", OTHERS)
def test_everything_that_a_report_says_is_translated_and_nothing_else(code):
    found = catalogue(code)
    assert needed() - set(found) == set(), f"add these to lab/reports/locales/{code}.po"
    assert set(found) - needed() == set(), "nobody says these any more"
    assert [message for message, text in found.items() if not text] == []


@pytest.mark.parametrize("code", OTHERS)
def test_translations_name_the_same_facts(code):
    for (_, message), text in catalogue(code).items():
        facts = [{name for _, name, _, _ in Formatter().parse(one) if name} for one in (message, text)]
        assert facts[0] == facts[1], message


def test_numbers_and_intervals_have_the_decimal_sign_of_their_language():
    with writing_in("pl"):
        assert format_number(-1234.5, decimals=1) == "−1\u202f234,5"
        assert format_interval(0.1, 0.25, "kWh", decimals=2) == "od 0,10 do 0,25\u00a0kWh"
    assert format_number(-1234.5, decimals=1) == "−1\u202f234.5"


@pytest.mark.parametrize(
    ("years", "decimals", "text"),
    [(1, None, "1 rok"), (3, None, "3 lata"), (8, None, "8 lat"), (12, None, "12 lat"), (22, None, "22 lata"),
     (6.4, None, "6,4 roku"), (2, 1, "2,0 roku")],
)  # fmt: skip
def test_years_are_counted_as_poles_count_them(years, decimals, text):
    with writing_in("pl"):
        assert write_years(years, words_of("pl"), decimals=decimals) == text.replace(" ", "\u00a0")


def numbers_of(value, place=""):
    """Everything that is not words."""
    if isinstance(value, dict):
        return [one for name, part in value.items() for one in numbers_of(part, f"{place}.{name}")]
    if isinstance(value, list):
        return [one for index, part in enumerate(value) for one in numbers_of(part, f"{place}.{index}")]
    return [] if isinstance(value, str) else [(place, value)]


def test_every_number_is_the_same_in_both_languages():
    english, other = (json.loads(results.model_dump_json()) for results in (with_statement(), polish()))
    assert numbers_of(english) == numbers_of(other)
    assert english["verdict"] == other["verdict"]
    assert english["answer"] != other["answer"]


def test_a_design_that_is_allowed_for_gives_the_same_numbers_in_both_languages(tmp_path):
    """Nothing is decided by comparing words."""
    plan = example_plan().model_copy(update={"design": "abab", "expected": 0.9, "break_even": 0.09})
    seal_example(tmp_path / "sealed", plan=plan, arms=("standard", "fast") * 6)
    found = [compute_results(tmp_path / "sealed", issue=issue) for issue in (ReportIssue(), in_polish(ReportIssue()))]
    assert numbers_of(json.loads(found[0].model_dump_json())) == numbers_of(json.loads(found[1].model_dump_json()))


def test_page_document_and_charts_are_polish():
    results = polish()
    document = build_document(results)
    assert document.language == "pl"
    assert document.decision.verdict == "Inwestować"
    assert document.decision.first_step == "Ask for an offer. Odpowiada: Anna Kowalska. Termin: 11.12.2026."
    assert '<html lang="pl">' in render_page(results, {})
    assert draw_charts(results)["primary.svg"] != draw_charts(with_statement())["primary.svg"]
    assert say("Invest") == "Invest"  # and the next report is English again


class Brackets(NullTranslations):
    """A language in which everything said stands in brackets, so that what was not said by the catalogue shows."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def pgettext(self, context: str, message: str) -> str:
        return f"⟦{message}⟧"


@pytest.fixture
def brackets(monkeypatch):
    monkeypatch.setattr(catalogues, "_words", lambda _locales, _code: Brackets())
    words_of.cache_clear()
    yield
    words_of.cache_clear()


def outside(text: str) -> str:
    """What stands in no brackets."""
    kept, depth = "", 0
    for letter in text:
        depth += (letter == "⟦") - (letter == "⟧")
        kept += letter if depth == 0 and letter != "⟧" else " "
    return kept


LAYOUT = {"kind", "align", "code", "id", "language", "chart", "tone", "page_of", "grade"}


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in LAYOUT:
                yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


def left_in_english(folder: Path, issue: ReportIssue) -> set[str]:
    """Words of a report that come neither from the catalogue nor from people, devices and files."""
    results = compute_results(folder, issue=issue)
    typed = " ".join(path.read_text("utf-8") for path in folder.glob("*.json")) + issue.model_dump_json()
    typed += " ".join(f"{one.name} {one.version}" for one in results.software) + "EUR h kWh µm P10 P50 P90"
    known = set(re.findall(r"[^\W\d_]{3,}", typed.lower()))
    loose = {word for text in texts(printable(build_document(results))) for word in _words_in(outside(text))}
    return {word for word in loose if word.lower() not in known} - {"Ppk", "Cpk", "MTBF", "MTTR"}


def _words_in(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W_]{3,}", text) if re.fullmatch(r"[^\W\d_]+", word)]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"arms": ("standard", "fast")},
        {"arms": ("standard", "fast") * 7, "plan": example_plan().model_copy(update={"written_after_data": True})},
        {"plan": example_plan().model_copy(update={"design": "as_recorded", "order": ARMS, "finished_only": False})},
        {"plan": example_plan().model_copy(update={"economics": None}), "bookings": None},
        {
            "plan": process_plan().model_copy(update={"limits": None}),
            "arms": (*ARMS, "fast"),
            "events_of": process_events,
        },
    ],
    ids=["usual", "no inference", "after the data", "recorded", "no figures", "process"],
)
def test_nothing_in_a_report_goes_past_the_catalogue(tmp_path, brackets, facts):
    seal_example(tmp_path / "sealed", **facts)
    assert left_in_english(tmp_path / "sealed", said()) == set()


def test_a_sentence_that_goes_past_the_catalogue_is_found(tmp_path, brackets, monkeypatch):
    usual = Brackets.gettext
    monkeypatch.setattr(Brackets, "gettext", lambda self, text: text if "never samples" in text else usual(self, text))
    seal_example(tmp_path / "sealed")
    assert "samples" in left_in_english(tmp_path / "sealed", said())
