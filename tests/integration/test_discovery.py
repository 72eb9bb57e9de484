"""Connecting a machine: what it says is heard and adopted, and what it said before becomes samples."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from lab.core.database import Database
from telemetry.batches import Batch
from telemetry.discovery.hearing import Hearing
from telemetry.discovery.writing import HeardWriter
from telemetry.interpreting import Interpreter
from telemetry.models import Boot, DeadLetter
from telemetry.recorder import Recorder
from telemetry.spool import SpooledMessage
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import Flag
from tests.integration.recording import BOOT, LAB, Publisher, add_mill, now_ns, stored
from tests.integration.test_recorder import new_recorder
from tests.services import Mosquitto
from tests.telemetry_lab import TelemetryLab, served_lab

CATALOGUE_ENTRY = {"name": "coolant_temp_cel", "label": "Coolant", "type": "number", "unit": "Cel", "range": [0, 90]}


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(database, tmp_path / "web") as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    yield store
    store.close()


@pytest.fixture
def recorder(own_mosquitto: Mosquitto, lab: TelemetryLab, store: DuckDBStore, tmp_path: Path) -> Iterator[Recorder]:
    recorder = new_recorder(own_mosquitto.address(), lab.database, store, tmp_path)
    recorder.start()
    yield recorder
    recorder.stop()


@pytest.fixture
def publisher(own_mosquitto: Mosquitto, recorder: Recorder) -> Iterator[Publisher]:
    publisher = Publisher(own_mosquitto.address())
    yield publisher
    publisher.close()


def wait_until(look: Callable[[], Any], *, timeout: float = 15) -> Any:
    """What `look` gives once it is something."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found


def ask(lab: TelemetryLab, method: str, path: str, who: str = "engineer", **more: Any) -> Any:
    with lab.client(who) as client:
        return client.request(method, path, **more)


def finished(lab: TelemetryLab, replay: str) -> Callable[[], Any]:
    def look() -> Any:
        (found,) = [row for row in ask(lab, "GET", "/dead-letter-replays").json() if row["id"] == replay]
        return found["outcome"]

    return look


def test_an_unknown_signal_is_heard_adopted_and_its_dead_letters_become_samples(
    lab: TelemetryLab, recorder: Recorder, publisher: Publisher, store: DuckDBStore
) -> None:
    start_ns = now_ns()
    sent = [start_ns + step * 1000 for step in range(50)]
    for seq, at_ns in enumerate(sent):
        values = {"spindle_power_kw": 1.0, "CoolantTemp": 20.0 + seq}
        publisher.send("data", {"boot": BOOT, "seq": seq, "time": at_ns, "values": values})
    assert recorder.wait_until_stored("mill-1", BOOT, 49, timeout=10)
    (heard,) = wait_until(lambda: ask(lab, "GET", "/heard-signals").json())
    assert (heard["device"], heard["name"], heard["kinds"]) == ("mill-1", "CoolantTemp", {"number": 50})
    assert (heard["low"], heard["high"], heard["count"], heard["origin"]) == (20.0, 69.0, 50, "json")
    assert heard["interval_ms"] == pytest.approx(0.001)

    wish = {"device": "mill-1", "heard": "CoolantTemp", "signal": CATALOGUE_ENTRY}
    assert ask(lab, "POST", "/heard-signals/adopt", "alfa", json=wish).status_code == 403
    replay = ask(lab, "POST", "/heard-signals/adopt", json=wish)
    assert replay.status_code == 201, replay.text
    assert wait_until(finished(lab, replay.json()["id"]), timeout=15) == {"stored": 50, "still_dead": 0}
    rows = stored(store, ["coolant_temp_cel"])
    assert [(row["device_ns"], row["settled_ns"], row["value"], row["flags"]) for row in rows] == [
        (at_ns, at_ns, 20.0 + seq, 0) for seq, at_ns in enumerate(sent)
    ]
    assert ask(lab, "GET", "/heard-signals").json() == []
    letters = ask(lab, "GET", "/dead-letters").json()
    assert all(letter["replayed_at"] for letter in letters["items"])
    assert [count["kept"] for count in letters["counts"]] == [0]

    publisher.send("data", {"boot": BOOT, "seq": 50, "time": now_ns(), "values": {"CoolantTemp": 99.0}})
    assert recorder.wait_until_stored("mill-1", BOOT, 50, timeout=15)
    last = stored(store, ["coolant_temp_cel"])[-1]
    assert (last["value"], last["flags"]) == (99.0, int(Flag.OUT_OF_RANGE)), "later ones are stored at once"
    again = ask(lab, "POST", "/heard-signals/adopt", json=wish)
    assert (again.status_code, again.json()["rule"]) == (409, "signal-new")


def test_another_name_of_a_known_signal_is_stored_under_the_known_one(
    lab: TelemetryLab, recorder: Recorder, publisher: Publisher, store: DuckDBStore
) -> None:
    for seq in range(5):
        publisher.send_value(seq, float(seq), signal="SPINDLE.PWR")
    assert recorder.wait_until_stored("mill-1", BOOT, 4, timeout=10)
    wish = {"device": "mill-1", "heard": "SPINDLE.PWR", "signal": "spindle_power_kw"}
    wrong = ask(lab, "POST", "/heard-signals/alias", json={**wish, "signal": "nope"})
    assert (wrong.status_code, wrong.json()["rule"]) == (404, "known-signal")
    replay = ask(lab, "POST", "/heard-signals/alias", json=wish).json()
    assert wait_until(finished(lab, replay["id"]), timeout=15) == {"stored": 5, "still_dead": 0}
    assert [row["value"] for row in stored(store, ["spindle_power_kw"])] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_an_unknown_device_is_heard_and_adopted_with_what_it_said(
    lab: TelemetryLab, recorder: Recorder, publisher: Publisher, store: DuckDBStore
) -> None:
    start_ns = now_ns()
    sent = [start_ns + step * 1000 for step in range(20)]
    publisher.send("birth", {"boot": "a", "time": sent[0] - 1, "signals": ["torque_nm"]}, device="press-9", retain=True)
    for seq, at_ns in enumerate(sent):
        body = {"boot": "a", "seq": seq, "time": at_ns, "values": {"torque_nm": float(seq)}}
        publisher.send("data", body, device="press-9")
    publisher.send_value(0)
    assert recorder.wait_until_stored("mill-1", BOOT, 0, timeout=10)
    (heard,) = wait_until(lambda: ask(lab, "GET", "/heard-signals", params={"device": "press-9"}).json())
    assert heard["count"] == 20

    entry = {
        "id": "press-9",
        "name": "Press",
        "kind": "press",
        "price_eur_per_hour": 30,
        "signals": [{"name": "torque_nm", "label": "Torque", "unit": "N.m"}],
    }
    assert ask(lab, "POST", "/heard-devices/adopt", "alfa", json={"device": entry}).status_code == 403
    replay = ask(lab, "POST", "/heard-devices/adopt", json={"device": entry})
    assert replay.status_code == 201, replay.text
    assert wait_until(finished(lab, replay.json()["id"]), timeout=15) == {"stored": 21, "still_dead": 0}
    rows = stored(store, device="press-9")
    assert [(row["settled_ns"], row["value"], row["flags"]) for row in rows] == [
        (at_ns, float(seq), 0) for seq, at_ns in enumerate(sent)
    ]
    with lab.database.read() as session:
        assert session.get(Boot, ("press-9", "a")) is not None
    assert ask(lab, "GET", "/devices/press-9").json()["life"]["boot"] == "a"


def test_a_letter_is_shown_whole_as_text_or_hex_and_to_the_staff_only(
    lab: TelemetryLab, recorder: Recorder, publisher: Publisher
) -> None:
    publisher.send("data", b'{"boot":"' + b"x" * 5000)
    publisher.send("data", b"\xff\xfe" + b"\x00" * 10)
    wait_until(lambda: len(ask(lab, "GET", "/dead-letters").json()["items"]) == 2)
    letters = ask(lab, "GET", "/dead-letters").json()["items"]
    by_reason = {letter["reason"]: letter["key"] for letter in letters}
    text = ask(lab, "GET", f"/dead-letters/{by_reason['not-json']}").json()
    assert (len(text["payload"]), text["payload_kept"], text["payload_hex"]) == (5009, 5009, None)
    assert ask(lab, "GET", f"/dead-letters/{by_reason['not-utf8']}").json()["payload_hex"] == "fffe" + "00" * 10
    for who in ("alfa", "recipient"):
        for path in (f"/dead-letters/{by_reason['not-json']}", "/heard-signals", "/dead-letter-replays"):
            assert ask(lab, "GET", path, who).status_code == 403
        assert ask(lab, "POST", "/dead-letter-replays", who, json={"device": "mill-1"}).status_code == 403
    assert ask(lab, "GET", "/dead-letters/no/such").status_code == 404


def test_a_replay_of_what_is_still_wrong_changes_nothing(
    lab: TelemetryLab, recorder: Recorder, publisher: Publisher, store: DuckDBStore
) -> None:
    publisher.send("data", b"{")
    publisher.send_value(0, "six")
    assert recorder.wait_until_stored("mill-1", BOOT, 0, timeout=10)
    replay = ask(lab, "POST", "/dead-letter-replays", json={"device": "mill-1"})
    assert replay.status_code == 202
    assert wait_until(finished(lab, replay.json()["id"]), timeout=15) == {"stored": 0, "still_dead": 2}
    with lab.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DeadLetter)) == 2
    assert stored(store) == []


def test_invented_names_do_not_fill_the_table(database: Database) -> None:
    add_mill(database)
    hearing = Hearing()
    reader = Interpreter(
        LAB, lambda _: {}, lambda *_: None, max_payload_bytes=10_000, tolerance_ns=10**9, hearing=hearing
    )
    for number in range(2000):
        body = msgspec.json.encode({"boot": "b", "seq": 0, "time": 1, "values": {f"x{number}": 1}})
        message = SpooledMessage(f"pilotlab/{LAB}/ghost-{number}/data", body, len(body), number * 10**7, 0, False)
        reader.read(number, message, Batch())
    HeardWriter(database, hearing)(at_once=True)
    with database.read() as session:
        found = session.execute(sa.text("SELECT count(DISTINCT device_id), count(*) FROM heard_signals")).one()
    assert tuple(found) == (200, 200)
