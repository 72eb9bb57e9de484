"""From when to when there are samples. Pure."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.stores.interface import COVERAGE


def coverage_of(signal: str, boot: str, settled_ns: NDArray[np.int64], longest_gap_ns: int) -> pa.Table:
    """Stretches of one signal and boot without a long silence.

    Args:
        signal: its name.
        boot: the boot.
        settled_ns: (n,) in any order.
        longest_gap_ns: a silence longer than this ends a stretch.

    Returns:
        Schema COVERAGE, sorted.
    """
    times = np.sort(settled_ns)
    if not len(times):
        return COVERAGE.empty_table()
    steps = np.diff(times)
    starts = np.concatenate(([0], np.flatnonzero(steps > longest_gap_ns) + 1))
    ends = np.append(starts[1:], len(times))
    gaps = np.where(steps > longest_gap_ns, 0, steps)
    within = np.append(gaps, 0)  # the step after each sample; that after the last of a stretch counts as none
    return pa.table(
        {
            "signal": [signal] * len(starts),
            "boot": [boot] * len(starts),
            "first_ns": times[starts],
            "last_ns": times[ends - 1],
            "count": (ends - starts).astype(np.int64),
            "longest_gap_ns": np.maximum.reduceat(within, starts),
        },
        schema=COVERAGE,
    )
