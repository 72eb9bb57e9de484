"""The same question, asked of a real recording: 18 parts milled in 2018, replayed with their own stamps in time."""

from datetime import datetime, timedelta
from pathlib import Path

from lab.core.errors import SetupError
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from lab.demo.calendar import at, last_working_day, slot
from lab.demo.machines import Machines
from lab.demo.stage import Stage
from lab.demo.story import Finished, Narrator, book, open_pilot, report, start_run, stop_run
from lab.people.principals import Role
from lab.pilots.examples import QUESTION, RECORDED_FEEDS, RECORDING_DEVICE, recording_plan
from simulators.errors import SimulatorError
from simulators.recording import Recording, load_recording

SLOT = timedelta(hours=2)
DEVICE = RECORDING_DEVICE
PAUSE = timedelta(seconds=60)


def open_recording(folder: Path) -> Recording:
    """The recording, read before anything is started.

    Raises:
        SetupError: if it is missing or broken, in one line.
    """
    try:
        recording = load_recording(folder)
    except SimulatorError as error:
        raise SetupError(f"recording: {error}", field="recording") from error
    feeds = tuple(recording.experiments[number].feed_mm_s for number in sorted(recording.experiments))
    if list(feeds) != list(RECORDED_FEEDS):
        raise SetupError(
            f"recording: {folder} is not the one that the plan was written for; its run table names other feed rates",
            field="recording",
        )
    return recording


def first_instant(settings: Settings, now: datetime) -> datetime:
    """Eight in the morning of the last working day: stamps lie neither in the future nor before the slot."""
    return at(settings, last_working_day(settings, now), 8)


def tell(
    stage: Stage, narrator: Narrator, recording: Recording, *, folder: Path, seed: int, output: Path
) -> tuple[Finished, Machines]:
    """Book the slot, replay every run through the broker, report."""
    plan = recording_plan()
    pilot = open_pilot(stage, narrator, title="Faster feed, from a recording of 2018", question=QUESTION, plan=plan)
    span = slot(stage.settings, stage.clock.now().date(), length=SLOT)
    booking = book(stage, narrator, pilot, [DEVICE], span)
    machines = Machines(stage.broker_address, lab=stage.settings.lab, seed=seed, log_path=stage.folder / "machines.log")
    try:
        machines.set_clock(stage.steer(stage.clock.jump_to(span.start)))
        machines.order("start", device=DEVICE, password=stage.world.device_passwords[DEVICE])
        runs = stage.client(Role.ENGINEER).get(f"/pilots/{pilot['id']}/runs")
        with narrator.bar("Recorded runs, replayed", len(runs)) as advance:
            for run in runs:
                stage.steer(stage.clock.advance(PAUSE))
                start_run(stage, pilot, run["number"], booking)
                start = stage.clock.now()
                length = timedelta(microseconds=recording.experiment(run["number"]).times_ns[-1] // 1000)
                machines.set_clock(stage.steer(stage.clock.jump_to(start + length + timedelta(seconds=1))))
                done = machines.order(
                    "replay",
                    recording=str(folder),
                    experiment=run["number"],
                    device=DEVICE,
                    start_ns=to_nanoseconds(start),
                )
                stop_run(stage, pilot, run["number"], done)
                advance(f"part {run['number']}")
        finished = report(stage, narrator, pilot, booking, output)
    except BaseException:
        machines.stop()
        raise
    return finished, machines
