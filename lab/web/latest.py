"""The newest values of a machine, as a page shows them; always through a grant (I4)."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from devices.models import Device, Signal
from lab.core.time import from_nanoseconds
from lab.web.wording import value_text
from telemetry.grants import BEGINNING_NS, Grant
from telemetry.queries import last_values
from telemetry.stores.interface import SampleStore

RECENT_NS = 10 * 60 * 10**9
"""Older values are not what a machine does now."""
DAY_NS = 24 * 3600 * 10**9
MOST_PRESENT = 3


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One signal with its newest value."""

    signal: Signal
    text: str
    at: datetime | None
    """Settled time; `None`: there is no value."""


def present_values(store: SampleStore, grant: Grant, device: Device, now_ns: int) -> list[ShownValue]:
    """The first few signals of the last minutes; empty if there are none, or none that may be seen."""
    if not grant.spans_of(device.id, now_ns - RECENT_NS, now_ns):
        return []
    found = _by_signal(last_values(store, grant, device.id, start_ns=now_ns - RECENT_NS))
    shown = (_shown(signal, found) for signal in device.signals)
    return [value for value in shown if value.at is not None][:MOST_PRESENT]


def latest_values(store: SampleStore, grant: Grant, device: Device, now_ns: int) -> list[ShownValue]:
    """Every signal of the device with its newest value that may be seen; empty if the device is not in the grant."""
    if not grant.spans_of(device.id):
        return []
    table = last_values(store, grant, device.id, start_ns=now_ns - DAY_NS)
    if table.num_rows == 0:  # looking through everything is slower: only for machines that have been silent for long
        table = last_values(store, grant, device.id, start_ns=BEGINNING_NS)
    found = _by_signal(table)
    return [_shown(signal, found) for signal in device.signals]


def _by_signal(table: pa.Table) -> dict[str, dict[str, object]]:
    return {row["signal"]: row for row in table.select(["signal", "settled_ns", "value", "text"]).to_pylist()}


def _shown(signal: Signal, found: dict[str, dict[str, object]]) -> ShownValue:
    row = found.get(signal.name)
    if row is None:
        return ShownValue(signal, "–", None)
    value, text, at = row["value"], row["text"], row["settled_ns"]
    assert isinstance(at, int)
    number = value if isinstance(value, float) else None
    words = value_text(number, text if isinstance(text, str) else None, signal.type)
    return ShownValue(signal, words, from_nanoseconds(at))
