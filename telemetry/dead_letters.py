"""Dead letters: what could not be stored, kept with the reason, for the lab's staff only."""

import hashlib
from typing import Any

import msgspec
import pyarrow as pa

from lab.core.time import from_nanoseconds
from telemetry.spool import SpooledMessage
from telemetry.validation import Fault

KEPT_BYTES = 65_536
"""Of a message that is larger than any that is taken, and of refused values; of others, all."""
KEPT_BYTES_OF_FURTHER_FAULTS = 4_096
MOST_FAULTS_OF_A_MESSAGE = 20


def letter_of_message(
    number: int, message: SpooledMessage, device: str | None, fault: Fault, *, spool_id: str = ""
) -> dict[str, Any]:
    """The letter of a message that cannot be used at all; a row of `DeadLetter`.

    Args:
        number: of the message in the spool.
        message: as it came.
        device: as the topic names it.
        fault: what is wrong.
        spool_id: which spool.
    """
    return _letter(number, message, device, None, fault, spool_id, whole=True)


def letters_of_values(
    number: int, message: SpooledMessage, device: str, faults: list[tuple[str, Fault]], *, spool_id: str = ""
) -> list[dict[str, Any]]:
    """The letters of single values (signal, fault); the rest of the message is stored.

    A message with very many faults gets a letter for the first ones and one that counts the others.
    """
    letters = [
        _letter(number, message, device, signal, fault, spool_id, whole=place == 0)
        for place, (signal, fault) in enumerate(faults[:MOST_FAULTS_OF_A_MESSAGE])
    ]
    further = len(faults) - MOST_FAULTS_OF_A_MESSAGE
    if further > 0:
        fault = Fault("further-faults", f"{further} further values of this message could not be stored")
        letters.append(_letter(number, message, device, None, fault, spool_id, whole=False))
    return letters


def letters_of_conflicts(conflicts: pa.Table, rejected: pa.Table | None = None) -> list[dict[str, Any]]:
    """The letters of samples whose identity is taken by another value (I3), or which the store cannot hold.

    Args:
        conflicts: schema SAMPLES.
        rejected: those of them that the store refuses for themselves.
    """
    letters = []
    unfit = {(row["signal"], row["device_ns"], row["value"]) for row in rejected.to_pylist()} if rejected else set()
    for row in conflicts.to_pylist():
        identity = f"{row['device']}/{row['signal']}/{row['boot']}/{row['device_ns']}"
        refused = row["text"] if row["text"] is not None else repr(row["value"])
        fault = Fault("other-value-stored", f"{identity} is stored with another value; refused: {refused[:200]}")
        if (row["signal"], row["device_ns"], row["value"]) in unfit:
            fault = Fault("store-refused", f"the store of samples cannot hold {identity} with {refused[:200]}")
        payload = refused.encode()
        letters.append(
            {
                **_ORDINARY,
                "key": "conflict/" + hashlib.sha256(f"{identity}/{refused}".encode()).hexdigest(),
                "device_id": row["device"],
                "topic": "",
                "signal": _cut(row["signal"], 200),
                "reason": fault.reason,
                "detail": fault.detail,
                "payload": payload[:KEPT_BYTES],
                "payload_bytes": len(payload),
                "received_at": from_nanoseconds(row["received_ns"]),
            }
        )
    return letters


def letters_of_events(conflicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The letters of events whose identity (device, boot, seq) is taken by another event (I3).

    Args:
        conflicts: rows of `MachineEvent`.
    """
    letters = []
    for row in conflicts:
        identity = f"{row['device_id']}/{row['boot']}/{row['seq']}"
        payload = msgspec.json.encode({name: row[name] for name in ("kind", "device_ns", "fields")})
        digest = hashlib.sha256(identity.encode() + payload).hexdigest()
        letters.append(
            {
                **_ORDINARY,
                "key": f"conflict/{digest}",
                "device_id": row["device_id"],
                "topic": "",
                "signal": None,
                "reason": "other-event-stored",
                "detail": f"{identity} is stored as another event; refused: {row['kind']}",
                "payload": payload[:KEPT_BYTES],
                "payload_bytes": len(payload),
                "received_at": from_nanoseconds(row["received_ns"]),
            }
        )
    return letters


_ORDINARY: dict[str, Any] = {"spool_id": None, "number": None, "entered_after_ns": None, "retained": False}


def _letter(
    number: int,
    message: SpooledMessage,
    device: str | None,
    signal: str | None,
    fault: Fault,
    spool_id: str,
    *,
    whole: bool,
) -> dict[str, Any]:
    """A row of `DeadLetter`; `whole`: with all of the message, so that it can be read again."""
    cut = KEPT_BYTES if message.payload_bytes > len(message.payload) else len(message.payload)
    return {
        "key": f"{spool_id}/{number}/{_short(signal or '')}",
        "device_id": _cut(device, 200),
        "topic": _cut(message.topic, 1000) or "",
        "signal": _cut(signal or None, 200),
        "reason": fault.reason,
        "detail": _cut(fault.detail, 2000) or "",
        "payload": message.payload[: cut if whole else KEPT_BYTES_OF_FURTHER_FAULTS],
        "payload_bytes": message.payload_bytes,
        "received_at": from_nanoseconds(message.received_ns),
        "spool_id": spool_id or None,
        "number": number,
        "entered_after_ns": message.entered_after_ns,
        "retained": message.retained,
    }


def _short(signal: str) -> str:
    """The signal's name, or its hash where the key would get too long or cannot be stored."""
    if len(signal) <= 120 and signal.isprintable():
        return signal
    return hashlib.sha256(signal.encode("utf-8", "surrogatepass")).hexdigest()


def _cut(text: str | None, length: int) -> str | None:
    """As much of a text as a column takes, without what no database takes."""
    if text is None:
        return None
    return text[:length].encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
