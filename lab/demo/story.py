"""What both demonstrations have in common: from the question to the report, over HTTP."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lab.core.errors import ConflictError, UnavailableError
from lab.core.time import Span, in_zone
from lab.demo.client import ApiClient
from lab.demo.stage import Stage
from lab.people.principals import Role
from lab.pilots.plans import AnalysisPlan

_REPORT_PATIENCE_SECONDS = 120.0
_ARRIVAL_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Finished:
    """What a story leaves behind."""

    pilot: dict[str, Any]
    report: dict[str, Any]
    pdf: Path
    package: Path


class Narrator:
    """Tells people in the terminal what happens: one line a step, and a bar for what takes time."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def step(self, text: str) -> None:
        """A step that is done."""
        self.console.print(f"[green]✓[/green] {text}", soft_wrap=True)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[[str], None]]:
        """A progress bar; call the yielded function with a word about each part that is done."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[word]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(label, total=total, word="")
            yield lambda word: progress.update(task, advance=1, word=word)
        self.console.print(f"[green]✓[/green] {label}: {total} of {total}", soft_wrap=True)


def lab_time(stage: Stage, instant: datetime) -> str:
    """As the lab's wall clock shows it, with the zone named."""
    return f"{in_zone(instant, stage.settings.time_zone):%Y-%m-%d %H:%M} ({stage.settings.time_zone})"


def open_pilot(stage: Stage, narrator: Narrator, *, title: str, question: str, plan: AnalysisPlan) -> dict[str, Any]:
    """The company asks, writes the plan and locks it."""
    member = stage.client(Role.MEMBER)
    pilot: dict[str, Any] = member.post("/pilots", {"title": title, "question": question})
    narrator.step(f"Pilot {pilot['number']}: “{question}”")
    member.put(f"/pilots/{pilot['id']}/plan", plan.model_dump(mode="json"))
    locked = member.post(f"/pilots/{pilot['id']}/plan/lock")
    instant = lab_time(stage, datetime.fromisoformat(locked["locked_at"]))
    narrator.step(f"Plan locked {instant}, SHA-256 {locked['sha256'][:16]}…")
    return pilot


def book(stage: Stage, narrator: Narrator, pilot: dict[str, Any], devices: list[str], span: Span) -> dict[str, Any]:
    """The company books all the devices at once."""
    booking: dict[str, Any] = stage.client(Role.MEMBER).post(
        "/bookings",
        {
            "device_ids": devices,
            "start": span.start.isoformat(),
            "end": span.end.isoformat(),
            "title": pilot["title"],
            "pilot_id": pilot["id"],
        },
    )
    narrator.step(f"Slot on {' and '.join(devices)} booked as one: {lab_time(stage, span.start)}, for {span.length}")
    return booking


def start_run(stage: Stage, pilot: dict[str, Any], number: int, booking: dict[str, Any]) -> None:
    """The engineer says that a run starts."""
    _repeatable(
        lambda: stage.client(Role.ENGINEER).post(
            f"/pilots/{pilot['id']}/runs/{number}/start", {"booking_id": booking["id"]}
        )
    )


def stop_run(stage: Stage, pilot: dict[str, Any], number: int, done: dict[str, Any]) -> None:
    """The engineer says what came of a run; the product checks that every message has arrived.

    Raises:
        UnavailableError: if messages are still missing after a minute.
    """
    engineer = stage.client(Role.ENGINEER)
    deadline = time.monotonic() + _ARRIVAL_PATIENCE_SECONDS
    sent = {
        device: {"boot": facts["boot"], "first_seq": facts["first_seq"], "last_seq": facts["last_seq"]}
        for device, facts in done["devices"].items()
    }
    while True:
        arrived = [engineer.get(f"/devices/{device}/completeness", **claim) for device, claim in sent.items()]
        if all(answer["complete"] for answer in arrived):
            break
        if time.monotonic() > deadline:
            raise UnavailableError(f"run {number}: messages are missing: {arrived}")
        time.sleep(0.1)
    _repeatable(
        lambda: engineer.post(
            f"/pilots/{pilot['id']}/runs/{number}/stop", {"result": done["result"], "completeness": sent}
        )
    )


def report(
    stage: Stage,
    narrator: Narrator,
    pilot: dict[str, Any],
    booking: dict[str, Any],
    output: Path,
    said: dict[str, Any] | None = None,
) -> Finished:
    """Finish the slot, seal the data, let the report be made, say in it what people say, and fetch it."""
    engineer, member = stage.client(Role.ENGINEER), stage.client(Role.MEMBER)
    _repeatable(lambda: engineer.post(f"/bookings/{booking['id']}/finish"))
    engineer.post(f"/pilots/{pilot['id']}/seal")
    deadline = time.monotonic() + _REPORT_PATIENCE_SECONDS
    drafted = _wait_for_report(member, pilot, deadline, lambda report: report["is_written"])
    narrator.step("Data sealed, comparison computed, report and data package drafted")
    if said is not None:
        _repeatable(lambda: engineer.put(f"/reports/{drafted['id']}/statement", said))
        _wait_for_report(member, pilot, deadline, lambda report: report["revision"] > 1 and report["is_written"])
    made = _approve(stage, member, pilot, drafted, deadline)
    output.mkdir(parents=True, exist_ok=True)
    pdf, package = output / "report.pdf", output / f"{made['number']}-package.zip"
    pdf.write_bytes(member.download(f"/reports/{made['id']}/report.pdf"))
    package.write_bytes(member.download(f"/reports/{made['id']}/package.zip"))
    narrator.step("Report reviewed by the engineer and approved by the manager")
    return Finished(pilot, member.get(f"/reports/{made['id']}"), pdf, package)


def _approve(
    stage: Stage, member: ApiClient, pilot: dict[str, Any], drafted: dict[str, Any], deadline: float
) -> dict[str, Any]:
    """Two people stand for the report: one reviews, another one approves."""
    address = f"/reports/{drafted['id']}"
    _repeatable(lambda: stage.client(Role.ENGINEER).post(f"{address}/review"))
    _wait_for_report(member, pilot, deadline, lambda report: report["status"] != "draft" and report["is_written"])
    _repeatable(lambda: stage.client(Role.MANAGER).post(f"{address}/approve"))
    return _wait_for_report(
        member, pilot, deadline, lambda report: report["status"] == "approved" and report["is_written"]
    )


def _wait_for_report(
    member: ApiClient, pilot: dict[str, Any], deadline: float, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    while True:
        found = member.get("/reports", pilot_id=pilot["id"])
        if found and wanted(found[0]):
            newest: dict[str, Any] = found[0]
            return newest
        if time.monotonic() > deadline:
            raise UnavailableError("the report was not made; the reason is in the product's log")
        time.sleep(0.1)


def _repeatable(call: Callable[[], Any]) -> None:
    """A change whose answer may get lost when the product restarts: its own effect is no failure."""
    try:
        call()
    except ConflictError:
        return
