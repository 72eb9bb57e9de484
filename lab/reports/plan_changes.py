"""What a later version of the locked plan changed, in words: the report prints it as deviations from the plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.pilots.economics.inputs import ESTIMATES, EconomicInputs
from lab.pilots.plans import AmendedPlan, AnalysisPlan, Kpi, Prose, RunLimits, StopCriterion, canonical_json
from lab.pilots.units import unit_label
from lab.reports.economics.writing import write_figure
from lab.reports.kpi_words import criterion_text, definition_text, written_amount
from lab.reports.language import present_language
from lab.reports.language import say as _
from lab.reports.numbers import format_number, format_quantity
from lab.reports.results import Economics, FormerVersion, PlanChange
from lab.reports.sealed import SealedRun
from lab.reports.sealing import SealedData
from lab.reports.words import Words, words_of
from lab.reports.writing import write_time_of_zone


@dataclass(frozen=True, slots=True)
class _Fact:
    """One thing that a plan says."""

    what: str
    value: Any
    """As JSON; two plans say the same if it is equal."""
    text: str
    criterion: bool = True
    """Whether what is found, or how it is judged, depends on it."""


def former_versions(data: SealedData) -> tuple[FormerVersion, ...]:
    """The earlier versions of the plan, the first one first."""
    return tuple(FormerVersion.model_validate(one.facts.model_dump()) for one in data.former)


def plan_changes(data: SealedData) -> tuple[PlanChange, ...]:
    """Everything that later versions of the plan changed, in the order of the versions."""
    pilot = data.pilot
    later = [(one.facts.version, one.facts.locked_at, one.facts.locked_by, one.plan) for one in data.former[1:]]
    later.append((pilot.plan_version, pilot.plan_locked_at, pilot.plan_locked_by, data.plan))
    found: list[PlanChange] = []
    for former, (version, at, by, plan) in zip(data.former, later, strict=False):
        made = _runs_before(data.runs, at)
        reason = plan.amends.reason if isinstance(plan, AmendedPlan) else ""
        when = _when(made)
        for what, before, after, criterion in changes_between(former.plan, plan):
            sentence = _(
                "On {time} {who} changed {what} from {before} to {after}, {when}: {reason}",
                time=write_time_of_zone(at, pilot.time_zone), who=by, what=what, before=before, after=after, when=when,
                reason=reason,
            )  # fmt: skip
            found.append(
                PlanChange(
                    version=version, at=at, by=by, what=what, before=before, after=after, criterion=criterion,
                    runs_made=made, reason=reason, sentence=sentence,
                )
            )  # fmt: skip
    return tuple(found)


def changed_after_runs(changes: Sequence[PlanChange]) -> str | None:
    """What every reader must be told first: a criterion was changed after runs had been seen; `None`: none was."""
    seen = [change.runs_made for change in changes if change.criterion and change.runs_made]
    if not seen:
        return None
    return _(
        "The criteria were changed {when}, when results could be seen already. Read the answer with that in mind; what "
        "was changed, when, by whom and why stands under the deviations from the plan.",
        when=_when(max(seen)),
    )


def changes_between(former: AnalysisPlan, later: AnalysisPlan) -> list[tuple[str, str, str, bool]]:
    """What differs: what it is, how it was, how it is now, and whether it is a criterion."""
    shared = {kpi.key for kpi in former.kpis} & {kpi.key for kpi in later.kpis}
    before, after = (_facts(plan, shared) for plan in (former, later))
    absent = _Fact("", None, _("nothing"))
    found = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, absent), after.get(key, absent)
        if old.value != new.value:
            texts = old.text, new.text
            if old.text == new.text:  # the difference is smaller than what is usually printed
                texts = canonical_json(old.value).decode(), canonical_json(new.value).decode()
            found.append((old.what or new.what, *texts, old.criterion and new.criterion))
    return found


def told_facts(plan: AnalysisPlan) -> list[tuple[str, str]]:
    """What a plan says beside its layout, its KPIs and the company's figures: what it is, and how it is."""
    return [(fact.what, fact.text) for fact in _general(plan, words_of(present_language())).values()]


def _runs_before(runs: Sequence[SealedRun], at: datetime) -> int:
    return sum(run.started_at is not None and run.started_at < at for run in runs)


def _when(runs_made: int) -> str:
    if runs_made == 0:
        return _("before the first run")
    if runs_made == 1:
        return _("after one run had been made")
    return _("after {n} runs had been made", n=runs_made)


def _facts(plan: AnalysisPlan, shared: set[str]) -> dict[str, _Fact]:
    """Everything that a plan says, but for the layout of its runs, by a key of its own."""
    words = words_of(present_language())
    found = _general(plan, words)
    for kpi in plan.kpis:
        found |= _of_kpi(plan, kpi, words) if kpi.key in shared else _whole_kpi(plan, kpi)
    return found | (_of_economics(plan, plan.economics, words) if plan.economics is not None else {})


def _general(plan: AnalysisPlan, words: Words) -> dict[str, _Fact]:
    primary = plan.primary
    level = format_quantity(100 * (1 - plan.alpha), "%")
    limits = plan.limits
    bounds = words["none"] if limits is None else f"{_bounds(limits)} ({limits.device})"
    stops = "; ".join(_stop(one) for one in plan.stop)
    return {
        "objective": _Fact(_("the objective"), plan.objective, _quoted(plan.objective), criterion=False),
        "hypothesis": _Fact(_("the hypothesis"), plan.hypothesis, _quoted(plan.hypothesis), criterion=False),
        "primary": _Fact(_("the primary KPI"), primary.key, _quoted(primary.label)),
        "break_even": _Fact(_("break-even"), [plan.break_even, primary.unit], written_amount(plan.break_even, primary)),
        "expected": _Fact(
            _("the effect that is hoped for"), [plan.expected, primary.unit], written_amount(plan.expected, primary)
        ),
        "alpha": _Fact(_("the confidence level"), plan.alpha, level),
        "limits": _Fact(
            _("the events or states that limit a run"),
            None if limits is None else limits.model_dump(mode="json"),
            bounds,
        ),
        "finished_only": _yes_or_no(_("whether unfinished parts are left out"), words, said=plan.finished_only),
        "longest_gap_s": _Fact(
            _("the longest silence that is bridged"), plan.longest_gap_s, format_quantity(plan.longest_gap_s, "s")
        ),
        "least_coverage_percent": _Fact(
            _("the least coverage of a run"),
            plan.least_coverage_percent,
            format_quantity(plan.least_coverage_percent, "%"),
        ),
        "written_after_data": _yes_or_no(
            _("whether the criteria were written after the data"), words, said=plan.written_after_data
        ),
        "demonstration_only": _yes_or_no(_("whether it is a demonstration only"), words, said=plan.demonstration_only),
        "not_tested": _Fact(
            _("what is not tested"), list(plan.not_tested), _quoted_all(plan.not_tested, words), criterion=False
        ),
        "stop": _Fact(
            _("the stop criteria"),
            [one.model_dump(mode="json") for one in plan.stop],
            stops or words["none"],
            criterion=False,
        ),
    }


def _whole_kpi(plan: AnalysisPlan, kpi: Kpi) -> dict[str, _Fact]:
    """A KPI that only one of the two plans has."""
    said = f"{definition_text(plan, kpi)} {criterion_text(plan, kpi)}"
    return {f"kpi.{kpi.key}": _Fact(_("the KPI “{label}”", label=kpi.label), kpi.model_dump(mode="json"), said)}


def _of_kpi(plan: AnalysisPlan, kpi: Kpi, words: Words) -> dict[str, _Fact]:
    label = kpi.label
    tolerance, unit = kpi.tolerance, unit_label(kpi.unit)
    measured = [kpi.measure.model_dump(mode="json"), kpi.population]
    kinds = {"number": _("a number"), "proportion": _("yes or no")}
    found = {
        "label": _Fact(_("the name of “{label}”", label=label), label, _quoted(label), criterion=False),
        "unit": _Fact(_("the unit of “{label}”", label=label), kpi.unit, unit or kpi.unit),
        "kind": _Fact(_("the kind of “{label}”", label=label), kpi.kind, kinds[kpi.kind]),
        "direction": _Fact(_("the direction of “{label}”", label=label), kpi.direction, written_direction(kpi)),
        "role": _Fact(_("the role of “{label}”", label=label), kpi.role, words[f"role_{kpi.role}"]),
        "margin": _Fact(
            _("the margin of “{label}”", label=label),
            kpi.margin,
            words["none"] if kpi.margin is None else written_amount(kpi.margin, kpi),
        ),
        "measure": _Fact(_("the measurement of “{label}”", label=label), measured, definition_text(plan, kpi)),
        "tolerance": _Fact(
            _("the tolerance of “{label}”", label=label),
            None if tolerance is None else tolerance.model_dump(mode="json"),
            words["none"] if tolerance is None else written_span(tolerance.low, tolerance.high, unit),
            criterion=False,
        ),
    }
    return {f"kpi.{kpi.key}.{name}": fact for name, fact in found.items()}


def _of_economics(plan: AnalysisPlan, inputs: EconomicInputs, words: Words) -> dict[str, _Fact]:
    """The company's own figures; what they change of the criteria is break-even, which stands for itself."""
    unit = unit_label(plan.primary.unit) or ""
    unit = words["percentage_points"] if plan.primary.kind == "proportion" else unit
    money = Economics(
        break_even=plan.break_even, expected=plan.expected, unit=unit, sentence="", currency=inputs.currency
    )
    found = {"currency": _Fact(_("the currency"), inputs.currency, inputs.currency, criterion=False)}
    for name in ESTIMATES:
        estimate = getattr(inputs, name)
        figures = [estimate.likely] if estimate.is_certain else [estimate.lowest, estimate.likely, estimate.highest]
        found[name] = _Fact(
            _("the company's figure “{name}”", name=words[f"input_{name}"]),
            [inputs.currency, *figures],
            " / ".join(write_figure(name, figure, money, words) for figure in figures),
            criterion=False,
        )
    cost = inputs.run_cost_cents
    found["run_cost_cents"] = _Fact(
        _("what one more run costs"),
        cost,
        words["none"] if cost is None else write_figure("run_cost_cents", cost, money, words),
        criterion=False,
    )
    return {f"economics.{name}": fact for name, fact in found.items()}


def written_direction(kpi: Kpi) -> str:
    """Which way is better."""
    return {"lower": _("lower is better"), "higher": _("higher is better")}[kpi.direction]


def _bounds(limits: RunLimits) -> str:
    if limits.item_states:
        return " / ".join(limits.item_states)
    return f"{limits.start_event} … {' / '.join(limits.end_events)}"


def _stop(criterion: StopCriterion) -> str:
    place = _("{signal} of {device}", signal=criterion.signal.signal, device=criterion.signal.device)
    allowed = written_span(criterion.low, criterion.high, "")
    return f"{place}: {allowed} ({format_quantity(criterion.delay_s, 's')}; {', '.join(criterion.devices)})"


def written_span(low: float | None, high: float | None, unit: str) -> str:
    """From a lower to an upper limit, of which one may be missing."""
    first = "…" if low is None else format_number(low)
    last = "…" if high is None else format_quantity(high, unit)
    return _("{low} to {high}", low=first, high=last)


def _yes_or_no(what: str, words: Words, *, said: bool) -> _Fact:
    return _Fact(what, said, words["yes"] if said else words["no"])


def _quoted(text: Prose) -> str:
    return _("“{text}”", text=text)


def _quoted_all(texts: Sequence[str], words: Words) -> str:
    return "; ".join(_quoted(text) for text in texts) or words["none"]
