"""What was heard of a signal, in words."""

import re

from lab.reports.numbers import format_number
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import number_text
from telemetry.models import HeardSignal

KINDS = {
    "number": N_("numbers"),
    "boolean": N_("yes or no"),
    "text": N_("text"),
    "other": N_("something else"),
}

_TRUTHS = {"True": N_("yes"), "False": N_("no")}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


def heard_kind(row: HeardSignal) -> str:
    """What it was, the most frequent first: `numbers, text`."""
    kinds = sorted((kind for kind, count in row.kinds.items() if count), key=lambda kind: -row.kinds[kind])
    return ", ".join(_(KINDS.get(kind, kind)) for kind in kinds) or "–"


def heard_range(row: HeardSignal) -> str:
    """The lowest and the highest number."""
    if row.low is None or row.high is None:
        return "–"
    low, high = (number_text(format_number(value)) for value in (row.low, row.high))
    return low if low == high else _("%(low)s to %(high)s", low=low, high=high)


def heard_examples(row: HeardSignal, most: int | None = None) -> str:
    """Values as they came, as people read them: `yes, no`, `18.4, 18.5`, in Polish `18,4; 18,5`."""
    told = [_example(one, row) for one in row.examples[:most]]
    return ("; " if any("," in one for one in told) else ", ").join(told)


def _example(said: str, row: HeardSignal) -> str:
    if row.kinds.get("boolean") and said in _TRUTHS:
        return _(_TRUTHS[said])
    return number_text(said) if row.kinds.get("number") and _NUMBER.fullmatch(said) else said


def heard_rate(row: HeardSignal) -> str:
    """How often a value comes: `10 a second`, `every 5 s`."""
    if row.interval_ms is None or row.interval_ms <= 0:
        return _("%(count)s so far", count=row.count)
    if row.interval_ms < 1000:
        return _("%(rate)s a second", rate=number_text(f"{1000 / row.interval_ms:.3g}"))
    return _("every %(seconds)s s", seconds=number_text(f"{row.interval_ms / 1000:.3g}"))
