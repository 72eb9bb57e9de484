"""What a store of samples must do. `duckdb` is the embedded one, `influxdb` that of a deployment.

A sample's identity is (device, signal, boot, device time) (I3): writing it again changes nothing, the first value wins.
"""

from dataclasses import dataclass, field
from enum import IntFlag
from typing import Protocol

import pyarrow as pa

SAMPLES = pa.schema(
    [
        pa.field("device", pa.string(), nullable=False),
        pa.field("signal", pa.string(), nullable=False),
        pa.field("boot", pa.string(), nullable=False),
        pa.field("device_ns", pa.int64(), nullable=False),
        pa.field("settled_ns", pa.int64(), nullable=False),
        pa.field("received_ns", pa.int64(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("flags", pa.uint8(), nullable=False),
    ]
)
"""Columns of samples outside a store. Exactly one of `value` (numbers; booleans as 0 and 1) and `text` is set."""

BUCKETS = pa.schema(
    [
        pa.field("start_ns", pa.int64(), nullable=False),
        pa.field("min", pa.float64(), nullable=False),
        pa.field("max", pa.float64(), nullable=False),
        pa.field("mean", pa.float64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
    ]
)
"""Columns of a bucketed answer; `start_ns` is a multiple of the bucket's width, empty buckets are absent."""


class Flag(IntFlag):
    """What is known against a sample."""

    SKEWED = 1
    """The device's clock was off and has been corrected."""
    LATE = 2
    """Received more than 60 s after its settled time without being announced as buffered."""
    BUFFERED = 4
    """Recorded earlier, sent later, and said so."""
    UNCERTAIN = 8
    """The settled time cannot be trusted: staff-only."""
    OUT_OF_RANGE = 16
    """Outside the signal's declared range."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch."""

    stored: int
    duplicates: int
    """The same identity and value again: nothing to do."""
    conflicts: pa.Table
    """Rows (schema SAMPLES) that are not stored and never will be: dead letters."""
    rejected: pa.Table = field(default_factory=SAMPLES.empty_table)
    """Those of `conflicts` that the store refuses for themselves; of the others the identity has another value."""


class SampleStore(Protocol):
    """A store of samples."""

    def write(self, samples: pa.Table, *, watermark: int) -> Written:
        """Store a batch (schema SAMPLES) and remember `watermark`, the last spool row it came from.

        Both in one transaction where the store has transactions; else the samples first.

        Raises:
            StoreUnavailableError: nothing, or a part that may be written again, is stored.
        """
        ...

    def watermark(self) -> int:
        """The last spool row that is surely stored; 0 in a new store."""
        ...

    def read(
        self,
        device: str,
        signals: list[str],
        spans: list[tuple[int, int]],
        *,
        uncertain: bool = False,
        limit: int | None = None,
    ) -> pa.Table:
        """Samples whose settled time lies in one of the spans `[start_ns, end_ns)`.

        Args:
            device: the device.
            signals: their names; empty: all.
            spans: of settled time.
            uncertain: whether samples of uncertain time are included.
            limit: at most so many rows, the first ones of the sorted answer; `None`: all.

        Returns:
            Schema SAMPLES, sorted by signal, settled_ns, device_ns.
        """
        ...

    def buckets(
        self,
        device: str,
        signal: str,
        spans: list[tuple[int, int]],
        *,
        width_ns: int,
        uncertain: bool = False,
    ) -> pa.Table:
        """Minimum, maximum, mean and count of one signal in buckets of equal width; schema BUCKETS, sorted."""
        ...

    def last_values(self, device: str, spans: list[tuple[int, int]], *, uncertain: bool = False) -> pa.Table:
        """The sample with the greatest settled time of each signal within the spans; schema SAMPLES."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
