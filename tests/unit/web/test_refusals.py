"""Refusals of the lower floors on a Polish page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.web import languages
from lab.web.refusals import CLAUSES, said
from lab.web.wording import sentence

ROOT = Path(__file__).parents[3]
_SPEAKERS = (
    "bookings",
    "devices",
    "telemetry",
    "lab/people",
    "lab/pilots",
    "lab/reports",
    "lab/retention",
    "lab/web/wording.py",
    "lab/app.py",
    "lab/core",
)


@pytest.fixture
def polish() -> Iterator[None]:
    token = languages._language.set("pl")
    yield
    languages._language.reset(token)


def spoken() -> set[str]:
    """Every clause that the code can say, `{}` where a fact belongs."""
    found = set()
    for place in _SPEAKERS:
        path = ROOT / place
        for file in [path] if path.is_file() else path.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                    found.update("".join(map(str, parts)).split("; "))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.update(node.value.split("; "))
    return found


def test_every_template_is_still_said_by_somebody() -> None:
    said_somewhere = {clause.removesuffix(".") for clause in spoken()}
    plain = {re.sub(r"%\(\w+\)s", "{}", clause).removesuffix(".") for clause in CLAUSES}
    gone = {clause for clause in plain if not any(clause in one for one in said_somewhere)}
    assert gone == set()


@pytest.mark.usefixtures("polish")
def test_a_refusal_is_said_in_polish_with_the_labs_times() -> None:
    advice = "the nearest choice is 2026-12-07 07:00+01:00 to 2026-12-07 08:00+01:00"
    message = f"the lab is closed at 2026-12-06 09:00+01:00; {advice}"
    assert sentence(message, "Europe/Warsaw") == (
        "Laboratorium jest zamknięte niedz. 6 gru 2026, 09:00 CET; najbliższy możliwy termin to "
        "pon. 7 gru 2026, 07:00 CET do pon. 7 gru 2026, 08:00 CET."
    )


@pytest.mark.usefixtures("polish")
def test_what_nobody_has_translated_stays_english() -> None:
    assert said("a thing that nobody knows; please try again") == "a thing that nobody knows; spróbuj ponownie"


def test_english_stays_as_it_is_said() -> None:
    assert said("there is no such booking") == "there is no such booking"
