"""Starts that a company's quotas forbid, for all starts at once; pure.

The same decisions as `bookings.entitlements.quota_refusals`, which judges one wish: for a fixed length each quota
forbids whole stretches of starts, which costs one pass over what the company holds.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bookings.entitlements import HeldSlot, weeks_of
from bookings.rules import Quota, length
from bookings.search.reasons import Layer, Reason
from bookings.search.stretches import ALWAYS, Stretch, joined, microseconds
from lab.core.time import MICROSECOND, Span


def quota_layers(
    quota: Quota,
    held: Sequence[HeldSlot],
    wanted: timedelta,
    *,
    window: Span,
    zone: str,
    pilot_id: str | None,
    now: datetime,
) -> Iterator[Layer]:
    """The starts within a window that a quota forbids, each kind with its reason.

    Args:
        quota: of the lab, a class or a device.
        held: what the company holds: of all weeks that the window touches, for the pilot, and everything ahead.
        wanted: length of the booking.
        window: in which it shall lie.
        zone: IANA zone of the lab, by whose calendar weeks are counted.
        pilot_id: for which pilot; None: for none.
        now: the present instant.
    """
    counted = [slot for slot in held if any(quota.counts(*device) for device in slot.devices)]
    of = {"lab": "", "class": f" of the class {quota.name}", "device": f" of {quota.name}"}[quota.scope]
    if quota.pilot is not None and pilot_id is not None:
        used = sum((slot.span.length for slot in counted if slot.pilot_id == pilot_id), timedelta())
        if used + wanted > quota.pilot:
            fact = f"a pilot has {length(quota.pilot)}{of} at most, and {length(used)} are booked"
            yield Reason("pilot-quota", fact), [ALWAYS]
    if quota.open is not None and sum(1 for slot in counted if slot.span.end > now) + 1 > quota.open:
        yield Reason("open-bookings", f"a company has {quota.open} bookings{of} ahead at most"), [ALWAYS]
    spans = [microseconds(slot.span) for slot in counted]
    size = wanted // MICROSECOND
    if quota.week is not None:
        fact = f"a company books {length(quota.week)} a week{of} at most"
        yield Reason("week-quota", fact), _full_weeks(spans, size, quota.week // MICROSECOND, weeks_of(window, zone))
    if quota.concurrent is not None:
        fact = f"a company has {quota.concurrent} bookings{of} at one time at most"
        yield Reason("concurrent-bookings", fact), _crowded(spans, size, quota.concurrent)


def _full_weeks(spans: Sequence[tuple[int, int]], size: int, quota: int, weeks: Sequence[Span]) -> list[Stretch]:
    """Starts of bookings that lie in one of these weeks, which follow each other, for longer than is left in it."""
    edges = [microseconds(week) for week in weeks]
    begins = [begin for begin, _ in edges]
    used = [0] * len(edges)
    for start, end in spans:
        for number in range(max(bisect_right(begins, start) - 1, 0), len(edges)):
            begin, after = edges[number]
            if begin >= end:
                break
            used[number] += max(0, min(end, after) - max(start, begin))
    found = []
    for (begin, after), booked in zip(edges, used, strict=True):
        left = max(quota - booked, 0)
        if left < size and left < after - begin:
            found.append((begin + left - size + 1, after - left - 1))
    return joined(found)


def _crowded(spans: Sequence[tuple[int, int]], size: int, most: int) -> list[Stretch]:
    """Starts of bookings during which `most` others are held at one instant."""
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    found: list[Stretch] = []
    depth, full_from = 0, 0
    for instant, change in edges:  # at one instant what ends comes first
        before, depth = depth, depth + change
        if before < most <= depth:
            full_from = instant
        elif depth < most <= before:
            found.append((full_from - size + 1, instant - 1))
    return joined(found)
