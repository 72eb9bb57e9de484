"""Which unit follows from which: a small table of UCUM codes, refused when the plan is written, not found out later."""

from lab.pilots.errors import UnitMismatchError

_TIME_INTEGRALS = {
    ("kW", "kW.h"): 1 / 3600,
    ("kW", "W.h"): 1000 / 3600,
    ("kW", "kJ"): 1.0,
    ("kW", "MJ"): 1e-3,
    ("W", "W.h"): 1 / 3600,
    ("W", "kW.h"): 1 / 3_600_000,
    ("W", "J"): 1.0,
    ("W", "kJ"): 1e-3,
    ("A", "A.h"): 1 / 3600,
    ("mm/s", "mm"): 1.0,
    ("mm/s", "m"): 1e-3,
    ("m/s", "m"): 1.0,
    ("L/min", "L"): 1 / 60,
    ("m3/h", "m3"): 1 / 3600,
    ("g/s", "g"): 1.0,
    ("kg/h", "kg"): 1 / 3600,
}
"""(unit of the signal, unit of its integral over time) → factor on unit × second."""

_CONVERSIONS = {
    ("kW", "W"): 1e3,
    ("W", "kW"): 1e-3,
    ("mm", "um"): 1e3,
    ("um", "mm"): 1e-3,
    ("m", "mm"): 1e3,
    ("mm", "m"): 1e-3,
    ("kW.h", "W.h"): 1e3,
    ("W.h", "kW.h"): 1e-3,
    ("s", "min"): 1 / 60,
    ("s", "h"): 1 / 3600,
    ("s", "ms"): 1e3,
}

_LABELS = {"kW.h": "kWh", "W.h": "Wh", "A.h": "Ah", "um": "µm", "Cel": "°C", "1": "", "m3": "m³", "m3/h": "m³/h"}


def integral_factor(signal_unit: str, unit: str) -> float:
    """The factor that takes an integral over seconds of a signal into a KPI's unit.

    Args:
        signal_unit: UCUM code of the signal, e.g. `kW`.
        unit: UCUM code of the KPI, e.g. `kW.h`.

    Raises:
        UnitMismatchError: if the one does not integrate to the other.
    """
    if (signal_unit, unit) in _TIME_INTEGRALS:
        return _TIME_INTEGRALS[signal_unit, unit]
    possible = [to for origin, to in _TIME_INTEGRALS if origin == signal_unit]
    raise _mismatch(f"a signal in {signal_unit} integrated over time is not in {unit}", signal_unit, unit, possible)


def conversion_factor(origin: str, unit: str) -> float:
    """The factor between two units of one quantity.

    Raises:
        UnitMismatchError: if there is none in the table.
    """
    if origin == unit:
        return 1.0
    if (origin, unit) in _CONVERSIONS:
        return _CONVERSIONS[origin, unit]
    possible = [origin, *(to for start, to in _CONVERSIONS if start == origin)]
    raise _mismatch(f"a value in {origin} cannot be given in {unit}", origin, unit, possible)


def unit_label(unit: str | None) -> str:
    """The unit as people read it; empty for a bare number."""
    return "" if unit is None else _LABELS.get(unit, unit)


def _mismatch(fact: str, origin: str, unit: str, possible: list[str]) -> UnitMismatchError:
    way_out = f"; {', '.join(possible)} would do" if possible else ""
    return UnitMismatchError(
        fact + way_out, field="unit", rule="units-match", origin=origin, unit=unit, nearest=possible
    )
