"""The native messages, JSON on `pilotlab/{lab}/{device}/{kind}`.

A message is identified by (device, boot, seq). What is wrong with a whole message raises `MessageError`; what is wrong
with one value of it is for whoever knows the device's signals to say.
"""

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

import msgspec

Time: TypeAlias = str | int
Value: TypeAlias = float | bool | str | None
Boot: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Seq: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1e-3, 1e9
UNNUMBERED = -1
"""`seq` of a message whose format counts none; nobody can tell whether one of those is missing."""


class MessageError(ValueError):
    """A message that cannot be used at all.

    Args:
        reason: short and stable, for a program: `empty`, `not-utf8`, `not-json`, `not-cbor`, `wrong-form`, `no-time`,
            `unknown-kind`.
        detail: for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Birth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device has started. Retained."""

    boot: Boot
    time: Time
    firmware: str | None = None
    signals: list[str] = []


class Death(msgspec.Struct, frozen=True):
    """A device has gone. Retained, the last will; stale when it names another boot than the last birth."""

    boot: Boot


class Data(msgspec.Struct, frozen=True, omit_defaults=True):
    """Measured values, in exactly one of three shapes.

    `time` + `values`: many signals at one instant. `start` + `rate_hz` + `waves`: evenly spaced.
    `buffered` + `samples`: recorded earlier and sent now, each sample with its own time. Other formats also send
    samples of several times at once as they are measured: then `buffered` is false.
    """

    boot: Boot
    seq: Seq
    time: Time | None = None
    values: dict[str, Any] | None = None
    start: Time | None = None
    rate_hz: float | None = None
    waves: dict[str, list[Any]] | None = None
    buffered: bool = False
    samples: dict[str, list[tuple[Time, Any]]] | None = None
    units: dict[str, str] | None = None
    """Unit of a signal as the machine says it, a UCUM code; checked against the catalogue where it is given."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something happened, e.g. `part_finished`."""

    boot: Boot
    seq: Seq
    time: Time
    event: Name
    fields: dict[str, Any] = {}
    buffered: bool = False


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the machine is doing: OPC 40001-1 MachineryItemState and OperationMode. Retained."""

    boot: Boot
    seq: Seq
    time: Time
    item_state: Name
    mode: Name = "None"
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
_HALF_A_CHARACTER = "a text contains half a surrogate pair"


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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = _decode_leniently(kind, payload, error)
    if b"\\u" in payload:  # only an escape can bring in what is no text
        _require_storable_text(message)
    if isinstance(message, Data):
        _require_one_shape(message)
        message = recorded_earlier(message)
    elif isinstance(message, Event):
        message = msgspec.structs.replace(message, fields=_without_infinite(message.fields))
    return message  # type: ignore[no-any-return]


def _decode_leniently(kind: str, payload: bytes, first: Exception) -> Message:
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MessageError("not-utf8", f"byte {error.start} is not UTF-8") from error
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError("not-json", printable(str(error))) from error
    try:
        return msgspec.convert(plain, KINDS[kind])
    except UnicodeEncodeError as error:  # such a text where another type is wanted, or as the name of a field
        raise MessageError("not-utf8", _HALF_A_CHARACTER) from error
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        raise MessageError("wrong-form", printable(str(error or first))) from error


def require_usable_data(data: Data) -> None:
    """What every format asks of data beyond the types of its fields.

    Raises:
        MessageError: if it has none or several of the three shapes, or its boot cannot be stored.
    """
    _require_one_shape(data)
    _require_storable_text(data)


def recorded_earlier(data: Data) -> Data:
    """The same message; samples of the native shapes are always such that were recorded earlier."""
    if data.samples is None or data.buffered:
        return data
    return msgspec.structs.replace(data, buffered=True)


def _require_one_shape(data: Data) -> None:
    single = data.time is not None and data.values is not None
    wave = data.start is not None and data.rate_hz is not None and data.waves is not None
    buffered = data.samples is not None
    if single + wave + buffered != 1:
        raise MessageError("wrong-form", "data needs exactly one of: time + values; start + rate_hz + waves; samples")
    if wave and not LOWEST_RATE_HZ <= (data.rate_hz or 0) <= HIGHEST_RATE_HZ:
        raise MessageError(
            "wrong-form", f"rate_hz is {data.rate_hz}, it must be from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ:g}"
        )


def _require_storable_text(message: Message) -> None:
    """Refuse halves of surrogate pairs, which are no Unicode, and NUL, which PostgreSQL cannot store.

    Of data only the boot is looked at: a bad text among its values costs that value, not its neighbours.
    """
    content = message.boot if isinstance(message, Data) else msgspec.to_builtins(message)
    for text in _texts(content):
        if "\x00" in text:
            raise MessageError("wrong-form", "a text contains the character NUL")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise MessageError("not-utf8", _HALF_A_CHARACTER)


def _texts(content: Any) -> Iterator[str]:
    """Every text in it, keys included; without recursion, which a sender could exhaust."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)


def _without_infinite(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an event with `None` for NaN and infinities, which a JSON column does not take."""
    finite: dict[str, Any] = {}
    waiting: list[tuple[Any, Any, Any]] = [(finite, name, value) for name, value in fields.items()]
    while waiting:
        target, place, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            target[place] = None
        elif isinstance(value, dict):
            target[place] = {}
            waiting.extend((target[place], name, inner) for name, inner in value.items())
        elif isinstance(value, list | tuple):
            target[place] = [None] * len(value)
            waiting.extend((target[place], index, inner) for index, inner in enumerate(value))
        else:
            target[place] = value
    return finite


def printable(text: str) -> str:
    """As much of it as fits into a log and a database."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[:200]
