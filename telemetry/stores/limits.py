"""What a store cannot hold is kept out of it, and told. Pure."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from telemetry.stores.batches import column_of, numbers_of
from telemetry.stores.interface import SAMPLES, SampleBatch, StoreLimits


def within_limits(batch: SampleBatch, limits: StoreLimits) -> tuple[SampleBatch, pa.Table]:
    """The rows of a batch that a store can hold, and the others (schema SAMPLES)."""
    rows = batch.rows
    if not rows.num_rows:
        return batch, SAMPLES.empty_table()
    times = numbers_of(rows, "device_ns")
    beyond = (times < limits.earliest_ns) | (times > limits.latest_ns)
    texts = rows.column("text")
    if texts.null_count < len(texts):
        sizes = pc.fill_null(pc.binary_length(texts), 0)
        beyond |= np.asarray(pc.greater(sizes, limits.longest_text_bytes).to_numpy())
    long_names = [
        place
        for place, names in enumerate(batch.series)
        if sum(map(len, names)) * 4 > limits.longest_name_bytes
        and max(len(name.encode()) for name in names) > limits.longest_name_bytes
    ]
    if long_names:
        beyond |= np.isin(numbers_of(rows, "series"), long_names)
    if not beyond.any():
        return batch, SAMPLES.empty_table()
    refused = SampleBatch(batch.series, rows.take(column_of(np.flatnonzero(beyond)))).samples()
    return SampleBatch(batch.series, rows.take(column_of(np.flatnonzero(~beyond)))), refused
