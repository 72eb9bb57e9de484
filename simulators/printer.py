"""A 3D printer (fused filament): heat up, print layer by layer, cool down.

Nozzle and bed are bodies of one heat capacity C behind one heat resistance R: with the heater at power P it goes to
T_room + P·R with the time constant R·C. Both heat at full power until they are warm, are then held by exactly
the heat they lose, and cool in the end with the same time constant.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.activities import Activity, Burst, Occurrence, Settings, Value
from simulators.settings import read_settings

ROOM_CEL = 23.0
STANDBY_KW = 0.008
MOTORS_KW = 0.045
COOLING_S = 60.0
FILAMENT_MM_PER_S = 3.2
_ALLOWED = {
    "layers": (1.0, 30.0, 2000.0),
    "layer_s": (2.0, 8.0, 600.0),
    "nozzle_cel": (170.0, 215.0, 290.0),
    "bed_cel": (30.0, 60.0, 110.0),
}


@dataclass(frozen=True, slots=True)
class Heated:
    """A heated body."""

    heater_kw: float
    resistance_k_kw: float
    time_constant_s: float
    target_cel: float

    @property
    def warm_after_s(self) -> float:
        """How long it heats."""
        final_k = self.heater_kw * self.resistance_k_kw
        return -self.time_constant_s * math.log(1 - (self.target_cel - ROOM_CEL) / final_k)

    @property
    def holding_kw(self) -> float:
        """Heat lost at the target."""
        return (self.target_cel - ROOM_CEL) / self.resistance_k_kw

    def temperature_cel(self, t: float, *, off_at_s: float) -> float:
        """At `t`, when heated from 0 on and switched off at `off_at_s`."""
        if t >= off_at_s:
            return ROOM_CEL + (self.target_cel - ROOM_CEL) * math.exp(-(t - off_at_s) / self.time_constant_s)
        if t >= self.warm_after_s:
            return self.target_cel
        return ROOM_CEL + self.heater_kw * self.resistance_k_kw * (1 - math.exp(-t / self.time_constant_s))

    def power_kw(self, t: float, *, off_at_s: float) -> float:
        """Of its heater."""
        if t >= off_at_s:
            return 0.0
        return self.heater_kw if t < self.warm_after_s else self.holding_kw

    def energy_kwh(self, t: float, *, off_at_s: float) -> float:
        """Of its heater, from 0 to `t`."""
        t = min(t, off_at_s)
        heating_s = min(t, self.warm_after_s)
        return (self.heater_kw * heating_s + self.holding_kw * (t - heating_s)) / 3600


class PrintJob:
    """One printed part."""

    def __init__(self, settings: Mapping[str, float], *, run: int, rng: random.Random) -> None:
        self._rng = rng
        self._nozzle = Heated(0.040, 8000.0, 45.0, settings["nozzle_cel"])
        self._bed = Heated(0.240, 480.0, 180.0, settings["bed_cel"])
        self._layers = int(settings["layers"])
        self._layer_s = settings["layer_s"]
        self._warm_s = max(self._nozzle.warm_after_s, self._bed.warm_after_s)
        self._printed_s = self._warm_s + self._layers * self._layer_s
        self.duration_s = round(self._printed_s + COOLING_S, 3)
        self.result: dict[str, Any] = {"finished": True, "passed": True, "layers": self._layers}
        self.occurrences = [
            Occurrence(round(self._warm_s, 3), "print_started", {"run": run, "layers": self._layers}),
            Occurrence(self.duration_s, "part_finished", {"run": run, "part": run, "result": "good"}),
        ]

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show at `t`."""
        printing_s = min(max(t - self._warm_s, 0.0), self._printed_s - self._warm_s)
        step = "heating" if t < self._warm_s else "printing" if t < self._printed_s else "cooling"
        nozzle_cel, bed_cel = (
            body.temperature_cel(t, off_at_s=self._printed_s) + self._rng.gauss(0, 0.2)
            for body in (self._nozzle, self._bed)
        )
        return {
            "active_power_kw": round(self.power_kw(t) * (1 + self._rng.gauss(0, 0.005)), 4),
            "nozzle_temperature_cel": round(nozzle_cel, 2),
            "bed_temperature_cel": round(bed_cel, 2),
            "layer": min(self._layers, math.ceil(printing_s / self._layer_s)),
            "filament_mm": round(FILAMENT_MM_PER_S * printing_s, 1),
            "step": step,
        }

    def burst(self, t: float) -> Burst | None:
        """No fast sensors."""
        return None

    def power_kw(self, t: float) -> float:
        """Electronics, heaters and, while printing, motors."""
        heaters_kw = sum(body.power_kw(t, off_at_s=self._printed_s) for body in (self._nozzle, self._bed))
        return STANDBY_KW + heaters_kw + MOTORS_KW * (self._warm_s <= t < self._printed_s)

    def energy_kwh(self, t: float) -> float:
        """What it has drawn."""
        t = min(t, self.duration_s)
        heaters_kwh = sum(body.energy_kwh(t, off_at_s=self._printed_s) for body in (self._nozzle, self._bed))
        printing_s = min(max(t - self._warm_s, 0.0), self._printed_s - self._warm_s)
        return heaters_kwh + (STANDBY_KW * t + MOTORS_KW * printing_s) / 3600


class PrinterRest:
    """Switched on, cold."""

    duration_s = math.inf

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self.occurrences: list[Occurrence] = []
        self.result: dict[str, Any] = {}

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show."""
        return {
            "active_power_kw": STANDBY_KW,
            "nozzle_temperature_cel": round(ROOM_CEL + self._rng.gauss(0, 0.2), 2),
            "bed_temperature_cel": round(ROOM_CEL + self._rng.gauss(0, 0.2), 2),
            "layer": 0,
            "filament_mm": 0.0,
            "step": "idle",
        }

    def burst(self, t: float) -> Burst | None:
        """No fast sensors."""
        return None

    def power_kw(self, t: float) -> float:
        """Electronics."""
        return STANDBY_KW

    def energy_kwh(self, t: float) -> float:
        """Electronics over the time."""
        return STANDBY_KW * t / 3600


class Printer:
    """The printer."""

    signals = (
        "active_power_kw",
        "nozzle_temperature_cel",
        "bed_temperature_cel",
        "layer",
        "filament_mm",
        "step",
    )
    interval_s = 1.0
    burst_interval_s: float | None = None

    def work(self, settings: Settings, *, run: int, rng: random.Random) -> Activity:
        """Begin a job."""
        return PrintJob(read_settings(settings, machine="printer", allowed=_ALLOWED), run=run, rng=rng)

    def rest(self, *, rng: random.Random) -> Activity:
        """Stand idle."""
        return PrinterRest(rng=rng)
