"""A robot cell: a six-axis robot that picks parts from a tray and places them, in cycles.

A cycle is approach, grip, transfer, release, return. A moving phase of length T over the distance d follows
v = (2 d / T) · sin²(π t / T), which is smooth and covers exactly d. The torque of the base axis is inertia × angular
acceleration, inertia growing with the load; power = standby + holding + |torque · angular speed| / efficiency.
The setting `speed` (share of the full speed) stretches the moving phases, not the gripping.
"""

import math
import random
from collections.abc import Mapping
from typing import Any

from simulators.activities import Activity, Burst, Occurrence, Settings, Value
from simulators.settings import read_settings

STANDBY_KW = 0.18
HOLDING_KW = 0.22
EFFICIENCY = 0.75
REACH_M = 0.9
INERTIA_KG_M2 = 28.0
_PHASES = (
    ("approach", 1.4, 0.9),
    ("grip", 0.5, 0.0),
    ("transfer", 2.2, 1.6),
    ("release", 0.5, 0.0),
    ("return", 1.8, 1.3),
)
"""Name, seconds at full speed, metres."""
_ALLOWED = {"cycles": (1.0, 20.0, 1000.0), "speed": (0.1, 1.0, 1.0), "payload_kg": (0.0, 4.0, 10.0)}
_ENERGY_STEPS = 400


class RobotCycles:
    """A number of cycles: the work of one run."""

    def __init__(self, settings: Mapping[str, float], *, run: int, rng: random.Random) -> None:
        self._rng = rng
        self._payload_kg = settings["payload_kg"]
        self._phases = [(name, s / settings["speed"] if metres else s, metres) for name, s, metres in _PHASES]
        self._cycle_s = sum(seconds for _, seconds, _ in self._phases)
        self._cycles = int(settings["cycles"])
        step_s = self._cycle_s / _ENERGY_STEPS
        self._cycle_kwh = sum(self.power_kw((i + 0.5) * step_s) for i in range(_ENERGY_STEPS)) * step_s / 3600
        self.duration_s = round(self._cycle_s * self._cycles, 3)
        self.result: dict[str, Any] = {"finished": True, "passed": True, "cycles": self._cycles}
        self.occurrences = [
            Occurrence(round(self._cycle_s * n, 3), "cycle_finished", {"run": run, "cycle": n})
            for n in range(1, self._cycles + 1)
        ]
        self.occurrences.append(
            Occurrence(self.duration_s, "part_finished", {"run": run, "part": self._cycles, "result": "good"})
        )

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show at `t`."""
        name, speed, acceleration = self._motion(t)
        loaded = name in {"grip", "transfer"}
        torque = self._inertia(loaded) * acceleration / REACH_M
        return {
            "active_power_kw": round(self.power_kw(t) * (1 + self._rng.gauss(0, 0.005)), 4),
            "tcp_speed_mm_s": round(1000 * speed, 1),
            "base_torque_nm": round(torque + self._rng.gauss(0, 0.5), 2),
            "payload_kg": self._payload_kg if loaded else 0.0,
            "gripper_closed": loaded,
            "cycles": min(self._cycles, int(t / self._cycle_s)),
            "phase": name,
        }

    def burst(self, t: float) -> Burst | None:
        """No fast sensors."""
        return None

    def power_kw(self, t: float) -> float:
        """What the cell draws."""
        name, speed, acceleration = self._motion(t)
        inertia = self._inertia(name in {"grip", "transfer"})
        watts = abs(inertia * acceleration / REACH_M * speed / REACH_M) / EFFICIENCY
        return STANDBY_KW + HOLDING_KW + watts / 1000

    def energy_kwh(self, t: float) -> float:
        """What it has drawn; exact at whole cycles, in proportion within one."""
        return self._cycle_kwh * min(t, self.duration_s) / self._cycle_s

    def _inertia(self, loaded: bool) -> float:
        return INERTIA_KG_M2 + (self._payload_kg * REACH_M**2 if loaded else 0.0)

    def _motion(self, t: float) -> tuple[str, float, float]:
        """Phase, speed (m/s) and acceleration (m/s²) of the tool."""
        within = t % self._cycle_s
        for name, seconds, metres in self._phases:
            if within < seconds:
                top, turn = 2 * metres / seconds, math.pi * within / seconds
                return name, top * math.sin(turn) ** 2, top * math.pi / seconds * math.sin(2 * turn)
            within -= seconds
        return "return", 0.0, 0.0


class RobotRest:
    """The cell switched on, brakes closed."""

    duration_s = math.inf

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self.occurrences: list[Occurrence] = []
        self.result: dict[str, Any] = {}

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show."""
        return {
            "active_power_kw": round(STANDBY_KW * (1 + self._rng.gauss(0, 0.005)), 4),
            "tcp_speed_mm_s": 0.0,
            "base_torque_nm": round(self._rng.gauss(0, 0.5), 2),
            "payload_kg": 0.0,
            "gripper_closed": False,
            "cycles": 0,
            "phase": "idle",
        }

    def burst(self, t: float) -> Burst | None:
        """No fast sensors."""
        return None

    def power_kw(self, t: float) -> float:
        """Standby."""
        return STANDBY_KW

    def energy_kwh(self, t: float) -> float:
        """Standby over the time."""
        return STANDBY_KW * t / 3600


class Robot:
    """The cell."""

    signals = (
        "active_power_kw",
        "tcp_speed_mm_s",
        "base_torque_nm",
        "payload_kg",
        "gripper_closed",
        "cycles",
        "phase",
    )
    interval_s = 0.5
    burst_interval_s: float | None = None

    def work(self, settings: Settings, *, run: int, rng: random.Random) -> Activity:
        """Begin a number of cycles."""
        return RobotCycles(read_settings(settings, machine="robot", allowed=_ALLOWED), run=run, rng=rng)

    def rest(self, *, rng: random.Random) -> Activity:
        """Stand still."""
        return RobotRest(rng=rng)
