"""What machines of the stage say and the catalogue does not know, and messages that could not be stored."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from telemetry.models import DeadLetter, DeadLetterCount, HeardSignal, ReplayRequest

_HEARD = (
    ("mill-1", "CoolantTemp", {"number": 1200}, 18.4, 41.9, ["18.4", "18.6"], "°C", 500.0),
    ("mill-1", "Program", {"text": 12}, None, None, ["P17", "P18"], None, 60_000.0),
    ("press-9", "torque_nm", {"number": 4000}, 0.0, 240.5, ["12.5", "80"], None, 100.0),
    ("press-9", "door_open", {"boolean": 8}, None, None, ["True", "False"], None, None),
)


def fill_unplaced(session: Session, now: datetime) -> str:
    """Put it there; the key of one letter."""
    minute = timedelta(minutes=1)
    for device, name, kinds, low, high, examples, unit, interval_ms in _HEARD:
        facts = {"device_id": device, "name": name, "origin": "json", "kinds": kinds, "low": low, "high": high}
        facts |= {"count": sum(kinds.values()), "examples": examples, "unit_said": unit, "interval_ms": interval_ms}
        session.add(HeardSignal(**facts, first_at=now - 60 * minute, last_at=now - minute))
    payload = b'{"boot": "7f3a", "seq": 1042, "time": "2026-11-23T08:59:00Z", "values": {"CoolantTemp": 18.4}}'
    for number, (device, signal, reason, detail) in enumerate(
        (
            ("mill-1", "CoolantTemp", "unknown-signal", "the catalogue has no such signal for this device"),
            ("mill-1", None, "not-json", "the message ends in the middle"),
            ("press-9", None, "unknown-device", "the lab owns no device 'press-9'"),
        )
    ):
        at = now - (number + 1) * minute
        kept = {"payload": payload, "payload_bytes": len(payload), "spool_id": "spl", "number": number}
        facts = {"key": f"spl/{number}/{signal or ''}", "device_id": device, "signal": signal, "reason": reason}
        session.add(DeadLetter(**facts, topic=f"pilotlab/gliwice/{device}/data", detail=detail, received_at=at, **kept))
        whose = {"device_id": "" if reason == "unknown-device" else device, "signal": signal or "", "reason": reason}
        session.add(DeadLetterCount(**whose, kept=1, beyond=number * 1000, first_at=at, last_at=at))
    asked = {"device_id": "mill-1", "signal": "CoolantTemp", "asked_by": "system", "asked_at": now - 2 * minute}
    session.add(ReplayRequest(id="rpl_1", **asked, finished_at=now - minute, outcome={"stored": 40, "still_dead": 2}))
    session.flush()
    return "spl/0/CoolantTemp"
