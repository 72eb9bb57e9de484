"""What people get to see of telemetry over HTTP, and what not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.core.database import Database
from telemetry import endpoints
from telemetry.models import DeadLetter, MachineEvent
from telemetry.stores.interface import Flag
from tests.factories import MONDAY_MORNING
from tests.telemetry_lab import NOW_NS, SECOND, TelemetryLab, samples, served_lab

MINUTE = timedelta(minutes=1)
LAST_HOUR = {"start": "2026-11-23T06:00:00Z", "end": "2026-11-23T08:00:00Z"}


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(database, tmp_path) as served:
        yield served


@pytest.fixture
def slots(lab: TelemetryLab) -> TelemetryLab:
    """The mill has run from 50 to 10 minutes ago: for Alfa, then 20 minutes for nobody, then for Beta."""
    lab.book("alfa", MONDAY_MORNING - 50 * MINUTE, MONDAY_MORNING - 40 * MINUTE)
    lab.book("beta", MONDAY_MORNING - 20 * MINUTE, MONDAY_MORNING - 10 * MINUTE)
    lab.store.write(samples(*((-60 * minute, minute) for minute in range(10, 51))), watermark=1)
    lab.store.write(samples((-60 * 45, "P17"), (-60 * 15, "P18"), signal="program"), watermark=2)
    lab.store.write(samples((-60 * 44.5, 99.0), flags=int(Flag.UNCERTAIN)), watermark=3)
    return lab


def answer(lab: TelemetryLab, who: str, what: str, device: str = "mill-1", **parameters: Any) -> Any:
    with lab.client(who) as client:
        span = {} if what == "latest" else LAST_HOUR
        response = client.get(f"/devices/{device}/{what}", params=span | parameters)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(lab: TelemetryLab, who: str, path: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
    with lab.client(who) as client:
        response = client.get(path, params=parameters or None)
    assert response.headers["content-type"].startswith("application/problem+json"), response.text
    return response.status_code, response.json()


def test_the_staff_sees_everything(slots: TelemetryLab) -> None:
    found = answer(slots, "engineer", "samples")["signals"]
    assert len(found["spindle_power_kw"]["value"]) == 42
    assert found["program"]["value"] == ["P17", "P18"]
    assert found["program"]["time"] == ["2026-11-23T06:15:00.000000000Z", "2026-11-23T06:45:00.000000000Z"]


def test_a_company_sees_its_own_slot_and_nothing_else(slots: TelemetryLab) -> None:
    alfa = answer(slots, "alfa", "samples")["signals"]
    assert alfa["spindle_power_kw"]["value"] == [float(minute) for minute in range(50, 40, -1)]
    assert alfa["program"]["value"] == ["P17"]
    beta = answer(slots, "beta", "samples", signal="spindle_power_kw")["signals"]
    assert beta["spindle_power_kw"]["value"] == [float(minute) for minute in range(20, 10, -1)]
    assert list(beta) == ["spindle_power_kw"]


def test_buckets_are_cut_to_the_slot(slots: TelemetryLab) -> None:
    found = answer(slots, "alfa", "buckets", signal="spindle_power_kw", width_ms=3_600_000)
    assert found["width_ms"] == 3_600_000
    assert found["signals"]["spindle_power_kw"] == {
        "start_ms": [NOW_NS // 1_000_000 - 3_600_000],
        "min": [41.0],
        "max": [50.0],
        "mean": [45.5],
        "count": [10],
    }
    assert answer(slots, "engineer", "buckets", signal="spindle_power_kw")["width_ms"] == 7200


def test_latest_values_are_those_of_the_own_slot(slots: TelemetryLab) -> None:
    found = answer(slots, "alfa", "latest")["values"]
    assert found["spindle_power_kw"]["value"] == 41.0
    assert found["program"] == {"time": "2026-11-23T06:15:00Z", "value": "P17", "boot": "7f3a", "flags": 0}
    assert answer(slots, "engineer", "latest")["values"]["spindle_power_kw"]["value"] == 10.0


WHAT = ["samples", "buckets?signal=spindle_power_kw", "latest", "events", "live"]


def test_a_device_that_is_not_ones_own_business_does_not_exist(slots: TelemetryLab) -> None:
    for what in WHAT:
        for device in ("robot-1", "no-such-device"):
            status, problem = refusal(slots, "alfa", f"/devices/{device}/{what}")
            assert (status, problem["type"]) == (404, "urn:pilotlab:problem:device-not-visible"), what
        assert refusal(slots, "recipient", f"/devices/mill-1/{what}")[0] == 404


def test_strangers_are_asked_to_sign_in(slots: TelemetryLab) -> None:
    with slots.client("alfa") as client:
        del client.headers["Authorization"]
        for what in WHAT:
            assert client.get(f"/devices/mill-1/{what}").status_code == 401, what


def event(seq: int, minutes_ago: float, kind: str = "part_finished", flags: int = 0) -> MachineEvent:
    at = NOW_NS - round(minutes_ago * 60 * SECOND)
    known = {"device_id": "mill-1", "boot": "7f3a", "seq": seq, "kind": kind, "flags": flags}
    return MachineEvent(**known, device_ns=at, settled_ns=at, received_ns=at + 1, fields={"part": seq})


def test_events_are_cut_like_samples(slots: TelemetryLab) -> None:
    with slots.database.write() as session:
        session.add_all([event(1, 45), event(2, 30), event(3, 15), event(4, 44, "state"), event(5, 43, flags=8)])
    assert [row["seq"] for row in answer(slots, "engineer", "events")["events"]] == [1, 4, 5, 2, 3]
    assert [row["seq"] for row in answer(slots, "alfa", "events")["events"]] == [1, 4]
    only = answer(slots, "alfa", "events", kind="part_finished")["events"]
    assert only == [
        {
            "event": "part_finished",
            "time": "2026-11-23T06:15:00Z",
            "device_time": "2026-11-23T06:15:00Z",
            "received": "2026-11-23T06:15:00.000000001Z",
            "boot": "7f3a",
            "seq": 1,
            "flags": 0,
            "fields": {"part": 1},
        }
    ]


def test_the_last_hour_is_meant_when_no_time_is_said(slots: TelemetryLab) -> None:
    with slots.client("engineer") as client:
        found = client.get("/devices/mill-1/samples").json()
    assert (found["start"], found["end"]) == ("2026-11-23T06:00:00Z", "2026-11-23T07:00:00Z")


def test_times_are_read_with_any_offset(slots: TelemetryLab) -> None:
    with slots.client("engineer") as client:
        found = client.get("/devices/mill-1/samples?start=2026-11-23T07:15:00.5%2B01:00&end=2026-11-23T07:16:00+01:00")
    assert (found.json()["start"], found.json()["end"]) == ("2026-11-23T06:15:00.500Z", "2026-11-23T06:16:00Z")


WRONG_TIMES = [
    ({"start": "2026-11-23T06:00:00"}, "start", "aware-time"),
    ({"end": "2026-11-23"}, "end", "aware-time"),
    ({"start": "yesterday"}, "start", "rfc-3339"),
    ({"end": "1795435200"}, "end", "rfc-3339"),
    ({"start": "9999-11-23T06:00:00Z"}, "start", "rfc-3339"),
    ({"start": "2026-11-23T06:00:00Z", "end": "2026-11-23T06:00:00Z"}, "end", "end-after-start"),
    ({"start": "2026-11-23T06:00:00Z", "end": "2026-11-23T05:00:00Z"}, "end", "end-after-start"),
]


def test_a_wrong_time_is_named(lab: TelemetryLab) -> None:
    for parameters, field, rule in WRONG_TIMES:
        status, problem = refusal(lab, "engineer", "/devices/mill-1/samples", **parameters)
        assert (status, problem["field"], problem["rule"]) == (422, field, rule), parameters
        assert field in problem["detail"]


def test_too_large_an_answer_is_refused_with_the_way_out(slots: TelemetryLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST_SAMPLES", 41)
    status, problem = refusal(slots, "engineer", "/devices/mill-1/samples", **LAST_HOUR)
    assert (status, problem["rule"], problem["limit"]) == (422, "most-samples", 41)
    assert "buckets" in problem["detail"]
    monkeypatch.setattr(endpoints, "MOST_SAMPLES", 44)
    answer(slots, "engineer", "samples")
    buckets = {"signal": "spindle_power_kw", "width_ms": 100, **LAST_HOUR}
    status, problem = refusal(slots, "engineer", "/devices/mill-1/buckets", **buckets)
    assert (status, problem["rule"], problem["nearest"]) == (422, "most-buckets", 720)


def test_dead_letters_are_for_the_staff_and_come_in_pages(lab: TelemetryLab) -> None:
    letters = [
        DeadLetter(
            key=f"{number:05}/power",
            device_id="mill-1" if number % 2 else None,
            topic="pilotlab/gliwice/mill-1/data",
            signal="power",
            reason="not-a-number" if number % 3 else "unknown-signal",
            detail="NaN",
            payload=b"\xff{" + b"x" * 5000,
            payload_bytes=5002,
            received_at=MONDAY_MORNING + (number // 4) * MINUTE,
        )
        for number in range(25)
    ]
    with lab.database.write() as session:
        session.add_all(letters)
    seen, cursor, pages = [], None, 0
    with lab.client("engineer") as client:
        while pages == 0 or cursor:
            page = client.get("/dead-letters", params={"limit": 10} | ({"cursor": cursor} if cursor else {})).json()
            seen += page["items"]
            cursor, pages = page["next"], pages + 1
        devices = client.get("/dead-letters", params={"device": "mill-1", "reason": "unknown-signal"}).json()
    assert pages == 3
    assert [letter["key"] for letter in seen] == [f"{number:05}/power" for number in range(24, -1, -1)]
    assert seen[0]["payload"].startswith("\\xff{xxx")
    assert len(seen[0]["payload"]) < 2100
    assert [letter["key"] for letter in devices["items"]] == [f"{number:05}/power" for number in (21, 15, 9, 3)]
    for who in ("alfa", "recipient"):
        assert refusal(lab, who, "/dead-letters")[0] == 403
    for cursor in ("nonsense", "!", "MTIz", "ZQ=="):
        status, problem = refusal(lab, "engineer", "/dead-letters", cursor=cursor)
        assert (status, problem["field"]) == (422, "cursor")
