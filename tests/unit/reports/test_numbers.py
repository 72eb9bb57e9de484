"""How numbers are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.reports.numbers import decimals_of, format_interval, format_number, format_quantity


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (-0.0, "0"),
        (2, "2"),
        (0.085792, "0.08579"),
        (-1234567, "−1\u202f234\u202f567"),
        (12345.678, "12\u202f346"),
        (1e-12, "0"),
    ],
)
def test_a_number_alone_has_four_significant_digits(value, written):
    assert format_number(value) == written


def test_a_difference_carries_its_sign_and_nothing_carries_none():
    assert format_number(0.1, sign=True) == "+0.1"
    assert format_number(-0.1, sign=True) == "−0.1"
    assert format_number(0.001, decimals=2, sign=True) == "0.00"
    assert format_number(-0.001, decimals=2) == "0.00"


def test_an_interval_ends_at_the_second_digit_of_its_half_width():
    assert format_interval(-0.094546, -0.077039, "kWh") == "−0.0945 to −0.0770\u00a0kWh"
    assert format_interval(-96.18, -92.07, "s") == "−96.2 to −92.1\u00a0s"


def test_an_interval_without_width_is_still_written():
    assert format_interval(1.5, 1.5, "") == "1.500 to 1.500"
    assert format_interval(0, 0, "s") == "0 to 0\u00a0s"


def test_a_number_without_a_unit_has_no_space_at_its_end():
    assert format_quantity(5, "") == "5"


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_an_interval_that_is_read_back_is_off_by_less_than_a_tenth_of_its_half_width(first, second):
    low, high = sorted((first, second))
    places = decimals_of(low, high)
    half = (high - low) / 2
    read = float(format_number(low, decimals=places).replace("−", "-").replace("\u202f", ""))
    assert abs(read - low) <= max(0.051 * half, 5e-10, abs(low) * 1e-3 if half == 0 else 0)
