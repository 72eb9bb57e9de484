"""The log of changes has words for all that is ever written into it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from lab.pilots.amending import AMENDED
from lab.pilots.drafts import COMPLETED, DRAFTED
from lab.web.audit_words import DEEDS, SUBJECTS

ROOT = Path(__file__).parents[3]
WRITERS = {"note_change", "line_of_change", "_note", "_written", "_changed", "_audit"}
"""Functions that write a line of the log: what was done is one of their arguments."""


def written() -> Iterator[tuple[str, str]]:
    """Every text that is given to a writer, with where."""
    for package in ("lab", "bookings", "devices", "telemetry"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            if path.parts[-2] == "web" or "note_change" not in path.read_text():
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in WRITERS:
                    for argument in node.args[1:]:
                        said = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
                        for found in said:
                            if isinstance(found, ast.Constant) and isinstance(found.value, str):
                                yield found.value, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_deed_that_is_logged_has_words() -> None:
    known = set(DEEDS) | set(SUBJECTS) | {""}
    unsaid = [(text, where) for text, where in written() if text not in known]
    assert not unsaid
    assert {COMPLETED, DRAFTED, AMENDED, "followed up", "maturity assessed"} <= set(DEEDS)


def test_the_search_sees_what_is_logged() -> None:
    seen = {text for text, _ in written()}
    assert {"note written", "signal-adopted", "published", "report-link", "device"} <= seen
