"""What people say in a report, on a form: what was typed, and the statement that it makes. Pure.

Lists of one line each are typed line by line; risks and steps have numbered fields, `risk_1_text`, of which rows that
say nothing do not count.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from lab.reports.issue import Maturity, Statement
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import one_line, plain_words

Typed = Mapping[str, str]
TEXTS = ("recommendation", "transfer", "funding_notice")
LINES = ("authors", "funding")
ROWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "risks": ("risk", ("text", "likelihood", "impact", "answer")),
    "next_steps": ("step", ("text", "owner", "due")),
}
"""Lists of the statement: how their fields begin, and their parts."""
DEGREES = ("low", "medium", "high")
MOST_ROWS = 20
_CHOSEN = {"likelihood", "impact"}
"""Parts that always have a value, so that they do not make a row."""
_ROOM = 3
_LEVELS = ("before", "after", "reason")
LABELS = {
    "language": N_("Language of the whole report"),
    "authors": N_("Who wrote this report?"),
    "recommendation": N_("What does the lab add to the verdict?"),
    "transfer": N_("What will be different at the company's own site?"),
    "funding_notice": N_("What must be printed about the funding of this pilot?"),
    "funding": N_("Where could the money come from?"),
    "readiness": N_("How ready is the solution (TRL)?"),
    "risks": N_("What may go wrong with the investment?"),
    "next_steps": N_("What is to be done now?"),
}
_WHATEVER = N_("What you have typed")
_PARTS = {
    "text": N_("What"),
    "likelihood": N_("How likely"),
    "impact": N_("How bad"),
    "answer": N_("What can be done about it"),
    "owner": N_("Who"),
    "due": N_("By when"),
    "before": N_("Before the pilot"),
    "after": N_("After the pilot"),
    "reason": N_("Why"),
}


def typed_of(statement: Statement) -> dict[str, str]:
    """What the form shows of a statement."""
    typed: dict[str, str] = {"language": statement.language}
    typed |= {name: getattr(statement, name) or "" for name in TEXTS}
    typed |= {name: "\n".join(getattr(statement, name)) for name in LINES}
    if statement.readiness is not None:
        typed |= {f"trl_{name}": str(getattr(statement.readiness, name)) for name in _LEVELS}
    for name, (prefix, parts) in ROWS.items():
        for number, row in enumerate(getattr(statement, name), start=1):
            typed |= {f"{prefix}_{number}_{part}": _shown(getattr(row, part)) for part in parts}
    return typed


def rows_of(typed: Typed, name: str) -> list[dict[str, str]]:
    """The rows of a list that say something, in their order."""
    prefix, parts = ROWS[name]
    numbers = range(1, MOST_ROWS + _ROOM + 1)
    found = [{part: one_line(typed.get(f"{prefix}_{number}_{part}", "")) for part in parts} for number in numbers]
    return [row for row in found if any(text for part, text in row.items() if part not in _CHOSEN)]


def shown_rows(typed: Typed, name: str) -> list[dict[str, str]]:
    """The same with room for more below."""
    rows = rows_of(typed, name)
    empty = dict.fromkeys(ROWS[name][1], "")
    return [*rows, *(empty for _room in range(max(0, min(_ROOM, MOST_ROWS - len(rows)))))]


def read_statement(typed: Typed, *, maturity: Sequence[Maturity]) -> Statement:
    """The statement that somebody has typed.

    Args:
        typed: fields of the form; those that are missing say nothing.
        maturity: of the company, which has a page of its own.

    Raises:
        ValidationError: naming the field.
    """
    given: dict[str, Any] = {"language": typed.get("language", "en"), "maturity": tuple(maturity)}
    given |= {name: one_line(typed.get(name, "")) or None for name in TEXTS}
    given |= {name: _lines(typed.get(name, "")) for name in LINES}
    levels = {name: one_line(typed.get(f"trl_{name}", "")) for name in _LEVELS}
    given["readiness"] = levels if any(levels.values()) else None
    for name in ROWS:
        given[name] = [_without_empty(row) for row in rows_of(typed, name)]
    return Statement.model_validate(given)


def fault_of(error: ValidationError) -> str:
    """Which field cannot be so, and why, as one sentence."""
    fault = error.errors()[0]
    place = fault["loc"]
    field, part = str(place[0]), str(place[-1]) if len(place) > 1 else ""
    named = _(LABELS.get(field, _WHATEVER))
    if len(place) > 1 and isinstance(place[1], int):
        named = f"{named} {place[1] + 1}"
    if part in _PARTS:
        named = f"{named} – {_(_PARTS[part])}"
    if fault["type"] == "too_long":
        return _("There is too much at “%(field)s”: %(most)s at most.", field=named, most=MOST_ROWS)
    if fault["type"] == "string_too_long":
        most = fault["ctx"]["max_length"]
        return _("The text at “%(field)s” is too long: %(most)s characters at most.", field=named, most=most)
    if fault["type"] in {"missing", "string_too_short"} or fault["input"] == "":
        return _("Something is missing: “%(field)s”.", field=named)
    return _("Please check “%(field)s”: this value is not possible.", field=named)


def _without_empty(row: Mapping[str, str]) -> dict[str, str]:
    return {part: text for part, text in row.items() if text}


def _lines(typed: str) -> list[str]:
    return [line for line in map(one_line, plain_words(typed).split("\n")) if line]


def _shown(value: object) -> str:
    return "" if value is None else str(value)
