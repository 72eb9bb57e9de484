"""From the wire to a run's number: in how many messages, and in which order, samples came makes no difference."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.reports.kpis import Covered, integrate
from telemetry.settling import SECOND_NS
from tests.unit.telemetry.test_interpreting import NOW, read

START = NOW - 100 * SECOND_NS
samples = st.lists(
    st.tuples(st.integers(0, 100 * SECOND_NS), st.floats(0.0, 7.5)),
    min_size=2,
    max_size=30,
    unique_by=lambda one: one[0],
)


def reduced(messages: list[list[tuple[int, float]]]) -> Covered:
    """Each list is a message; the integral of what becomes of them."""
    payloads = [
        {"boot": "b", "seq": seq, "buffered": True, "samples": {"power": [[START + at, value] for at, value in pack]}}
        for seq, pack in enumerate(messages)
    ]
    batch = read(*payloads)
    assert batch.letters == []
    table = batch.samples.table()
    times, values = (table[name].to_numpy() for name in ("settled_ns", "value"))
    times = np.asarray(times, np.int64)
    return integrate(times, np.asarray(values, float), start_ns=START, end_ns=NOW, longest_gap_s=60.0)


@settings(deadline=None)  # the first table of a process loads pandas
@given(samples, st.lists(st.integers(1, 29), max_size=6), st.randoms(use_true_random=False))
def test_splitting_of_messages_does_not_change_a_runs_number(pairs, cuts, random):
    edges = [0, *sorted({cut for cut in cuts if cut < len(pairs)}), len(pairs)]
    packs = [pairs[first:last] for first, last in pairwise(edges)]
    whole = reduced([pairs])
    assert reduced(packs) == whole
    assert reduced([[one] for one in pairs]) == whole
    assert reduced(random.sample(packs, len(packs))) == whole
    assert whole.samples == len(pairs)
