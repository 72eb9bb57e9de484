"""What every store of samples must do: one suite, run on each of them with its real server."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.influxdb import InfluxDBStore
from telemetry.stores.interface import BUCKETS, COVERAGE, ROWS, SAMPLES, Flag, SampleBatch, SampleStore

NOON = 1_795_435_200_000_000_000  # 2026-11-23T12:00Z
SECOND = 1_000_000_000
EVER = [(-(2**63), 2**63 - 1)]

Sample = dict[str, object]


def sample(
    second: float = 0.0,
    value: float | str = 1.0,
    *,
    signal: str = "spindle_power_kw",
    device: str = "mill-1",
    boot: str = "7f3a",
    offset_s: float = 0.0,
    flags: int = 0,
) -> Sample:
    device_ns = NOON + round(second * SECOND)
    settled_ns = device_ns + round(offset_s * SECOND)
    number = not isinstance(value, str)
    return {
        "device": device,
        "signal": signal,
        "boot": boot,
        "device_ns": device_ns,
        "settled_ns": settled_ns,
        "received_ns": settled_ns + 3_000_000,
        "value": float(value) if number else None,
        "text": None if number else value,
        "flags": flags,
    }


def batch(*samples: Sample) -> pa.Table:
    return pa.Table.from_pylist(list(samples), schema=SAMPLES)


def rows(table: pa.Table) -> list[Sample]:
    assert table.schema == SAMPLES
    return table.to_pylist()


def in_order(samples: list[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda row: (row["signal"], row["settled_ns"], row["device_ns"]))


@pytest.fixture(params=["duckdb", "influxdb"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], SampleStore]]:
    """Opens the same store again and again, as a product that is started again does."""
    opened: list[SampleStore] = []
    if request.param == "duckdb":

        def make() -> SampleStore:
            return DuckDBStore(tmp_path / "samples.duckdb")
    else:
        server = request.getfixturevalue("influxdb")

        def make() -> SampleStore:
            return InfluxDBStore(server.url, server.token, server.org, server.bucket)

    def open_again() -> SampleStore:
        opened.append(make())
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], SampleStore]) -> SampleStore:
    return open_store()


def test_a_new_store_is_empty(store: SampleStore) -> None:
    assert store.watermark() == 0
    assert rows(store.read("mill-1", [], EVER)) == []
    assert store.buckets("mill-1", "spindle_power_kw", EVER, width_ns=SECOND).equals(BUCKETS.empty_table())
    assert rows(store.last_values("mill-1", EVER)) == []


def test_samples_come_back_as_written_and_sorted(store: SampleStore) -> None:
    written = [
        sample(2, 0.1 + 0.2),
        sample(1, -1e-300),
        sample(0.000000001, 1.7976931348623157e308),
        sample(1, True, signal="door_open"),
        sample(1, 'P17 "fast, deep"\\ 100 % = żółć\nsecond line', signal="program"),
        sample(2, "", signal="program"),
        sample(-NOON / SECOND, 5.0, flags=Flag.LATE | Flag.OUT_OF_RANGE),
    ]
    result = store.write(batch(*written), watermark=7)
    assert (result.stored, result.duplicates, result.conflicts.num_rows) == (7, 0, 0)
    assert rows(store.read("mill-1", [], EVER)) == in_order(written)


@pytest.mark.parametrize("boot", ["", "a b", "x=1,y=2", "back\\", "line\nbreak", "%20", "ż'\""])
def test_boots_may_be_called_anything(store: SampleStore, boot: str) -> None:
    written = [sample(0, 1.0, boot=boot), sample(0, 2.0, boot="other")]
    store.write(batch(*written), watermark=1)
    found = rows(store.read("mill-1", [], EVER))
    assert sorted(found, key=lambda row: row["value"]) == written
    assert store.write(batch(*written), watermark=1).duplicates == 2


def test_only_the_devices_signals_and_spans_asked_for_are_read(store: SampleStore) -> None:
    power = [sample(second) for second in range(10)]
    feed = [sample(second, 6.0, signal="feed_mm_s") for second in range(10)]
    store.write(batch(*power, *feed, sample(3, device="robot-1")), watermark=1)
    spans = [(NOON + 6 * SECOND, NOON + 8 * SECOND), (NOON + 1 * SECOND, NOON + 2 * SECOND)]
    assert rows(store.read("mill-1", ["spindle_power_kw"], spans)) == [power[1], power[6], power[7]]
    assert rows(store.read("mill-1", ["spindle_power_kw", "feed_mm_s"], spans[1:])) == [feed[1], power[1]]
    assert rows(store.read("mill-1", [], spans[1:])) == [feed[1], power[1]]
    assert rows(store.read("mill-1", [], [])) == []
    assert rows(store.read("mill-1", ["nothing"], EVER)) == []
    assert rows(store.read("mill-1", [], EVER, limit=3)) == feed[:3]


def test_overlapping_spans_give_each_sample_once(store: SampleStore) -> None:
    store.write(batch(*(sample(second) for second in range(5))), watermark=1)
    spans = [(NOON, NOON + 3 * SECOND), (NOON + SECOND, NOON + 5 * SECOND)]
    assert store.read("mill-1", [], spans).num_rows == 5


def test_redelivery_changes_nothing(store: SampleStore) -> None:
    first = batch(*(sample(second, second) for second in range(100)))
    again = batch(*({**sample(second, second), "received_ns": NOON + 900 * SECOND} for second in range(100)))
    assert store.write(first, watermark=1).stored == 100
    result = store.write(again, watermark=2)
    assert (result.stored, result.duplicates, result.conflicts.num_rows) == (0, 100, 0)
    assert store.read("mill-1", [], EVER).equals(first)
    assert store.watermark() == 2


def test_a_redelivered_batch_with_news_stores_the_news_only(store: SampleStore) -> None:
    store.write(batch(*(sample(second) for second in range(0, 10, 2))), watermark=1)
    result = store.write(batch(*(sample(second) for second in range(12))), watermark=2)
    assert (result.stored, result.duplicates) == (7, 5)
    assert store.read("mill-1", [], EVER).num_rows == 12


def test_late_samples_out_of_order_take_their_place(store: SampleStore) -> None:
    seconds = [5, 3, 9, 1, 7]
    for number, second in enumerate(seconds):
        assert store.write(batch(sample(second, second)), watermark=number).stored == 1
    assert [row["value"] for row in rows(store.read("mill-1", [], EVER))] == [1, 3, 5, 7, 9]


def test_the_first_value_wins_and_the_other_is_handed_back(store: SampleStore) -> None:
    store.write(batch(sample(0, 1.5), sample(0, "P17", signal="program")), watermark=1)
    other = [sample(0, 2.5), sample(0, "P18", signal="program")]
    result = store.write(batch(*other, sample(1, 3.5)), watermark=2)
    assert (result.stored, result.duplicates) == (1, 0)
    assert in_order(rows(result.conflicts)) == in_order(other)
    assert [row["value"] or row["text"] for row in rows(store.read("mill-1", [], EVER))] == ["P17", 1.5, 3.5]


def test_a_text_where_a_number_is_stored_is_a_conflict(store: SampleStore) -> None:
    store.write(batch(sample(0, 1.0)), watermark=1)
    assert rows(store.write(batch(sample(0, "1.0")), watermark=2).conflicts) == [sample(0, "1.0")]


def test_duplicates_and_conflicts_inside_one_batch(store: SampleStore) -> None:
    result = store.write(batch(sample(1, 1.0), sample(0, 5.0), sample(1, 1.0), sample(1, 2.0)), watermark=1)
    assert (result.stored, result.duplicates) == (2, 1)
    assert rows(result.conflicts) == [sample(1, 2.0)]
    assert [row["value"] for row in rows(store.read("mill-1", [], EVER))] == [5.0, 1.0]


def test_boots_devices_and_signals_are_series_of_their_own(store: SampleStore) -> None:
    written = [
        sample(0, 1.0),
        sample(0, 2.0, boot="8b01"),
        sample(0, 3.0, signal="feed_mm_s"),
        sample(0, 4.0, device="robot-1"),
    ]
    assert store.write(batch(*written), watermark=1).stored == 4
    assert store.read("mill-1", [], EVER).num_rows == 3


def test_what_was_stored_is_still_known_after_a_restart(open_store: Callable[[], SampleStore]) -> None:
    before = open_store()
    before.write(batch(sample(0, 1.0), sample(1, 2.0)), watermark=41)
    before.close()
    after = open_store()
    assert after.watermark() == 41
    result = after.write(batch(sample(0, 1.0), sample(1, 9.0), sample(2, 3.0)), watermark=42)
    assert (result.stored, result.duplicates, result.conflicts.num_rows) == (1, 1, 1)
    assert [row["value"] for row in rows(after.read("mill-1", [], EVER))] == [1.0, 2.0, 3.0]


def test_the_watermark_never_goes_back(open_store: Callable[[], SampleStore]) -> None:
    store = open_store()
    store.write(batch(sample(0)), watermark=9)
    store.write(batch(sample(1)), watermark=4)
    store.write(SAMPLES.empty_table(), watermark=11)
    assert store.watermark() == 11
    store.close()
    assert open_store().watermark() == 11


def test_settled_time_decides_what_is_read(store: SampleStore) -> None:
    an_hour_off = sample(-3600, 7.0, offset_s=3600, boot="skewed", flags=Flag.SKEWED)
    from_1970 = sample(-NOON / SECOND + 60, 8.0, offset_s=NOON / SECOND - 59, boot="1970", flags=Flag.SKEWED)
    store.write(batch(sample(0.5, 6.0), an_hour_off, from_1970), watermark=1)
    around_noon = [(NOON, NOON + 2 * SECOND)]
    assert [row["value"] for row in rows(store.read("mill-1", [], around_noon))] == [7.0, 6.0, 8.0]
    assert rows(store.read("mill-1", [], [(NOON - 3601 * SECOND, NOON)])) == []
    assert rows(store.last_values("mill-1", around_noon)) == [from_1970]
    counts = store.buckets("mill-1", "spindle_power_kw", around_noon, width_ns=SECOND)
    assert counts.column("count").to_pylist() == [2, 1]


def test_uncertain_times_are_shown_only_when_asked_for(store: SampleStore) -> None:
    store.write(batch(sample(0, 1.0), sample(1, 2.0, flags=Flag.UNCERTAIN | Flag.SKEWED)), watermark=1)
    signal = "spindle_power_kw"
    assert store.read("mill-1", [], EVER).num_rows == 1
    assert store.read("mill-1", [], EVER, uncertain=True).num_rows == 2
    assert store.buckets("mill-1", signal, EVER, width_ns=SECOND).num_rows == 1
    assert store.buckets("mill-1", signal, EVER, width_ns=SECOND, uncertain=True).num_rows == 2
    assert store.last_values("mill-1", EVER).column("value").to_pylist() == [1.0]
    assert store.last_values("mill-1", EVER, uncertain=True).column("value").to_pylist() == [2.0]


def test_last_values_are_the_newest_of_each_signal_within_the_spans(store: SampleStore) -> None:
    store.write(
        batch(
            *(sample(second, second) for second in range(5)),
            sample(1, "P17", signal="program"),
            sample(9, 4.5, signal="feed_mm_s"),
        ),
        watermark=1,
    )
    found = rows(store.last_values("mill-1", [(NOON, NOON + 3 * SECOND)]))
    assert found == [sample(1, "P17", signal="program"), sample(2, 2)]
    assert rows(store.last_values("mill-1", EVER))[0] == sample(9, 4.5, signal="feed_mm_s")
    assert rows(store.last_values("mill-1", [])) == []


def expected_buckets(samples: list[Sample], width_ns: int) -> pd.DataFrame:
    frame = pd.DataFrame(samples).dropna(subset="value")
    grouped = frame.groupby(frame["settled_ns"] // width_ns * width_ns)["value"]
    return grouped.agg(["min", "max", "mean", "count"]).reset_index(names="start_ns")


@pytest.mark.parametrize("width_ns", [SECOND, 7 * SECOND, 60 * SECOND])
def test_buckets_are_what_pandas_computes(store: SampleStore, width_ns: int) -> None:
    random = np.random.default_rng(11)
    seconds = random.choice(600_000, size=500, replace=False) / 1000
    written = [sample(second, random.normal(), offset_s=2.5) for second in seconds]
    store.write(batch(*written, sample(1, "text", signal="program")), watermark=1)
    span = (NOON + 100 * SECOND, NOON + 500 * SECOND)
    inside = [row for row in written if span[0] <= row["settled_ns"] < span[1]]
    found = store.buckets("mill-1", "spindle_power_kw", [span], width_ns=width_ns)
    assert found.schema == BUCKETS
    pd.testing.assert_frame_equal(found.to_pandas(), expected_buckets(inside, width_ns), rtol=1e-12)


def test_buckets_before_1970_start_below_their_samples(store: SampleStore) -> None:
    store.write(batch(sample(-NOON / SECOND - 0.5, 1.0)), watermark=1)
    found = store.buckets("mill-1", "spindle_power_kw", EVER, width_ns=SECOND)
    assert found.column("start_ns").to_pylist() == [-SECOND]


def test_texts_have_no_buckets(store: SampleStore) -> None:
    store.write(batch(sample(0, "P17", signal="program")), watermark=1)
    assert store.buckets("mill-1", "program", EVER, width_ns=SECOND).num_rows == 0


def test_many_signals_in_one_batch(store: SampleStore) -> None:
    written = [
        sample(second, second * 100 + number, signal=f"signal_{number:03}")
        for second in range(20)
        for number in range(100)
    ]
    assert store.write(batch(*written), watermark=1).stored == 2000
    assert store.read("mill-1", [], EVER).num_rows == 2000
    values = [row["value"] for row in rows(store.last_values("mill-1", EVER))]
    assert values == [1900.0 + number for number in range(100)]
    assert math.isclose(sum(values), 194_950)


def test_a_batch_of_numbers_is_stored_like_one_with_names(store: SampleStore) -> None:
    written = [sample(1, 1.5), sample(1, 2.5, signal="feed_mm_s"), sample(0, "P17", signal="program")]
    series = (("mill-1", "nothing", "7f3a"), *((row["device"], row["signal"], row["boot"]) for row in written))
    rows = [{**row, "series": place} for place, row in enumerate(written, start=1)]
    given = SampleBatch(series, pa.Table.from_pylist(rows, schema=ROWS))
    assert given.samples().to_pylist() == written
    assert store.write(given, watermark=1).stored == 3
    assert rows_of(store) == in_order(written)
    assert store.write(given, watermark=1).duplicates == 3


def rows_of(store: SampleStore) -> list[Sample]:
    return rows(store.read("mill-1", [], EVER, uncertain=True))


def test_each_spool_has_a_watermark_of_its_own(open_store: Callable[[], SampleStore]) -> None:
    store = open_store()
    store.write(batch(sample(0)), watermark=700, spool="first spool")
    store.write(batch(sample(1)), watermark=3, spool="second")
    store.close()
    store = open_store()
    assert [store.watermark(spool) for spool in ("first spool", "second", "third", "")] == [700, 3, 0, 0]
    assert store.checkpoint("first spool").through == 700
    assert store.checkpoint("third").through == 0


def test_a_checkpoint_covers_what_was_written(store: SampleStore) -> None:
    for number in range(1, 4):
        store.write(batch(*(sample(number * 10 + second, second) for second in range(10))), watermark=number, spool="s")
        assert store.checkpoint("s").through == number
    assert len(rows_of(store)) == 30


def test_streams_hold_what_a_read_holds(store: SampleStore) -> None:
    random = np.random.default_rng(5)
    seconds = np.unique(np.concatenate([random.integers(0, 500, 300), random.integers(10**6, 10**6 + 50, 30)]))
    written = [sample(second, second) for second in seconds.tolist()]
    written += [sample(second, "P17", signal="program") for second in seconds.tolist()[:20]]
    written.append(sample(7.5, 3.0, flags=Flag.UNCERTAIN))
    store.write(batch(*written), watermark=1)
    spans = [(NOON + 3 * SECOND, NOON + 300 * SECOND), (NOON + 400 * SECOND, NOON + 2 * 10**6 * SECOND)]
    for uncertain in (False, True):
        for signals in ([], ["program"], ["nothing"]):
            pieces = list(store.stream("mill-1", signals, spans, uncertain=uncertain))
            whole = store.read("mill-1", signals, spans, uncertain=uncertain)
            assert pa.Table.from_batches(pieces, SAMPLES).equals(whole)
    assert pa.Table.from_batches(store.stream("mill-1", [], EVER, uncertain=True), SAMPLES).num_rows == len(written)
    assert list(store.stream("robot-1", [], EVER)) == []


def test_coverage_tells_from_when_to_when(store: SampleStore) -> None:
    seconds = [0, 1, 2, 3.5, 60, 61, 300]
    store.write(
        batch(
            *(sample(second) for second in seconds),
            *(sample(second, boot="8b01") for second in (5, 5.5)),
            *(sample(second, signal="feed_mm_s") for second in (1, 2)),
            sample(4, flags=Flag.UNCERTAIN),
        ),
        watermark=1,
    )
    found = store.coverage("mill-1", ["spindle_power_kw"], EVER, longest_gap_ns=10 * SECOND)
    assert found.schema == COVERAGE
    stretches = [
        (row["boot"], (row["first_ns"] - NOON) / SECOND, (row["last_ns"] - NOON) / SECOND, row["count"])
        for row in found.to_pylist()
    ]
    assert stretches == [("7f3a", 0, 3.5, 4), ("7f3a", 60, 61, 2), ("7f3a", 300, 300, 1), ("8b01", 5, 5.5, 2)]
    assert found.column("longest_gap_ns").to_pylist() == [1.5 * SECOND, SECOND, 0, 0.5 * SECOND]
    with_doubt = store.coverage("mill-1", ["spindle_power_kw"], EVER, longest_gap_ns=10 * SECOND, uncertain=True)
    assert with_doubt.column("count").to_pylist() == [5, 2, 1, 2]
    part = store.coverage("mill-1", [], [(NOON, NOON + 2 * SECOND)], longest_gap_ns=SECOND)
    assert part.select(["signal", "count"]).to_pylist() == [
        {"signal": "feed_mm_s", "count": 1},
        {"signal": "spindle_power_kw", "count": 2},
    ]
    assert store.coverage("robot-1", [], EVER, longest_gap_ns=1).num_rows == 0
    assert store.coverage("mill-1", [], [], longest_gap_ns=1).num_rows == 0


def test_a_deleted_span_is_gone_and_nothing_else(open_store: Callable[[], SampleStore]) -> None:
    store = open_store()
    power = [sample(second, second) for second in range(20)]
    program = [sample(second, "P17", signal="program") for second in range(0, 20, 5)]
    skewed = [sample(second - 3600, second, boot="off", offset_s=3600, flags=Flag.SKEWED) for second in (4.5, 12.5)]
    doubtful = [sample(6.25, 1.0, flags=Flag.UNCERTAIN)]
    robot = [sample(second, device="robot-1") for second in range(20)]
    store.write(batch(*power, *program, *skewed, *doubtful, *robot), watermark=1)
    spans = [(NOON + 5 * SECOND, NOON + 7 * SECOND), (NOON + 12 * SECOND, NOON + 14 * SECOND)]
    assert store.count("mill-1", spans) == 7
    assert store.delete("mill-1", spans) == 7
    assert store.count("mill-1", spans) == 0
    assert store.delete("mill-1", spans) == 0
    kept = [
        row
        for row in [*power, *program, *skewed, *doubtful]
        if not any(start <= int(str(row["settled_ns"])) < end for start, end in spans)
    ]
    assert rows_of(store) == in_order(kept)
    assert store.read("robot-1", [], EVER).num_rows == 20
    store.write(batch(sample(30, 30.0)), watermark=2)
    store.checkpoint()
    store.close()
    store = open_store()
    assert rows_of(store) == in_order([*kept, sample(30, 30.0)])
    assert store.watermark() == 2


def test_what_is_in_doubt_stays_where_only_certain_samples_are_deleted(store: SampleStore) -> None:
    early = [sample(second, second) for second in range(4)]
    doubtful = [sample(second + 0.5, second, flags=Flag.UNCERTAIN) for second in range(4)]
    store.write(batch(*early, *doubtful), watermark=1)
    received = sorted(int(str(row["received_ns"])) for row in doubtful)
    spans = [(NOON, NOON + 10 * SECOND)]
    assert store.count("mill-1", spans, doubtful_before_ns=received[2]) == 6
    assert store.delete("mill-1", spans, doubtful_before_ns=received[2]) == 6
    assert store.delete("mill-1", spans, doubtful_before_ns=received[2]) == 0
    assert rows_of(store) == in_order(doubtful[2:])
    assert store.delete("mill-1", spans) == 2


def test_what_was_newest_is_not_any_more_when_it_is_deleted(store: SampleStore) -> None:
    store.write(batch(*(sample(second, second) for second in range(5))), watermark=1)
    assert store.last_values("mill-1", EVER).column("value").to_pylist() == [4]
    store.delete("mill-1", [(NOON + 3 * SECOND, NOON + 9 * SECOND)])
    assert store.last_values("mill-1", EVER).column("value").to_pylist() == [2]
    store.delete("mill-1", EVER)
    assert store.last_values("mill-1", EVER).num_rows == 0


def test_an_assigned_time_makes_samples_certain(open_store: Callable[[], SampleStore]) -> None:
    store = open_store()
    doubtful = [sample(second, second, flags=Flag.UNCERTAIN | Flag.LATE | Flag.OUT_OF_RANGE) for second in range(5)]
    for row in doubtful:
        row["received_ns"] = NOON + 3601 * SECOND
    other = [sample(2, 9.0, boot="8b01", flags=Flag.UNCERTAIN), sample(2, 9.0, signal="feed_mm_s")]
    store.write(batch(*doubtful, *other), watermark=1)
    span = (NOON + SECOND, NOON + 4 * SECOND)
    for _ in range(2):
        assert store.resettle("mill-1", "7f3a", span, offset_ns=3598 * SECOND) == 4
    wanted = []
    for row in doubtful:
        inside = span[0] <= int(str(row["device_ns"])) < span[1]
        settled = min(int(str(row["device_ns"])) + 3598 * SECOND, NOON + 3601 * SECOND)
        flags = Flag.SKEWED | Flag.OUT_OF_RANGE
        wanted.append({**row, "settled_ns": settled, "flags": flags} if inside else row)
    feed = {**other[1], "settled_ns": other[1]["received_ns"], "flags": Flag.SKEWED}
    assert rows_of(store) == in_order([*wanted, other[0], feed])
    later = [(NOON + 3599 * SECOND, NOON + 3602 * SECOND)]
    assert store.read("mill-1", ["spindle_power_kw"], later).column("value").to_pylist() == [1, 2, 3]
    assert store.resettle("mill-1", "7f3a", span, offset_ns=0) == 4
    flags = store.read("mill-1", ["spindle_power_kw"], [span]).column("flags").to_pylist()
    assert flags == [Flag.LATE | Flag.OUT_OF_RANGE] * 3
    store.write(batch(sample(9, 9.0)), watermark=2)
    store.checkpoint()
    store.close()
    assert open_store().read("mill-1", [], EVER).num_rows == 5


def test_an_assigned_time_leaves_certain_samples_alone_when_asked_to(open_store: Callable[[], SampleStore]) -> None:
    store = open_store()
    store.write(batch(sample(1, 1.0, flags=Flag.UNCERTAIN), sample(2, 2.0)), watermark=1)
    span = (NOON, NOON + 9 * SECOND)
    assert store.resettle("mill-1", "7f3a", span, offset_ns=-5 * SECOND, uncertain_only=True) == 1
    found = store.read("mill-1", [], EVER)
    assert found.column("settled_ns").to_pylist() == [NOON - 4 * SECOND, NOON + 2 * SECOND]
    assert store.resettle("mill-1", "7f3a", span, offset_ns=0, uncertain_only=True) == 0


def test_compacting_changes_nothing_for_who_reads(open_store: Callable[[], SampleStore]) -> None:
    store = open_store()
    day = 86_400
    written = [
        sample(second + day * number, second, signal=f"signal_{place}")
        for number in range(3)
        for second in range(60)
        for place in range(3)
    ]
    for number, start in enumerate(range(0, len(written), 20)):
        store.write(batch(*written[start : start + 20]), watermark=number)
    before = rows_of(store)
    result = store.compact(before_ns=NOON + 2 * day * SECOND)
    assert result.doubles == 0
    assert rows_of(store) == before == in_order(written)
    assert store.write(batch(*written), watermark=99).duplicates == len(written)
    store.checkpoint()
    store.close()
    store = open_store()
    assert store.compact(before_ns=NOON + 9 * day * SECOND).doubles == 0
    assert rows_of(store) == before


def test_what_a_store_cannot_hold_is_handed_back(store: SampleStore) -> None:
    limits = store.limits
    beyond = [
        sample(0, "x" * (limits.longest_text_bytes + 1), signal="program"),
        sample(0, 1.0, signal="n" * (limits.longest_name_bytes + 1)),
    ]
    good = [sample(0, 1.0), sample(0, "x" * 4096, signal="other")]
    result = store.write(batch(*beyond, *good), watermark=1)
    assert result.stored == 2
    assert in_order(rows(result.rejected)) == in_order(rows(result.conflicts)) == in_order(beyond)
    assert rows_of(store) == in_order(good)


def test_the_first_and_the_last_instant_a_store_knows(store: SampleStore) -> None:
    limits = store.limits
    written = []
    for value, instant in enumerate((limits.earliest_ns, limits.latest_ns, -(2**63), 2**63 - 1)):
        written.append({**sample(0, value), "device_ns": instant, "settled_ns": NOON, "received_ns": NOON})
    result = store.write(batch(*written), watermark=1)
    assert result.stored + result.rejected.num_rows == 4
    assert result.stored >= 2
    assert sorted(row["value"] for row in rows_of(store)) == list(range(result.stored))
