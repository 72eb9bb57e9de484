"""Long lists in pages: each page begins after the last row of the one before (keyset paging), not at a number.

A cursor is the sort key of that row, readable by whoever wants to, so it holds no secret; what comes back is taken for
the values of a comparison and nothing else, after a check of its form.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from lab.core.database import UtcDateTime
from lab.core.errors import InvalidError
from lab.core.time import from_microseconds, to_microseconds

T = TypeVar("T")

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
_LONGEST_CURSOR = 1000
_FORM = 1
"""Of cursors; a later one gets another number, so that an old cursor is refused and never misread."""


class CursorInvalidError(InvalidError):
    """A cursor that this list never gave. Facts: `field`, `rule`."""


@dataclass(frozen=True, slots=True)
class Keyset:
    """By what a list is sorted.

    Args:
        name: of the list; a cursor of another one is refused.
        columns: sorted by the first, then the second, …; times, texts or integers, never null, together unique.
        descending: all of them from the largest to the smallest.
    """

    name: str
    columns: tuple[InstrumentedAttribute[Any], ...]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class PageWish:
    """Which page somebody wants."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    """`next` of the page before; None: the first page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list."""

    rows: Sequence[T]
    next: str | None
    """Cursor of the page after this one; None: this is the last."""


def read_page(session: Session, query: sa.Select[T], keyset: Keyset, wish: PageWish) -> Page[T]:
    """Read one page, in one statement.

    Args:
        session: to read in.
        query: selects one model that has the keyset's columns; not sorted yet.
        keyset: by what to sort.
        wish: which page.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    rows = session.scalars(in_order(after(query, keyset, wish.cursor), keyset).limit(wish.limit + 1)).all()
    if len(rows) <= wish.limit:
        return Page(rows, None)
    last = rows[wish.limit - 1]
    return Page(rows[: wish.limit], cursor_of(keyset, [getattr(last, column.key) for column in keyset.columns]))


def in_order(query: sa.Select[Any], keyset: Keyset) -> sa.Select[Any]:
    """The query, sorted."""
    return query.order_by(*(column.desc() if keyset.descending else column for column in keyset.columns))


def after(query: sa.Select[Any], keyset: Keyset, cursor: str | None) -> sa.Select[Any]:
    """The query, without what lies up to the row that the cursor names.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    if cursor is None:
        return query
    key = key_of(keyset, cursor)
    here = sa.tuple_(*keyset.columns)
    there = sa.tuple_(*(sa.literal(part, column.type) for part, column in zip(key, keyset.columns, strict=True)))
    return query.where(here < there if keyset.descending else here > there)


def cursor_of(keyset: Keyset, key: Sequence[datetime | str | int]) -> str:
    """The cursor of the page that begins after the row with this key."""
    parts = [to_microseconds(part) if isinstance(part, datetime) else part for part in key]
    text = json.dumps([_FORM, keyset.name, *parts], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def key_of(keyset: Keyset, cursor: str) -> tuple[datetime | str | int, ...]:
    """The key that a cursor names.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError
        form, name, *parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        key = tuple(_value(part, column) for part, column in zip(parts, keyset.columns, strict=True))
        if (form, name) != (_FORM, keyset.name) or cursor_of(keyset, key) != cursor:
            raise ValueError
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CursorInvalidError(
            "cursor: this is not one that this list gave; take `next` of a page as it is, or leave it out to begin "
            "with the first page",
            field="cursor",
            rule="known-cursor",
        ) from error
    return key


def _value(part: Any, column: InstrumentedAttribute[Any]) -> datetime | str | int:
    """What a column can be compared with."""
    kind = column.type
    if isinstance(kind, UtcDateTime) and type(part) is int:
        return from_microseconds(part)
    if isinstance(kind, sa.Integer) and type(part) is int:
        if not -(2 ** (_bits(kind) - 1)) <= part < 2 ** (_bits(kind) - 1):
            raise ValueError
        return part
    if isinstance(kind, sa.String) and type(part) is str and "\0" not in part:
        return part
    raise TypeError


def _bits(kind: sa.Integer) -> int:
    if isinstance(kind, sa.SmallInteger):
        return 16
    return 64 if isinstance(kind, sa.BigInteger) else 32
