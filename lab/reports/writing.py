"""How single facts of a report are written: times, hashes, values of KPIs, intervals, criteria."""

from collections.abc import Sequence
from datetime import date, datetime

from lab.core.time import in_zone
from lab.reports.language import marked, present_language, say
from lab.reports.numbers import (
    decimals_alone,
    decimals_of,
    decimals_together,
    format_interval,
    format_number,
    format_quantity,
    with_unit,
)
from lab.reports.results import ArmSummary, GuardResult, GuardStatus, Interval, KpiResult, Results, Verdict
from lab.reports.words import Words

SHORT_HASH = 12
_VERDICTS = {
    Verdict.INVEST: marked("Invest"),
    Verdict.INVEST_UNDER_CONDITIONS: marked("Invest under conditions"),
    Verdict.EXTEND: marked("Extend the pilot"),
    Verdict.DO_NOT_INVEST: marked("Do not invest"),
}


def write_time(instant: datetime | None, zone: str) -> str:
    """An instant on the lab's wall clock, to the minute; a dash if there is none."""
    if instant is None:
        return "–"
    wall = in_zone(instant, zone)
    return f"{write_date(wall)} {wall:%H:%M}"


def write_time_of_zone(instant: datetime | None, zone: str) -> str:
    """An instant with the name of its zone, where nothing beside it names the zone: `2026-11-23 08:10 CET`."""
    return with_unit(write_time(instant, zone), "" if instant is None else f"{in_zone(instant, zone):%Z}")


def write_date(day: date) -> str:
    """A day as it is written in the present language."""
    return day.strftime({"en": "%Y-%m-%d", "pl": "%d.%m.%Y"}[present_language()])


def write_verdict(verdict: Verdict) -> str:
    """What the lab advises, in the present language."""
    return say(_VERDICTS[verdict])


def short_hash(sha256: str) -> str:
    """The first letters of a hash, enough to tell two apart by eye."""
    return sha256[:SHORT_HASH]


def write_value(value: float | str | bool | None, words: Words) -> str:
    """A setting or a finding of any type."""
    if value is None:
        return words["not_shown"]
    if isinstance(value, bool):
        return words["yes"] if value else words["no"]
    return value if isinstance(value, str) else format_number(value)


def after_data_sentence(results: Results, words: Words) -> str | None:
    """What must be said beside the criteria when they were written after the data existed."""
    if not results.plan.written_after_data:
        return None
    return results.plan.written_after_data_sentence or words["written_after_data"]


def no_inference_words(kpi: KpiResult, words: Words) -> str:
    """What stands in the place of an interval that cannot be given."""
    reason, fact = kpi.no_inference, words["no_inference"]
    if not reason:
        return fact
    return reason[0].upper() + reason[1:] if reason.lower().startswith(fact.lower()) else f"{fact}: {reason}"


def scale_of(kpi: KpiResult) -> float:
    """Shares are written in percentage points."""
    return 100.0 if kpi.kind == "proportion" else 1.0


def unit_of(kpi: KpiResult, words: Words) -> str:
    """The unit in which a difference of the KPI is written."""
    return words["percentage_points"] if kpi.kind == "proportion" else kpi.unit


def decimals_of_kpi(kpi: KpiResult) -> int:
    """Places after the point: from the interval, else from the spread of the runs; shares have none."""
    if kpi.kind == "proportion":
        return 0
    if kpi.comparison is not None:
        return decimals_of(kpi.comparison.interval.low, kpi.comparison.interval.high)
    values = [run.value for run in kpi.runs if run.value is not None]
    return decimals_of(min(values), max(values)) if values else 0


def write_difference(kpi: KpiResult, words: Words, *, unit: bool = True) -> str:
    """Treatment less baseline, or that nothing can be said."""
    if kpi.comparison is None:
        return words["no_inference_short"]
    value = kpi.comparison.difference * scale_of(kpi)
    return format_quantity(value, unit_of(kpi, words) if unit else "", decimals=decimals_of_kpi(kpi), sign=True)


def write_difference_interval(kpi: KpiResult, words: Words, *, unit: bool = True) -> str:
    """The interval of the difference, or that nothing can be said."""
    if kpi.comparison is None:
        return words["no_inference_short"]
    return write_interval(kpi.comparison.interval, kpi, unit_of(kpi, words) if unit else "", sign=True)


def write_interval(interval: Interval, kpi: KpiResult, unit: str, *, sign: bool = False) -> str:
    """An interval in the KPI's unit at the KPI's decimals."""
    scale = scale_of(kpi)
    low, high = interval.low * scale, interval.high * scale
    return format_interval(low, high, unit, decimals=decimals_of_kpi(kpi), sign=sign)


def write_percent(kpi: KpiResult, words: Words) -> str:
    """The difference as a share of the baseline; empty for proportions, whose differences are percentage points."""
    if kpi.comparison is None:
        return words["no_inference_short"]
    return relative_effect(kpi) or words["no_percent"]


def relative_effect(kpi: KpiResult) -> str:
    """The difference as a share of the baseline without its `%`, to the digits of its own interval; empty for none."""
    comparison = kpi.comparison
    if comparison is None or comparison.percent is None or kpi.kind == "proportion":
        return ""
    width = comparison.interval_percent
    places = decimals_of(width.low, width.high) if width else decimals_alone(comparison.percent, significant=2)
    return format_number(comparison.percent, decimals=places, sign=True)


def write_mean(arm: ArmSummary, kpi: KpiResult, words: Words) -> str:
    """The mean of an arm, or the count and share of a proportion."""
    if arm.mean is None or arm.n == 0:
        return words["not_shown"]
    if kpi.kind == "proportion":
        yes = round(arm.mean * arm.n) if arm.successes is None else arm.successes
        return words.say("share_of", yes=yes, n=arm.n, percent=format_number(arm.mean * 100, decimals=0))
    return format_number(arm.mean, decimals=decimals_of_kpi(kpi))


def write_mean_interval(arm: ArmSummary, kpi: KpiResult, words: Words) -> str:
    """The interval of an arm's mean or share."""
    if arm.low is None or arm.high is None:
        return words["no_inference_short"]
    if kpi.kind == "proportion":
        return format_interval(arm.low * 100, arm.high * 100, "%", decimals=0)
    return format_interval(arm.low, arm.high, "", decimals=decimals_of_kpi(kpi))


def write_p(value: float) -> str:
    """A p value: two significant digits, never 0."""
    return (
        f"< {format_number(0.001)}"
        if value < 0.001
        else format_number(value, decimals=decimals_alone(value, significant=2))
    )


def decimals_of_runs(kpi: KpiResult) -> int:
    """Places after the point that the numbers of all runs of a KPI are written with."""
    return decimals_together([run.value for run in kpi.runs if run.value is not None])


def write_run_value(value: float | None, kpi: KpiResult, words: Words, *, decimals: int) -> str:
    """One run's number for a KPI, without its unit, to the decimals of all its runs."""
    if value is None:
        return words["not_available"]
    if kpi.kind == "proportion":
        return words["yes"] if value else words["no"]
    return format_number(value, decimals=decimals)


def write_executed(order: int | None, words: Words) -> str:
    """The place in the order of execution."""
    return words["not_executed"] if order is None else str(order)


def criterion_word(kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> str:
    """Whether a KPI met what the locked plan asks of it, in a word or two."""
    if kpi.criterion is not None:
        if kpi.criterion.met is None:
            return words["no_inference_short"]
        if kpi.criterion.met:
            return words["met"]
        return words["not_met"] if kpi.criterion.decision == "below" else words["undecided"]
    statuses = {GuardStatus.MET: "met", GuardStatus.UNDECIDED: "undecided", GuardStatus.FAILED: "failed"}
    return next((words[statuses[guard.status]] for guard in guards if guard.key == kpi.key), words["no_criterion"])
