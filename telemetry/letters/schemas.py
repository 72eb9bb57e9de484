"""Dead letters as HTTP tells them."""

import base64
import binascii
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from lab.core.time import from_microseconds, to_microseconds
from telemetry.models import DeadLetter, DeadLetterCount, ReplayRequest
from telemetry.schemas import CursorInvalidError

_PAYLOAD_SHOWN = 2048
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
"""Names as people and machines write them; a text with half a character is no JSON to begin with."""


class DeadLetterAnswer(BaseModel):
    """A message or a value that could not be stored."""

    key: str
    device: str | None
    topic: str
    signal: str | None
    reason: str
    detail: str
    payload: str
    """The beginning as text; bytes that are no text as `\\xNN`."""
    payload_bytes: int
    received_at: datetime
    replayed_at: datetime | None
    """When it was read again, and stored; null: it is still dead."""

    @classmethod
    def of(cls, letter: DeadLetter) -> "DeadLetterAnswer":
        """From the table's row."""
        return cls(
            key=letter.key,
            device=letter.device_id,
            topic=letter.topic,
            signal=letter.signal,
            reason=letter.reason,
            detail=letter.detail,
            payload=letter.payload[:_PAYLOAD_SHOWN].decode("utf-8", "backslashreplace"),
            payload_bytes=letter.payload_bytes,
            received_at=letter.received_at,
            replayed_at=letter.replayed_at,
        )


class WholeLetterAnswer(DeadLetterAnswer):
    """One letter with all that is kept of its message."""

    payload_hex: str | None
    """The bytes that are kept, if they are no text."""
    payload_kept: int
    """How many bytes are kept."""

    @classmethod
    def of(cls, letter: DeadLetter) -> "WholeLetterAnswer":
        """From the table's row."""
        brief = DeadLetterAnswer.of(letter).model_dump()
        try:
            brief["payload"], in_hex = letter.payload.decode("utf-8"), None
        except UnicodeDecodeError:
            in_hex = letter.payload.hex()
        return cls(**brief, payload_hex=in_hex, payload_kept=len(letter.payload))


class DeadLetterCountAnswer(BaseModel):
    """How often one thing was wrong; an empty device: any that the lab does not own."""

    device: str
    signal: str
    reason: str
    kept: int
    beyond: int
    """Of these no letter is kept."""
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, count: DeadLetterCount) -> "DeadLetterCountAnswer":
        """From the table's row."""
        return cls(
            device=count.device_id,
            signal=count.signal,
            reason=count.reason,
            kept=count.kept,
            beyond=count.beyond,
            first_at=count.first_at,
            last_at=count.last_at,
        )


class DeadLettersAnswer(BaseModel):
    """A page of dead letters, the newest first, and how many there are of each kind."""

    items: list[DeadLetterAnswer]
    next: str | None
    """Cursor of the following page; null: this is the last one."""
    counts: list[DeadLetterCountAnswer]


class ReplayWish(BaseModel):
    """Whose dead letters are to be read again."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    device: str = Field(min_length=1, max_length=200, pattern=NO_CONTROLS)
    """As the topic names it."""
    signal: str | None = Field(None, min_length=1, max_length=200, pattern=NO_CONTROLS)
    """Only letters of this signal; null: all."""


class ReplayAnswer(BaseModel):
    """A wish to have dead letters read again."""

    id: str
    device: str
    signal: str | None
    asked_by: str
    asked_at: datetime
    finished_at: datetime | None
    """Null: the recorder has still to do it."""
    outcome: dict[str, int] | None
    """How many letters were stored, and how many are still dead."""

    @classmethod
    def of(cls, request: ReplayRequest) -> "ReplayAnswer":
        """From the table's row."""
        return cls(
            id=request.id,
            device=request.device_id,
            signal=request.signal,
            asked_by=request.asked_by,
            asked_at=request.asked_at,
            finished_at=request.finished_at,
            outcome=request.outcome,
        )


def cursor_after(letter: DeadLetter) -> str:
    """The cursor that continues after this letter."""
    return base64.urlsafe_b64encode(f"{to_microseconds(letter.received_at)} {letter.key}".encode()).decode()


def parse_cursor(cursor: str) -> tuple[datetime, str]:
    """The inverse of `cursor_after`.

    Raises:
        CursorInvalidError: if it is none.
    """
    try:
        instant, key = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ", 1)
        return from_microseconds(int(instant)), key
    except (binascii.Error, UnicodeError, ValueError, OverflowError) as error:
        raise CursorInvalidError(
            "this cursor is not one of ours; begin again without one", field="cursor", rule="cursor"
        ) from error
