"""What is old enough to be deleted. Pure: instants are nanoseconds, spans half-open."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from telemetry.grants import BEGINNING_NS
from telemetry.stores.spans import merged

DAY_NS = 86_400 * 1_000_000_000

Span = tuple[int, int]


class PilotTime(NamedTuple):
    """Time of a pilot on a device."""

    pilot_id: str
    start_ns: int
    end_ns: int


def spans_to_delete(
    now_ns: int,
    *,
    lab_days: int | None,
    pilot_days: Mapping[str, int],
    times: Sequence[PilotTime],
    needed: Sequence[Span],
) -> list[Span]:
    """What of one device goes.

    Args:
        now_ns: the present.
        lab_days: how long samples are kept; `None`: for ever.
        pilot_days: how long those of pilots with a rule of their own are kept.
        times: the pilots' time on the device.
        needed: what stays whatever the rules say.

    Returns:
        Spans of settled time, in order. Where the time of two pilots is the same, the longer rule holds.
    """
    ruled = [time for time in times if time.pilot_id in pilot_days]
    gone: list[Span] = []
    if lab_days is not None:
        gone = without([(BEGINNING_NS, now_ns - lab_days * DAY_NS)], ((time.start_ns, time.end_ns) for time in ruled))
    stays: list[Span] = list(needed)
    for time in ruled:
        limit_ns = now_ns - pilot_days[time.pilot_id] * DAY_NS
        gone.append((time.start_ns, min(time.end_ns, limit_ns)))
        stays.append((max(time.start_ns, limit_ns), time.end_ns))
    return without(gone, stays)


def without(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The instants of `spans` that are in none of the others, in order."""
    left = merged(list(spans))
    for start, end in merged(list(others)):
        left = [part for span in left for part in ((span[0], min(span[1], start)), (max(span[0], end), span[1]))]
        left = merged(left)
    return left


def is_shorter(new: int | None, old: int | None) -> bool:
    """Whether something is kept for a shorter time than before; `None`: for ever."""
    return new is not None and (old is None or new < old)
