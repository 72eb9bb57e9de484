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


class Samples:
    """Columns of samples that grow row by row or by whole waves."""

    def __init__(self) -> None:
        self.device: list[str] = []
        self.signal: list[str] = []
        self.boot: list[str] = []
        self.device_ns: list[int] = []
        self.settled_ns: list[int] = []
        self.received_ns: list[int] = []
        self.value: list[float | None] = []
        self.text: list[str | None] = []
        self.flags: list[int] = []
        self._has_text = False
        self._waves: list[pa.Table] = []

    def add(
        self,
        source: tuple[str, str, str],
        times: tuple[int, int, int],
        value: float | None,
        text: str | None,
        flags: int,
    ) -> None:
        """One sample.

        Args:
            source: device, signal, boot.
            times: device time, settled time, time of receipt, in nanoseconds.
            value: a number, or `None`.
            text: a text, or `None`.
            flags: of `Flag`.
        """
        self.device.append(source[0])
        self.signal.append(source[1])
        self.boot.append(source[2])
        self.device_ns.append(times[0])
        self.settled_ns.append(times[1])
        self.received_ns.append(times[2])
        self.value.append(value)
        self.text.append(text)
        self.flags.append(flags)
        if text is not None:
            self._has_text = True

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
        count = len(self.value)
        rows = pa.Table.from_arrays(
            [
                pa.array(self.device, pa.string()),
                pa.array(self.signal, pa.string()),
                pa.array(self.boot, pa.string()),
                pa.array(self.device_ns, pa.int64()),
                pa.array(self.settled_ns, pa.int64()),
                pa.array(self.received_ns, pa.int64()),
                pa.array(self.value, pa.float64()),
                pa.array(self.text, pa.string()) if self._has_text else pa.nulls(count, pa.string()),
                pa.array(self.flags, pa.uint8()),
            ],
            schema=SAMPLES,
        )
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
