"""What a company's earlier trials tell about how much parts differ, in words for the sketch of its next plan."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from devices.units import code_of_symbol
from lab.reports.spread import KnownSpread, Spread, spreads_in_unit
from lab.web.languages import gettext as _
from lab.web.languages import ngettext, present_language
from lab.web.wording import bare_number, lab_date, quantity

_MOST_EARLIER = 3


def known_spreads(session: Session, organisation_id: str, typed: dict[str, str]) -> list[KnownSpread]:
    """What the company's own earlier trials tell, in the unit that was answered; what is called the same first."""
    unit = code_of_symbol(typed["unit"])
    if not typed["unit"] or unit is None:
        return []
    found = spreads_in_unit(session, organisation_id, unit)
    asked = typed["better"].casefold()
    return sorted(found, key=lambda one: one.label.casefold() != asked)[:_MOST_EARLIER]


def as_typed(value: float) -> str:
    """A number as people type it, to four digits."""
    written = f"{Decimal(f'{value:.4g}'):f}"
    return written.replace(".", ",") if present_language() == "pl" else written


def is_taken(typed: str, value: float) -> bool:
    """Whether somebody has typed just this number, with whichever decimal sign: people change the language too."""
    try:
        return Decimal(bare_number(typed)) == Decimal(as_typed(value).replace(",", "."))
    except InvalidOperation:
        return False


def offers_of(known: Sequence[KnownSpread], typed: dict[str, str]) -> list[dict[str, str]]:
    """What can be taken over from earlier trials: a sentence, and the page's query with the answer filled in."""
    unit = code_of_symbol(typed["unit"]) or "1"
    return [
        {
            "sentence": _(
                "%(better)s on %(machines)s: parts made in the same way differed by %(differ)s, %(source)s.",
                better=one.label,
                machines=", ".join(one.machines),
                differ=quantity(one.spread.sd, unit),
                source=source_words(one.spread),
            ),
            "address": urlencode(typed | {"differ": as_typed(one.spread.sd)}),
        }
        for one in known
        if not is_taken(typed["differ"], one.spread.sd)
    ]


def source_words(spread: Spread) -> str:
    """From which runs of which trials a spread comes."""
    known = (lab_date(trial.day, "") if trial.day is not None else trial.pilot for trial in spread.trials)
    days = list(dict.fromkeys(known))
    runs = spread.runs or 0
    if len(spread.trials) == 1:
        return ngettext(
            "from %(num)s run of your trial of %(day)s", "from %(num)s runs of your trial of %(day)s", runs, day=days[0]
        )
    return ngettext(
        "from %(num)s run of your trials of %(days)s",
        "from %(num)s runs of your trials of %(days)s",
        runs,
        days=", ".join(days),
    )


def earlier_sentence(typed: dict[str, str], spread: Spread) -> str:
    """What was taken from earlier trials, and with how much more is reckoned because the runs were few."""
    unit = code_of_symbol(typed["unit"]) or "1"
    return _(
        "How much parts differ is taken %(source)s: %(differ)s. From so many it may be up to %(most)s, "
        "which is reckoned with.",
        source=source_words(spread),
        differ=quantity(spread.sd, unit),
        most=quantity(spread.reckoned, unit),
    )
