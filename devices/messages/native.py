"""The native messages, JSON on `pilotlab/{lab}/{device}/{kind}`.

A message is identified by (device, boot, seq). What is wrong with a whole message raises `MessageError`; what is wrong
with one value of it is for whoever knows the device's signals to say.
"""

import json
from typing import Any, TypeAlias

import msgspec

Time: TypeAlias = str | int
Value: TypeAlias = float | bool | str | None


class MessageError(ValueError):
    """A message that cannot be used at all.

    Args:
        reason: short and stable, for a program: `empty`, `not-utf8`, `not-json`, `wrong-form`, `unknown-kind`.
        detail: for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Birth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device has started. Retained."""

    boot: str
    time: Time
    firmware: str | None = None
    signals: list[str] = []


class Death(msgspec.Struct, frozen=True):
    """A device has gone. Retained, the last will; stale when it names another boot than the last birth."""

    boot: str


class Data(msgspec.Struct, frozen=True, omit_defaults=True):
    """Measured values, in exactly one of three shapes.

    `time` + `values`: many signals at one instant. `start` + `rate_hz` + `waves`: evenly spaced.
    `buffered` + `samples`: recorded earlier and sent now, each sample with its own time.
    """

    boot: str
    seq: int
    time: Time | None = None
    values: dict[str, Any] | None = None
    start: Time | None = None
    rate_hz: float | None = None
    waves: dict[str, list[Any]] | None = None
    buffered: bool = False
    samples: dict[str, list[tuple[Time, Any]]] | None = None


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something happened, e.g. `part_finished`."""

    boot: str
    seq: int
    time: Time
    event: str
    fields: dict[str, Any] = {}
    buffered: bool = False


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the machine is doing: OPC 40001-1 MachineryItemState and OperationMode. Retained."""

    boot: str
    seq: int
    time: Time
    item_state: str
    mode: str = "None"
    program: str | None = None
    buffered: bool = False


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """The lab asks a device to do something."""

    id: str
    command: str
    reason: str = ""
    expires: Time | None = None


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The device's answer to a command: `done` or `refused`."""

    id: str
    result: str
    detail: str = ""


Message: TypeAlias = Birth | Death | Data | Event | State | Command | Reply

KINDS: dict[str, type[Message]] = {
    "birth": Birth,
    "death": Death,
    "data": Data,
    "event": Event,
    "state": State,
    "command": Command,
    "reply": Reply,
}

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(shape) for kind, shape in KINDS.items()}
_ENCODER = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """The message as JSON."""
    return _ENCODER.encode(message)


def decode(kind: str, payload: bytes) -> Message:
    """Read a payload that came on a topic ending in `kind`.

    JSON's missing NaN and Infinity, which many libraries write all the same, are read as such, so that only the value
    that carries them is lost and not its neighbours.

    Raises:
        MessageError: if the message as a whole cannot be used.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise MessageError("unknown-kind", f"'{kind[:40]}' is none of {', '.join(KINDS)}")
    if not payload:
        raise MessageError("empty", "the payload has no bytes")
    try:
        message = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = _decode_leniently(kind, payload, error)
    if isinstance(message, Data):
        _require_one_shape(message)
    return message  # type: ignore[no-any-return]


def _decode_leniently(kind: str, payload: bytes, first: Exception) -> Message:
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MessageError("not-utf8", f"byte {error.start} is not UTF-8") from error
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError("not-json", str(error)[:200]) from error
    try:
        return msgspec.convert(plain, KINDS[kind])
    except (msgspec.ValidationError, RecursionError) as error:
        raise MessageError("wrong-form", str(error or first)[:200]) from error


def _require_one_shape(data: Data) -> None:
    single = data.time is not None and data.values is not None
    wave = data.start is not None and data.rate_hz is not None and data.waves is not None
    buffered = data.samples is not None
    if single + wave + buffered != 1:
        raise MessageError("wrong-form", "data needs exactly one of: time + values; start + rate_hz + waves; samples")
    if wave and not (data.rate_hz is not None and data.rate_hz > 0):
        raise MessageError("wrong-form", f"rate_hz is {data.rate_hz}, it must be above 0")
