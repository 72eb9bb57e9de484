"""An energy meter: the mill's supply, its running total, and the rest of the lab cell."""

import random

from simulators.activities import Activity, Value
from simulators.mill import BASE_KW

LIGHTING_KW = 0.35
"""What the rest of the cell draws when all its machines are off."""
_FIRST_READING_KWH = 4321.0
_CLASS = 0.002
"""Standard deviation of a reading of power, relative."""


class Meter:
    """The meter. Its total is the exact integral of what the mill draws, between runs too."""

    signals = ("active_power_kw", "energy_kwh", "cell_power_kw", "voltage_v")
    interval_s = 1.0
    burst_interval_s: float | None = None

    def __init__(self) -> None:
        self._total_kwh = _FIRST_READING_KWH
        self._until_ns: int | None = None

    def pass_idle_time(self, now_ns: int) -> None:
        """Count the mill's base load from where the total stands to `now_ns`."""
        if self._until_ns is not None and now_ns > self._until_ns:
            self._total_kwh += BASE_KW * (now_ns - self._until_ns) / 3.6e12
        self._until_ns = now_ns

    def count(self, activity: Activity, *, start_ns: int, for_s: float | None = None) -> None:
        """Add a finished work of the mill to the total, or the first `for_s` seconds of one that was stopped."""
        for_s = activity.duration_s if for_s is None else for_s
        self._total_kwh += activity.energy_kwh(for_s)
        self._until_ns = start_ns + round(for_s * 1e9)

    def read(self, t: float, *, mill: Activity | None, cell: list[Activity], rng: random.Random) -> dict[str, Value]:
        """What the meter shows.

        Args:
            t: seconds since the start of the activities.
            mill: what the mill is doing; `None`: it idles.
            cell: what the other machines are doing.
            rng: noise of the readings.
        """
        power_kw = mill.power_kw(t) if mill is not None else BASE_KW
        total_kwh = self._total_kwh + (mill.energy_kwh(t) if mill is not None else BASE_KW * t / 3600)
        cell_kw = LIGHTING_KW + sum(activity.power_kw(t) for activity in cell)
        return {
            "active_power_kw": round(power_kw * (1 + rng.gauss(0, _CLASS)), 4),
            "energy_kwh": round(total_kwh, 6),
            "cell_power_kw": round(cell_kw * (1 + rng.gauss(0, _CLASS)), 4),
            "voltage_v": round(231 + rng.gauss(0, 0.3), 2),
        }
