"""How many dead letters are kept: a flood from one device neither fills the disk nor hides what another says."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from devices.service import SignalFacts
from telemetry.batches import Batch
from telemetry.interpreting import Interpreter
from telemetry.letters.box import MOST_BYTES, MOST_KINDS, STRANGERS_SHARE, Kept, LetterBox
from telemetry.newcomers import HOUR_NS, MOST_NEW_BOOTS, NewBoots
from telemetry.settling import SECOND_NS
from telemetry.spool import SpooledMessage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW = 1_795_000_000 * SECOND_NS


def letter(
    device: str | None = "mill-1", signal: str | None = "power", reason: str = "wrong-type", size: int = 10
) -> Any:
    return {"device_id": device, "signal": signal, "reason": reason, "payload": b"x" * size, "received_at": NOON}


def test_beyond_the_limit_letters_are_counted_and_of_every_kind_one_is_kept() -> None:
    box = LetterBox(per_device=10)
    kept = box.take(letter() for _ in range(10_000))
    kept += box.take([letter(signal="feed"), letter(signal="feed"), letter(device="robot-1")])

    assert len(kept) == 12
    counts = {(count.device, count.signal): (count.kept, count.beyond) for count in box.counts}
    assert counts == {("mill-1", "power"): (10, 9990), ("mill-1", "feed"): (1, 1), ("robot-1", "power"): (1, 0)}


def test_invented_signals_do_not_make_endless_kinds() -> None:
    box = LetterBox(per_device=10)
    kept = box.take(letter(signal=f"x{number}") for number in range(5000))

    assert len(kept) == MOST_KINDS
    assert len(box.counts) <= MOST_KINDS + 1
    assert sum(count.kept + count.beyond for count in box.counts) == 5000


def test_invented_devices_share_one_room() -> None:
    box = LetterBox(per_device=10)
    kept = box.take(letter(f"ghost-{number}", None, "unknown-device") for number in range(5000))

    assert len(kept) == 10 * STRANGERS_SHARE
    assert [(count.device, count.kept, count.beyond) for count in box.counts] == [("", 100, 4900)]
    assert len(box._rooms) == 1


def test_large_payloads_use_up_the_room_too() -> None:
    box = LetterBox()
    kept = box.take(letter(size=1024 * 1024) for _ in range(100))
    assert len(kept) == MOST_BYTES // (1024 * 1024)


def test_what_is_stored_already_counts() -> None:
    box = LetterBox(lambda _: {("power", "wrong-type"): Kept(10, 100)}, per_device=10)
    assert box.take([letter()]) == []
    box.saved()
    assert box.counts == []


def test_what_was_not_stored_is_forgotten() -> None:
    box = LetterBox(per_device=1)
    assert len(box.take([letter()])) == 1
    box.forget()
    assert len(box.take([letter()])) == 1


def test_a_device_that_invents_boots_is_stopped_and_let_in_again_an_hour_later() -> None:
    boots = NewBoots()
    admitted = [boots.admits("mill-1", NOW + number) for number in range(MOST_NEW_BOOTS + 5)]
    assert admitted.count(False) == 5
    assert boots.admits("robot-1", NOW)
    assert boots.admits("mill-1", NOW + HOUR_NS + 1)


def reader() -> Interpreter:
    signals = {"mill-1": {"power": SignalFacts("number")}}
    return Interpreter("lab", lambda _: signals, lambda *_: None, max_payload_bytes=10_000, tolerance_ns=SECOND_NS)


def read(interpreter: Interpreter, payload: dict[str, Any], number: int) -> Batch:
    batch, body = Batch(), msgspec.json.encode(payload)
    message = SpooledMessage("pilotlab/lab/mill-1/data", body, len(body), NOW, NOW - SECOND_NS, False)
    interpreter.read(number, message, batch)
    return batch


def test_a_clock_without_date_gets_one_letter_a_boot() -> None:
    interpreter = reader()
    batches = [
        read(interpreter, {"boot": f"b{number // 100}", "seq": number, "time": number, "values": {"power": 1}}, number)
        for number in range(300)
    ]
    assert sum(len(batch.letters) for batch in batches) == 3
    (count,) = interpreter.letters.counts
    assert (count.reason, count.kept, count.beyond) == ("impossible-time", 3, 297)


def test_a_letter_keeps_what_a_replay_needs() -> None:
    interpreter = reader()
    interpreter.spool_id = "spl_1"
    (found,) = read(interpreter, {"boot": "b", "seq": 1, "time": NOW, "values": {"nope": "x" * 9000}}, 7).letters
    assert (found["spool_id"], found["number"], found["key"]) == ("spl_1", 7, "spl_1/7/nope")
    assert (found["entered_after_ns"], found["retained"]) == (NOW - SECOND_NS, False)
    assert len(found["payload"]) == found["payload_bytes"] > 9000


def test_too_many_boots_become_letters() -> None:
    interpreter = reader()
    reasons = [
        found["reason"]
        for number in range(MOST_NEW_BOOTS + 3)
        for found in read(interpreter, {"boot": f"b{number}", "seq": 0, "time": NOW, "values": {}}, number).letters
    ]
    assert reasons == ["too-many-boots"] * 3
