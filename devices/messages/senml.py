"""Data in SenML JSON (RFC 8428) on `data/senml`.

A pack is a list of records. Base fields (`bn`, `bt`, `bu`, `bv`) hold from their record on; the signal is the `n` of a
record, or `bn` where a record has none; the topic says which device it is. Times are exact to the nanosecond: they are
read as decimal numbers, not as floats.

SenML numbers neither a device's starts nor its messages. The first record of a pack may say so with `boot`, `seq` and
`buffered`, as native messages do (other readers pass over fields that they do not know); without, the boot is `senml`
and nobody can tell whether a pack is missing. A time relative to "now" is refused: the same pack delivered twice would
be two different samples, and one that waited in the broker would be of the wrong hour.
"""

import json
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from devices.messages.native import UNNUMBERED, Data, MessageError, printable, require_usable_data

VERSION = 10
BOOT = "senml"
_ABSOLUTE_FROM_S = 2**28
_LARGEST_EXPONENT = 11
_BASE_FIELDS = ("bn", "bt", "bu", "bv")
_VALUE_FIELDS = ("v", "vs", "vb", "vd")
_TEXTS, _NUMBERS = frozenset({"bn", "n", "bu", "u", "vs", "vd"}), frozenset({"bt", "t", "bv", "v", "bs", "s", "ut"})
_UCUM = {
    "Ohm": "Ohm",
    "l": "L",
    "l/s": "L/s",
    "/": "1",
    "%RH": "%",
    "1/s": "/s",
    "1/min": "/min",
    "count": "{count}",
    "pH": "[pH]",
    "Bspl": "B[SPL]",
    "VA": "V.A",
    "kVA": "kV.A",
    "VAs": "V.A.s",
    "Ah": "A.h",
    "Wh": "W.h",
    "kWh": "kW.h",
    "/100": "%",
    "ppm": "[ppm]",
    "B": "By",
}
"""Units that SenML (RFC 8428, RFC 8798) writes otherwise than UCUM; the others are the same."""

_DECODER = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal)


class Unusable(NamedTuple):
    """Stands for a value that no signal can have, so that it costs itself and not its neighbours."""

    what: str

    def __str__(self) -> str:
        return self.what


class _Sample(NamedTuple):
    signal: str
    time_ns: int
    value: Any


def decode_senml(payload: bytes) -> Data:
    """Read a payload that came on `data/senml`.

    Returns:
        The message: `values` when all records are of one time, else `samples`.

    Raises:
        MessageError: if the pack as a whole cannot be used.
    """
    if not payload:
        raise MessageError("empty", "the payload has no bytes")
    records = _records(payload)
    if not records:
        raise MessageError("wrong-form", "a pack has at least one record")
    samples, units = _resolved(records)
    if not samples:
        raise MessageError("wrong-form", "no record of the pack has a value")
    first = records[0]
    boot, seq, buffered = first.get("boot", BOOT), first.get("seq"), first.get("buffered", False)
    head: dict[str, Any] = {"boot": boot, "seq": 0 if seq is None else seq, "buffered": buffered}
    times = {sample.time_ns for sample in samples}
    if len(times) == 1 and len({sample.signal for sample in samples}) == len(samples):
        head |= {"time": samples[0].time_ns, "values": {sample.signal: sample.value for sample in samples}}
    else:
        series: dict[str, list[tuple[int, Any]]] = {}
        for sample in samples:
            series.setdefault(sample.signal, []).append((sample.time_ns, sample.value))
        head["samples"] = series
    try:
        message = msgspec.convert(head | {"units": units or None}, Data)
    except (msgspec.ValidationError, OverflowError) as error:
        raise MessageError("wrong-form", printable(str(error))) from error
    require_usable_data(message)
    return message if seq is not None else msgspec.structs.replace(message, seq=UNNUMBERED)


def _records(payload: bytes) -> list[dict[str, Any]]:
    try:
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        first = error
    try:
        plain = json.loads(payload.decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise MessageError("not-utf8", f"byte {error.start} is not UTF-8") from error
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise MessageError("not-json", printable(str(error))) from error
    try:
        return msgspec.convert(plain, list[dict[str, Any]])
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError, OverflowError) as error:
        raise MessageError("wrong-form", printable(str(error or first))) from error


def _resolved(records: list[dict[str, Any]]) -> tuple[list[_Sample], dict[str, str]]:
    base: dict[str, Any] = {}
    samples: list[_Sample] = []
    units: dict[str, str] = {}
    full_names: dict[str, str] = {}
    for record in records:
        _require_form(record)
        base |= {name: record[name] for name in _BASE_FIELDS if name in record}
        if not any(name in record for name in (*_VALUE_FIELDS, "s")):
            continue  # base fields for the records that follow
        signal = record.get("n") or base.get("bn") or ""
        if not signal:
            raise MessageError("wrong-form", "a record has neither a name (n) nor a base name (bn)")
        full_name = base.get("bn", "") + record.get("n", "")
        if full_names.setdefault(signal, full_name) != full_name:
            raise MessageError("wrong-form", f"'{signal[:60]}' stands under two base names in one pack")
        unit = record.get("u") or base.get("bu")
        if unit is not None and units.setdefault(signal, _ucum(unit)) != _ucum(unit):
            raise MessageError("wrong-form", f"'{signal[:60]}' has two units in one pack")
        samples.append(_Sample(signal, _time_ns(base.get("bt", 0), record.get("t", 0)), _value(record, base)))
    return samples, units


def _require_form(record: dict[str, Any]) -> None:
    for name, value in record.items():
        if name.endswith("_"):
            raise MessageError("wrong-form", f"the field '{name[:60]}' must be understood, and is not")
        if name in _TEXTS and not isinstance(value, str):
            raise MessageError("wrong-form", f"the field '{name}' is text")
        if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float | Decimal)):
            raise MessageError("wrong-form", f"the field '{name}' is a number")
    if "vb" in record and not isinstance(record["vb"], bool):
        raise MessageError("wrong-form", "the field 'vb' is true or false")
    if sum(name in record for name in _VALUE_FIELDS) > 1:
        raise MessageError("wrong-form", "a record has one value")
    version = record.get("bver", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise MessageError("wrong-form", f"version {str(version)[:20]} of SenML is newer than {VERSION}")


def _value(record: dict[str, Any], base: dict[str, Any]) -> Any:
    if "vs" in record:
        return record["vs"]
    if "vb" in record:
        return record["vb"]
    if "vd" in record:
        return Unusable("binary data")
    if "v" not in record:
        return Unusable("a sum without a value")
    value, offset = record["v"], base.get("bv", 0)
    if not offset:
        return float(value) if isinstance(value, Decimal) else value
    if isinstance(value, float) or isinstance(offset, float):
        return float(value) + float(offset)  # one of them is NaN or infinite
    if max(_exponent(value), _exponent(offset)) > 400:
        return float("inf")
    return float(Decimal(value) + Decimal(offset))


def _exponent(number: int | Decimal) -> int:
    return Decimal(number).adjusted()


def _time_ns(base: Any, own: Any) -> int:
    if isinstance(base, float) or isinstance(own, float):
        raise MessageError("wrong-form", "a time is no finite number")
    if max(_exponent(base), _exponent(own)) > _LARGEST_EXPONENT:
        raise MessageError("wrong-form", "a time is in seconds since 1970")
    seconds = Decimal(base) + Decimal(own)
    if seconds < _ABSOLUTE_FROM_S:
        raise MessageError(
            "no-time",
            "a time relative to 'now' says neither when a value was measured nor whether it came twice; "
            "set bt to seconds since 1970",
        )
    return int((seconds * 1_000_000_000).to_integral_value())


def _ucum(unit: str) -> str:
    return _UCUM.get(unit, unit)
