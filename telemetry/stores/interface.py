"""What a store of samples must do. `duckdb` is the embedded one, `influxdb` that of a deployment.

A sample's identity is (device, signal, boot, device time) (I3): writing it again changes nothing, the first value wins.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Protocol, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Series: TypeAlias = tuple[str, str, str]
"""Device, signal and boot."""

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

ROWS = pa.schema(
    [
        pa.field("series", pa.int32(), nullable=False),
        *(SAMPLES.field(name) for name in SAMPLES.names[3:]),
    ]
)
"""Columns of a `SampleBatch`: as SAMPLES, with the place of the series instead of its three names."""

COVERAGE = pa.schema(
    [
        pa.field("signal", pa.string(), nullable=False),
        pa.field("boot", pa.string(), nullable=False),
        pa.field("first_ns", pa.int64(), nullable=False),
        pa.field("last_ns", pa.int64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("longest_gap_ns", pa.int64(), nullable=False),
    ]
)
"""Columns of a coverage: one row for each stretch of a signal and boot without a long silence, in settled time; both
ends are samples, `longest_gap_ns` is the longest silence within."""

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
    """Outside the signal's declared range, or a whole number too large to be kept exactly."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of which it is known, without a look at them, that no two have one identity.

    They are of several moments, one after the other in device time, and each has one sample of each of the same series.
    """

    series: NDArray[np.int32]
    """Places of its series, all different."""
    first_ns: int
    last_ns: int
    """Least and greatest device time."""
    oldest_ns: int
    newest_ns: int
    """Least and greatest settled time."""
    newest_certain_ns: int | None
    """Greatest settled time that is not uncertain; `None`: all are."""


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples in columns, their series as small numbers: what the recorder hands to a store."""

    series: tuple[Series, ...]
    """Each series once; some may have no rows."""
    rows: pa.Table
    """Schema ROWS; column `series` is the place in `series`."""
    blocks: tuple[Block, ...] | None = None
    """All rows as blocks, in the order in which they begin; `None`: each row has to be looked at."""

    def samples(self) -> pa.Table:
        """The same with names, schema SAMPLES."""
        places = self.rows.column("series")
        names = [pa.array([one[part] for one in self.series], pa.string()).take(places) for part in range(3)]
        return pa.Table.from_arrays([*names, *self.rows.columns[1:]], schema=SAMPLES)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How much of a spool the store holds so that losing the spool would lose nothing."""

    through: int
    """The last spool row whose samples were read back from where they stay."""
    verified_rows: int
    """How many samples were read back for it."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction did."""

    rows: int
    bytes_before: int
    bytes_after: int
    doubles: int
    """Rows whose identity was stored twice; there should never be any."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A store found itself damaged and put something in the place of what was."""

    kind: str
    """store-damaged or store-restored."""
    detail: str
    """For a person: what was damaged, where it is kept, and what took its place."""
    watermarks: dict[str, int]
    """Spool → the last row of it that the store holds now; what lies above has to come from the spool."""
    received_ns: int | None
    """When the newest message that it holds now was received; `None`: it holds none."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What a store can hold; a sample beyond it is refused (`Written.rejected`)."""

    longest_text_bytes: int
    """Of a text, in UTF-8."""
    longest_name_bytes: int
    """Of device, signal and boot, each as the store writes it."""
    earliest_ns: int
    latest_ns: int
    """Device times, both included."""
    transactional: bool
    """Whether samples and watermark are stored together or not at all."""
    own_backups: bool
    """Whether the product backs it up; else that is done by the server's own means."""


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

    @property
    def limits(self) -> StoreLimits:
        """What it can hold."""
        ...

    @property
    def generation(self) -> int:
        """Raised at each opening: who sees a new one asks for the watermark again, which may be lower than before."""
        ...

    def write(self, samples: pa.Table | SampleBatch, *, watermark: int, spool: str = "") -> Written:
        """Store a batch and remember `watermark`, the last spool row it came from.

        Both in one transaction where the store has transactions; else the samples first, and the watermark at the
        latest with the next batch, or when it is asked for.

        Args:
            samples: schema SAMPLES, or a `SampleBatch`.
            watermark: of the spool it came from.
            spool: the spool's identity; each has a watermark of its own.

        Raises:
            StoreUnavailableError: nothing, or a part that may be written again, is stored.
        """
        ...

    def watermark(self, spool: str = "") -> int:
        """The last row of a spool that is surely stored; 0 if nothing of it is."""
        ...

    def checkpoint(self, spool: str = "") -> Checkpoint:
        """Bring everything to where it stays, and read back what was written since the last time.

        Raises:
            StoreDamagedError: something else is read back; the store mends itself at the next call, and its
                generation changes.
            StoreUnavailableError: the store does not answer.
        """
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

    def stream(
        self, device: str, signals: list[str], spans: list[tuple[int, int]], *, uncertain: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """As `read`, in batches of at most 65,536 rows (schema SAMPLES); memory does not grow with the answer.

        Raises:
            StoreUnavailableError: at any step; what was given before is right.
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

    def coverage(
        self,
        device: str,
        signals: list[str],
        spans: list[tuple[int, int]],
        *,
        longest_gap_ns: int,
        uncertain: bool = False,
    ) -> pa.Table:
        """From when to when there are samples.

        Args:
            device: the device.
            signals: their names; empty: all.
            spans: of settled time.
            longest_gap_ns: a silence longer than this ends a stretch.
            uncertain: whether samples of uncertain time count.

        Returns:
            Schema COVERAGE, sorted by signal, boot, first_ns.
        """
        ...

    def count(self, device: str, spans: list[tuple[int, int]], *, doubtful_before_ns: int | None = None) -> int:
        """How many samples of a device lie in spans of settled time, those of uncertain time included.

        Args:
            device: whose.
            spans: of settled time.
            doubtful_before_ns: of those of uncertain time only what was received before this; `None`: all.
        """
        ...

    def resettle(
        self, device: str, boot: str, device_span: tuple[int, int], *, offset_ns: int, uncertain_only: bool = False
    ) -> int:
        """Give samples another settled time: device time + offset, never later than received; it counts as certain.

        Flags follow: UNCERTAIN is gone, SKEWED says whether there is an offset, LATE is judged anew. Doing it again
        changes nothing.

        Args:
            device: the device.
            boot: its boot.
            device_span: device times `[start_ns, end_ns)`.
            offset_ns: settled minus device time.
            uncertain_only: leave certain samples as they are: where a clock was set back, the same device times are
                those of others too.

        Returns:
            How many samples were given it.
        """
        ...

    def delete(self, device: str, spans: list[tuple[int, int]], *, doubtful_before_ns: int | None = None) -> int:
        """Delete a device's samples in spans of settled time, for good; doing it again deletes nothing more.

        Args:
            device: whose.
            spans: of settled time.
            doubtful_before_ns: of those of uncertain time only what was received before this; `None`: all.

        Returns:
            How many samples were deleted.
        """
        ...

    def compact(self, *, before_ns: int) -> Compaction:
        """Rewrite samples settled before an instant, sorted, where that saves space; nothing changes for who reads."""
        ...

    def take_repairs(self) -> list[Repair]:
        """What it had to repair since it was asked last."""
        ...

    def size_bytes(self) -> int:
        """How much disk it takes; 0 where it cannot know."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
