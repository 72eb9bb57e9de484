"""The recorder against a real broker and the real store."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from devices.credentials import hash_mqtt_password
from lab.core.broker import choose_broker, free_port
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from telemetry.errors import RecorderRunningError
from telemetry.intake import Connection, Intake
from telemetry.models import ClockOffset, DeadLetter, MachineEvent
from telemetry.recorder import Recorder
from telemetry.sequences import completeness
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import Flag
from telemetry.wire import Wire
from tests.integration.recording import BOOT, LAB, Publisher, add_mill, now_ns, stored
from tests.services import Mosquitto

HOUR_NS = 3600 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    yield store
    store.close()


@pytest.fixture(params=[5, 4], ids=["mqtt5", "mqtt311"])
def address(request: pytest.FixtureRequest, own_mosquitto: Mosquitto) -> BrokerAddress:
    return own_mosquitto.address(version=request.param)


def new_recorder(address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path) -> Recorder:
    return Recorder(
        address=address,
        lab=LAB,
        database=database,
        store=store,
        spool_path=tmp_path / "spool.sqlite",
        clock=SystemClock(),
        client_id="recorder",
        max_payload_bytes=262_144,
    )


@pytest.fixture
def recorder(address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path) -> Iterator[Recorder]:
    add_mill(database)
    recorder = new_recorder(address, database, store, tmp_path)
    recorder.start()
    assert recorder.health().ok, recorder.health()
    yield recorder
    recorder.stop()


@pytest.fixture
def publisher(address: BrokerAddress, recorder: Recorder) -> Iterator[Publisher]:
    publisher = Publisher(address)
    yield publisher
    publisher.close()


def letters(database: Database) -> list[DeadLetter]:
    with database.read() as session:
        return list(session.scalars(sa.select(DeadLetter).order_by(DeadLetter.received_at, DeadLetter.key)))


def test_what_a_machine_says_is_stored_and_complete(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore, database: Database
) -> None:
    before = now_ns()
    publisher.send("birth", {"boot": BOOT, "time": before, "signals": ["spindle_power_kw"]}, retain=True)
    for seq in range(200):
        publisher.send_value(seq, seq / 10)
    publisher.send("event", {"boot": BOOT, "seq": 200, "time": now_ns(), "event": "part_finished", "fields": {"n": 1}})

    assert recorder.wait_until_stored("mill-1", BOOT, 200, timeout=10)
    rows = stored(store)
    assert [row["value"] for row in rows] == [seq / 10 for seq in range(200)]
    assert all(row["flags"] == 0 and row["settled_ns"] == row["device_ns"] for row in rows)
    with database.read() as session:
        assert completeness(session, "mill-1", BOOT, 0, 200).complete
        assert session.scalars(sa.select(MachineEvent)).one().fields == {"n": 1}
    assert letters(database) == []
    assert recorder.health().acknowledged >= 202


def test_a_second_recorder_on_the_same_folder_is_refused(
    recorder: Recorder, address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path
) -> None:
    with pytest.raises(RecorderRunningError, match="another recorder"):
        new_recorder(address, database, store, tmp_path).start()


def data(seq: int, values: str, *, time: str = "NOW", boot: str = "b") -> bytes:
    return f'{{"boot":"{boot}","seq":{seq},"time":{time},"values":{{{values}}}}}'.encode()


FEED = '"feed_mm_s":6'
BAD: list[tuple[str, str, bytes, str]] = [
    ("unknown signal", "data", data(1, '"nope":1'), "unknown-signal"),
    ("text for a number", "data", data(2, '"feed_mm_s":"6"'), "wrong-type"),
    ("true for a number", "data", data(3, '"feed_mm_s":true'), "wrong-type"),
    ("null", "data", data(4, '"feed_mm_s":null'), "wrong-type"),
    ("NaN", "data", data(5, '"feed_mm_s":NaN'), "not-finite"),
    ("Infinity", "data", data(6, '"feed_mm_s":-Infinity'), "not-finite"),
    ("1970", "data", data(7, FEED, time="5", boot="c"), "impossible-time"),
    ("1970 as text", "data", data(8, FEED, time='"1970-01-01T00:00:00Z"', boot="d"), "impossible-time"),
    ("2100", "data", data(9, FEED, time='"2100-01-01T00:00:00Z"'), "impossible-time"),
    ("no zone", "data", data(10, FEED, time='"2026-11-22T09:30:00"'), "impossible-time"),
    ("300 kB", "data", data(11, FEED) + b" " * 300_000, "too-large"),
    ("nothing", "data", b"", "empty"),
    ("broken UTF-8", "data", b'{"boot":"\xff\xfe","seq":1,"time":1,"values":{}}', "not-utf8"),
    ("no JSON", "data", b"{", "not-json"),
    ("no boot", "data", b'{"seq":1,"time":1,"values":{}}', "wrong-form"),
    ("negative seq", "data", data(-1, FEED), "wrong-form"),
    ("endless boot", "data", data(1, FEED, boot="b" * 100), "wrong-form"),
    ("NUL in boot", "data", data(1, FEED, boot="\\u0000"), "wrong-form"),
    ("half a surrogate", "data", data(12, '"tool":"\\ud800"'), "not-text"),
    ("no choice", "data", data(13, '"door":"ajar"'), "not-a-choice"),
    ("no pack", "data/senml", b"[]", "wrong-form"),
    ("no CBOR", "data/cbor", b"\xff", "not-cbor"),
    ("unknown format", "data/xml", b"<data/>", "unknown-kind"),
    ("no kind", "dat", b"{}", "unknown-kind"),
    ("too deep", "event", b'{"fields":' + b"[" * 5000 + b"]" * 5000 + b"}", "not-json"),
]


def test_bad_input_gets_a_reason_and_harms_nothing(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore, database: Database
) -> None:
    for number, (_, kind, payload, _) in enumerate(BAD):
        publisher.send(kind, payload.replace(b"NOW", b"%d" % now_ns()))
        publisher.send_value(number, float(number))

    assert recorder.wait_until_stored("mill-1", BOOT, len(BAD) - 1, timeout=10)
    assert [row["value"] for row in stored(store, ["spindle_power_kw"])] == [float(n) for n in range(len(BAD))]
    by_order = sorted(letters(database), key=lambda letter: letter.number or 0)
    assert len(by_order) == len(BAD)
    for letter, (name, _, payload, reason) in zip(by_order, BAD, strict=True):
        assert letter.reason == reason, name
        assert letter.device_id == "mill-1", name
        assert letter.payload_bytes == len(payload.replace(b"NOW", b"%d" % now_ns())), name
        assert len(letter.payload) <= 65_536, name
        assert letter.detail, name
    lost_date = stored(store, ["feed_mm_s"])
    assert {row["boot"] for row in lost_date} == {"c", "d"}, "only 1970 is stored, and not believed"
    assert all(row["flags"] & Flag.UNCERTAIN for row in lost_date)
    assert recorder.health().ok
    assert recorder.health().faults == 0


def test_one_bad_value_does_not_take_its_neighbours_along(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore, database: Database
) -> None:
    numbers = '"spindle_power_kw":1.5,"feed_mm_s":NaN,"nope":3,"wear_um":301'
    others = '"tool":"T4","door":"open","coolant":true'
    publisher.send("data", data(0, f"{numbers},{others}", time=str(now_ns()), boot=BOOT))
    wave = b'{"spindle_power_kw":[1,2.5,NaN,4],"feed_mm_s":[1,"2"],"wear_um":[0,-1]}'
    publisher.send(
        "data", b'{"boot":"%s","seq":1,"start":%d,"rate_hz":1000,"waves":%s}' % (BOOT.encode(), now_ns(), wave)
    )

    assert recorder.wait_until_stored("mill-1", BOOT, 1, timeout=10)
    found = {(row["signal"], row["value"], row["text"], row["flags"]) for row in stored(store)}
    out = int(Flag.OUT_OF_RANGE)
    assert found == {
        ("spindle_power_kw", 1.5, None, 0),
        ("tool", None, "T4", 0),
        ("door", None, "open", 0),
        ("coolant", 1.0, None, 0),
        ("wear_um", 301.0, None, out),
        ("spindle_power_kw", 1.0, None, 0),
        ("spindle_power_kw", 2.5, None, 0),
        ("spindle_power_kw", 4.0, None, 0),
        ("wear_um", 0.0, None, 0),
        ("wear_um", -1.0, None, out),
    }
    assert {(letter.signal, letter.reason) for letter in letters(database)} == {
        ("feed_mm_s", "not-finite"),
        ("nope", "unknown-signal"),
        ("spindle_power_kw", "not-finite"),
        ("feed_mm_s", "wrong-type"),
    }


@pytest.mark.parametrize("error_hours", [1, -1])
def test_a_clock_that_is_an_hour_off_is_corrected_and_both_times_kept(
    error_hours: int, recorder: Recorder, publisher: Publisher, store: DuckDBStore, database: Database
) -> None:
    time.sleep(1.2)  # until an echo has been round, a clock that is behind could be a message that waited
    publisher.send("birth", {"boot": BOOT, "time": now_ns() + error_hours * HOUR_NS, "signals": []})
    sent = [now_ns() for _ in range(20)]
    for seq, at_ns in enumerate(sent):
        publisher.send_value(seq, float(seq), at_ns=at_ns + error_hours * HOUR_NS)

    assert recorder.wait_until_stored("mill-1", BOOT, 19, timeout=10)
    rows = stored(store)
    assert [row["device_ns"] for row in rows] == [at_ns + error_hours * HOUR_NS for at_ns in sent]
    assert {row["settled_ns"] - row["device_ns"] for row in rows} == {rows[0]["settled_ns"] - rows[0]["device_ns"]}
    assert all(0 <= row["settled_ns"] - at_ns < 10**9 for row, at_ns in zip(rows, sent, strict=True))
    assert {row["flags"] for row in rows} == {int(Flag.SKEWED)}
    with database.read() as session:
        assert session.scalars(sa.select(ClockOffset)).one().uncertain is False


def test_what_a_device_recorded_earlier_keeps_its_own_spacing(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore
) -> None:
    start = now_ns() - 3 * HOUR_NS
    publisher.send("birth", {"boot": BOOT, "time": now_ns(), "signals": []})
    samples = [[start + step * 10**8, float(step)] for step in range(100)]
    message = {"boot": BOOT, "seq": 0, "buffered": True, "samples": {"spindle_power_kw": samples}}
    publisher.send("data", message)
    publisher.send("data", message)

    assert recorder.wait_until_stored("mill-1", BOOT, 0, timeout=10)
    rows = stored(store)
    assert [[row["settled_ns"], row["value"]] for row in rows] == samples
    assert {row["flags"] for row in rows} == {int(Flag.BUFFERED | Flag.UNCERTAIN)}, "nobody had seen the clock yet"


def test_another_value_for_the_same_moment_is_refused_with_a_letter(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore, database: Database
) -> None:
    at_ns = now_ns()
    publisher.send_value(0, 1.0, at_ns=at_ns)
    publisher.send_value(1, 2.0, at_ns=at_ns)
    publisher.send_value(2, 1.0, at_ns=at_ns)

    assert recorder.wait_until_stored("mill-1", BOOT, 2, timeout=10)
    assert [row["value"] for row in stored(store)] == [1.0]
    found = letters(database)
    assert {letter.reason for letter in found} == {"other-value-stored"}
    assert b"2.0" in {letter.payload for letter in found}


def test_a_full_disk_stops_acknowledging_and_nothing_else(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore
) -> None:
    assert recorder._parts is not None
    writer = recorder._parts[0]._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    start = now_ns() - 10**9
    for seq in range(5):
        samples = {"spindle_power_kw": [[start + seq * 10**6 + step, step * 0.37] for step in range(8000)]}
        publisher.send("data", {"boot": BOOT, "seq": seq, "buffered": True, "samples": samples})
    deadline = time.monotonic() + 10
    while not recorder.health().problems and time.monotonic() < deadline:
        time.sleep(0.05)
    health = recorder.health()
    assert health.running
    assert "full" in health.problems[0]
    assert health.acknowledged < health.received

    writer.execute("PRAGMA max_page_count = 1000000")
    assert recorder.wait_until_stored("mill-1", BOOT, 4, timeout=10)
    assert len(stored(store)) == 5 * 8000
    assert recorder.health().ok


def test_a_flood_of_unknown_devices_leaves_no_trace_in_memory(
    recorder: Recorder, publisher: Publisher, database: Database
) -> None:
    assert recorder._parts is not None
    interpreter = recorder._parts[3]._interpreter
    for number in range(3000):
        publisher.send("data", b"{}", device=f"ghost-{number}")
    publisher.send_value(0)

    assert recorder.wait_until_stored("mill-1", BOOT, 0, timeout=20)
    found = letters(database)
    assert len(found) == 3000
    assert {letter.reason for letter in found} == {"unknown-device"}
    assert len(interpreter._clocks) == 1
    assert len(interpreter._topics._known) <= 4096


def test_an_exception_in_the_network_loop_is_survived(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Intake._read_burst
    broken = [True]

    def stumble(intake: Intake, connection: Connection, wire: Wire) -> None:
        original(intake, connection, wire)
        if broken and intake.counts.received > 50:
            broken.clear()
            raise RuntimeError("a fault in somebody's callback")

    monkeypatch.setattr(Intake, "_read_burst", stumble)
    for seq in range(200):
        publisher.send_value(seq, float(seq))

    assert recorder.wait_until_stored("mill-1", BOOT, 199, timeout=15)
    assert [row["value"] for row in stored(store)] == [float(seq) for seq in range(200)]
    health = recorder.health()
    assert (health.faults, health.connections) == (1, 2)
    assert health.ok


def test_it_records_through_the_broker_inside_the_process_too(
    database: Database, store: DuckDBStore, tmp_path: Path
) -> None:
    password = "correct horse battery staple"
    broker = choose_broker(
        "amqtt",
        folder=tmp_path / "broker",
        host="127.0.0.1",
        port=free_port("127.0.0.1"),
        lab=LAB,
        product_hash=hash_mqtt_password(password),
        password=password,
    )
    add_mill(database)
    broker.start()
    recorder = new_recorder(broker.address, database, store, tmp_path)
    recorder.start()
    assert recorder.health().ok, recorder.health()
    publisher = Publisher(broker.address)
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(100)])

    assert recorder.wait_until_stored("mill-1", BOOT, 99, timeout=10)
    assert [row["value"] for row in stored(store)] == [float(seq) for seq in range(100)]
    publisher.close()
    recorder.stop()
    broker.stop()
