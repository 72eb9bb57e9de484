"""Present value and internal rates of return: worked examples, no rate, several rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pilots.economics.rates import internal_rates, present_value, sign_changes


def rates_of(*amounts):
    return internal_rates(range(len(amounts)), amounts)


def test_present_value_of_the_spreadsheet_manuals_example():
    """Microsoft, help for the function NPV, example 2: 40,000 now for five years' returns at 8 % is 1,922.06."""
    flows = (-40_000, 8_000, 9_200, 10_000, 12_000, 14_500)
    assert present_value(range(6), flows, 0.08) == pytest.approx(1922.06, abs=0.005)


def test_rate_of_the_spreadsheet_manuals_example():
    """Microsoft, help for the function IRR: 8.7 % after five years, −2.1 % after four."""
    flows = (-70_000, 12_000, 15_000, 18_000, 21_000, 26_000)
    assert rates_of(*flows) == (pytest.approx(0.0866, abs=5e-5),)
    assert rates_of(*flows[:5]) == (pytest.approx(-0.0212, abs=5e-5),)


def test_rate_of_a_textbook():
    """Brealey, Myers, Allen, *Principles of Corporate Finance*, section 5-3: 28.08 %."""
    assert rates_of(-4_000, 2_000, 4_000) == (pytest.approx(0.2808, abs=5e-5),)


def test_two_rates_of_a_textbook():
    """The same, Helmsley Iron: opening and clearing a mine has the rates 3.50 % and 19.54 %; 0.253 at 10 %."""
    mine = (-3.0, *[1.0] * 9, -6.5)
    assert rates_of(*mine) == (pytest.approx(0.0350, abs=5e-5), pytest.approx(0.1954, abs=5e-5))
    assert present_value(range(11), mine, 0.10) == pytest.approx(0.253, abs=5e-4)


def test_no_rate_of_a_textbook():
    """The same, project C: 1,000, −3,000, 2,500 has no internal rate and yet is worth 339 at 10 %."""
    assert rates_of(1_000, -3_000, 2_500) == ()
    assert present_value(range(3), (1_000, -3_000, 2_500), 0.10) == pytest.approx(339, abs=0.5)


@pytest.mark.parametrize("amounts", [(0.0, 1.0, 1.0), (-1.0, -1.0), (-1.0, 0.0), (0.0, 0.0)])
def test_payments_or_earnings_alone_have_no_rate(amounts):
    assert rates_of(*amounts) == ()


@given(st.floats(-0.5, 5), st.integers(1, 30))
def test_a_level_cash_flow_has_the_one_rate_that_it_was_made_with(rate, years):
    flow = 1 / sum((1 + rate) ** -year for year in range(1, years + 1))
    assert rates_of(-1.0, *[flow] * years) == (pytest.approx(rate, abs=1e-6),)


@given(st.lists(st.floats(-1000, 1000), min_size=2, max_size=12))
def test_every_rate_found_makes_the_worth_nothing_and_there_are_no_more_than_the_signs_allow(amounts):
    found = rates_of(*amounts)
    assert len(found) <= sign_changes(amounts)
    for rate in found:
        size = sum(abs(amount) * (1 + rate) ** -time for time, amount in enumerate(amounts))
        assert abs(present_value(range(len(amounts)), amounts, rate)) <= 1e-7 * size


def test_rate_of_a_lifetime_that_is_no_whole_number_of_years():
    times, flows = (0, 1, 2, 2.5), (-100.0, 50.0, 50.0, 25.0)
    (rate,) = internal_rates(times, flows)
    assert present_value(times, flows, rate) == pytest.approx(0, abs=1e-9)
