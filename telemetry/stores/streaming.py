"""A long answer in pieces: windows of settled time, each read on its own, so that memory does not grow with it."""

from collections.abc import Callable, Iterator

import pyarrow as pa

from telemetry.stores.interface import SAMPLES

MOST_ROWS = 65_536
"""Of a piece that is handed out."""
_READ_ROWS = 4 * MOST_ROWS
_FIRST_WINDOW_NS = 600 * 1_000_000_000


def stream_windows(read: Callable[[int, int, int], pa.Table], spans: list[tuple[int, int]]) -> Iterator[pa.RecordBatch]:
    """Rows of one signal in order of settled time.

    A window is as long as gives a good handful of rows: longer after a thin one, shorter after a full one. One that
    cannot be shortened any more is read whole.

    Args:
        read: gives rows (schema SAMPLES, sorted) settled in `[start_ns, end_ns)`, at most the number of the third
            argument, 0: all.
        spans: merged, in order.
    """
    width = _FIRST_WINDOW_NS
    for start, end in spans:
        at = start
        while at < end:
            to = min(end, at + width)
            rows = read(at, to, _READ_ROWS + 1)
            if rows.num_rows > _READ_ROWS:
                if to - at > 1:
                    width = max(1, (to - at) // 4)
                    continue
                rows = read(at, to, 0)
            yield from rows.cast(SAMPLES).combine_chunks().to_batches(MOST_ROWS)
            if rows.num_rows < _READ_ROWS // 8:
                width = min(width * 8, 2**63 - 1)
            at = to
