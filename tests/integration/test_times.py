"""Uncertain samples belong to nobody until an engineer says when they were taken (I4)."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lab.core.audit import AuditEntry
from lab.core.database import Database
from telemetry.models import Boot, ClockOffset, MachineEvent
from telemetry.stores.interface import Flag
from telemetry.times.applying import Applier
from tests.factories import MONDAY_MORNING
from tests.telemetry_lab import NOW_NS, SECOND, TelemetryLab, samples, served_lab

MINUTE = timedelta(minutes=1)
HOUR_NS = 3600 * SECOND
LAST_DAY = {"start": "2026-11-22T07:00:00Z", "end": "2026-11-23T08:00:00Z"}


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(database, tmp_path) as served:
        yield served


@pytest.fixture
def doubted(lab: TelemetryLab) -> TelemetryLab:
    """The mill started with its clock an hour behind, and nobody saw it: settled times are an hour early."""
    lab.book("alfa", MONDAY_MORNING - 50 * MINUTE, MONDAY_MORNING - 40 * MINUTE)
    lab.book("beta", MONDAY_MORNING - 20 * MINUTE, MONDAY_MORNING - 10 * MINUTE)
    shifted = ((-60 * minute - 3600, minute) for minute in range(10, 51))
    table = samples(*shifted, flags=int(Flag.UNCERTAIN))
    table = table.set_column(5, "received_ns", [[NOW_NS] * table.num_rows])
    lab.store.write(table.cast(samples((0, 0)).schema), watermark=1)
    at = NOW_NS - HOUR_NS - 15 * 60 * SECOND
    with lab.database.write() as session:
        heard = MONDAY_MORNING - timedelta(hours=1)
        session.add(
            Boot(
                device_id="mill-1",
                boot="7f3a",
                first_received_at=heard,
                last_received_at=heard,
                last_seq=50,
                last_device_ns=NOW_NS - HOUR_NS,
            )
        )
        session.add(
            ClockOffset(
                device_id="mill-1",
                boot="7f3a",
                from_device_ns=NOW_NS - 2 * HOUR_NS,
                from_seq=0,
                offset_ns=0,
                uncertain=True,
                reason="offline-boot",
                noted_at=heard,
            )
        )
        session.add(
            MachineEvent(
                device_id="mill-1",
                boot="7f3a",
                seq=7,
                kind="part_finished",
                device_ns=at,
                settled_ns=at,
                received_ns=NOW_NS,
                flags=int(Flag.UNCERTAIN),
                fields={},
            )
        )
    return lab


def seen(lab: TelemetryLab, who: str) -> list[float]:
    with lab.client(who) as client:
        found: dict[str, Any] = client.get("/devices/mill-1/samples", params=LAST_DAY).json()["signals"]
    return list(found.get("spindle_power_kw", {"value": []})["value"])


def events_seen(lab: TelemetryLab, who: str) -> int:
    with lab.client(who) as client:
        return len(client.get("/devices/mill-1/events", params=LAST_DAY).json()["events"])


def assign(lab: TelemetryLab, who: str = "engineer", device: str = "mill-1", **more: Any) -> Any:
    body = {"boot": "7f3a", "offset_ms": 3_600_000, "reason": "the operator's log says so", **more}
    with lab.client(who) as client:
        return client.post(f"/devices/{device}/time-assignments", json=body)


def apply(lab: TelemetryLab) -> list[tuple[str, str]]:
    forgotten: list[tuple[str, str]] = []
    applier = Applier(lab.database, lab.store, lab.clock, lambda *which: forgotten.append(which))
    applier()
    applier(at_once=True)
    return forgotten


def test_a_company_sees_its_part_of_an_uncertain_span_only_after_the_assignment(doubted: TelemetryLab) -> None:
    assert (seen(doubted, "alfa"), seen(doubted, "beta"), len(seen(doubted, "engineer"))) == ([], [], 41)
    assert assign(doubted).status_code == 201
    assert seen(doubted, "alfa") == [], "the recorder has not done it yet"

    assert apply(doubted) == [("mill-1", "7f3a")]
    assert seen(doubted, "alfa") == [float(minute) for minute in range(50, 40, -1)]
    assert seen(doubted, "beta") == [float(minute) for minute in range(20, 10, -1)]
    assert (events_seen(doubted, "alfa"), events_seen(doubted, "beta")) == (0, 1)


def test_an_assignment_can_be_corrected_and_what_was_seen_wrongly_goes(doubted: TelemetryLab) -> None:
    assign(doubted)
    apply(doubted)
    assign(doubted, offset_ms=3_600_000 - 30 * 60_000, reason="the log was read wrongly")
    apply(doubted)

    assert seen(doubted, "alfa") == [float(minute) for minute in range(20, 10, -1)]
    assert seen(doubted, "beta") == []


def test_only_the_staff_sees_and_sets_clocks(doubted: TelemetryLab) -> None:
    for who in ("alfa", "recipient"):
        assert assign(doubted, who).status_code == 403
        with doubted.client(who) as client:
            assert client.get("/devices/mill-1/clocks").status_code == 403
    assert len(seen(doubted, "engineer")) == 41


def test_clocks_tell_what_is_doubted_and_what_was_assigned(doubted: TelemetryLab) -> None:
    assign(doubted, to_device_time="2026-11-23T06:30:00Z")
    apply(doubted)
    with doubted.client("engineer") as client:
        (boot,) = client.get("/devices/mill-1/clocks").json()["boots"]
        assert [client.get(f"/devices/{name}/clocks").status_code for name in ("%00", "mill-9")] == [404, 404]
    assert boot["doubtful"] == [{"from_device_time": None, "to_device_time": None}]
    assert [point["reason"] for point in boot["points"]] == ["offline-boot"]
    (row,) = boot["assignments"]
    assert row["span"] == {"from_device_time": None, "to_device_time": "2026-11-23T06:30:00Z"}
    assert row["applied_at"] is not None
    with doubted.database.read() as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.subject == "device-time")).one()
    assert (entry.subject_id, entry.what, entry.reason) == ("mill-1", "assigned", "the operator's log says so")


def test_what_cannot_be_assigned_is_refused_with_the_way_out(doubted: TelemetryLab) -> None:
    for more, status, rule in [
        ({"boot": "other"}, 404, "known-boot"),
        ({"boot": "\x00"}, 404, "known-boot"),
        ({"device": "robot-1"}, 404, "known-boot"),
        ({"offset_ms": None}, 422, "known-offset"),
        (
            {"from_device_time": "2026-11-23T06:30:00Z", "to_device_time": "2026-11-23T06:30:00Z"},
            422,
            "end-after-start",
        ),
    ]:
        answer = assign(doubted, **more)
        assert (answer.status_code, answer.json()["rule"]) == (status, rule), answer.text
    with doubted.database.write() as session:
        session.add(
            ClockOffset(
                device_id="mill-1",
                boot="7f3a",
                from_device_ns=NOW_NS - HOUR_NS,
                from_seq=60,
                offset_ns=HOUR_NS,
                uncertain=False,
                reason="steady",
                noted_at=MONDAY_MORNING,
            )
        )
    certain = assign(doubted, from_device_time="2026-11-23T05:30:00Z")
    assert (certain.status_code, certain.json()["rule"]) == (422, "doubtful")
    like_the_rest = assign(doubted, offset_ms=None, to_device_time="2026-11-23T06:00:00Z")
    assert (like_the_rest.status_code, like_the_rest.json()["offset_ms"]) == (201, 3_600_000)
