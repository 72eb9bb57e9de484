"""What a repaired store and the spool have lost together is named, and nothing else is."""

from datetime import UTC, datetime
from pathlib import Path

from telemetry.repairs import incident_of_repair
from telemetry.spool import Spool, SpooledMessage
from telemetry.stores.interface import Repair

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW_NS = 1_795_435_200_000_000_000


def filled(path: Path, *, forgotten: int = 0) -> Spool:
    """Thirty messages in batches of ten, received every second; the oldest batches are forgotten."""
    spool = Spool(path, begin_at=1000)
    for batch in range(3):
        received = [NOW_NS - (30 - 10 * batch - place) * 10**9 for place in range(10)]
        spool.append([SpooledMessage("t", b"{}", 2, at_ns, at_ns, False) for at_ns in received])
    if forgotten:
        spool.delete_through(1000 + forgotten)
    return spool


def repair(watermarks: dict[str, int], received_ns: int | None = None) -> Repair:
    return Repair("store-restored", "the file was damaged", watermarks, received_ns)


def test_nothing_is_missing_while_the_spool_reaches_back_to_the_backup(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool.sqlite", forgotten=10)
    row = incident_of_repair(repair({spool.id: 1010}, NOW_NS - 21 * 10**9), spool, now=NOW)
    assert (row["messages"], row["from_number"], row["to_number"]) == (0, 1011, 1030)
    assert "nothing is missing: 20 messages are drained again" in row["detail"]
    spool.close()


def test_what_neither_has_is_named_by_number_and_time(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool.sqlite", forgotten=20)
    row = incident_of_repair(repair({spool.id: 1007}, NOW_NS - 24 * 10**9), spool, now=NOW)
    assert (row["messages"], row["from_number"], row["to_number"]) == (13, 1008, 1020)
    assert row["from_ns"] == NOW_NS - 24 * 10**9
    assert row["from_ns"] < row["to_ns"] <= NOW_NS
    spool.close()


def test_without_a_backup_the_first_spool_still_has_everything(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool.sqlite")
    row = incident_of_repair(repair({}), spool, now=NOW)
    assert (row["messages"], row["from_number"], row["to_number"]) == (0, 1001, 1030)
    spool.close()


def test_of_another_spool_nobody_can_know_how_much_is_missing(tmp_path: Path) -> None:
    spool = filled(tmp_path / "spool.sqlite")
    row = incident_of_repair(repair({"an older spool": 70}, NOW_NS - 900 * 10**9), spool, now=NOW)
    assert row["messages"] is None
    assert row["from_ns"] == NOW_NS - 900 * 10**9
    assert "it cannot be known how many" in row["detail"]
    spool.close()
