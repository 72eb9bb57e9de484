"""How far apart settled and device times lie. Pure.

InfluxDB finds points by device time where we ask by settled time. What is kept of each boot turns a question into a
range of device time that surely holds the answer. It may say too much, never too little: it only grows, and is written
before the samples that need it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.stores.influxdb.lines import encode_tag
from telemetry.stores.interface import Flag
from telemetry.stores.spans import merged

CLOCKS = pa.schema(
    [
        pa.field("boot", pa.string()),
        *(pa.field(name, pa.int64()) for name in ("low", "high", "since", "until", "doubtful")),
        pa.field("usual", pa.string()),
    ]
)
"""As they are stored."""
MOST_USUAL = 8
"""A clock that shows more distances again and again is not worth a question for each."""
_EARLIEST, _LATEST = -(2**63) + 2, 2**63 - 2  # what InfluxDB can hold
_NEAR_NS = 120 * 1_000_000_000
"""Clocks at most this far off are asked for together; each other one on its own."""
_STEP_NS = 3_600 * 1_000_000_000
"""Ends are kept in such steps: a boot that goes on is written down anew once for each."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the samples of a boot lie; nanoseconds."""

    low: int
    high: int
    """Least and greatest distance of settled from device time."""
    since: int
    until: int
    """Settled times lie within `[since, until)`."""
    doubtful: bool
    """Whether there were samples of uncertain time."""
    usual: tuple[int, ...]
    """Distances that several instants share, at most `MOST_USUAL`; the others are exceptions."""

    def widened(self, other: "Reach") -> "Reach":
        """What holds both."""
        usual = tuple(dict.fromkeys((*self.usual, *other.usual)))
        return Reach(
            min(self.low, other.low),
            max(self.high, other.high),
            min(self.since, other.since),
            max(self.until, other.until),
            self.doubtful or other.doubtful,
            usual[:MOST_USUAL],
        )

    def overlaps(self, start: int, end: int) -> bool:
        """Whether samples may have been settled in `[start, end)`."""
        return self.since < end and start < self.until

    @property
    def even(self) -> bool:
        """Whether all samples have the same distance."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Question:
    """A range of device time that surely holds what one or several boots settled in `[start, end)`."""

    start: int
    end: int
    low: int
    high: int
    boot: str | None
    """Its tag; `None`: all boots that are nearly right, and what others have stored under the same device times."""
    alone: bool
    """Whether no other boot has anything within the range."""
    doubtful: bool

    @property
    def even(self) -> bool:
        """Whether the range holds nothing but what settled in the span."""
        return self.low == self.high and self.alone

    @property
    def where(self) -> str:
        """As a condition of InfluxQL."""
        time = between(self.start - self.high, self.end - self.low)
        return time if self.boot is None else f"{time} AND boot = '{self.boot}'"


def reach_of(
    device_ns: NDArray[np.int64], settled_ns: NDArray[np.int64], flags: NDArray[np.uint8], *, before: int | None
) -> Reach:
    """The reach of some samples of a boot.

    Args:
        device_ns: (n,), n > 0, in the order in which they came.
        settled_ns: (n,).
        flags: (n,).
        before: the distance of the sample before them, if there was one.
    """
    distances = settled_ns - device_ns
    low, high = int(distances.min()), int(distances.max())
    since, until = int(settled_ns.min()) // _STEP_NS, int(settled_ns.max()) // _STEP_NS + 1
    instants = np.flatnonzero(np.append(True, device_ns[1:] != device_ns[:-1]))
    if low == high:
        usual = (low,) if low == before or len(instants) > 1 else ()
    else:
        shown = distances[instants] if before is None else np.append(distances[instants], before)
        values, counts = np.unique(shown, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:MOST_USUAL]
        usual = tuple(values[order][counts[order] > 1].tolist())
    doubtful = bool((flags & np.uint8(Flag.UNCERTAIN)).any())
    return Reach(low, high, clamped(since * _STEP_NS), clamped(until * _STEP_NS), doubtful, usual)


def clock_line(device: str, boot: str, reach: Reach) -> str:
    """The reach of a boot, to be stored; always the same point."""
    usual = " ".join(map(str, reach.usual))
    fields = f"low={reach.low}i,high={reach.high}i,since={reach.since}i,until={reach.until}i"
    tags = f"boot={encode_tag(boot)},device={encode_tag(device)}"
    return f'clocks,{tags} {fields},doubtful={int(reach.doubtful)}i,usual="{usual}" 0'


def read_reaches(rows: Iterable[Mapping[str, Any]]) -> dict[str, Reach]:
    """Encoded boot → its reach, of rows with the columns of CLOCKS."""
    return {
        row["boot"]: Reach(
            row["low"],
            row["high"],
            row["since"],
            row["until"],
            bool(row["doubtful"]),
            tuple(map(int, (row["usual"] or "").split())),
        )
        for row in rows
    }


def questions(reaches: Mapping[str, Reach], spans: list[tuple[int, int]]) -> Iterator[Question]:
    """For each span of settled time the questions that together find every sample of it.

    Boots whose clock is nearly right share one. It also finds samples of other boots; whoever asks has to cut by
    settled time and to drop what is found twice, unless the question is `even`.
    """
    for start, end in merged(spans):
        found = {boot: reach for boot, reach in reaches.items() if reach.overlaps(start, end)}
        near = {boot: reach for boot, reach in found.items() if reach.low >= -_NEAR_NS and reach.high <= _NEAR_NS}
        if near:
            yield _question(reaches, near, start, end, None)
        for boot, reach in found.items():
            if boot not in near:
                yield _question(reaches, {boot: reach}, start, end, boot)


def _question(
    reaches: Mapping[str, Reach], asked: Mapping[str, Reach], start: int, end: int, boot: str | None
) -> Question:
    low, high = min(one.low for one in asked.values()), max(one.high for one in asked.values())
    start, end = (
        max(start, min(one.since for one in asked.values())),
        min(end, max(one.until for one in asked.values())),
    )
    others = (
        other for tag, other in reaches.items() if boot is None and tag not in asked
        if other.since - other.high < end - low and start - high < other.until - other.low
    )  # fmt: skip
    doubtful = any(one.doubtful for one in asked.values())
    return Question(start, end, low, high, boot, not any(others), doubtful)


def between(start_ns: int, end_ns: int) -> str:
    """Device times `[start_ns, end_ns)` as a condition of InfluxQL."""
    return f"time >= {clamped(start_ns)} AND time < {clamped(end_ns)}"


def clamped(instant_ns: int) -> int:
    """The nearest instant that InfluxDB knows."""
    return min(max(instant_ns, _EARLIEST), _LATEST)
