"""Amounts as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.web.afterwards_pages import read_euros


@pytest.mark.parametrize(
    ("typed", "cents"),
    [
        ("12500", 1_250_000),
        ("12 500,50", 1_250_050),
        ("12\u00a0500,5", 1_250_050),
        ("1,234.5", 123_450),
        ("1.234", 123_400),
        ("1,234,567.89", 123_456_789),
        ("€ 100", 10_000),
        ("100 EUR", 10_000),
        ("0", 0),
        ("much", -1),
        ("-5", -1),
        ("1e9", -1),
        ("1,23,456", -1),
        ("", -1),
        ("٣", -1),
    ],
)
def test_an_amount_is_read_to_the_cent_or_not_at_all(typed: str, cents: int) -> None:
    assert read_euros(typed) == cents


@given(st.text())
def test_nothing_that_is_typed_is_a_fault(typed: str) -> None:
    assert read_euros(typed) >= -1
