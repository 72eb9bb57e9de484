"""Pages in every language: nothing left untranslated, the same facts in each, and the right one for each browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from lab.web.languages import LANGUAGES, LOCALES, choose_language

WEB = LOCALES.parent
KEYWORDS: dict[str, Any] = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
OTHERS = [code for code in LANGUAGES if code != "en"]
_FACTS = re.compile(r"%\((\w+)\)s")


def said() -> Iterator[tuple[Path, Any]]:
    """Everything that pages say, and where."""
    for path in [*WEB.glob("*.py"), WEB.parent / "app.py"]:
        for _, message, _, _ in extract_from_file("python", path, KEYWORDS):
            yield path, message
    options = {"trimmed": "true", "newstyle_gettext": "true"}
    for path in (WEB / "templates").glob("*.html"):
        for _, message, _, _ in extract_from_file("jinja2.ext:babel_extract", path, KEYWORDS, options=options):
            yield path, message


def catalogue(code: str) -> Catalog:
    with (LOCALES / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.mark.parametrize("code", OTHERS)
def test_everything_that_pages_say_is_translated_and_nothing_else(code: str) -> None:
    found = {message.id if isinstance(message.id, str) else message.id[0]: message for message in catalogue(code)}
    del found[""]
    needed = {message if isinstance(message, str) else message[0]: path.name for path, message in said()}
    assert {message: where for message, where in needed.items() if message not in found} == {}, "run `make messages`"
    empty = [message.id for message in found.values() if not all(_texts(message.string)) or message.fuzzy]
    assert empty == [], "these wait for a translation"
    assert sorted(set(found) - set(needed)) == [], "nobody says these any more: run `make messages`"


@pytest.mark.parametrize("code", OTHERS)
def test_translations_name_the_same_facts(code: str) -> None:
    for message in catalogue(code):
        if message.id:
            facts = set(_FACTS.findall(" ".join(_texts(message.id)))) - {"num"}
            for text in _texts(message.string):
                assert set(_FACTS.findall(text)) - {"num"} == facts, message.id


def _texts(string: str | tuple[str, ...] | list[str]) -> list[str]:
    return [string] if isinstance(string, str) else list(string)


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "pl-PL,pl;q=0.9,en;q=0.8", "pl"),
        ("", "de-DE,de;q=0.9,pl;q=0.5", "pl"),
        ("", "de", "en"),
        ("en", "pl", "en"),
        ("pl", "en", "pl"),
        ("xx", "pl", "pl"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_browsers(chosen: str, accepted: str, language: str) -> None:
    assert choose_language({"pilotlab_language": chosen} if chosen else {}, accepted) == language
