"""How money, years and probabilities are written, and what a director reads about them."""

from collections.abc import Sequence

from lab.reports.economics.findings import EconomicCase, InputFigure, NpvDistribution, TornadoBar
from lab.reports.language import present_language
from lab.reports.language import say as _
from lab.reports.numbers import format_interval, format_number, format_quantity, with_unit
from lab.reports.results import Economics, Interval, KeyNumber
from lab.reports.words import Words, words_of

_SHARES = frozenset({"discount_rate", "grant_share"})


def format_money(cents: float, currency: str, *, sign: bool = False) -> str:
    """An amount, e.g. `7 800 EUR`; small ones with cents."""
    return format_quantity(cents / 100, currency, decimals=2 if 0 < abs(cents) < 10_000 else 0, sign=sign)


def format_to_the_cent(cents: int, currency: str) -> str:
    """An amount of a ledger, e.g. `756.00 EUR`: never rounded."""
    return format_quantity(cents / 100, currency, decimals=2)


def format_money_interval(low: float, high: float, currency: str) -> str:
    """Two amounts, e.g. `−1 200 to 8 900 EUR`."""
    decimals = 0 if max(abs(low), abs(high)) >= 10_000 else 2
    return format_interval(low / 100, high / 100, currency, decimals=decimals)


def format_years(years: float | None, words: Words) -> str:
    """A payback."""
    return words["not_within_lifetime"] if years is None else write_years(years, words, decimals=1)


def write_years(years: float, words: Words, *, decimals: int | None = None) -> str:
    """A time in years: `8 years`, in Polish `1 rok`, `3 lata`, `8 lat`, `0,8 roku`."""
    number = format_number(years, decimals=decimals)
    if not number.isdigit():
        key = "years_part"
    elif number == "1":
        key = "years_one"
    else:
        few = number[-1] in "234" and number[-2:-1] != "1"
        key = "years_few" if few else "years"
    return with_unit(number, words[key])


def format_probability(share: float) -> str:
    """A share of draws, never 0 or 100 %: so much cannot be known from draws."""
    if share < 0.001:
        return _("less than {share}", share=format_quantity(0.1, "%"))
    if share > 0.999:
        return _("more than {share}", share=format_quantity(99.9, "%"))
    return format_quantity(100 * share, "%", decimals=0 if 0.01 <= share <= 0.99 else 1)


def format_rates(rates: tuple[float, ...], words: Words) -> str:
    """Internal rates of return: none, one or all of them."""
    if not rates:
        return words["no_internal_rate"]
    return ", ".join(format_quantity(100 * rate, "%", decimals=1) for rate in rates)


def write_figure(key: str, value: float, economics: Economics, words: Words) -> str:
    """One of the company's figures, or the effect, with its unit."""
    currency = economics.currency or ""
    if key == "effect":
        return format_quantity(value, economics.unit)
    if key in _SHARES:
        return format_quantity(100 * value, "%")
    if key == "lifetime_years":
        return write_years(value, words)
    if key == "yearly_volume":
        return format_number(value)
    if key == "unit_value_cents":
        whole_cents = abs(value - round(value)) < 1e-9
        unit = f"{currency} {words.say('per', unit=unit_of_value(economics, words))}"
        return format_quantity(value / 100, unit, decimals=2 if whole_cents else None)
    return format_money(value, currency)


def unit_of_value(economics: Economics, words: Words) -> str:
    """What one unit is of which the price is given; shares are priced by the part."""
    return words["part"] if economics.unit == words["percentage_points"] else economics.unit or words["unit"]


def sentences_of(economics: Economics, *, decimals: int) -> tuple[str, ...]:
    """What a director reads about an appraised investment.

    Args:
        economics: appraised.
        decimals: to which its effect is written.
    """
    words, case, currency = words_of(present_language()), economics.with_grant, economics.currency or ""
    assert case is not None
    figures = {figure.key: figure for figure in economics.inputs}
    said = [_base_sentence(economics, case, figures, words, decimals)]
    if economics.distribution is not None:
        said.append(_distribution_sentence(economics.distribution, currency))
    if economics.without_grant is not None:
        alone = economics.without_grant
        said.append(
            _(
                "Without the grant of {grant} its net present value is {npv}, and it just pays at an improvement of "
                "{limit}.",
                grant=write_figure("grant_share", figures["grant_share"].likely, economics, words),
                npv=format_money(alone.npv_cents, currency),
                limit=format_quantity(alone.break_even, economics.unit),
            )
        )
    said.append(_rate_sentence(case))
    if economics.tornado:
        said.append(_most_sentence(economics.tornado, words, currency))
    return tuple(said)


def economic_key_numbers(economics: Economics) -> tuple[KeyNumber, ...]:
    """Payback and the probability that the investment pays, for the decision page; or why they are not shown."""
    words, case, found = words_of(present_language()), economics.with_grant, economics.distribution
    if case is None or found is None:
        why = "no_company_figures" if economics.currency is None else "no_effect_known"
        return (KeyNumber(label=words["payback_and_probability"], value=None, unit="", interval=None, text=words[why]),)
    payback, worth = found.payback_years, found.npv_cents
    assert worth.p10 is not None
    assert worth.p90 is not None
    reach = (
        _(
            "in eight of ten cases {interval}",
            interval=format_interval(payback.p10, payback.p90, words["years_part"], decimals=1),
        )
        if payback.p10 is not None and payback.p90 is not None
        else _("never paid back in {share} of cases", share=format_probability(found.never_paid_back))
    )
    interval = None if payback.p10 is None or payback.p90 is None else Interval(low=payback.p10, high=payback.p90)
    worths = format_money_interval(worth.p10, worth.p90, economics.currency or "")
    return (
        KeyNumber(
            label=words["payback"],
            value=case.payback_years,
            unit=words["years"],
            interval=interval,
            text=f"{format_years(case.payback_years, words)}; {reach}",
        ),
        KeyNumber(
            label=words["probability_positive"],
            value=100 * found.probability_positive,
            unit="%",
            interval=None,
            text=_(
                "{share}; in eight of ten cases the net present value is {worths}",
                share=format_probability(found.probability_positive),
                worths=worths,
            ),
        ),
    )


def _base_sentence(
    economics: Economics, case: EconomicCase, figures: dict[str, InputFigure], words: Words, decimals: int
) -> str:
    assert economics.effect is not None
    assert economics.yearly_cash_flow_cents is not None
    currency = economics.currency or ""
    effect = format_quantity(economics.effect, economics.unit, decimals=decimals)
    own = format_money(case.own_investment_cents, currency)
    years = write_figure("lifetime_years", figures["lifetime_years"].likely, economics, words)
    rate = write_figure("discount_rate", figures["discount_rate"].likely, economics, words)
    flow = economics.yearly_cash_flow_cents
    paid = (
        _("it is not paid back within its lifetime")
        if case.payback_years is None
        else _("it is paid back after {years}", years=format_years(case.payback_years, words))
    )
    facts = {
        "effect": effect,
        "own": own,
        "flow": format_money(abs(flow), currency),
        "years": years,
        "npv": format_money(case.npv_cents, currency),
        "rate": rate,
        "paid": paid,
    }
    if flow > 0:
        return _(
            "At the improvement seen, {effect}, {own} of the company's own money bring {flow} a year for {years}: a "
            "net present value of {npv} at {rate}; {paid}.",
            **facts,
        )
    return _(
        "At the improvement seen, {effect}, {own} of the company's own money cost another {flow} a year for {years}: a "
        "net present value of {npv} at {rate}; {paid}.",
        **facts,
    )


def _distribution_sentence(found: NpvDistribution, currency: str) -> str:
    low, high = found.npv_cents.p10, found.npv_cents.p90
    assert low is not None
    assert high is not None
    never = found.never_paid_back
    sure = format_probability(found.probability_positive)
    facts = {
        "sure": sure,
        "low": format_money(low, currency),
        "high": format_money(high, currency),
        "never": format_probability(never),
    }
    if never:
        return _(
            "With all that is uncertain it pays with a probability of {sure}; in eight of ten cases the net present "
            "value lies between {low} and {high}, and in {never} of all cases it is never paid back.",
            **facts,
        )
    return _(
        "With all that is uncertain it pays with a probability of {sure}; in eight of ten cases the net present value "
        "lies between {low} and {high}.",
        **facts,
    )


def _rate_sentence(case: EconomicCase) -> str:
    rates = case.internal_rates
    if len(rates) == 1:
        return _("The internal rate of return is {rate}.", rate=format_quantity(100 * rates[0], "%", decimals=1))
    if not rates:
        return _("There is no internal rate of return: at no rate of interest do payments and earnings balance.")
    listed = ", ".join(format_quantity(100 * rate, "%", decimals=1) for rate in rates)
    return _(
        "There are {n} internal rates of return ({listed}), so none of them says whether it pays; the net present "
        "value does.",
        n=len(rates),
        listed=listed,
    )


def _most_sentence(bars: Sequence[TornadoBar], words: Words, currency: str) -> str:
    """The figure that moves most, or all of them that move as much as written: it may be a product of theirs."""

    def reach(bar: TornadoBar) -> tuple[str, str]:
        low, high = sorted((bar.npv_less_cents, bar.npv_more_cents))
        return format_money(low, currency), format_money(high, currency)

    (low, high), most = reach(bars[0]), [bar for bar in bars if reach(bar) == reach(bars[0])]
    facts = {"low": low, "high": high}
    figures = [_lowered(words["input_" + bar.key]) for bar in most]
    if len(most) == 1:
        return _(
            "It depends most on this: {figure}. 20 % less or more of it moves the net present value between {low} "
            "and {high}.",
            figure=figures[0],
            **facts,
        )
    return _(
        "It depends most on these, equally: {figures}. 20 % less or more of any of them moves the net present value "
        "between {low} and {high}.",
        figures=", ".join(figures),
        **facts,
    )


def _lowered(label: str) -> str:
    return label[:1].lower() + label[1:]
