"""How many dead letters of a device are kept; beyond that they are counted. No database, no thread.

One device that says nonsense ten thousand times a second must neither fill the disk nor hide what another says once.
So each device has room for so many letters and bytes, of each kind of fault one is kept in any case, and devices that
the lab does not own share one room: anybody can invent their names.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

MOST_KINDS = 200
"""Kinds of fault (signal and reason) of a device that are told apart."""
MOST_BYTES = 32 * 1024 * 1024
"""Of all payloads of a device."""
STRANGERS_SHARE = 10
"""Devices' rooms that all unknown devices have together."""
MOST_ROOMS = 5_000
STRANGE_REASONS = frozenset({"unknown-device", "unknown-topic"})
STRANGERS = ""

Kind = tuple[str, str]
"""Signal (empty: the message as a whole) and reason."""


class Kept(NamedTuple):
    """What is kept of one kind of fault."""

    letters: int
    size: int


@dataclass(slots=True)
class Count:
    """What is new of one kind of fault since the counts were last stored; a row of `DeadLetterCount`."""

    device: str
    signal: str
    reason: str
    kept: int = 0
    beyond: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(slots=True)
class _Room:
    kinds: dict[Kind, int] = field(default_factory=dict)
    letters: int = 0
    size: int = 0


class LetterBox:
    """Decides which letters are kept and counts all. What it decides is forgotten unless `saved` is called.

    Args:
        load: gives what is kept of a device's letters; of `STRANGERS`, of all devices that the lab does not own.
        per_device: most letters of a device.
    """

    def __init__(self, load: Callable[[str], dict[Kind, Kept]] = lambda _device: {}, *, per_device: int = 1000) -> None:
        self._load = load
        self._per_device = per_device
        self._rooms: dict[str, _Room] = {}
        self._counts: dict[tuple[str, str, str], Count] = {}

    def take(self, letters: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the letters (rows of `DeadLetter`) that are kept; all are counted."""
        return [letter for letter in letters if self._takes(letter)]

    def count_beyond(self, device: str, signal: str, reason: str, *, at: datetime) -> None:
        """Count a fault of which no letter is written."""
        self._count(device, signal, reason, at).beyond += 1

    @property
    def counts(self) -> list[Count]:
        """What is new since the last call of `saved`."""
        return list(self._counts.values())

    def saved(self) -> None:
        """The counts are stored."""
        self._counts.clear()

    def forget(self) -> None:
        """Nothing since the last call of `saved` was stored; or letters have gone."""
        self._counts.clear()
        self._rooms.clear()

    def _takes(self, letter: dict[str, Any]) -> bool:
        strange = letter["reason"] in STRANGE_REASONS
        device = STRANGERS if strange else letter["device_id"] or STRANGERS
        kind: Kind = ("" if strange else letter["signal"] or "", letter["reason"])
        room = self._room(device)
        if kind not in room.kinds and len(room.kinds) >= MOST_KINDS:
            kind = ("", letter["reason"])
        most = self._per_device * (STRANGERS_SHARE if device == STRANGERS else 1)
        size = len(letter["payload"])
        fits = room.letters < most and room.size + size <= MOST_BYTES
        first = kind not in room.kinds and len(room.kinds) < MOST_KINDS
        count = self._count(device, *kind, letter["received_at"])
        if not (fits or first):
            count.beyond += 1
            return False
        room.kinds[kind] = room.kinds.get(kind, 0) + 1
        room.letters += 1
        room.size += size
        count.kept += 1
        return True

    def _room(self, device: str) -> _Room:
        room = self._rooms.get(device)
        if room is None:
            if len(self._rooms) >= MOST_ROOMS:
                self._rooms.clear()
            kept = self._load(device)
            room = self._rooms[device] = _Room(
                {kind: known.letters for kind, known in list(kept.items())[:MOST_KINDS]},
                sum(known.letters for known in kept.values()),
                sum(known.size for known in kept.values()),
            )
        return room

    def _count(self, device: str, signal: str, reason: str, at: datetime) -> Count:
        key = (device, signal, reason)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = Count(device, signal, reason, first_at=at)
        count.last_at = at
        return count
