"""Spans of nanoseconds, half-open."""


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same instants in the fewest spans `[start_ns, end_ns)`, in order; empty ones are gone."""
    result: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result
