"""Spans of nanoseconds, half-open."""

from collections.abc import Iterable, Iterator


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same instants in the fewest spans `[start_ns, end_ns)`, in order; empty ones are gone."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def clusters(instants: Iterable[int], hole_ns: int) -> Iterator[tuple[int, int]]:
    """First and last of each group of instants without a hole longer than `hole_ns`, in order."""
    first = last = None
    for instant in sorted(instants):
        if first is None or last is None:
            first = last = instant
        elif instant - last > hole_ns:
            yield first, last
            first = last = instant
        else:
            last = instant
    if first is not None and last is not None:
        yield first, last
