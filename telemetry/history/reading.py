"""Samples over any span, for charts; always through a `Grant` (I4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.orm import Session

from devices.models import Signal
from telemetry.grants import Grant
from telemetry.live.reduction import Value, kept
from telemetry.queries import visible_spans
from telemetry.stores.interface import SampleStore

PAST_POINTS = 600
"""Most points of a signal that a live stream begins with."""
_TEXT_TYPES = frozenset({"text", "enumeration"})

Types: TypeAlias = Mapping[str, str]
"""Signal → number, boolean, text or enumeration."""
Point: TypeAlias = tuple[float, Value]
Range: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SignalHistory:
    """One signal over a span."""

    reduced: bool
    """Whether `points` are fewer than there are samples."""
    points: Sequence[Point | Range]
    """`(t_ms, value)`, or `(t_ms, low, high)` of all samples from there on to the next one."""


def signal_types(session: Session, device: str) -> Types:
    """Signal → its type, of the catalogue."""
    rows = session.execute(sa.select(Signal.name, Signal.type).where(Signal.device_id == device))
    return {row.name: row.type for row in rows}


def read_history(
    store: SampleStore,
    grant: Grant,
    device: str,
    signal: str,
    start_ns: int,
    end_ns: int,
    *,
    width_px: int,
    kind: str = "number",
) -> SignalHistory:
    """One signal over any span, at most two values for each pixel: every sample, or what lies between two of them.

    Numbers keep their least and greatest value in every part; of a text the changes are told, and of several changes
    within a pixel the last.

    Args:
        store: where samples are.
        grant: of whoever asks.
        device: whose samples.
        signal: its name.
        start_ns: first settled time.
        end_ns: first settled time that is not wanted any more.
        width_px: of the chart, at least 2.
        kind: the signal's type.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
    """
    spans = visible_spans(grant, device, start_ns, end_ns)
    if kind in _TEXT_TYPES:
        return _changes(store, grant, device, signal, spans, (start_ns, end_ns), width_px)
    width_ns = max(1, -(-(end_ns - start_ns) // (width_px - 1)))  # parts begin at multiples: there is one more of them
    parts = store.buckets(device, signal, spans, width_ns=width_ns, uncertain=grant.uncertain)
    count = pc.sum(parts.column("count")).as_py() or 0
    if count > 2 * width_px:
        starts = np.maximum(parts.column("start_ns").to_numpy(), start_ns) / 1e6
        columns = (starts.tolist(), parts.column("min").to_pylist(), parts.column("max").to_pylist())
        return SignalHistory(True, list(zip(*columns, strict=True)))
    rows = store.read(device, [signal], spans, uncertain=grant.uncertain, limit=2 * width_px)
    times, values = (rows.column("settled_ns").to_numpy() / 1e6).tolist(), rows.column("value").to_pylist()
    return SignalHistory(False, list(zip(times, values, strict=True)))


def read_past(
    store: SampleStore,
    grant: Grant,
    device: str,
    signals: Sequence[str],
    start_ns: int,
    end_ns: int,
    *,
    types: Types,
) -> dict[str, list[tuple[int, Value]]]:
    """What is stored of the last minutes, for a live stream to begin with.

    Returns:
        Signal → settled time in nanoseconds and value, times increasing, at most `PAST_POINTS`.

    Raises:
        DeviceNotVisibleError: if the grant does not name the device.
    """
    spans = visible_spans(grant, device, start_ns, end_ns)
    found: dict[str, list[tuple[int, Value]]] = {}
    for signal, rows in _by_signal(store.stream(device, list(signals), spans, uncertain=grant.uncertain)):
        if signal in types:
            found[signal] = _fewer([*found.get(signal, ()), *_points(rows, types[signal])])
    return found


def _by_signal(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, pa.RecordBatch]]:
    for batch in batches:
        if batch.num_rows:
            runs = pc.run_end_encode(batch.column("signal"))
            start = 0
            for signal, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                yield signal, batch.slice(start, end - start)
                start = end


def _points(rows: pa.RecordBatch, kind: str) -> list[tuple[int, Value]]:
    """Points of rows of one signal, few enough; times increase."""
    times = rows.column("settled_ns").to_numpy()
    newer = np.flatnonzero(np.diff(times, prepend=times[0] - 1) > 0)
    if kind in _TEXT_TYPES:
        texts = rows.column("text").to_pylist()
        return [(int(times[place]), texts[place] or "") for place in newer[-PAST_POINTS:].tolist()]
    times, values = times[newer], rows.column("value").to_numpy(zero_copy_only=False)[newer]
    places = kept(values, PAST_POINTS)
    chosen: list[Any] = values[places].tolist()
    if kind == "boolean":
        chosen = [bool(value) for value in chosen]
    return list(zip(times[places].tolist(), chosen, strict=True))


def _fewer(points: list[tuple[int, Value]]) -> list[tuple[int, Value]]:
    if len(points) <= PAST_POINTS:
        return points
    if any(isinstance(value, bool | str) for _, value in points):
        return points[-PAST_POINTS:]
    places = kept(np.array([value for _, value in points], dtype=np.float64), PAST_POINTS)
    return [points[place] for place in places.tolist()]


def _changes(
    store: SampleStore,
    grant: Grant,
    device: str,
    signal: str,
    spans: list[tuple[int, int]],
    span: tuple[int, int],
    width_px: int,
) -> SignalHistory:
    pixel_ns = max(1, -(-(span[1] - span[0]) // (2 * width_px)))
    points: list[Point] = []
    last: str | None = None
    last_pixel, count = -1, 0
    for batch in store.stream(device, [signal], spans, uncertain=grant.uncertain):
        texts = batch.column("text").to_pylist()
        for time_ns, text in zip(batch.column("settled_ns").to_pylist(), texts, strict=True):
            count += 1
            if text is None or text == last:
                continue
            pixel = (time_ns - span[0]) // pixel_ns
            if pixel == last_pixel:
                points.pop()
            points.append((time_ns / 1e6, text))
            last, last_pixel = text, pixel
    return SignalHistory(len(points) < count, points)
