"""How much runs made in the same way differed in a company's own earlier trials, and how sure that is.

From the sealed runs of its reports: what is left of them within their arms, and within their blocks too where the runs
to come are compared within blocks. The degrees of freedom are counted, so that few runs are not taken for many. What
another company's runs differ by is that company's (decision 26).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from lab.core.time import in_zone
from lab.pilots.designs import PERIOD
from lab.pilots.plans import (
    AnalysisPlan,
    CountOfEvents,
    Design,
    EventValue,
    IndicatorOfMachine,
    SignalAtEvent,
    TimeInState,
    basic_measures,
    signals_of,
)
from lab.pilots.units import unit_label
from lab.reports import repository

ASSURANCE = 0.8
"""Runs are counted with the spread that the true one does not exceed with this certainty (Browne 1995, Statistics in
Medicine 14, 1933-1940): with the estimate itself a trial would too often be too small."""
_COMPARED = frozenset({"baseline", "treatment"})
_WITHIN_BLOCKS: frozenset[Design] = frozenset({"blocked", "abba", "crossover"})

ReportResults = Mapping[str, Any]
"""`lab.reports.results.Results` as JSON."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An earlier trial that tells how runs differ."""

    pilot: str
    """Its number."""
    day: date | None
    """On which its first run was made, in the lab's time zone."""
    runs: int
    """That counted."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What runs made in the same way differ by."""

    sd: float
    """Standard deviation, > 0, in the KPI's unit."""
    freedom: int | None = None
    """Degrees of freedom that it rests on; `None`: taken as exact."""
    runs: int | None = None
    """From so many runs; `None`: nobody said."""
    trials: tuple[Trial, ...] = ()
    """The newest first; none: it was given."""

    @property
    def reckoned(self) -> float:
        """The spread to count runs with: the upper end of what few runs leave open, else `sd` itself."""
        return self.sd if self.freedom is None else upper_spread(self.sd, self.freedom)


@dataclass(frozen=True, slots=True)
class KnownSpread:
    """The spread of one KPI, as a company's earlier trials tell it."""

    label: str
    """Of the KPI, as it was called last."""
    machines: tuple[str, ...]
    spread: Spread


def spread_of_plan(session: Session, organisation_id: str, plan: AnalysisPlan) -> Spread | None:
    """The spread of a plan's primary KPI, from the company's own runs of it on the same machines.

    Args:
        session: to read with.
        organisation_id: the company whose pilot it is.
        plan: as it is written now.

    Returns:
        `None`: no earlier trial tells.
    """
    primary = plan.primary
    wanted = (primary.key, unit_label(primary.unit), primary.kind)
    machines = _machines_of(plan)

    def same(results: ReportResults, kpi: Mapping[str, Any]) -> bool:
        there = {device["id"] for device in results.get("devices", ())}
        return (kpi["key"], kpi["unit"], kpi["kind"]) == wanted and machines <= there

    found = _seen(session, organisation_id, same)
    return _pooled(found, within_blocks=plan.design in _WITHIN_BLOCKS)


def spreads_in_unit(session: Session, organisation_id: str, unit: str) -> list[KnownSpread]:
    """What the company's own runs differed by in every KPI of a unit, by machines; the KPI measured last first.

    Args:
        session: to read with.
        organisation_id: the company.
        unit: UCUM code.
    """
    label = unit_label(unit)
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[ReportResults, Mapping[str, Any]]]] = {}
    for results, kpi in _seen(session, organisation_id, lambda _, kpi: kpi["unit"] == label):
        machines = tuple(device["id"] for device in results.get("devices", ()))
        groups.setdefault((kpi["key"], machines), []).append((results, kpi))
    found = []
    for group in groups.values():
        spread = _pooled(group, within_blocks=False)
        if spread is not None:
            results, kpi = group[0]
            names = tuple(device["name"] for device in results.get("devices", ()))
            found.append(KnownSpread(kpi["label"], names, spread))
    return found


def residual_spread(runs: Sequence[Mapping[str, Any]], *, within_blocks: bool) -> tuple[int, float]:
    """Degrees of freedom and sum of squares of what arms, factors and, if asked, blocks and periods do not explain.

    Args:
        runs: with `value`, `arm`, `block` and `levels`, as `lab.reports.results.RunValue`.
        within_blocks: whether the runs to come are compared within blocks.
    """
    values = np.array([run["value"] for run in runs], dtype=np.float64)
    if values.size == 0:
        return 0, 0.0
    names = {name for run in runs for name in run["levels"] if within_blocks or name != PERIOD}
    columns = [_shares([run["arm"] for run in runs])]
    columns += [_shares([run["levels"].get(name) for run in runs]) for name in sorted(names)]
    columns += [_shares([run["block"] for run in runs])] if within_blocks else []
    fitted = np.hstack(columns)
    effects, _, rank, _ = np.linalg.lstsq(fitted, values, rcond=None)
    return values.size - int(rank), float(np.sum((values - fitted @ effects) ** 2))


def upper_spread(sd: float, freedom: int, *, assurance: float = ASSURANCE) -> float:
    """The standard deviation that the true one does not exceed with this certainty, for normal runs.

    Args:
        sd: as estimated, > 0.
        freedom: degrees of freedom of the estimate, ≥ 1.
        assurance: certainty, one-sided.
    """
    from scipy import stats  # here: it takes a second to import

    return sd * math.sqrt(freedom / float(stats.chi2.ppf(1 - assurance, freedom)))


def _machines_of(plan: AnalysisPlan) -> set[str]:
    """Machines that the primary KPI is measured on; those of the whole plan, where it is typed in."""
    spoken: set[str] = set()
    for measure in basic_measures(plan.primary.measure):
        spoken.update(device for device, _ in signals_of(measure))
        if isinstance(measure, (EventValue, SignalAtEvent, TimeInState, CountOfEvents, IndicatorOfMachine)):
            spoken.add(measure.device)
    return spoken or plan.devices()


def _seen(
    session: Session, organisation_id: str, wanted: Callable[[ReportResults, Mapping[str, Any]], bool]
) -> list[tuple[ReportResults, Mapping[str, Any]]]:
    """(report, KPI) of every pilot's newest report, the newest first; of KPIs that are numbers."""
    return [
        (results, kpi)
        for results in _newest(session, organisation_id)
        for kpi in results.get("kpis", ())
        if kpi["kind"] == "number" and wanted(results, kpi)
    ]


def _newest(session: Session, organisation_id: str) -> Iterator[ReportResults]:
    pilots = set()
    for report in repository.list_reports(session, organisation_id=organisation_id, pilot_id=None):
        if report.pilot_id not in pilots:
            pilots.add(report.pilot_id)
            yield report.results


def _pooled(seen: Sequence[tuple[ReportResults, Mapping[str, Any]]], *, within_blocks: bool) -> Spread | None:
    freedom, squares, trials = 0, 0.0, []
    for results, kpi in seen:
        compared = {arm["arm"] for arm in kpi["arms"] if arm["role"] in _COMPARED}
        runs = [
            run
            for run in kpi["runs"]
            if run["arm"] in compared and run["excluded"] is None and run["value"] is not None
        ]
        df, ss = residual_spread(runs, within_blocks=within_blocks)
        if df > 0:
            freedom, squares = freedom + df, squares + ss
            trials.append(Trial(results["identification"]["pilot_number"], _day_of(results), len(runs)))
    if not freedom or not squares:
        return None
    return Spread(
        math.sqrt(squares / freedom), freedom=freedom, runs=sum(trial.runs for trial in trials), trials=tuple(trials)
    )


def _day_of(results: ReportResults) -> date | None:
    said = results["identification"]
    if not said.get("data_from"):
        return None
    return in_zone(datetime.fromisoformat(said["data_from"]), said["time_zone"]).date()


def _shares(names: Sequence[object]) -> np.ndarray:
    """(n, k): one column for each name, 1 where it stands."""
    kinds = list(dict.fromkeys(names))
    return np.array([[float(name == kind) for kind in kinds] for name in names])
