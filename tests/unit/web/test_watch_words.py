"""Alarms and the check before a booking on a Polish page."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from lab.watch.rules import disk_problem, recorder_problem
from lab.watch.words import ALARMS
from lab.web import languages
from lab.web.watch_words import FINDINGS, alarm_text, finding_text, unbroken
from telemetry.alarms.rules import LimitRule, Raised, RateRule, Rule, SilenceRule, StateRule, limits_in_words

PREFLIGHT = Path(__file__).parents[3] / "lab" / "preflight"


@pytest.fixture(autouse=True)
def polish() -> Iterator[None]:
    token = languages._language.set("pl")
    yield
    languages._language.reset(token)


def said_by(node: ast.expr) -> list[str]:
    """What an expression can say, 7 where a fact belongs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*said_by(node.body), *said_by(node.orelse)]
    if not isinstance(node, ast.JoinedStr):
        return []
    pieces = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            inner = part.value
            lasting = isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "_lasting"
            pieces.append(["", ", which lasts 7 s", ", which lasts 7 hours"] if lasting else said_by(inner) or ["7"])
        else:
            pieces.append(said_by(part))
    return ["".join(one) for one in product(*pieces)]


def findings() -> set[str]:
    """Every fact and every thing to do that the check before a booking can say."""
    found: set[str] = set()
    for file in PREFLIGHT.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                found.update(text for argument in node.args[2:] for text in said_by(argument))
            named = node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(node, ast.Assign) and isinstance(named, ast.Name) and named.id in {"fact", "todo"}:
                found.update(said_by(node.value))
    return found - {""}


def test_every_line_of_the_check_before_a_booking_is_said_in_polish() -> None:
    found = findings()
    assert len(found) > 50
    assert {text for text in found if finding_text(text) == text} == set()
    assert "co wystarcza na: 7 s" in finding_text("keeps only 20 messages while the recorder is away, which lasts 7 s")


RULES: list[tuple[Rule, Raised]] = [
    (LimitRule(high=6.5), Raised(0, 6.9)),
    (LimitRule(low=2.0), Raised(0, 1.5)),
    (RateRule(4.0), Raised(0, 5.5)),
    (SilenceRule(12.5), Raised(0, None)),
    (StateRule(frozenset({"stop"})), Raised(0, None, "stop")),
    (StateRule(frozenset({"stop", "fault"})), Raised(0, None, "stop")),
]


@pytest.mark.parametrize(("rule", "raised"), RULES)
@pytest.mark.parametrize("unit", ["kW", ""])
def test_every_alarm_of_a_rule_is_said_in_polish(rule: Rule, raised: Raised, unit: str) -> None:
    what = "The state" if isinstance(rule, StateRule) and not unit else "Spindle power"
    said = alarm_text(f"{what} of CNC mill {limits_in_words(rule, raised, unit=unit)}")
    assert said.startswith("CNC mill, ")
    assert not any(word in said for word in (" is ", " above ", " below ", " more than ", " one of ", "sent"))


def test_what_the_lab_watches_by_itself_is_said_in_polish() -> None:
    health: list[dict[str, object]] = [{"problem": "no room"}, {"connected": False}, {"lag_seconds": 90.0}]
    texts = [recorder_problem(one, age=timedelta(0)) for one in health]
    texts += [recorder_problem({}, age=timedelta(minutes=2)), disk_problem(3 * 1024**3 // 2, low_bytes=2**40)]
    texts += ["CNC mill works although nobody has booked it", "CNC mill is booked and does nothing"]
    for text in texts:
        assert text is not None
        assert alarm_text(text) != text
        if ":" in text:
            assert all(finding_text(part.strip()) != part.strip() for part in text.split(":", 1)[:1])
    assert "1,5 GiB" in alarm_text(str(texts[4]))


def test_numbers_have_the_sign_of_the_language_and_names_stay() -> None:
    assert alarm_text("Spindle power of CNC mill 2.5 is 6.9 kW, above 6.5 kW") == (
        "CNC mill 2.5, Spindle power: 6,9 kW, powyżej 6,5 kW"
    )
    assert alarm_text("Somebody wrote this") == "Somebody wrote this"


def test_a_number_stays_on_one_line_with_its_unit() -> None:
    assert unbroken("Power of mill 3 is 6.9 kW, above 6.5 kW: wait") == (
        "Power of mill 3 is 6.9\u00a0kW, above 6.5\u00a0kW: wait"
    )
    assert unbroken("nothing for 180 s; 20 times, 5 smart ones") == "nothing for 180\u00a0s; 20 times, 5 smart ones"


def test_every_template_is_used_once() -> None:
    assert len(set(ALARMS)) == len(ALARMS)
    assert len(set(FINDINGS)) == len(FINDINGS)
