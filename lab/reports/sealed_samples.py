"""A run's sealed samples: written a row group for each stretch of a signal, so that each is read alone and in portions.

The same samples give the same bytes, however the store has handed them out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lab.reports.errors import DataSetAlteredError
from telemetry.stores.interface import SAMPLES

MOST_ROWS = 250_000
"""Of a row group."""
_ORDER = [(name, "ascending") for name in ("settled_ns", "device_ns", "boot")]
_TIMES = ("device_ns", "settled_ns", "received_ns")


@dataclass(frozen=True, slots=True)
class Portion:
    """Some samples of one signal, and which row group they are."""

    device: str
    signal: str
    group: int
    rows: int


def write_samples(path: Path, portions: Iterable[pa.Table]) -> None:
    """Write a run's samples, sorted by device, signal, settled_ns, device_ns, boot.

    Args:
        path: of the Parquet file.
        portions: schema SAMPLES, each wholly of one signal; by device, then signal, then time.
    """
    with pq.ParquetWriter(
        path,
        SAMPLES,
        compression="zstd",
        compression_level=3,
        version="2.6",
        use_dictionary=["device", "signal", "boot", "value", "text"],
        column_encoding=dict.fromkeys(_TIMES, "DELTA_BINARY_PACKED"),
    ) as writer:
        for signal in _by_signal(portions):
            writer.write_table(signal, row_group_size=MOST_ROWS)


def portions_of(path: Path) -> list[Portion]:
    """What there is in a file, in order, by its footer alone.

    Raises:
        DataSetAlteredError: it is no Parquet file, or one that Pilot Lab has not written.
    """
    try:
        footer = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise _altered(path, "cannot be read") from error
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    return [
        Portion(*_names(path, group), number, group.num_rows) for number, group in enumerate(groups) if group.num_rows
    ]


def read_portions(path: Path, portions: Iterable[Portion], columns: Iterable[str]) -> Iterator[pa.Table]:
    """Some columns of some portions, one after the other."""
    with pq.ParquetFile(path) as file:
        for portion in portions:
            yield file.read_row_group(portion.group, columns=list(columns), use_threads=False)


def _names(path: Path, group: Any) -> tuple[str, str]:
    found = []
    for place, name in enumerate(("device", "signal")):
        known = group.column(place).statistics
        if known is None or not known.has_min_max or known.min != known.max:
            raise _altered(path, f"is not as Pilot Lab writes it: a row group is not wholly of one {name}")
        found.append(known.min)
    return found[0], found[1]


def _altered(path: Path, what: str) -> DataSetAlteredError:
    return DataSetAlteredError(f"{path.name} of the sealed data {what}", file=path.name, rule="sealed")


def _by_signal(portions: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Portions in order, joined to stretches of exactly `MOST_ROWS` rows of a signal, the last one shorter."""
    waiting: list[pa.Table] = []
    rows, names = 0, None
    for portion in portions:
        if not portion.num_rows:
            continue
        portion = _sorted(portion.select(SAMPLES.names).cast(SAMPLES))
        own = tuple(portion.column(name)[0].as_py() for name in ("device", "signal"))
        if own != names:
            yield from _joined(waiting)
            waiting, rows, names = [], 0, own
        waiting.append(portion)
        rows += portion.num_rows
        if rows >= MOST_ROWS:
            whole = rows // MOST_ROWS * MOST_ROWS
            table = pa.concat_tables(waiting)
            yield table.slice(0, whole)
            waiting, rows = [table.slice(whole)], rows - whole
    yield from _joined(waiting)


def _joined(waiting: list[pa.Table]) -> Iterator[pa.Table]:
    table = pa.concat_tables(waiting) if waiting else SAMPLES.empty_table()
    if table.num_rows:
        yield table.combine_chunks()


def _sorted(portion: pa.Table) -> pa.Table:
    """As it is where that is in order already, as a store gives it."""
    times = portion.column("settled_ns").to_numpy()
    return portion if (np.diff(times) > 0).all() else portion.sort_by(_ORDER)
