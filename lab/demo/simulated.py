"""The pilot on simulated machines: does a faster feed save energy and time without hurting quality?"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lab.core.settings import Settings
from lab.core.time import from_nanoseconds
from lab.demo.calendar import at, last_working_day, slot
from lab.demo.machines import Machines
from lab.demo.stage import Stage
from lab.demo.statement import statement
from lab.demo.story import Finished, Narrator, book, open_pilot, report, start_run, stop_run
from lab.people.principals import Role
from lab.pilots.examples import QUESTION, demo_economics, demo_plan

SLOT = timedelta(hours=4)
DEVICES = ["mill-1", "meter-1"]
BYSTANDERS = ["robot-1", "conveyor-1", "printer-1"]
DEVICE = "mill-1"
"""Whose live page is shown at the end."""
EXPECTED_KWH = 0.035


def first_instant(settings: Settings, now: datetime) -> datetime:
    """Eight in the morning of the last working day."""
    return at(settings, last_working_day(settings, now), 8)


def tell(stage: Stage, narrator: Narrator, *, seed: int, rate: float, output: Path) -> tuple[Finished, Machines]:
    """From the question to the report; the machines stay on for the live page.

    Args:
        stage: where it plays.
        narrator: tells people.
        seed: of the machines and of the randomised order.
        rate: lab seconds in a second while a part is made.
        output: folder for report and package.
    """
    plan = demo_plan(economics=demo_economics(), expected_kwh=EXPECTED_KWH, seed=seed)
    pilot = open_pilot(stage, narrator, title="Faster feed on the CNC mill", question=QUESTION, plan=plan)
    span = slot(stage.settings, stage.clock.now().date(), length=SLOT)
    booking = book(stage, narrator, pilot, DEVICES, span)
    machines = Machines(stage.broker_address, lab=stage.settings.lab, seed=seed, log_path=stage.folder / "machines.log")
    try:
        machines.set_clock(stage.steer(stage.clock.jump_to(span.start)))
        for device in DEVICES:
            machines.order("start", device=device, password=stage.world.device_passwords[device])
        runs = stage.client(Role.ENGINEER).get(f"/pilots/{pilot['id']}/runs")
        with narrator.bar(f"Runs, {rate:g} × faster than the world", len(runs)) as advance:
            for run in runs:
                settings = dict(plan.arm(run["arm"]).settings)
                _make_part(stage, machines, pilot, booking, run, settings=settings, rate=rate)
                advance(f"run {run['number']}: {plan.arm(run['arm']).label}")
        day = datetime.fromisoformat(booking["start"]).date()
        finished = report(stage, narrator, pilot, booking, output, statement(day))
        _keep_lab_alive(stage, machines, settings=dict(plan.treatment.settings))
    except BaseException:
        machines.stop()
        raise
    return finished, machines


def _keep_lab_alive(stage: Stage, machines: Machines, *, settings: dict[str, Any]) -> None:
    """Somebody may watch live: the mill goes on with parts for nobody, the other machines stand by."""
    for device in BYSTANDERS:
        machines.order("start", device=device, password=stage.world.device_passwords[device])
    machines.order("idle", on=True)
    machines.keep_working(devices=DEVICES, settings=settings)


def _make_part(
    stage: Stage,
    machines: Machines,
    pilot: dict[str, Any],
    booking: dict[str, Any],
    run: dict[str, Any],
    *,
    settings: dict[str, Any],
    rate: float,
) -> None:
    stage.steer(stage.clock.advance(timedelta(seconds=45)))  # the blank is clamped
    start_run(stage, pilot, run["number"], booking)
    machines.set_clock(stage.steer(stage.clock.set_rate(rate)))
    done = machines.order("run", run=run["number"], arm=run["arm"], settings=settings, devices=DEVICES)
    stage.steer(stage.clock.set_rate(1.0))
    ended = from_nanoseconds(done["ended_ns"]) + timedelta(milliseconds=1)
    if ended > stage.clock.now():
        stage.steer(stage.clock.jump_to(ended))
    machines.set_clock(stage.clock.anchor)
    stop_run(stage, pilot, run["number"], done)
