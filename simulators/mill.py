"""A CNC mill with a simple, documented physical model, whose true effects are known exactly.

A part is loaded, cut along a path of `PATH_MM` at the feed rate, and unloaded. The mill draws

    loading, unloading   base load · b
    cutting              base load · b + spindle idling + cutting + axes

* Cutting power: k_c · a_p · a_e · v_f / η. Specific cutting force by Kienzle, k_c = k_c1.1 · h^−m_c, with the feed per
  tooth f_z = v_f / (n·z) for the chip thickness h: a faster feed makes thicker chips, which cost less energy a volume.
  It grows with tool wear, k_c · (1 + W · VB), and with the hardness of the blank, · m.
* Axes: friction force · v_f / η, shared by X and Y as the path turns.
* Along the path the engagement swings by ± 30 % in whole laps, so that its mean is exactly the above.
* Tool wear VB grows with the path cut, whatever the feed.
* Roughness: Ra = process floor + f² / (32 r) (feed per turn f, corner radius r) + wear + what the run adds by chance.

By chance a run has: b ~ N(1, 2 %), m ~ N(1, 4 %), loading and unloading ~ N(20 s, 1 s), roughness ~ N(0, 0.05 µm), all
cut at four standard deviations, symmetric about the mean. Everything is linear in them and they are independent, so
the expected energy, time and roughness of a part are the formulas with the means put in: `expected_part`.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.activities import Activity, Burst, Occurrence, Settings, Value
from simulators.settings import read_settings

BASE_KW = 1.40
"""Controls, hydraulics, coolant pump, cabinet: whenever the mill is on."""
SPINDLE_IDLE_KW_PER_RPM = 0.45 / 3000
PATH_MM = 1260.0
LAPS = 18
LOADING_S = UNLOADING_S = 20.0
SPECIFIC_FORCE_N_MM2 = 1800.0
"""k_c1.1 of carbon steel C45."""
CHIP_EXPONENT = 0.25
TEETH = 4
SPINDLE_EFFICIENCY = 0.80
AXIS_FRICTION_N = 2500.0
AXIS_EFFICIENCY = 0.70
WEAR_UM_PER_M = 3.0
FORCE_GROWTH_PER_UM = 0.20 / 300
CORNER_RADIUS_MM = 4.0
ROUGHNESS_FLOOR_UM = 0.80
ROUGHNESS_PER_WEAR = 0.0015
"""µm of roughness a µm of wear."""
ROUGHNESS_LIMIT_UM = 1.60
"""A part rougher than this is scrap."""
SWING = 0.30
BURST_RATE_HZ = 1024.0
BURST_SAMPLES = 64

_BASE_SD, _HARDNESS_SD, _HANDLING_SD_S, _ROUGHNESS_SD_UM = 0.02, 0.04, 1.0, 0.05
_ALLOWED = {
    "feed_mm_s": (1.0, 6.0, 20.0),
    "depth_mm": (0.1, 2.0, 5.0),
    "width_mm": (0.5, 8.0, 20.0),
    "spindle_speed_rpm": (500.0, 3000.0, 8000.0),
}


@dataclass(frozen=True, slots=True)
class PartMeans:
    """What a part takes in the mean over the chances of a run."""

    energy_kwh: float
    time_s: float
    roughness_um: float


@dataclass(frozen=True, slots=True)
class Chances:
    """What one run has by chance."""

    base: float = 1.0
    hardness: float = 1.0
    loading_s: float = LOADING_S
    unloading_s: float = UNLOADING_S
    roughness_um: float = 0.0

    @classmethod
    def draw(cls, rng: random.Random) -> "Chances":
        """Those of one run."""
        return cls(
            base=1 + _BASE_SD * _within_four(rng),
            hardness=1 + _HARDNESS_SD * _within_four(rng),
            loading_s=round(LOADING_S + _HANDLING_SD_S * _within_four(rng), 3),
            unloading_s=round(UNLOADING_S + _HANDLING_SD_S * _within_four(rng), 3),
            roughness_um=_ROUGHNESS_SD_UM * _within_four(rng),
        )


def cutting_power_kw(settings: Mapping[str, float], *, tool_wear_um: float) -> float:
    """Power that the spindle drive draws for cutting, in the mean along the path, for a blank of mean hardness."""
    feed = settings["feed_mm_s"]
    per_tooth_mm = feed / (settings["spindle_speed_rpm"] / 60 * TEETH)
    force_n_mm2: float = SPECIFIC_FORCE_N_MM2 * per_tooth_mm**-CHIP_EXPONENT * (1 + FORCE_GROWTH_PER_UM * tool_wear_um)
    milliwatts = force_n_mm2 * settings["depth_mm"] * settings["width_mm"] * feed
    return milliwatts / 1e6 / SPINDLE_EFFICIENCY


def expected_part(settings: Settings, *, tool_wear_um: float = 0.0) -> PartMeans:
    """The exact means of a part cut with these settings and a tool of this wear (at mid-part)."""
    chosen = read_settings(settings, machine="mill", allowed=_ALLOWED)
    part = MillPart(chosen, chances=Chances(), wear_before_um=tool_wear_um - PATH_MM / 2000 * WEAR_UM_PER_M)
    return PartMeans(part.energy_kwh(math.inf), part.duration_s, part.roughness_um)


def true_effect(baseline: Settings, treatment: Settings, *, parts: int = 12) -> dict[str, float]:
    """What a pilot of `parts` parts in randomised order, beginning with a new tool, should find.

    Returns:
        For energy_kwh, part_time_s and roughness_um of a part: `baseline_…`, `treatment_…` and `…_difference`, which is
        treatment − baseline (negative energy: saved), and `energy_kwh_saving`, its opposite.
    """
    wear_um = parts * PATH_MM / 2000 * WEAR_UM_PER_M  # everything is linear in wear: the mean wear gives the mean
    before, after = (expected_part(settings, tool_wear_um=wear_um) for settings in (baseline, treatment))
    effect: dict[str, float] = {}
    for name, old, new in (
        ("energy_kwh", before.energy_kwh, after.energy_kwh),
        ("part_time_s", before.time_s, after.time_s),
        ("roughness_um", before.roughness_um, after.roughness_um),
    ):
        effect |= {f"baseline_{name}": old, f"treatment_{name}": new, f"{name}_difference": new - old}
    return effect | {"energy_kwh_saving": -effect["energy_kwh_difference"]}


class MillPart:
    """One part in the mill."""

    def __init__(
        self,
        settings: Mapping[str, float],
        *,
        chances: Chances,
        wear_before_um: float = 0.0,
        run: int = 0,
        part: int = 0,
        rng: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._chances = chances
        self._rng = rng or random.Random(0)  # noqa: S311 - noise of sensors
        self._wear_before_um = wear_before_um
        wear_um = PATH_MM / 2000 * WEAR_UM_PER_M + wear_before_um
        feed = settings["feed_mm_s"]
        self._cut_s = PATH_MM / feed
        self._cut_from = chances.loading_s
        self._cut_to = chances.loading_s + self._cut_s
        self._base_kw = BASE_KW * chances.base
        self._idle_kw = SPINDLE_IDLE_KW_PER_RPM * settings["spindle_speed_rpm"]
        self._cutting_kw = cutting_power_kw(settings, tool_wear_um=wear_um) * chances.hardness
        self._axes_kw = AXIS_FRICTION_N * feed / 1e6 / AXIS_EFFICIENCY
        per_turn_mm = feed / (settings["spindle_speed_rpm"] / 60)
        self.roughness_um = (
            ROUGHNESS_FLOOR_UM
            + 1000 * per_turn_mm**2 / (32 * CORNER_RADIUS_MM)
            + ROUGHNESS_PER_WEAR * wear_um
            + chances.roughness_um
        )
        self.duration_s = round(self._cut_to + chances.unloading_s, 3)
        measured_um = round(self.roughness_um, 3)
        passed = measured_um <= ROUGHNESS_LIMIT_UM
        self.result: dict[str, Any] = {"finished": True, "passed": passed, "roughness_um": measured_um}
        self.occurrences = [
            Occurrence(
                self.duration_s,
                "part_finished",
                {
                    "run": run,
                    "part": part,
                    "result": "good" if passed else "scrap",
                    "roughness_um": measured_um,
                    "part_time_s": self.duration_s,
                    "tool_wear_um": round(self._wear_um(math.inf), 2),
                },
            )
        ]

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show at `t`."""
        cutting = self._cut_from <= t < self._cut_to
        turn = self._turn(t)
        axes_kw = self._axes_kw * cutting
        return {
            "spindle_power_kw": round(max(0.0, self._spindle_kw(t) * (1 + self._rng.gauss(0, 0.01))), 4),
            "feed_mm_s": self._settings["feed_mm_s"] if cutting else 0.0,
            "spindle_speed_rpm": round(self._settings["spindle_speed_rpm"] + self._rng.gauss(0, 1), 1)
            if cutting
            else 0.0,
            "tool_wear_um": round(self._wear_um(t), 2),
            "x_power_kw": round(axes_kw * math.cos(turn) ** 2, 5),
            "y_power_kw": round(axes_kw * math.sin(turn) ** 2, 5),
            "spindle_temperature_cel": round(self._temperature_cel(t) + self._rng.gauss(0, 0.05), 2),
            "coolant_on": cutting,
            "step": "cutting" if cutting else "loading" if t < self._cut_from else "unloading",
        }

    def burst(self, t: float) -> Burst | None:
        """Vibration of the spindle: the tooth passing frequency and noise; stronger with power and wear."""
        amplitude = 0.02 + 0.25 * max(0.0, self._spindle_kw(t) - 0.1) * (1 + self._wear_um(t) / 300)
        omega = math.tau * self._settings["spindle_speed_rpm"] / 60 * TEETH
        times = (t + i / BURST_RATE_HZ for i in range(BURST_SAMPLES))
        wave = [round(amplitude * math.sin(omega * s) + self._rng.gauss(0, 0.01), 4) for s in times]
        return Burst(BURST_RATE_HZ, {"vibration_x_g": wave})

    def power_kw(self, t: float) -> float:
        """What the mill draws from the mains."""
        cutting = self._cut_from <= t < self._cut_to
        return self._base_kw + self._spindle_kw(t) + self._axes_kw * cutting

    def energy_kwh(self, t: float) -> float:
        """What it has drawn until `t`, in closed form."""
        t = min(max(t, 0.0), self.duration_s)
        cut = min(max(t - self._cut_from, 0.0), self._cut_s)
        omega = math.tau * LAPS / self._cut_s
        swung = SWING * (1 - math.cos(omega * cut)) / omega
        steady_kws = self._base_kw * t + (self._idle_kw + self._axes_kw) * cut
        return (steady_kws + self._cutting_kw * (cut + swung)) / 3600

    def _turn(self, t: float) -> float:
        return math.tau * LAPS * (t - self._cut_from) / self._cut_s

    def _spindle_kw(self, t: float) -> float:
        if not self._cut_from <= t < self._cut_to:
            return 0.0
        return self._idle_kw + self._cutting_kw * (1 + SWING * math.sin(self._turn(t)))

    def _wear_um(self, t: float) -> float:
        cut = min(max(t - self._cut_from, 0.0), self._cut_s)
        return self._wear_before_um + cut * self._settings["feed_mm_s"] / 1000 * WEAR_UM_PER_M

    def _temperature_cel(self, t: float) -> float:
        cut = min(max(t - self._cut_from, 0.0), self._cut_s)
        return 28 + 9 * (1 - math.exp(-cut / 90))


class MillRest:
    """The mill switched on, doing nothing."""

    duration_s = math.inf

    def __init__(self, *, wear_um: float, rng: random.Random) -> None:
        self._wear_um = wear_um
        self._rng = rng
        self.occurrences: list[Occurrence] = []
        self.result: dict[str, Any] = {}

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show."""
        return {
            "spindle_power_kw": 0.0,
            "feed_mm_s": 0.0,
            "spindle_speed_rpm": 0.0,
            "tool_wear_um": round(self._wear_um, 2),
            "x_power_kw": 0.0,
            "y_power_kw": 0.0,
            "spindle_temperature_cel": round(26 + self._rng.gauss(0, 0.05), 2),
            "coolant_on": False,
            "step": "idle",
        }

    def burst(self, t: float) -> Burst | None:
        """Nothing vibrates."""
        return None

    def power_kw(self, t: float) -> float:
        """The base load."""
        return BASE_KW

    def energy_kwh(self, t: float) -> float:
        """The base load over the time."""
        return BASE_KW * t / 3600


class Mill:
    """The mill with its tool, which wears from part to part."""

    signals = (
        "spindle_power_kw",
        "feed_mm_s",
        "spindle_speed_rpm",
        "tool_wear_um",
        "x_power_kw",
        "y_power_kw",
        "spindle_temperature_cel",
        "coolant_on",
        "step",
        "vibration_x_g",
    )
    interval_s = 0.2
    burst_interval_s: float | None = 10.0

    def __init__(self) -> None:
        self._wear_um = 0.0
        self._parts = 0

    def work(self, settings: Settings, *, run: int, rng: random.Random) -> MillPart:
        """Begin a part."""
        chosen = read_settings(settings, machine="mill", allowed=_ALLOWED)
        self._parts += 1
        part = MillPart(
            chosen,
            chances=Chances.draw(rng),
            wear_before_um=self._wear_um,
            run=run,
            part=self._parts,
            rng=rng,
        )
        self._wear_um += PATH_MM / 1000 * WEAR_UM_PER_M
        return part

    def rest(self, *, rng: random.Random) -> Activity:
        """Stand idle."""
        return MillRest(wear_um=self._wear_um, rng=rng)


def _within_four(rng: random.Random) -> float:
    """A standard normal draw, cut at ±4 (which leaves its mean at 0)."""
    return min(4.0, max(-4.0, rng.gauss(0, 1)))
