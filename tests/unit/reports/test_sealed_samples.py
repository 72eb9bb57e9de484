"""A run's sealed samples: the same bytes however they were handed out, and read a signal and a portion at a time."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.reports import sealed_samples
from lab.reports.errors import DataSetAlteredError
from lab.reports.quality import run_quality
from lab.reports.sealed import SealedMessages
from lab.reports.sealed_samples import Portion, portions_of, read_portions, write_samples
from lab.reports.sealing import read_data_set
from telemetry.stores.interface import SAMPLES, Flag
from tests.unit.reports.sealed_examples import sealed_device, sealed_run, write_pilot
from tests.unit.reports.test_sealing import demo_plan

SECOND = 10**9


def samples(count, *, signal="power", start=0, boot="b", flags=0, offset_ns=0):
    rows = [
        {
            "device": "meter-1", "signal": signal, "boot": boot, "device_ns": (start + at) * SECOND,
            "settled_ns": (start + at) * SECOND + offset_ns, "received_ns": (start + at) * SECOND + 5,
            "value": 0.1 * at, "text": None, "flags": flags,
        }
        for at in range(count)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SAMPLES)


@pytest.fixture
def small_groups(monkeypatch):
    """Ten rows a group."""
    monkeypatch.setattr(sealed_samples, "MOST_ROWS", 10)


@pytest.mark.usefixtures("small_groups")
def test_pieces_in_which_a_signal_came_cannot_be_seen_in_the_file(tmp_path):
    whole = samples(35)
    write_samples(tmp_path / "whole", [whole, samples(3, signal="speed")])
    pieces = [whole.slice(0, 4), whole.slice(4, 0), whole.slice(4, 26), whole.slice(30), samples(3, signal="speed")]
    write_samples(tmp_path / "pieces", pieces)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "pieces").read_bytes()
    assert [one.rows for one in portions_of(tmp_path / "whole")] == [10, 10, 10, 5, 3]


def test_each_signal_is_read_alone(tmp_path):
    write_samples(tmp_path / "run", [samples(5), samples(7, signal="speed")])
    first, second = portions_of(tmp_path / "run")
    assert (first, second) == (Portion("meter-1", "power", 0, 5), Portion("meter-1", "speed", 1, 7))
    (table,) = read_portions(tmp_path / "run", [second], ["settled_ns", "value"])
    assert table.equals(samples(7, signal="speed").select(["settled_ns", "value"]))


def test_a_run_without_samples_is_a_file_without_rows(tmp_path):
    write_samples(tmp_path / "run", [])
    assert portions_of(tmp_path / "run") == []


def test_a_file_of_the_former_writer_is_read_as_ours(tmp_path):
    """Versions before 0.2 wrote each portion of a signal as row groups of its own, with other encodings."""
    with pq.ParquetWriter(
        tmp_path / "run", SAMPLES, compression="zstd", use_dictionary=["device", "signal", "boot", "text"]
    ) as writer:
        for portion in (samples(5), samples(7, start=5), samples(4, signal="speed")):
            writer.write_table(portion, row_group_size=1_000_000)
    found = portions_of(tmp_path / "run")
    assert [(one.signal, one.rows) for one in found] == [("power", 5), ("power", 7), ("speed", 4)]
    tables = read_portions(tmp_path / "run", found[:2], SAMPLES.names)
    assert pa.concat_tables(tables).column("device_ns").to_pylist() == [at * SECOND for at in range(12)]


def test_a_file_that_is_not_of_ours_is_refused_by_name(tmp_path):
    pq.write_table(pa.concat_tables([samples(3), samples(3, signal="speed")]), tmp_path / "mixed.parquet")
    (tmp_path / "rubbish.parquet").write_bytes(b"PAR1 no such thing PAR1")
    for name in ("mixed.parquet", "rubbish.parquet", "absent.parquet"):
        with pytest.raises(DataSetAlteredError, match=name):
            portions_of(tmp_path / name)


def test_samples_of_one_instant_from_two_starts_of_a_device_stay_apart(tmp_path):
    first, second = samples(3, boot="a"), samples(3, boot="b")
    write_samples(tmp_path / "one", [pa.concat_tables([first, second])])
    write_samples(tmp_path / "other", [pa.concat_tables([second, first])])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    (table,) = read_portions(tmp_path / "one", portions_of(tmp_path / "one"), ["boot", "settled_ns"])
    assert table.column("boot").to_pylist() == ["a", "b"] * 3


def test_an_error_of_the_store_is_not_lost_while_reading_ahead(tmp_path):
    def broken():
        yield samples(5)
        raise OSError("the store is gone")

    with pytest.raises(OSError, match="gone"):
        write_samples(tmp_path / "run", broken())


@pytest.mark.usefixtures("small_groups")
def test_quality_is_counted_over_the_edges_of_portions(tmp_path):
    run = sealed_run(1, "standard", seconds=60, messages=(_unasked("meter-1"),))
    other = sealed_run(2, "fast", seconds=60)
    late = samples(10, start=0, flags=int(Flag.LATE | Flag.OUT_OF_RANGE))
    twin = samples(1, start=9)  # the last of the ten again, where another portion begins
    skewed = samples(12, start=20, flags=int(Flag.SKEWED), offset_ns=-3 * SECOND)

    def samples_of(which):
        return [pa.concat_tables([late, twin, skewed])] if which.number == 1 else []

    devices = [sealed_device("meter-1", {"power": "kW"}), sealed_device("mill-1", {})]
    write_pilot(tmp_path / "sealed", demo_plan(runs_per_arm=2), [run, other], devices, samples_of)
    data = read_data_set(tmp_path / "sealed")
    (found,) = run_quality(data, data.runs[0]).devices
    assert (found.samples, found.late, found.out_of_range, found.skewed, found.duplicates) == (23, 10, 10, 12, 1)
    assert found.clock_offset_ms == -3000
    assert data.counts(data.runs[0]) == {("meter-1", "power"): 23}
    assert run_quality(data, data.runs[1]).devices == ()


def _unasked(device):
    return SealedMessages(
        device=device, boot=None, first_seq=None, last_seq=None, expected=None, received=None, missing=()
    )
