"""From what an edge node means to native messages, and from a raw message to the reason why it has none."""

from itertools import groupby
from typing import Any

import msgspec

from devices.messages.native import Birth, Data, Death, encode
from devices.messages.times import LATEST_NS
from devices.messages.topics import topic
from telemetry.sparkplug.payload import PayloadError, Unsupported, decode_payload
from telemetry.sparkplug.session import Born, Died, Emit, Reading
from telemetry.sparkplug.topics import ROOT, address_of, level_of, parse_sparkplug_topic
from telemetry.validation import Fault

_LONGEST_BYTES = 60_000
"""Of a native message: many metrics with long names make several, so that none is refused for its size."""
_EARLIER_MS = 1000
"""A value this much older than its message was recorded earlier: it says nothing about the clock."""


def native_messages(lab: str, group: str, node: str, said: Emit | Born | Died) -> list[tuple[str, bytes]]:
    """(topic, payload) of the native messages that say the same, in order of time.

    The device is named by its address; which device that is, is looked up where the message is read.
    """
    level = level_of(address_of(group, node, said.device))
    if isinstance(said, Born):
        birth = Birth(said.boot, _nanoseconds(said.time_ms), None, _first(said.names))
        return [(topic(lab, level, "birth"), encode(birth))]
    if isinstance(said, Died):
        return [(topic(lab, level, "death"), encode(Death(said.boot)))]
    return [(topic(lab, level, "data"), payload) for data in _data_of(said) for payload in _payloads(data)]


def reason_of(topic: str, payload: bytes) -> tuple[str, Fault] | None:
    """Address and fault of a message that could not be translated, or not wholly; `None`: it is no edge node's."""
    if not topic.startswith(f"{ROOT}/"):
        return None
    place = parse_sparkplug_topic(topic)
    if place is None:
        return "", Fault("unknown-topic", "the topic is not spBv1.0/{group}/{kind}/{node}[/{device}]")
    address = address_of(place.group, place.node, place.device)
    try:
        found = decode_payload(payload)
    except PayloadError as error:
        return address, Fault("not-sparkplug", str(error))
    if place.kind != "NDEATH" and (found.seq is None or not 0 <= found.seq < 256):
        return address, Fault("wrong-form", "the payload has no seq from 0 to 255")
    if place.kind == "NDEATH":
        return address, Fault("wrong-form", "a death names its birth by the metric bdSeq")
    detail = (
        "metrics whose name or time nobody could tell: their birth was not heard, or messages before them are missing"
    )
    return address, Fault("unknown-metric", detail)


def _data_of(said: Emit) -> list[Data]:
    """One message for each time; a signal that comes twice at one time comes twice."""
    messages: list[Data] = []
    ordered = sorted(said.readings, key=_moment)
    for (time_ms, historical), readings in groupby(ordered, key=_moment):
        earlier = historical or said.sent_ms - time_ms > _EARLIER_MS
        messages += [
            Data(said.boot, said.seq, _nanoseconds(time_ms), values, buffered=earlier)
            for values in _without_repetition([*readings])
        ]
    return messages or [Data(said.boot, said.seq, _nanoseconds(said.sent_ms), {}, buffered=True)]


def _payloads(data: Data) -> list[bytes]:
    payload = encode(data)
    values = [*(data.values or {}).items()]
    if len(payload) <= _LONGEST_BYTES or len(values) < 2:
        return [payload]
    half = len(values) // 2
    parts = (dict(values[:half]), dict(values[half:]))
    return [one for part in parts for one in _payloads(msgspec.structs.replace(data, values=part))]


def _first(names: tuple[str, ...]) -> list[str]:
    """As many names as a birth keeps."""
    kept, size = [], 0
    for name in names:
        size += len(name.encode()) + 3
        if size > _LONGEST_BYTES:
            break
        kept.append(name)
    return kept


def _moment(reading: Reading) -> tuple[int, bool]:
    return reading.time_ms, reading.historical


def _without_repetition(readings: list[Reading]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for reading in readings:
        value = {"unsupported": reading.value.kind} if isinstance(reading.value, Unsupported) else reading.value
        for part in parts:
            if reading.name not in part:
                part[reading.name] = value
                break
        else:
            parts.append({reading.name: value})
    return parts


def _nanoseconds(milliseconds: int) -> int:
    """A time that fits into 64 bits; one that is far too late stays far too late."""
    return min(milliseconds * 1_000_000, LATEST_NS)
