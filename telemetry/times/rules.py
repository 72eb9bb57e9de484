"""Which device times of a boot are doubtful, and what may be assigned to them. Pure."""

from collections.abc import Sequence

from telemetry.settling import EARLIEST_SANE_NS, ChangePoint

BEGINNING_NS = -(2**63)
END_NS = 2**63 - 1

Span = tuple[int, int]
"""Device time `[start_ns, end_ns)`."""


def was_set_back(points: Sequence[ChangePoint]) -> bool:
    """Whether device times may have been passed twice."""
    return any(point.reason in {"jump-back", "older"} for point in points)


def certain_spans(points: Sequence[ChangePoint]) -> list[Span]:
    """Device times at which the clock was believed, in order; where it was set back, they may be doubtful as well.

    Args:
        points: in the order in which they were learned.
    """
    dated = [point for point in points if point.from_device_ns >= EARLIEST_SANE_NS and point.reason != "older"]
    spans: list[Span] = []
    for place, point in enumerate(dated):
        if point.uncertain:
            continue
        ends = (later.from_device_ns for later in dated[place + 1 :] if later.from_device_ns > point.from_device_ns)
        end_ns = next(ends, END_NS)
        if spans and spans[-1][1] >= point.from_device_ns:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end_ns))
        else:
            spans.append((point.from_device_ns, end_ns))
    return spans


def doubtful_spans(points: Sequence[ChangePoint]) -> list[Span]:
    """Device times at which nobody knows how the clock stood, in order; the first one reaches back to the beginning."""
    spans: list[Span] = []
    following = BEGINNING_NS
    for start_ns, end_ns in sorted(certain_spans(points)):
        if start_ns > following:
            spans.append((following, start_ns))
        following = max(following, end_ns)
    if following < END_NS:
        spans.append((following, END_NS))
    return spans


def is_doubtful(points: Sequence[ChangePoint], span: Span) -> bool:
    """Whether the whole span is."""
    return any(start_ns <= span[0] and span[1] <= end_ns for start_ns, end_ns in doubtful_spans(points))


def believed_offset(points: Sequence[ChangePoint]) -> int | None:
    """The newest offset that is believed; `None`: there never was one."""
    return next((point.offset_ns for point in reversed(points) if not point.uncertain), None)
