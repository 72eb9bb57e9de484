"""A conveyor with a vision station: items come by, each is measured, the bad ones are rejected.

Items follow each other at a mean pitch with a random spread. An item's width is the nominal one, plus a drift from the
process before, plus chance; the camera adds its own error. Rejected is what the camera sees out of tolerance, so that
some verdicts are wrong: the result tells both. Power = standby + friction of the belt · speed / efficiency.
"""

import bisect
import math
import random
from collections.abc import Mapping
from typing import Any

from simulators.activities import Activity, Burst, Occurrence, Settings, Value
from simulators.settings import read_settings

STANDBY_KW = 0.06
FRICTION_N = 420.0
EFFICIENCY = 0.65
PITCH_MM, PITCH_SD_MM = 400.0, 25.0
NOMINAL_MM, TOLERANCE_MM = 50.0, 0.30
WIDTH_SD_MM, CAMERA_SD_MM = 0.12, 0.02
DRIFT_MM_PER_ITEM = 0.001
_ALLOWED = {"items": (1.0, 60.0, 5000.0), "belt_speed_mm_s": (20.0, 200.0, 600.0)}


class ConveyorBatch:
    """A number of items: the work of one run."""

    def __init__(self, settings: Mapping[str, float], *, run: int, rng: random.Random) -> None:
        self._rng = rng
        self._speed_mm_s = settings["belt_speed_mm_s"]
        self._times: list[float] = []
        self._widths: list[float] = []
        self._good: list[bool] = []
        truly_bad = 0
        for n in range(int(settings["items"])):
            pitch_mm = max(PITCH_MM / 4, rng.gauss(PITCH_MM, PITCH_SD_MM))
            self._times.append(round((self._times[-1] if n else 0.0) + pitch_mm / self._speed_mm_s, 3))
            width = NOMINAL_MM + DRIFT_MM_PER_ITEM * n + rng.gauss(0, WIDTH_SD_MM)
            truly_bad += abs(width - NOMINAL_MM) > TOLERANCE_MM
            self._widths.append(round(width + rng.gauss(0, CAMERA_SD_MM), 3))
            self._good.append(abs(self._widths[-1] - NOMINAL_MM) <= TOLERANCE_MM)
        self.duration_s = self._times[-1] + 1.0
        rejected = self._good.count(False)
        self.result: dict[str, Any] = {
            "finished": True,
            "passed": rejected == 0,
            "items": len(self._good),
            "rejected": rejected,
            "truly_bad": truly_bad,
        }
        self.occurrences = [
            Occurrence(
                at,
                "item_inspected",
                {"run": run, "item": n + 1, "width_mm": width, "result": "good" if good else "scrap"},
            )
            for n, (at, width, good) in enumerate(zip(self._times, self._widths, self._good, strict=True))
        ]
        self.occurrences.append(
            Occurrence(
                self.duration_s,
                "part_finished",
                {"run": run, "part": run, "result": "scrap" if rejected else "good", "rejected": rejected},
            )
        )

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show at `t`."""
        seen = bisect.bisect_right(self._times, t)
        return {
            "active_power_kw": round(self.power_kw(t) * (1 + self._rng.gauss(0, 0.01)), 4),
            "belt_speed_mm_s": round(self._speed_mm_s + self._rng.gauss(0, 0.3), 2),
            "items": seen,
            "rejected": self._good[:seen].count(False),
            "width_mm": self._widths[seen - 1] if seen else 0.0,
            "last_verdict": ("good" if self._good[seen - 1] else "reject") if seen else "none",
        }

    def burst(self, t: float) -> Burst | None:
        """No fast sensors."""
        return None

    def power_kw(self, t: float) -> float:
        """What the conveyor draws while the belt runs."""
        return STANDBY_KW + FRICTION_N * self._speed_mm_s / 1e6 / EFFICIENCY

    def energy_kwh(self, t: float) -> float:
        """What it has drawn."""
        return self.power_kw(0) * min(t, self.duration_s) / 3600


class ConveyorRest:
    """The belt stands still."""

    duration_s = math.inf

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self.occurrences: list[Occurrence] = []
        self.result: dict[str, Any] = {}

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show."""
        return {
            "active_power_kw": round(STANDBY_KW * (1 + self._rng.gauss(0, 0.01)), 4),
            "belt_speed_mm_s": 0.0,
            "items": 0,
            "rejected": 0,
            "width_mm": 0.0,
            "last_verdict": "none",
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


class Conveyor:
    """The conveyor."""

    signals = ("active_power_kw", "belt_speed_mm_s", "items", "rejected", "width_mm", "last_verdict")
    interval_s = 0.5
    burst_interval_s: float | None = None

    def work(self, settings: Settings, *, run: int, rng: random.Random) -> Activity:
        """Begin a batch."""
        return ConveyorBatch(read_settings(settings, machine="conveyor", allowed=_ALLOWED), run=run, rng=rng)

    def rest(self, *, rng: random.Random) -> Activity:
        """Stand still."""
        return ConveyorRest(rng=rng)
