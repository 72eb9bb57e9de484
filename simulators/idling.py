"""Idle values in the background, so that a live page has something to show between runs."""

import random
import threading
from collections.abc import Mapping

from simulators.activities import Machine
from simulators.device import Device
from simulators.errors import SimulatorError
from simulators.lab_time import LabTime
from simulators.meter import Meter

PACE_SECONDS = 1.0
"""Real seconds between two idle samples, whatever the rate of the lab's clock."""


class Idling:
    """A thread that shows what resting devices measure; a device at work is left alone."""

    def __init__(
        self,
        lab_time: LabTime,
        devices: Mapping[str, Device],
        machines: Mapping[str, Machine],
        meters: Mapping[str, Meter],
        *,
        seed: int,
    ) -> None:
        self._lab_time = lab_time
        self._devices = devices
        self._machines = machines
        self._meters = meters
        self._rng = random.Random(f"{seed} idling")  # noqa: S311 - a seeded simulation
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if not begun already."""
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._idle, name="idling", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; afterwards nothing more is sent."""
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def _idle(self) -> None:
        while not self._ended.is_set():
            for device in list(self._devices.values()):
                if device.busy.acquire(blocking=False):
                    try:
                        self._show(device)
                    except SimulatorError:  # the broker is away: this sample is not missed
                        pass
                    finally:
                        device.busy.release()
            self._ended.wait(PACE_SECONDS)

    def _show(self, device: Device) -> None:
        now_ns = self._lab_time.now_ns()
        if now_ns <= device.last_ns:
            return  # the lab's clock stands still, or a run was stamped ahead of it
        device.begin_count(ended=self._ended)
        meter, machine = self._meters.get(device.name), self._machines.get(device.name)
        if meter is not None:
            meter.pass_idle_time(now_ns)
            values = meter.read(0, mill=None, cell=[], rng=self._rng)
        elif machine is not None:
            values = machine.rest(rng=self._rng).values(0)
        else:
            return
        device.send_values(values, stamp_ns=device.next_stamp(now_ns), t=0)
