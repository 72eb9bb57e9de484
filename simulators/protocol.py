"""The operator's protocol: a JSON object a line in, one JSON object a line out.

    {"do": "clock", "real_ns": …, "lab_ns": …, "rate": …}     lab time = lab_ns + (real time − real_ns) · rate
    {"do": "start", "device": "mill-1", "password": …}        connect and publish the birth
    {"do": "run", "run": 3, "arm": "fast", "settings": {"feed_mm_s": 9}, "devices": ["mill-1", "meter-1"]}
    {"do": "replay", "recording": DIR, "experiment": 11, "device": "mill-umich", "start_ns": …}
    {"do": "idle", "on": true}                                idle values in the background
    {"do": "fault", "kind": "dropout", "device": "mill-1", "after_s": 30, "for_s": 10}
    {"do": "stop"}                                            say good-bye and end; with "device": that one only

An answer has `"ok": true`, or `"ok": false` with `"error"`, one line for a person. `run` and `replay` answer when the
broker has confirmed everything.
"""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simulators.activities import Activity, Machine
from simulators.connection import Broker
from simulators.conveyor import Conveyor
from simulators.device import Device, Sent
from simulators.errors import RefusedLineError, SimulatorError
from simulators.faults import read_fault
from simulators.idling import Idling
from simulators.lab_time import LabTime
from simulators.lines import fields, flag, integer, names, number, text
from simulators.meter import Meter
from simulators.mill import Mill
from simulators.printer import Printer
from simulators.recording import CHANNELS, Recording, load_recording
from simulators.replay import play_recording
from simulators.robot import Robot
from simulators.runs import Part, play_run, within_run

MACHINES: dict[str, Callable[[], Machine]] = {
    "mill-1": Mill,
    "robot-1": Robot,
    "conveyor-1": Conveyor,
    "printer-1": Printer,
}
METERS = ("meter-1",)
REPLAYED = ("mill-umich",)


class Operator:
    """Does what the lines say.

    Args:
        broker: where the devices connect.
        lab: the lab's short name.
        seed: of every chance; the same seed gives the same values.
        credentials: sign-in name and password for devices that are started without; usually none.
        ended: set from outside to cut off what is being done.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        lab: str,
        seed: int,
        credentials: tuple[str | None, str | None] = (None, None),
        ended: threading.Event,
    ) -> None:
        self.finished = False
        self._broker = broker
        self._lab = lab
        self._seed = seed
        self._credentials = credentials
        self._ended = ended
        self._lab_time = LabTime()
        self._devices: dict[str, Device] = {}
        self._machines: dict[str, Machine] = {}
        self._meters: dict[str, Meter] = {}
        self._recordings: dict[Path, Recording] = {}
        self._idling = Idling(self._lab_time, self._devices, self._machines, self._meters, seed=seed)
        self._deeds: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "clock": self._set_clock,
            "start": self._start,
            "run": self._run,
            "replay": self._replay,
            "idle": self._idle,
            "fault": self._fault,
            "stop": self._stop,
        }

    def do(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Do what one line says and answer it."""
        deed = self._deeds.get(str(line.get("do")))
        try:
            if deed is None:
                raise RefusedLineError(f"'do' is {line.get('do')!r}; it can be {', '.join(self._deeds)}")
            return {"ok": True, **deed(line)}
        except SimulatorError as error:
            return {"ok": False, "error": str(error)}

    def leave(self) -> None:
        """End without an order: good-byes where the broker still answers."""
        self._idling.stop()
        for device in self._devices.values():
            device.leave()
        self._devices.clear()

    def _set_clock(self, line: Mapping[str, Any]) -> dict[str, Any]:
        rate = number(line, "rate", low=0, high=1e6)
        self._lab_time.set(real_ns=integer(line, "real_ns"), lab_ns=integer(line, "lab_ns"), rate=rate)
        return {"lab_ns": self._lab_time.now_ns()}

    def _start(self, line: Mapping[str, Any]) -> dict[str, Any]:
        name = str(line.get("device"))
        if name in self._devices:
            raise RefusedLineError(f"{name} is started already; stop it first")
        if name in MACHINES:
            machine = self._machines.get(name) or MACHINES[name]()
            signals = machine.signals
        elif name in METERS:
            signals = Meter.signals
        elif name in REPLAYED:
            signals = tuple(CHANNELS)
        else:
            known = ", ".join([*MACHINES, *METERS, *REPLAYED])
            raise RefusedLineError(f"there is no simulated device {name!r}; there are {known}")
        device = Device(
            name,
            lab=self._lab,
            broker=self._broker,
            lab_time=self._lab_time,
            signals=signals,
            username=text(line, "username") or self._credentials[0],
            password=text(line, "password") or self._credentials[1],
        )
        device.start()
        if name in MACHINES:
            self._machines[name] = machine
        elif name in METERS:
            self._meters.setdefault(name, Meter())
        self._devices[name] = device
        return {"device": name, "boot": device.boot}

    def _run(self, line: Mapping[str, Any]) -> dict[str, Any]:
        run = integer(line, "run")
        devices = [self._started(name) for name in names(line, "devices")]
        lead = next((device.name for device in devices if device.name in self._machines), None)
        if lead is None:
            raise RefusedLineError("none of these devices makes a part; name a machine too")
        arm, settings = text(line, "arm"), fields(line, "settings")
        fast = flag(line, "as_fast_as_possible", False)
        wish_ns = integer(line, "start_ns") if "start_ns" in line else self._lab_time.now_ns()
        with _all_held(devices):
            works = {
                device.name: self._machines[device.name].work(
                    settings if device.name == lead else {}, run=run, rng=self._rng(device.name, run)
                )
                for device in devices
                if device.name in self._machines
            }
            start_ns = max(device.next_stamp(wish_ns) for device in devices)
            for meter in self._meters.values():
                meter.pass_idle_time(start_ns)
            opening = {"run": run, **({"arm": arm} if arm is not None else {}), **settings}
            parts = [
                self._part(device, works, run, opening if device.name == lead else {"run": run}) for device in devices
            ]
            for device in devices:
                device.stop_asked.clear()
                device.begin_count(ended=self._ended)
            end_ns = play_run(
                parts,
                start_ns=start_ns,
                duration_s=works[lead].duration_s,
                lab_time=self._lab_time,
                as_fast_as_possible=fast,
                ended=self._ended,
            )
            stopped = any(device.stop_asked.is_set() for device in devices)
            if "mill-1" in works:
                for meter in self._meters.values():
                    meter.count(
                        works["mill-1"], start_ns=start_ns, for_s=(end_ns - start_ns) / 1e9 if stopped else None
                    )
            sent = {device.name: (device.boot, device.finish_count()) for device in devices}
        result = {"finished": False} if stopped else dict(works[lead].result)
        return _report(run, start_ns, end_ns, result, sent)

    def _part(self, device: Device, works: dict[str, Activity], run: int, opening: dict[str, Any]) -> Part:
        rng = self._rng(device.name + " sensors", run)
        meter = self._meters.get(device.name)
        if meter is not None:
            mill = works.get("mill-1")
            cell = [work for name, work in works.items() if name != "mill-1"]
            return Part(
                device, lambda t: meter.read(t, mill=mill, cell=cell, rng=rng), meter.interval_s, occurrences=[]
            )
        work, machine = works[device.name], self._machines[device.name]
        return Part(
            device,
            within_run(work, machine.rest(rng=rng)),
            machine.interval_s,
            occurrences=list(work.occurrences),
            burst=work.burst,
            burst_interval_s=machine.burst_interval_s,
            opening=opening,
        )

    def _replay(self, line: Mapping[str, Any]) -> dict[str, Any]:
        folder = Path(str(line.get("recording")))
        if folder not in self._recordings:
            self._recordings[folder] = load_recording(folder)
        experiment = self._recordings[folder].experiment(integer(line, "experiment"))
        device = self._started(str(line.get("device", REPLAYED[0])))
        run = integer(line, "run") if "run" in line else experiment.number
        start_ns = integer(line, "start_ns")
        with _all_held([device]):
            device.begin_count(ended=self._ended)
            end_ns = play_recording(device, experiment, run=run, start_ns=start_ns)
            sent = {device.name: (device.boot, device.finish_count())}
        return _report(run, start_ns, end_ns, experiment.result(), sent)

    def _idle(self, line: Mapping[str, Any]) -> dict[str, Any]:
        on = flag(line, "on")
        if on:
            self._idling.start()
        else:
            self._idling.stop()
        return {"on": on}

    def _fault(self, line: Mapping[str, Any]) -> dict[str, Any]:
        name = text(line, "device")
        devices = [self._started(name)] if name is not None else list(self._devices.values())
        if line.get("kind") == "clear":
            for device in devices:
                device.faults.clear()
        elif name is None:
            raise RefusedLineError("a fault needs a 'device'")
        else:
            devices[0].faults.append(read_fault(line, signals=devices[0].signals))
        return {"faults": {device.name: [fault.kind for fault in device.faults] for device in devices}}

    def _stop(self, line: Mapping[str, Any]) -> dict[str, Any]:
        if "device" in line:
            device = self._started(str(line["device"]))
            with _all_held([device]):
                del self._devices[device.name]
                device.stop(ended=self._ended)
            return {"device": device.name}
        self._idling.stop()
        self.finished = True
        devices = list(self._devices.values())
        self._devices.clear()
        for device in devices:
            device.stop(ended=self._ended)
        return {}

    def _started(self, name: str) -> Device:
        device = self._devices.get(name)
        if device is None:
            raise RefusedLineError(f"{name} is not started")
        return device

    def _rng(self, what: str, run: int) -> random.Random:
        return random.Random(f"{self._seed} {what} {run}")  # noqa: S311 - a seeded simulation


@contextlib.contextmanager
def _all_held(devices: list[Device]) -> Iterator[None]:
    """Keep idle values out while these devices work."""
    with contextlib.ExitStack() as stack:
        for device in devices:
            stack.enter_context(device.busy)
        yield


def _report(
    run: int, start_ns: int, end_ns: int, result: dict[str, Any], sent: dict[str, tuple[str, Sent]]
) -> dict[str, Any]:
    return {
        "run": run,
        "started_ns": start_ns,
        "ended_ns": end_ns,
        "result": result,
        "devices": {name: {"boot": boot, **asdict(counts)} for name, (boot, counts) in sent.items()},
    }
