"""The key to telemetry is cut in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.grants import Grant, GrantedSpan

PRODUCT = Path(__file__).parents[3]
PACKAGES = ["lab", "devices", "bookings", "telemetry", "simulators"]
KEYS = {"Grant", "GrantedSpan"}


def makers_of_keys(source: str) -> Iterator[int]:
    """Lines on which a Grant or one of its spans is made, under whatever name it was imported."""
    tree = ast.parse(source)
    names = set(KEYS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.name in KEYS and alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            first = node.args[0] if node.args else None
            changed = called == "replace" and isinstance(first, ast.Name) and first.id == "grant"
            if called in names or changed:
                yield node.lineno


def test_only_access_makes_grants() -> None:
    found = {
        f"{path.relative_to(PRODUCT)}:{line}"
        for package in PACKAGES
        for path in (PRODUCT / package).rglob("*.py")
        for line in makers_of_keys(path.read_text("utf-8"))
    }
    assert found, "lab/access makes grants; the search finds nothing at all"
    assert {place for place in found if not place.startswith("lab/access/")} == set()


@pytest.mark.parametrize(
    "source",
    [
        "from telemetry.grants import Grant\nGrant(())",
        "from telemetry.grants import Grant as Key\nKey(())",
        "from telemetry import grants\ngrants.GrantedSpan('mill-1', 0, 1)",
        "import dataclasses\ndef widen(grant): return dataclasses.replace(grant, uncertain=True)",
    ],
)
def test_the_search_sees_disguised_makers(source: str) -> None:
    assert list(makers_of_keys(source))


instants = st.integers(-50, 50)
granted = st.builds(GrantedSpan, st.sampled_from(["mill-1", "robot-1"]), instants, instants)


@given(spans=st.lists(granted, max_size=6), start=instants, end=instants)
def test_visible_spans_hold_exactly_the_instants_that_are_covered(
    spans: list[GrantedSpan], start: int, end: int
) -> None:
    grant = Grant(tuple(spans))
    visible = grant.spans_of("mill-1", start, end)
    for instant in range(-51, 52):
        inside = any(first <= instant < last for first, last in visible)
        assert inside == (start <= instant < end and grant.covers("mill-1", instant))
    assert all(first < last for first, last in visible)
