"""What one batch of spooled messages comes to: samples, and the facts beside them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from devices.messages.native import Birth, Death
from telemetry.boot_clock import BootClock
from telemetry.building import Samples
from telemetry.settling import Assignment, ChangePoint


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
    assignments: list[tuple[str, str, Assignment]] = field(default_factory=list)
    """(device, boot, what later messages have shown)."""
    clocks: dict[tuple[str, str], BootClock] = field(default_factory=dict)
    """(device, boot) → its clock, of every message that was read; their `last` is stored with the facts."""
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
