"""The analysis plan on one form: a plan to and from what is typed there. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from lab.pilots.amending import LAYOUT
from lab.pilots.economics.inputs import ESTIMATES, EconomicInputs, Estimate
from lab.pilots.plans import AnalysisPlan, Kpi, StopCriterion
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.measure_forms import LABELS as MEASURE_LABELS
from lab.web.measure_forms import (
    chosen,
    read_measure,
    read_number,
    read_setting,
    read_settings,
    read_unit,
    typed_measure,
    typed_setting,
    typed_settings,
    typed_unit,
)
from lab.web.wording import number_text, one_line, plain_words, typed_number

MOST_ROWS = 40
"""Of ways of working, KPIs and other rows each; a form has no more."""
DESIGNS = {
    "completely_randomised": N_("in random order"),
    "blocked": N_("in blocks (shifts, batches, tools), in random order within each"),
    "abab": N_("taking turns: today, new, today, new"),
    "abba": N_("taking turns: today, new, new, today"),
    "crossover": N_("every subject tries both"),
    "factorial": N_("several factors at once"),
    "before_after": N_("first all as before, then all as after"),
    "as_recorded": N_("the runs were made earlier"),
}
ROLES = {
    "baseline": N_("as today"),
    "treatment": N_("tried"),
    "other": N_("recorded only"),
    "control_before": N_("control, before"),
    "control_after": N_("control, after"),
}
KPI_ROLES = {"primary": N_("decides"), "guard": N_("must not get worse"), "secondary": N_("reported too")}
LABELS = MEASURE_LABELS | {
    "objective": N_("Objective"),
    "hypothesis": N_("Expectation"),
    "not_tested": N_("Not tested, one a line"),
    "arms": N_("Ways of working"),
    "kpis": N_("What is measured"),
    "factors": N_("Other factors"),
    "label": N_("Name"),
    "role": N_("Role"),
    "settings": N_("Settings"),
    "kind": N_("A number, or yes or no"),
    "direction": N_("Better is"),
    "margin": N_("May get worse by at most"),
    "population": N_("Which runs count"),
    "low": N_("Lower limit"),
    "high": N_("Upper limit"),
    "design": N_("How it is tried"),
    "runs_per_arm": N_("Runs of each way of working"),
    "blocks": N_("Blocks or subjects, with commas between"),
    "generators": N_("Generators of a fraction"),
    "order": N_("Order in which the runs were made"),
    "break_even": N_("It pays from an improvement of"),
    "expected": N_("Hoped for"),
    "alpha": N_("Risk of a wrong “Invest”, in per cent"),
    "start_event": N_("Event that begins a run"),
    "end_events": N_("Events that end a run, with commas between"),
    "longest_gap_s": N_("Longest silence that is bridged, seconds"),
    "least_coverage_percent": N_("Least part of a run that must be there, in per cent"),
    "delay_s": N_("Only after so many seconds"),
    "stops": N_("Machines to stop, with commas between"),
    "economics": N_("The company’s own figures"),
    "currency": N_("Currency"),
    "investment_cents": N_("Investment"),
    "lifetime_years": N_("Years of use"),
    "discount_rate": N_("Cost of capital a year, in per cent"),
    "grant_share": N_("Part that a grant pays, in per cent"),
    "residual_value_cents": N_("Worth at the end"),
    "yearly_volume": N_("How often a year the improvement is made"),
    "unit_value_cents": N_("Worth of one unit of what decides"),
    "running_costs_cents": N_("Running costs in a year"),
    "run_cost_cents": N_("What one more run of the pilot costs"),
}
"""Field of a plan → in words."""
ESTIMATED = {name: LABELS[name] for name in ESTIMATES}
EDGES = {"low": N_("least"), "likely": N_("most likely"), "high": N_("most")}
_NUMBERS = ("break_even", "expected", "longest_gap_s", "least_coverage_percent")
_SWITCHES = ("finished_only", "written_after_data", "demonstration_only")
_FIELD_NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b|^expected\b(?= must)")
_PLACE = re.compile(r"([a-z]+)-(\d{1,2})-[a-z_]+(?:-.*)?")


def blank_form(pilot_id: str) -> dict[str, str]:
    """The form of a plan that nobody has begun: today's way against a new one, and one thing that decides."""
    return {
        "arms-0-label": _("as today"), "arms-0-role": "baseline", "arms-1-label": _("the new way"),
        "arms-1-role": "treatment", "kpis-0-label": "", "kpis-0-role": "primary", "kpis-0-direction": "lower",
        "kpis-0-measure": "integral", "design": "completely_randomised", "alpha": "5", "finished_only": "yes",
        "longest_gap_s": "5", "least_coverage_percent": "95", "seed": str(seed_of(pilot_id)),
        "discount_rate-likely": "8", "currency": "EUR",
    }  # fmt: skip


def seed_of(pilot_id: str) -> int:
    """Of the randomised order of a plan that has none: another for each pilot, the same each time."""
    return int(hashlib.sha256(pilot_id.encode()).hexdigest()[:12], 16)


def typed_of(plan: AnalysisPlan) -> dict[str, str]:
    """A plan as its form shows it."""
    typed = {"objective": plan.objective, "hypothesis": plan.hypothesis, "not_tested": "\n".join(plan.not_tested)}
    for place, arm in enumerate(plan.arms):
        typed |= _row(
            "arms", place, name=arm.name, label=arm.label, role=arm.role, settings=typed_settings(arm.settings)
        )
    for place, kpi in enumerate(plan.kpis):
        typed |= _typed_kpi(place, kpi)
    typed |= {name: typed_number(getattr(plan, name)) for name in _NUMBERS}
    typed |= {
        "design": plan.design,
        "runs_per_arm": "" if plan.runs_per_arm is None else str(plan.runs_per_arm),
        "blocks": ", ".join(plan.blocks or ()),
        "generators": plan.generators or "",
        "order": ", ".join(plan.order or ()),
        "seed": str(plan.seed),
        "alpha": _shifted(plan.alpha, 2),
    }
    for place, factor in enumerate(plan.factors):
        levels = {edge: typed_setting(getattr(factor, edge)) for edge in ("low", "high")}
        typed |= _row("factors", place, name=factor.name, label=factor.label, **levels)
    for place, stop in enumerate(plan.stop):
        typed |= _typed_stop(place, stop)
    if plan.limits is not None:
        typed |= {
            "limits-device": plan.limits.device,
            "start_event": plan.limits.start_event,
            "end_events": ", ".join(plan.limits.end_events),
            **{f"limits-item_states-{place}": state for place, state in enumerate(plan.limits.item_states)},
        }
    typed |= {name: "yes" if getattr(plan, name) else "" for name in _SWITCHES}
    return typed | ({} if plan.economics is None else _typed_economics(plan.economics))


def read_plan_form(typed: Mapping[str, str], *, layout_of: AnalysisPlan | None = None) -> AnalysisPlan:
    """The plan that somebody has typed.

    Args:
        typed: the form.
        layout_of: the locked plan whose runs are laid out already; what they are laid out by comes from there.

    Raises:
        FormError: if something cannot be read.
        ValidationError: naming the field; see `wrong_place`.
    """
    document: dict[str, Any] = {
        "objective": plain_words(typed.get("objective", "")),
        "hypothesis": plain_words(typed.get("hypothesis", "")),
        "not_tested": [line.strip() for line in plain_words(typed.get("not_tested", "")).split("\n") if line.strip()],
        "kpis": _read_kpis(typed),
        "economics": _read_economics(typed),
        "expected": read_number(typed, "expected"),
        "alpha": _part(typed, "alpha", 2),
        "limits": _read_limits(typed),
        "stop": [_read_stop(typed, f"stop-{place}-") for place in rows_of(typed, "stop", "signal")],
        **{name: read_number(typed, name) for name in ("break_even", "longest_gap_s", "least_coverage_percent")},
        **{name: typed.get(name) == "yes" for name in _SWITCHES},
        **(_read_layout(typed) if layout_of is None else {name: getattr(layout_of, name) for name in LAYOUT}),
    }
    if document["economics"] is not None:
        document["break_even"] = None
    return AnalysisPlan.model_validate({name: value for name, value in document.items() if value is not None})


def rows_of(typed: Mapping[str, str], group: str, needed: str) -> list[int]:
    """Places of the rows of a group in which something stands; the others are left out."""
    places = {int(found[2]) for name in typed if (found := _PLACE.fullmatch(name)) and found[1] == group}
    return [place for place in sorted(places)[:MOST_ROWS] if one_line(typed.get(f"{group}-{place}-{needed}", ""))]


def is_layout(name: str) -> bool:
    """Whether a field of the form is one by which runs are laid out."""
    return name.partition("-")[0] in LAYOUT


def wrong_place(error: ValidationError) -> str:
    """What cannot be so, as people read it: `What is measured, row 2: please check “Unit” …`."""
    loc = error.errors()[0]["loc"]
    known = [part for part in loc if isinstance(part, str) and part in LABELS]
    field = _(LABELS[known[-1]]) if known else ""
    row = next((part for part in loc if isinstance(part, int)), None)
    if not field:
        return _("Please check this form: something in it is not possible.")
    if row is not None and known[0] in {"arms", "kpis", "factors", "stop"} and len(known) > 1:
        return _(
            "%(group)s, number %(number)s: please check “%(field)s”, this is missing or not possible.",
            group=_(LABELS[known[0]]), number=row + 1, field=field,
        )  # fmt: skip
    return _("Please check “%(field)s”, this is missing or not possible.", field=field)


def with_labels(message: str) -> str:
    """A refusal with the words of the form in place of the names that programs have for its fields."""
    return _FIELD_NAME.sub(lambda found: f"“{_(LABELS[found[0]])}”" if found[0] in LABELS else found[0], message)


def _row(group: str, place: int, **facts: str) -> dict[str, str]:
    return {f"{group}-{place}-{name}": value for name, value in facts.items()}


def _typed_kpi(place: int, kpi: Kpi) -> dict[str, str]:
    low, high = (None, None) if kpi.tolerance is None else (kpi.tolerance.low, kpi.tolerance.high)
    facts = _row(
        "kpis", place, key=kpi.key, label=kpi.label, unit=typed_unit(kpi.unit), kind=kpi.kind, direction=kpi.direction,
        role=kpi.role, margin=typed_number(kpi.margin), population=kpi.population, low=typed_number(low),
        high=typed_number(high),
    )  # fmt: skip
    return facts | typed_measure(kpi.measure, f"kpis-{place}-")


def _typed_stop(place: int, stop: StopCriterion) -> dict[str, str]:
    return _row(
        "stop", place, signal=f"{stop.signal.device}.{stop.signal.signal}", low=typed_number(stop.low),
        high=typed_number(stop.high), delay_s=typed_number(stop.delay_s), stops=", ".join(stop.stops),
    )  # fmt: skip


def _typed_economics(inputs: EconomicInputs) -> dict[str, str]:
    typed = {"economics": "yes", "currency": inputs.currency}
    for name in ESTIMATES:
        estimate: Estimate = getattr(inputs, name)
        typed |= {f"{name}-{edge}": _shifted(getattr(estimate, edge), _shift(name)) for edge in EDGES}
    return typed | {"run_cost_cents": _shifted(inputs.run_cost_cents, -2)}


def _shift(name: str) -> int:
    """By how many places a figure is shown otherwise than it is kept: cents as euros, shares as per cent."""
    return -2 if name.endswith("_cents") else 2 if name in {"discount_rate", "grant_share"} else 0


def _shifted(value: float | None, places: int) -> str:
    if value is None:
        return ""
    text = f"{Decimal(repr(value)).scaleb(places):f}"
    return number_text(text.rstrip("0").rstrip(".") if "." in text else text)


def _read_kpis(typed: Mapping[str, str]) -> list[dict[str, Any]]:
    places = rows_of(typed, "kpis", "label")
    keys = _names(typed, "kpis", "key", places)
    return [_read_kpi(typed, f"kpis-{place}-", key) for place, key in zip(places, keys, strict=True)]


def _read_kpi(typed: Mapping[str, str], prefix: str, key: str) -> dict[str, Any]:
    low, high = (read_number(typed, f"{prefix}{edge}") for edge in ("low", "high"))
    return {
        "key": key,
        "label": one_line(typed.get(f"{prefix}label", "")),
        "unit": read_unit(typed.get(f"{prefix}unit", ""), f"{prefix}unit"),
        "kind": typed.get(f"{prefix}kind") or "number",
        "direction": typed.get(f"{prefix}direction", ""),
        "role": typed.get(f"{prefix}role", ""),
        "margin": read_number(typed, f"{prefix}margin"),
        "population": typed.get(f"{prefix}population") or "finished",
        "tolerance": {"low": low, "high": high} if low or high else None,
        "measure": read_measure(typed, prefix),
    }


def _read_layout(typed: Mapping[str, str]) -> dict[str, Any]:
    """What the runs are laid out by (`LAYOUT`)."""
    arms, factors = rows_of(typed, "arms", "label"), rows_of(typed, "factors", "label")
    arm_names, factor_names = _names(typed, "arms", "name", arms), _names(typed, "factors", "name", factors, mark="_")
    design, blocks = typed.get("design", ""), _listed(typed, "blocks")
    return {
        "design": design,
        "runs_per_arm": read_number(typed, "runs_per_arm"),
        "blocks": [one if re.fullmatch("[a-z0-9][a-z0-9_-]{0,39}", one) else _plain_name(one) for one in blocks]
        or None,
        "generators": one_line(typed.get("generators", "")) or None,
        "order": _listed(typed, "order") or None,
        "seed": read_number(typed, "seed"),
        "arms": [
            {
                "name": name,
                "label": one_line(typed.get(f"arms-{place}-label", "")),
                "role": typed.get(f"arms-{place}-role", ""),
                "settings": read_settings(typed.get(f"arms-{place}-settings", ""), f"arms-{place}-settings"),
            }
            for place, name in zip(arms, arm_names, strict=True)
        ],
        "factors": [
            {
                "name": name,
                "label": one_line(typed.get(f"factors-{place}-label", "")),
                **{edge: read_setting(one_line(typed.get(f"factors-{place}-{edge}", ""))) for edge in ("low", "high")},
            }
            for place, name in zip(factors, factor_names, strict=True)
        ],
    }


def _read_limits(typed: Mapping[str, str]) -> dict[str, Any] | None:
    device = typed.get("limits-device", "")
    if not device:
        return None
    given = {"start_event": one_line(typed.get("start_event", "")), "end_events": _listed(typed, "end_events")}
    given["item_states"] = chosen(typed, "limits-", "item_states")
    return {"device": device, **{name: value for name, value in given.items() if value}}


def _read_stop(typed: Mapping[str, str], prefix: str) -> dict[str, Any]:
    device, _dot, signal = one_line(typed[f"{prefix}signal"]).partition(".")
    return {
        "signal": {"device": device, "signal": signal},
        "low": read_number(typed, f"{prefix}low"),
        "high": read_number(typed, f"{prefix}high"),
        "delay_s": read_number(typed, f"{prefix}delay_s") or "0",
        "stops": _listed(typed, f"{prefix}stops"),
    }


def _read_economics(typed: Mapping[str, str]) -> dict[str, Any] | None:
    if typed.get("economics") != "yes":
        return None
    estimates = {name: {edge: _part(typed, f"{name}-{edge}", _shift(name)) for edge in EDGES} for name in ESTIMATES}
    given = {
        "currency": one_line(typed.get("currency", "")) or None,
        "run_cost_cents": _part(typed, "run_cost_cents", -2),
        **{
            name: {edge: figure for edge, figure in estimate.items() if figure is not None} or None
            for name, estimate in estimates.items()
        },
    }
    return {name: figure for name, figure in given.items() if figure is not None}


def _part(typed: Mapping[str, str], name: str, places: int) -> str | None:
    """A figure that is shown by `places` otherwise than it is kept; what is no number stays, and is refused."""
    text = read_number(typed, name)
    if text is None or not re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", text):
        return text
    return f"{Decimal(text).scaleb(-places):f}"


def _listed(typed: Mapping[str, str], name: str) -> list[str]:
    return [part for part in (one_line(piece) for piece in typed.get(name, "").split(",")) if part]


def _names(typed: Mapping[str, str], group: str, field: str, places: list[int], *, mark: str = "-") -> list[str]:
    """For programs: as they were, those of new rows from what people call them, all different."""
    given = [one_line(typed.get(f"{group}-{place}-{field}", "")) for place in places]
    taken, names = set(given), []
    for place, name in zip(places, given, strict=True):
        made = name or next(
            free for free in _free(_plain_name(typed[f"{group}-{place}-label"], mark)) if free not in taken
        )
        taken.add(made)
        names.append(made)
    return names


def _free(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 10_000):
        yield f"{name[:34]}{number}"


def _plain_name(text: str, mark: str = "-") -> str:
    """`Zużycie energii` → `zuzycie-energii`."""
    ascii_only = unicodedata.normalize("NFKD", text.replace("ł", "l").replace("Ł", "L")).encode("ascii", "ignore")
    plain = re.sub(r"[^a-z0-9]+", mark, ascii_only.decode().lower()).strip(mark)[:40].strip(mark)
    return plain if plain[:1].isalpha() else f"n{mark}{plain}".rstrip(mark)
