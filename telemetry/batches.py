"""What one batch of spooled messages comes to: samples, and the facts beside them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from devices.messages.native import Birth, Death
from telemetry.settling import ChangePoint
from telemetry.stores.interface import SAMPLES

_Row = tuple[str, str, str, int, int, int, float | None, str | None, int]


class Samples:
    """Columns of samples that grow row by row or by whole waves."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._waves: list[pa.Table] = []

    def add(self, row: _Row) -> None:
        """One sample, its columns in the order of SAMPLES."""
        self._rows.append(row)

    def add_wave(
        self,
        source: tuple[str, str, str],
        device_ns: NDArray[np.int64],
        settled_ns: NDArray[np.int64],
        received_ns: int,
        values: NDArray[np.float64],
        flags: NDArray[np.uint8],
    ) -> None:
        """Many samples of one signal, equally long columns."""
        count = len(values)
        columns = [
            *(pa.repeat(pa.scalar(name, pa.string()), count) for name in source),
            pa.array(device_ns),
            pa.array(settled_ns),
            pa.repeat(pa.scalar(received_ns, pa.int64()), count),
            pa.array(values),
            pa.nulls(count, pa.string()),
            pa.array(flags),
        ]
        self._waves.append(pa.Table.from_arrays(columns, schema=SAMPLES))

    def table(self) -> pa.Table:
        """All of them, schema SAMPLES."""
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(SAMPLES)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SAMPLES, strict=True)]
        rows = pa.Table.from_arrays(arrays, schema=SAMPLES)
        return pa.concat_tables([rows, *self._waves]) if self._waves else rows


@dataclass(frozen=True, slots=True)
class Life:
    """A birth or a death."""

    number: int
    device: str
    message: Birth | Death
    received_at: datetime


@dataclass(slots=True)
class Batch:
    """What is to be written: first the facts, in one transaction of the database, then the samples."""

    samples: Samples = field(default_factory=Samples)
    change_points: list[tuple[str, str, ChangePoint]] = field(default_factory=list)
    """(device, boot, point)."""
    sequences: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """(device, boot) → numbers of messages that were received."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `MachineEvent`."""
    lives: list[Life] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `DeadLetter`."""
    letter_bytes: int = 0
    last_number: int = 0
    messages: int = 0

    def note_letters(self, letters: Iterable[dict[str, Any]]) -> None:
        """Add dead letters."""
        for letter in letters:
            self.letters.append(letter)
            self.letter_bytes += len(letter["payload"]) + 500
