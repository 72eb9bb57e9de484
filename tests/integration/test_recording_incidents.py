"""What is missing in the record is noted by the recorder and read by the lab's staff."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lab.core.database import Database
from lab.core.time import from_nanoseconds
from telemetry import absence
from telemetry.incidents.noting import incident
from telemetry.models import RecordingIncident
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING
from tests.integration.recording import Publisher, add_mill, now_ns
from tests.integration.test_recorder import new_recorder
from tests.services import Mosquitto, wait_until
from tests.telemetry_lab import TelemetryLab, served_lab


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(database, tmp_path) as served:
        yield served


def incidents(database: Database) -> list[RecordingIncident]:
    with database.read() as session:
        return list(session.scalars(sa.select(RecordingIncident).order_by(RecordingIncident.noted_at)))


def test_a_broker_that_stays_away_is_noted_over_a_restart_of_the_recorder_too(
    own_mosquitto: Mosquitto, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence, "AWAY_SECONDS", 1.0)
    add_mill(database)
    store = DuckDBStore(tmp_path / "samples.duckdb")
    before_ns = now_ns()
    recorder = new_recorder(own_mosquitto.address(), database, store, tmp_path)
    recorder.start()
    own_mosquitto.stop()
    wait_until(lambda: len(incidents(database)) == 1, timeout=30, what="the absence noted")
    (noted,) = incidents(database)
    assert (noted.kind, noted.ended_at, noted.to_ns) == ("broker-away", None, None)
    assert noted.from_ns is not None
    assert before_ns <= noted.from_ns <= now_ns()
    recorder.stop()

    own_mosquitto.start()
    back_ns = now_ns()
    recorder = new_recorder(own_mosquitto.address(), database, store, tmp_path)
    recorder.start()
    publisher = Publisher(own_mosquitto.address())
    publisher.wait_confirmed([publisher.send_value(0)])
    wait_until(lambda: incidents(database)[0].ended_at is not None, timeout=30, what="its end noted")
    (ended,) = incidents(database)
    assert (ended.id, ended.from_ns) == (noted.id, noted.from_ns)
    assert ended.to_ns is not None
    assert ended.to_ns >= back_ns
    publisher.close()
    recorder.stop()
    store.close()


def test_incidents_are_for_the_staff_and_come_in_pages(lab: TelemetryLab) -> None:
    noon_ns = int(MONDAY_MORNING.timestamp()) * 10**9
    rows = [
        incident(
            "spool-damaged" if number % 2 else "broker-away",
            f"number {number}",
            now=from_nanoseconds(noon_ns + number * 10**9),
            key=str(number),
            span_ns=(noon_ns, noon_ns + 5) if number % 2 else (noon_ns, None),
            numbers=(7, 9) if number % 2 else (None, None),
            messages=3 if number % 2 else None,
            ended_at=MONDAY_MORNING if number % 2 else None,
        )
        for number in range(7)
    ]
    with lab.database.write() as session:
        session.add_all(RecordingIncident(**row) for row in rows)
    with lab.client("engineer") as client:
        first = client.get("/recording-incidents", params={"limit": 4}).json()
        rest = client.get("/recording-incidents", params={"limit": 4, "cursor": first["next"]}).json()
        lasting = client.get("/recording-incidents", params={"lasting": True}).json()["items"]
        wrong = client.get("/recording-incidents", params={"cursor": "nonsense"})
    assert [row["detail"] for row in first["items"] + rest["items"]] == [f"number {n}" for n in range(6, -1, -1)]
    assert rest["next"] is None
    assert [row["kind"] for row in lasting] == ["broker-away"] * 4
    named = first["items"][1]
    assert (named["first_number"], named["last_number"], named["messages"]) == (7, 9, 3)
    assert named["received_from"] is not None
    assert lasting[0]["received_to"] is None
    assert wrong.status_code == 422
    for who in ("alfa", "recipient"):
        with lab.client(who) as client:
            assert client.get("/recording-incidents").status_code == 403
