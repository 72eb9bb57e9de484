"""Results to lay out: a made-up pilot, sealed and computed for real, and what may go wrong with one."""

import functools
import json
import tempfile
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from lab.pilots.economics.inputs import EconomicInputs, Estimate
from lab.pilots.economics.rules import computed_break_even
from lab.pilots.examples import demo_economics, demo_plan
from lab.pilots.plans import AnalysisPlan, DurationOfRun, IndicatorOfMachine, Kpi, Tolerance
from lab.reports.assembly import compute_results
from lab.reports.issue import (
    Change,
    Maturity,
    NextStep,
    Readiness,
    ReportIssue,
    Risk,
    Signature,
    Statement,
)
from lab.reports.results import Results
from lab.reports.sealed import SealedBooking, SealedEvent, SealedMessages, SealedRun
from tests.factories import MONDAY_MORNING
from tests.unit.reports.sealed_examples import constant_power, machine_event, sealed_device, sealed_run, write_pilot

ARMS = ("standard", "fast", "fast", "standard", "standard", "standard", "fast", "fast", "standard", "standard", "fast")
LEVELS_KW = {"standard": 5.0, "fast": 5.4}
SECONDS = {"standard": 300.0, "fast": 210.0}


BREAK_EVEN_KWH = 0.02
SLOT = SealedBooking(
    id="bkg_1",
    start=MONDAY_MORNING,
    end=MONDAY_MORNING + timedelta(hours=4),
    market_value_cents=84_000,
    price_cents=25_200,
    support_cents=47_040,
    programme="Test before invest",
    legal_basis="de-minimis",
    state_share_per_mille=800,
)


def example_economics() -> EconomicInputs:
    """The demonstration's, with a price of energy at which 0.02 kWh a part just pays."""
    economics = demo_economics()
    fair = economics.unit_value_cents.likely * computed_break_even(economics) / BREAK_EVEN_KWH
    return economics.model_copy(update={"unit_value_cents": Estimate(low=18.0, likely=fair, high=30.0)})


def example_plan() -> AnalysisPlan:
    """The demonstration's, with the run time taken from start and stop."""
    plan = demo_plan(economics=example_economics()).model_copy(update={"break_even": BREAK_EVEN_KWH})
    kpis = tuple(
        kpi.model_copy(update={"measure": DurationOfRun()}) if kpi.key == "run_time" else kpi for kpi in plan.kpis
    )
    return plan.model_copy(update={"kpis": kpis})


def seal_example(
    folder: Path,
    *,
    arms: tuple[str, ...] = ARMS,
    plan: AnalysisPlan | None = None,
    events_of: Callable[[SealedRun], list[SealedEvent]] = lambda _: [],
    **facts: Any,
) -> str:
    """Seal a pilot of the demonstration's plan; the seventh part is unfinished. Gives the manifest's SHA-256."""
    runs: list[SealedRun] = []
    for number, arm in enumerate(arms, start=1):
        result = {"finished": number != 7, "roughness_um": 1.2 + 0.1 * (arm == "fast") + 0.01 * (number % 4)}
        messages = SealedMessages(
            device="meter-1", boot="b1", first_seq=1, last_seq=9, expected=9, received=8, missing=((4, 4),)
        )
        runs.append(sealed_run(number, arm, seconds=SECONDS[arm] + number % 3, result=result, messages=(messages,)))

    def samples_of(run: SealedRun) -> Iterable[pa.Table]:
        yield constant_power(run, LEVELS_KW[run.arm] + 0.02 * (run.number % 5))

    plan = plan or example_plan()
    devices = [sealed_device("meter-1", {"active_power_kw": "kW"}), sealed_device("mill-1", {"feed_mm_s": "mm/s"})]
    events = [event for run in runs for event in events_of(run)]
    return write_pilot(folder, plan, runs, devices, samples_of, events, **{"bookings": (SLOT,), **facts})


def process_plan() -> AnalysisPlan:
    """The example's, with a tolerance of the roughness and the OEE of the mill."""
    plan = example_plan()
    rough = plan.kpis[2].model_copy(update={"tolerance": Tolerance(high=1.6)})
    oee = Kpi(
        key="efficiency",
        label="OEE of the mill",
        unit="1",
        direction="higher",
        role="secondary",
        measure=IndicatorOfMachine(indicator="oee", device="mill-1", planned_s_per_item=180),
    )
    return plan.model_copy(update={"kpis": (*plan.kpis[:2], rough, oee)})


def process_events(run: SealedRun) -> list[SealedEvent]:
    """Set-up for 10 s, then a part; the third run has a failure of 30 s."""
    told = [
        machine_event(run, "mill-1", -1, "state", item_state="NotExecuting", mode="Setup"),
        machine_event(run, "mill-1", 10, "state", item_state="Executing", mode="Processing"),
        machine_event(run, "mill-1", 205, "part_finished", result="good"),
    ]
    if run.number == 3:
        told += [
            machine_event(run, "mill-1", 100, "state", item_state="OutOfService", mode="Processing"),
            machine_event(run, "mill-1", 130, "state", item_state="Executing", mode="Processing"),
        ]
    return told


@functools.cache
def _process_json() -> str:
    with tempfile.TemporaryDirectory() as folder:
        plan = process_plan().model_copy(update={"limits": None})
        seal_example(Path(folder) / "sealed", plan=plan, arms=(*ARMS, "fast"), events_of=process_events)
        return compute_results(Path(folder) / "sealed").model_dump_json()


def with_process() -> Results:
    """The made-up pilot with a tolerance, states of the machine and an OEE."""
    return Results.model_validate_json(_process_json())


@functools.cache
def _example_json() -> str:
    with tempfile.TemporaryDirectory() as folder:
        seal_example(Path(folder) / "sealed")
        return compute_results(Path(folder) / "sealed").model_dump_json()


def example_document() -> dict[str, Any]:
    """The result object as JSON, to be changed at will."""
    document: dict[str, Any] = json.loads(_example_json())
    return document


def example_results() -> Results:
    """The result object of the made-up pilot."""
    return Results.model_validate_json(_example_json())


def without_inference() -> Results:
    """As with two runs: no interval anywhere."""
    document = example_document()
    for kpi in document["kpis"]:
        kpi["comparison"], kpi["no_inference"] = None, "two runs only"
        for arm in kpi["arms"]:
            arm.update(n=1, sd=None, low=None, high=None)
        if kpi["criterion"] is not None:
            kpi["criterion"].update(met=None, decision="no inference")
    for guard in document["guards"]:
        guard.update(worsening=None, interval=None, status="undecided")
    return Results.model_validate(document)


def said(text: str | None = None) -> ReportIssue:
    """A second version in which people have said everything that they can; `text`: and always this."""

    def say(usual: str) -> str:
        return usual if text is None else text

    scores = {"strategy": 40.0, "readiness": 35.5, "people": 50.0, "data": 30.0, "automation": 10.0, "green": 20.0}
    statement = Statement(
        authors=(say("Piotr Zieliński"), say("Maria Lis")),
        funding_notice=say("Co-financed by the European Union."),
        readiness=Readiness(before=4, after=6, reason=say("It ran on real parts for a day.")),
        maturity=(
            Maturity(stage="T0", assessed_on=date(2026, 5, 4), **scores),
            Maturity(stage="T1", assessed_on=date(2026, 11, 2), **{**scores, "data": 42.0}),
        ),
        risks=(
            Risk(text=say("The chuck wears faster."), likelihood="medium", impact="low"),
            Risk(
                text=say("The spindle of the own mill is weaker."),
                likelihood="high",
                impact="high",
                answer=say("Try one batch before the purchase."),
            ),
        ),
        transfer=say("The own mill has a weaker spindle and cuts other steel."),
        recommendation=say("Begin with one machine."),
        next_steps=(
            NextStep(text=say("Ask for an offer."), owner=say("Anna Kowalska"), due=date(2026, 12, 11)),
            NextStep(text=say("Train two operators."), owner=say("Jan Nowak")),
        ),
        funding=(say("Regional programme FESL 10.3"),),
    )
    signed = Signature(name=say("Ewa Maj"), role="Lab engineer", at=MONDAY_MORNING + timedelta(days=1))
    return ReportIssue(
        version=2,
        status="reviewed",
        statement=statement,
        reviewed=signed,
        replaces="PL-2026-001-R1",
        changes=(Change(version=2, at=MONDAY_MORNING, by=say("Ewa Maj"), reason=say("A name was misspelt.")),),
    )


def in_polish(issue: ReportIssue) -> ReportIssue:
    """The same issue, to be written in Polish."""
    return issue.model_copy(update={"statement": issue.statement.model_copy(update={"language": "pl"})})


@functools.cache
def _said_json(language: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        seal_example(Path(folder) / "sealed")
        issue = said() if language == "en" else in_polish(said())
        return compute_results(Path(folder) / "sealed", issue=issue).model_dump_json()


def with_statement() -> Results:
    """The made-up pilot with all that people can say."""
    return Results.model_validate_json(_said_json("en"))


def polish() -> Results:
    """The same in Polish."""
    return Results.model_validate_json(_said_json("pl"))


def with_texts(text: str) -> Results:
    """Everything that a person can type is `text`."""
    document = example_document()
    if (
        text.strip() and len(text) <= 200 and not any(ord(letter) < 32 for letter in text)
    ):  # others are refused where people type
        document["issue"] = said(text).model_dump(mode="json")
    identity = document["identification"]
    identity.update(pilot_title=text, customer=text, lab_name=text)
    document.update(question=text, answer=text, risks=[text], not_tested=[text], next_step=text)
    document["plan"].update(objective=text, hypothesis=text, locked_by=text)
    for part in (
        *document["arms"],
        *document["kpis"],
        *(signal for device in document["devices"] for signal in device["signals"]),
    ):
        part["label"] = text
    for device in document["devices"]:
        device.update(name=text, location=text, kind=text)
    document["quality"][0]["excluded"] = text
    return Results.model_validate(document)


def with_many(runs: int, kpis: int) -> Results:
    """The same over and over: as many runs and KPIs as asked for."""
    document = example_document()
    first = document["kpis"][1]
    document["kpis"] += [
        {**first, "key": f"extra_{n}", "label": f"Extra number {n}"} for n in range(len(document["kpis"]), kpis)
    ]
    for kpi in document["kpis"]:
        kpi["runs"] = [{**kpi["runs"][n % 11], "run": n + 1, "executed_order": n + 1} for n in range(runs)]
    document["quality"] = [{**document["quality"][n % 11], "run": n + 1, "executed_order": n + 1} for n in range(runs)]
    order = [{**document["method"]["planned_order"][n % 11], "run": n + 1} for n in range(runs)]
    document["method"].update(planned_order=order, executed_order=order)
    return Results.model_validate(document)


def with_constant_runs() -> Results:
    """Every run gave the same number, so that the interval has no width."""
    document = example_document()
    for kpi in document["kpis"]:
        for run in kpi["runs"]:
            run["value"] = 1.0
        if kpi["comparison"] is not None:
            zero = {"low": 0.0, "high": 0.0}
            kpi["comparison"].update(difference=0.0, interval=zero, improvement=0.0, improvement_interval=zero)
            kpi["comparison"].update(percent=None, interval_percent=None)
    return Results.model_validate(document)


def without_figures() -> Results:
    """The plan has no figures of the company, the sealed data no prices."""
    plan = example_plan().model_copy(update={"economics": None})
    with tempfile.TemporaryDirectory() as folder:
        seal_example(Path(folder) / "sealed", plan=plan, bookings=None)
        return compute_results(Path(folder) / "sealed")


def with_one_arm_excluded() -> Results:
    """No run of the treatment counts."""
    document = json.loads(without_inference().model_dump_json())
    for kpi in document["kpis"]:
        for run in kpi["runs"]:
            if run["arm"] == "fast":
                run["excluded"] = "tool broke"
        for arm in kpi["arms"]:
            if arm["role"] == "treatment":
                arm.update(n=0, mean=None, sd=None, low=None, high=None)
    return Results.model_validate(document)


AWKWARD = {
    "as it was": example_results,
    "all said": with_statement,
    "polish": polish,
    "no inference": without_inference,
    "constant": with_constant_runs,
    "one arm excluded": with_one_arm_excluded,
    "no figures": without_figures,
    "process": with_process,
    "many": lambda: with_many(60, 12),
}
