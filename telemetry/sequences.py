"""Which messages have arrived: ranges of `seq` per boot. A hole is a fact about data quality, never an error."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy.orm import Session

from telemetry import repository

LARGEST = 2**63 - 1
Range = tuple[int, int]
"""First and last number, both included."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """What was expected of a device between two numbers, and what came."""

    expected: int
    received: int
    missing: list[Range]
    """The gaps, first and last number of each, in order."""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def ranges_of(numbers: Iterable[int]) -> list[Range]:
    """The numbers as ranges, in order, none touching another."""
    return merge((number, number) for number in sorted(set(numbers)))


def merge(ranges: Iterable[Range]) -> list[Range]:
    """The union of ranges, in order, none touching another."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def gaps(ranges: list[Range], first: int, last: int) -> list[Range]:
    """What `first … last` has that the ranges (in order, not touching) have not."""
    missing: list[Range] = []
    following = first
    for start, end in ranges:
        if end < following:
            continue
        if start > last:
            break
        if start > following:
            missing.append((following, start - 1))
        following = end + 1
    if following <= last:
        missing.append((following, last))
    return missing


def note_received(session: Session, device_id: str, boot: str, numbers: Iterable[int]) -> None:
    """Add received numbers to what is known; again changes nothing.

    Args:
        session: a write session.
        device_id: the device.
        boot: its boot.
        numbers: `seq` of messages, in any order, repeated or not.
    """
    for first, last in ranges_of(numbers):
        touching = repository.sequence_ranges(session, device_id, boot, first - 1, last + 1)
        ((low, high),) = merge([(first, last), *touching])
        if touching != [(low, high)]:
            repository.replace_sequence_ranges(session, device_id, boot, touching, (low, high))


def completeness(session: Session, device_id: str, boot: str, first_seq: int, last_seq: int) -> Completeness:
    """How much of `first_seq … last_seq` (both included) of one boot has been received."""
    expected = max(0, last_seq - first_seq + 1)
    ranges = repository.sequence_ranges(session, device_id, boot, first_seq, last_seq) if expected else []
    missing = gaps(ranges, first_seq, last_seq)
    return Completeness(expected, expected - sum(last - first + 1 for first, last in missing), missing)


def highest_received(session: Session, device_id: str, boot: str | None) -> tuple[str, int] | None:
    """The highest number received of a boot (none named: of the one heard last), with the boot; `None`: none was."""
    if boot is None:
        boot = repository.boot_heard_last(session, device_id)
    last = None if boot is None else repository.highest_number(session, device_id, boot)
    return None if boot is None or last is None else (boot, last)


def gaps_of(session: Session, device_id: str, boot: str, *, limit: int) -> list[Range]:
    """The numbers of a boot, between the first and the last received, that never came; the first so many gaps."""
    ranges = repository.sequence_ranges(session, device_id, boot, 0, LARGEST, limit=limit + 1)
    return [(before[1] + 1, after[0] - 1) for before, after in pairwise(ranges)]
