"""Replaying a recording: a device sends what was recorded earlier, with the recording's own spacing in time."""

from typing import Any

from simulators.device import MILLISECOND_NS, Device
from simulators.recording import Experiment

ROWS_A_MESSAGE = 50


def play_recording(device: Device, experiment: Experiment, *, run: int, start_ns: int) -> int:
    """Publish one run of a recording as buffered data, as fast as the broker confirms.

    Args:
        device: who says it.
        experiment: the run.
        run: its number in the pilot, for the events.
        start_ns: lab time of the run's first sample.

    Returns:
        The end of the run, nanoseconds: a millisecond after the last sample, so that `[start, end)` holds them all.

    Raises:
        BrokerError: if the broker stops confirming.
        StoppedError: if the program ends meanwhile.
    """
    stamps = [start_ns + since_ns for since_ns in experiment.times_ns]
    device.send_event("run_started", {"run": run, **experiment.settings()}, stamp_ns=stamps[0], t=0, buffered=True)
    for first in range(0, len(stamps), ROWS_A_MESSAGE):
        rows = range(first, min(first + ROWS_A_MESSAGE, len(stamps)))
        samples = {name: _present(stamps, column, rows) for name, column in experiment.channels.items()}
        seconds = experiment.times_ns[first] / 1e9
        device.send_samples(
            {name: pairs for name, pairs in samples.items() if pairs}, last_ns=stamps[rows[-1]], t=seconds
        )
    result = "unfinished" if not experiment.finished else "good" if experiment.passed else "scrap"
    seconds = experiment.times_ns[-1] / 1e9
    device.send_event(
        "part_finished" if experiment.finished else "part_abandoned",
        {"run": run, "part": experiment.number, "result": result, "part_time_s": seconds},
        stamp_ns=stamps[-1],
        t=seconds,
        buffered=True,
    )
    return stamps[-1] + MILLISECOND_NS


def _present(stamps: list[int], column: list[Any], rows: range) -> list[tuple[int, Any]]:
    return [(stamps[row], column[row]) for row in rows if column[row] is not None]
