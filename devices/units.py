"""Units of signals, as UCUM codes (the Unified Code for Units of Measure, case sensitive).

A checked table instead of a parser: the units that machines in a lab of this kind use. A code that is missing is one
line here.
"""

import difflib

SYMBOLS: dict[str, str] = {
    "1": "",
    "%": "%",
    "[ppm]": "ppm",
    "s": "s",
    "ms": "ms",
    "us": "µs",
    "min": "min",
    "h": "h",
    "d": "d",
    "Hz": "Hz",
    "kHz": "kHz",
    "MHz": "MHz",
    "/s": "1/s",
    "/min": "1/min",
    "/h": "1/h",
    "m": "m",
    "cm": "cm",
    "mm": "mm",
    "um": "µm",
    "nm": "nm",
    "m2": "m²",
    "mm2": "mm²",
    "m3": "m³",
    "cm3": "cm³",
    "mm3": "mm³",
    "L": "L",
    "mL": "mL",
    "rad": "rad",
    "deg": "°",
    "m/s": "m/s",
    "mm/s": "mm/s",
    "mm/min": "mm/min",
    "m/min": "m/min",
    "deg/s": "°/s",
    "rad/s": "rad/s",
    "m/s2": "m/s²",
    "mm/s2": "mm/s²",
    "[g]": "g",
    "mm3/s": "mm³/s",
    "cm3/min": "cm³/min",
    "L/min": "L/min",
    "m3/h": "m³/h",
    "g": "g",
    "kg": "kg",
    "t": "t",
    "kg.m2": "kg·m²",
    "g/min": "g/min",
    "kg/h": "kg/h",
    "kg/m3": "kg/m³",
    "N": "N",
    "kN": "kN",
    "N.m": "N·m",
    "mN.m": "mN·m",
    "Pa": "Pa",
    "hPa": "hPa",
    "kPa": "kPa",
    "MPa": "MPa",
    "bar": "bar",
    "mbar": "mbar",
    "N/mm2": "N/mm²",
    "J": "J",
    "kJ": "kJ",
    "MJ": "MJ",
    "W.h": "Wh",
    "kW.h": "kWh",
    "MW.h": "MWh",
    "W": "W",
    "kW": "kW",
    "MW": "MW",
    "V.A": "VA",
    "kV.A": "kVA",
    "V": "V",
    "mV": "mV",
    "kV": "kV",
    "A": "A",
    "mA": "mA",
    "A.h": "Ah",
    "Ohm": "Ω",
    "K": "K",
    "Cel": "°C",
    "K/min": "K/min",
    "lx": "lx",
    "lm": "lm",
    "dB": "dB",
    "B[SPL]": "B(SPL)",
    "dB[SPL]": "dB(SPL)",
    "[pH]": "pH",
    "bit": "bit",
    "By": "B",
    "kg/{part}": "kg/part",
    "kW.h/{part}": "kWh/part",
    "{part}": "parts",
    "{count}": "counts",
    "{part}/h": "parts/h",
}
"""UCUM code → how people write it."""

_OFTEN_MEANT: dict[str, str] = {
    "kwh": "kW.h",
    "wh": "W.h",
    "mwh": "MW.h",
    "kva": "kV.A",
    "va": "V.A",
    "ah": "A.h",
    "nm": "N.m",
    "rpm": "/min",
    "1/min": "/min",
    "1/s": "/s",
    "c": "Cel",
    "°c": "Cel",
    "degc": "Cel",
    "celsius": "Cel",
    "°": "deg",
    "µm": "um",
    "μm": "um",
    "micron": "um",
    "µs": "us",
    "m³": "m3",
    "m²": "m2",
    "mm²": "mm2",
    "mm³": "mm3",
    "m/s²": "m/s2",
    "percent": "%",
    "sec": "s",
    "ppm": "[ppm]",
    "ph": "[pH]",
    "pcs": "{part}",
    "parts": "{part}",
    "ohm": "Ohm",
    "ω": "Ohm",
    "byte": "By",
    "": "1",
    "-": "1",
}


def is_known_unit(code: str) -> bool:
    """Whether this is one of the UCUM codes of the table; `kw` is not, `kW` is."""
    return code in SYMBOLS


def unit_symbol(code: str | None) -> str:
    """How people write the unit: `kW.h` → `kWh`; nothing for a bare number and for what has no unit."""
    return "" if code is None else SYMBOLS.get(code, code)


def code_of_symbol(written: str) -> str | None:
    """The UCUM code of a unit as people write it, `kWh` or `µm`; `None`: none of the table."""
    text = written.strip()
    if text in SYMBOLS:
        return text
    found = next((code for code, symbol in SYMBOLS.items() if symbol == text), None)
    return found or _OFTEN_MEANT.get(text.lower())


def explain_unknown_unit(code: str) -> str:
    """One sentence for somebody who wrote a unit that is not in the table: the likeliest ones, or all."""
    meant = _OFTEN_MEANT.get(code.strip().lower())
    by_case = [known for known in SYMBOLS if known.lower() == code.strip().lower()]
    near = ([meant] if meant else []) or by_case or difflib.get_close_matches(code, SYMBOLS, n=3, cutoff=0.6)
    if near:
        return f"'{code[:40]}' is no UCUM code known here; did you mean {' or '.join(near)}?"
    return f"'{code[:40]}' is no UCUM code known here; known are {', '.join(SYMBOLS)}"
