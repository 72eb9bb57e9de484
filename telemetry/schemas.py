"""What the telemetry endpoints answer, and how times and cursors are written in an address.

Samples and buckets come by column, so that a program can make a table of them at once. Times are RFC 3339 in UTC with
nine digits: text, because 64-bit nanoseconds do not fit into a JavaScript number.
"""

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel

from devices.messages.times import TimeFormatError, format_time, parse_time
from lab.core.errors import InvalidError
from lab.core.time import aware_utc
from telemetry.models import MachineEvent
from telemetry.sequences import Completeness


class TimeNotUnderstoodError(InvalidError):
    """A time in a request that is not RFC 3339 with a zone. Facts: `field`, `rule`."""


class CursorInvalidError(InvalidError):
    """A cursor that this product did not make. Facts: `field`, `rule`."""


class SignalSamples(BaseModel):
    """Samples of one signal; the lists are equally long."""

    time: list[str]
    """Settled time."""
    value: list[float | str]
    """Numbers (booleans as 0 and 1) or texts."""
    boot: list[str]
    flags: list[int]
    """Sum of 1 skewed, 2 late, 4 buffered, 8 uncertain, 16 out of range."""


class SamplesAnswer(BaseModel):
    """Raw samples of a device in `[start, end)`."""

    device: str
    start: str
    end: str
    signals: dict[str, SignalSamples]


class SignalBuckets(BaseModel):
    """Buckets of one signal; the lists are equally long; empty buckets are absent."""

    start_ms: list[int]
    """First instant of the bucket in milliseconds since 1970, a multiple of the width."""
    min: list[float]
    max: list[float]
    mean: list[float]
    count: list[int]


class BucketsAnswer(BaseModel):
    """Number signals of a device in `[start, end)`, reduced to buckets."""

    device: str
    start: str
    end: str
    width_ms: int
    signals: dict[str, SignalBuckets]


class LatestValue(BaseModel):
    """The newest sample of a signal."""

    time: str
    value: float | str
    boot: str
    flags: int


class LatestAnswer(BaseModel):
    """The newest sample of each signal of a device."""

    device: str
    values: dict[str, LatestValue]


class EventAnswer(BaseModel):
    """Something a machine reported."""

    event: str
    time: str
    """Settled time."""
    device_time: str
    received: str
    boot: str
    seq: int
    flags: int
    fields: dict[str, Any]


class EventsAnswer(BaseModel):
    """What a device reported in `[start, end)`."""

    device: str
    start: str
    end: str
    events: list[EventAnswer]


def instant_ns(text: str, *, field: str) -> int:
    """Nanoseconds since 1970 of a time in a request. A `+` that an address turned into a space is understood.

    Raises:
        NaiveTimeError: if it has no zone.
        TimeNotUnderstoodError: if it is no time.
    """
    written = text.strip().replace(" ", "+") if "T" in text.upper() else text.strip()
    try:
        return parse_time(written)
    except TimeFormatError as error:
        try:
            naive = datetime.fromisoformat(written)
        except ValueError:
            naive = None
        if naive is not None and naive.tzinfo is None:
            aware_utc(naive, field=field)
        raise TimeNotUnderstoodError(
            f"{field} {error}; in an address, write + as %2B", field=field, rule="rfc-3339"
        ) from error


def samples_by_signal(samples: pa.Table) -> dict[str, SignalSamples]:
    """Columns of each signal of a table with schema SAMPLES that is sorted by signal."""
    found = {}
    for signal, rows in _groups(samples):
        numbers = rows.column("value").to_pylist()
        texts = rows.column("text").to_pylist()
        found[signal] = SignalSamples.model_construct(
            time=_written(rows.column("settled_ns").to_numpy()),
            value=[text if number is None else number for number, text in zip(numbers, texts, strict=True)],
            boot=rows.column("boot").to_pylist(),
            flags=rows.column("flags").to_pylist(),
        )
    return found


def buckets_by_column(buckets: pa.Table) -> SignalBuckets:
    """Columns of a table with schema BUCKETS whose width is whole milliseconds."""
    columns = {name: buckets.column(name).to_pylist() for name in ("min", "max", "mean", "count")}
    return SignalBuckets(start_ms=(buckets.column("start_ns").to_numpy() // 1_000_000).tolist(), **columns)


def latest_by_signal(samples: pa.Table) -> dict[str, LatestValue]:
    """The one sample of each signal."""
    return {
        row["signal"]: LatestValue(
            time=format_time(row["settled_ns"]),
            value=row["text"] if row["value"] is None else row["value"],
            boot=row["boot"],
            flags=row["flags"],
        )
        for row in samples.to_pylist()
    }


def event_answer(event: MachineEvent) -> EventAnswer:
    """An event as the API shows it."""
    return EventAnswer(
        event=event.kind,
        time=format_time(event.settled_ns),
        device_time=format_time(event.device_ns),
        received=format_time(event.received_ns),
        boot=event.boot,
        seq=event.seq,
        flags=event.flags,
        fields=event.fields,
    )


class CompletenessAnswer(BaseModel):
    """What a device says that it sent, and what is stored."""

    expected: int
    received: int
    complete: bool
    missing: list[tuple[int, int]]
    """First and last number of each gap, in order."""


def completeness_answer(found: Completeness) -> CompletenessAnswer:
    """Translate what is known of a range of messages."""
    return CompletenessAnswer(
        expected=found.expected, received=found.received, complete=found.complete, missing=found.missing
    )


def _groups(samples: pa.Table) -> list[tuple[str, pa.Table]]:
    if not samples.num_rows:
        return []
    runs = pc.run_end_encode(samples.column("signal").combine_chunks())
    ends = runs.run_ends.to_pylist()
    starts = [0, *ends[:-1]]
    return [
        (signal, samples.slice(start, end - start))
        for signal, start, end in zip(runs.values.to_pylist(), starts, ends, strict=True)
    ]


def _written(nanoseconds: NDArray[np.int64]) -> list[str]:
    texts: list[str] = np.datetime_as_string(nanoseconds.view("datetime64[ns]"), timezone="UTC").tolist()
    return texts
