"""What was heard of a signal, in words."""

from lab.reports.numbers import format_number
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import number_text
from telemetry.models import HeardSignal

KINDS = {
    "number": N_("numbers"),
    "boolean": N_("yes or no"),
    "text": N_("texts"),
    "other": N_("something else"),
}


def heard_kind(row: HeardSignal) -> str:
    """What it was, the most frequent first: `numbers, texts`."""
    kinds = sorted((kind for kind, count in row.kinds.items() if count), key=lambda kind: -row.kinds[kind])
    return ", ".join(_(KINDS.get(kind, kind)) for kind in kinds) or "–"


def heard_range(row: HeardSignal) -> str:
    """The lowest and the highest number."""
    if row.low is None or row.high is None:
        return "–"
    low, high = (number_text(format_number(value)) for value in (row.low, row.high))
    return low if low == high else _("%(low)s to %(high)s", low=low, high=high)


def heard_rate(row: HeardSignal) -> str:
    """How often a value comes: `10 a second`, `every 5 s`."""
    if row.interval_ms is None or row.interval_ms <= 0:
        return _("%(count)s so far", count=row.count)
    if row.interval_ms < 1000:
        return _("%(rate)s a second", rate=number_text(f"{1000 / row.interval_ms:.3g}"))
    return _("every %(seconds)s s", seconds=number_text(f"{row.interval_ms / 1000:.3g}"))
