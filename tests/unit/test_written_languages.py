"""Mails in every language: nothing left untranslated, nothing translated that nobody says, the same facts in each."""

import ast
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from bookings import language as of_bookings
from lab.core.catalogues import LANGUAGES, Tongue, writing_in
from lab.pilots import language as of_pilots
from lab.watch import words as of_watch

SAYING = {"_", "N_", "say", "marked"}
FACTS = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
PLACES = (of_bookings.LOCALES, of_pilots.LOCALES, of_watch.LOCALES)
CATALOGUES = [(locales, code) for locales in PLACES for code in LANGUAGES if code != "en"]


def said_beside(locales: Path) -> set[str]:
    """Every message that the code around a folder of catalogues says or marks."""
    found = set()
    for path in locales.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(message)), *_]) if name in SAYING:
                    found.add(message)
    return found


def translated(locales: Path, code: str) -> dict[str, str]:
    with (locales / f"{code}.po").open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale=code) if one.id and not one.fuzzy}


@pytest.mark.parametrize(("locales", "code"), CATALOGUES)
def test_everything_that_mails_say_is_translated_and_nothing_else(locales: Path, code: str) -> None:
    found, needed = translated(locales, code), said_beside(locales)
    assert needed - set(found) == set(), f"add these to {locales / code}.po"
    assert set(found) - needed == set(), "nobody says these any more"
    assert [message for message, text in found.items() if not text] == []


@pytest.mark.parametrize(("locales", "code"), CATALOGUES)
def test_translations_name_the_same_facts(locales: Path, code: str) -> None:
    for message, text in translated(locales, code).items():
        assert set(FACTS.findall(message)) == set(FACTS.findall(text)), message


def test_what_people_typed_stays_as_it_is_in_every_language() -> None:
    tongue = Tongue(of_bookings.LOCALES)
    with writing_in("pl"):
        assert tongue.say("Hello {name},", name="{Anna}") == "Dzień dobry, {Anna},"
        with writing_in("en"):
            assert tongue.say("Hello {name},", name="Anna") == "Hello Anna,"
        assert tongue.say("Machines") == "Maszyny"
