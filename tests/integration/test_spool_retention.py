"""The spool forgets only what the store has proved to have, and that a day ago."""

import secrets
from datetime import timedelta
from pathlib import Path

import pytest

from lab.core.clock import LabClock
from telemetry.incidents.noting import IncidentBox
from telemetry.spool import Spool, SpooledMessage
from telemetry.spool_retention import SpoolLimits, SpoolRetention
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import SAMPLES, Checkpoint

DAY = timedelta(hours=24)


class ProvingStore(DuckDBStore):
    """A store that proves what it is told to."""

    proved = 0

    def checkpoint(self, spool: str = "") -> Checkpoint:
        return Checkpoint(self.proved, 0)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def fill(spool: Spool, clock: LabClock, count: int, *, size: int = 100) -> None:
    for _ in range(count):
        spool.append(
            [SpooledMessage("t", secrets.token_bytes(size), size, clock.now_ns(), 0, False) for _ in range(10)]
        )


def test_a_message_goes_a_day_after_its_checkpoint_and_not_after_its_arrival(
    spool: Spool, lab_clock: LabClock, tmp_path: Path
) -> None:
    store, incidents = ProvingStore(tmp_path / "samples.duckdb"), IncidentBox()
    retention = SpoolRetention(spool, store, lab_clock, SpoolLimits(), incidents)
    fill(spool, lab_clock, 10)
    lab_clock.advance(3 * DAY)  # the store was away for three days; all is drained a moment ago
    retention.apply_now(100)
    assert spool.depth == 100, "stored is not proved"
    store.proved = 60
    retention.apply_now(100)
    assert spool.depth == 100, "proved a moment ago"
    lab_clock.advance(DAY - timedelta(seconds=1))
    store.proved = 100
    retention.apply_now(100)
    assert spool.depth == 100
    lab_clock.advance(timedelta(seconds=2))
    retention.apply_now(100)
    assert spool.oldest == 61, "the later ones have been proved later"
    lab_clock.advance(DAY)
    retention.apply_now(100)
    assert spool.depth == 10, "the newest batch stays: it has the last number"
    spool.close()
    store.close()


def test_what_is_not_drained_stays_whatever_the_store_says(spool: Spool, lab_clock: LabClock, tmp_path: Path) -> None:
    store = ProvingStore(tmp_path / "samples.duckdb")
    retention = SpoolRetention(spool, store, lab_clock, SpoolLimits(), IncidentBox())
    fill(spool, lab_clock, 10)
    store.proved = 100
    retention.apply_now(50)
    lab_clock.advance(2 * DAY)
    retention.apply_now(50)
    assert spool.oldest == 51
    spool.close()
    store.close()


def test_a_spool_beyond_its_size_forgets_the_older_proved_half_and_says_so(
    spool: Spool, lab_clock: LabClock, tmp_path: Path
) -> None:
    store, incidents = ProvingStore(tmp_path / "samples.duckdb"), IncidentBox()
    retention = SpoolRetention(spool, store, lab_clock, SpoolLimits(most_bytes=100_000), incidents)
    fill(spool, lab_clock, 100, size=2_000)
    fill_bytes = spool.size_bytes
    assert fill_bytes > 100_000
    retention.apply_now(1000)
    assert spool.depth == 1000
    assert retention.problem is not None
    store.proved = 800
    retention.apply_now(1000)
    assert spool.oldest == 401
    assert spool.size_bytes < fill_bytes
    with incidents.taken() as rows:
        (row,) = rows
    assert (row["kind"], row["from_number"], row["to_number"], row["messages"]) == ("spool-full", 1, 400, 400)
    assert row["from_ns"] == lab_clock.now_ns()
    spool.close()
    store.close()


def test_a_real_store_proves_what_was_written_to_it(spool: Spool, lab_clock: LabClock, tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    retention = SpoolRetention(spool, store, lab_clock, SpoolLimits(keep_hours=1), IncidentBox())
    fill(spool, lab_clock, 10)
    store.write(SAMPLES.empty_table(), watermark=70, spool=spool.id)
    retention.apply_now(100)
    lab_clock.advance(timedelta(hours=1))
    retention.apply_now(100)
    assert spool.oldest == 71
    spool.close()
    store.close()
