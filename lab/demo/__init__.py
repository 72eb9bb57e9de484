"""`pilotlab demo`: a whole pilot, from the question to the report, with real parts and machines that do not exist."""

import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from lab.core.clock import SystemClock
from lab.core.errors import SetupError
from lab.core.stopping import StopAsked

if TYPE_CHECKING:
    from lab.demo.story import Finished, Narrator
    from lab.demo.world import World

DEFAULT_FOLDER = Path("demo-data")


def run_demo(
    *,
    data_dir: Path | None,
    port: int | None,
    broker: str | None,
    once: bool,
    output: Path | None,
    recording: Path | None,
    seed: int,
    rate: float,
    console: Console,
) -> None:
    """Run the demonstration.

    Args:
        data_dir: its folder, emptied first; default `demo-data`, with `once` a temporary one.
        port: of the pages; default 8000, with `once` a free one.
        broker: `auto`, `mosquitto` or `amqtt`.
        once: stop after the report.
        output: where report and data package are written; default `out` in the folder.
        recording: folder of a real recording to replay instead of simulating.
        seed: of the simulated machines and the randomised order.
        rate: lab seconds in a second while simulated machines work.
        console: where people read.

    Raises:
        SetupError: if it cannot start.
    """
    from devices.catalogue import DEFAULT_CATALOGUE, RECORDING_CATALOGUE
    from lab.core.logs import set_up_logs
    from lab.demo import recorded, simulated
    from lab.demo.stage import demo_settings, staged
    from lab.demo.story import Narrator, lab_time

    set_up_logs(level="warning")
    real = recorded.open_recording(recording) if recording else None
    with ExitStack() as stack:
        folder = data_dir or (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pilotlab-demo-"))) / "data"
            if once
            else DEFAULT_FOLDER
        )
        if once and data_dir is None and output is None:
            raise SetupError("--once needs --out DIR (or --data DIR), else nothing would be left of it", field="out")
        target = output or folder / "out"
        _try_output(output)
        settings = demo_settings(folder, port=0 if port is None and once else port, broker=broker)
        story = recorded if real else simulated
        starts = story.first_instant(settings, SystemClock().now())
        catalogues = [DEFAULT_CATALOGUE, *([RECORDING_CATALOGUE] if real else [])]
        narrator = Narrator(console)
        stage = stack.enter_context(staged(settings, catalogues, starts=starts))
        narrator.step(f"Pilot Lab started in {stage.start_seconds:.1f} s: {stage.product.url}")
        _say_what_runs(stage.broker_kind, narrator)
        narrator.step(f"Lab clock set to {lab_time(stage, starts)}: the demonstration steers it")
        _print_people(stage.world, console)
        if real is not None:
            assert recording is not None
            finished, machines = recorded.tell(stage, narrator, real, folder=recording, seed=seed, output=target)
        else:
            finished, machines = simulated.tell(stage, narrator, seed=seed, rate=rate, output=target)
        stack.callback(machines.stop)
        if stage.product.restarts:
            narrator.step(
                f"The product was killed and started again {stage.product.restarts} times; nothing is missing"
            )
        _print_result(finished, stage.product.url, console, live=not once, device=story.DEVICE)
        if not once:
            _wait_for_ctrl_c(console)


def _try_output(output: Path | None) -> None:
    if output is None:
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SetupError(f"--out: {output} cannot be written ({error.strerror})", field="out") from error


def _say_what_runs(broker: str, narrator: "Narrator") -> None:
    from lab.core.broker import DEMO_ONLY

    if broker == "amqtt":
        narrator.console.print(f"[yellow]![/yellow] Broker: {DEMO_ONLY}", soft_wrap=True)
    else:
        narrator.step("Broker: Mosquitto as a child process, generated configuration")


def _print_people(world: "World", console: Console) -> None:
    table = Table(title="Who can sign in", title_justify="left", box=None, pad_edge=False)
    for heading in ("name", "role", "organisation", "sign-in", "password"):
        table.add_column(heading, overflow="fold")
    for person in world.people:
        table.add_row(person.name, person.role, person.organisation, person.sign_in, person.password)
    console.print(table)


def _print_result(finished: "Finished", url: str, console: Console, *, live: bool, device: str) -> None:
    results = finished.report["results"]
    primary = next(kpi for kpi in results["kpis"] if kpi["role"] == "primary")
    console.print()
    console.print(f"[bold]Verdict: {results['verdict']}[/bold]", soft_wrap=True)
    console.print(results["answer"], soft_wrap=True, markup=False)
    if primary["comparison"] is not None:
        interval = primary["comparison"]["improvement_interval"]
        console.print(
            f"95 % interval of the improvement: {interval['low']:.4g} to {interval['high']:.4g} {primary['unit']}",
            markup=False,
        )
    console.print(f"Report:  {finished.pdf}", soft_wrap=True, markup=False)
    console.print(f"Package: {finished.package}", soft_wrap=True, markup=False)
    if live:
        console.print(f"Live:    {url}/devices/{device}", soft_wrap=True, markup=False)


def _wait_for_ctrl_c(console: Console) -> None:
    stop = StopAsked()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop.ask)
    console.print("Sign in as one of the people above; Ctrl-C stops.")
    while not stop.wait(0.5):
        pass
