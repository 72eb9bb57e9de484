"""`Idempotency-Key`: the same call twice has one effect and one answer (draft-ietf-httpapi-idempotency-key-header).

The key and the answer are written in the transaction of the effect itself, so there is never one without the other. The
row of the key is written first: a second call with the same key waits at it for the end of the first, in whichever
process that runs, and then finds either its answer, or, after a refusal, nothing, and is a first call itself.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol, TypeVar, cast

import sqlalchemy as sa
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from lab.core.clock import Clock
from lab.core.database import Base, Database, UtcDateTime
from lab.core.errors import InvalidError

T = TypeVar("T")

KEPT_FOR = timedelta(hours=24)
"""How long a key is remembered; the same key means a new call afterwards."""

_LONGEST_KEY = 200
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')
_PRINTABLE = re.compile(r"[ -~]+")


class IdempotencyKey(Base):
    """A key that somebody has used, and what was answered."""

    __tablename__ = "idempotency_keys"

    account_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    request_hash: Mapped[str] = mapped_column(sa.String(64))
    """SHA-256 over method, path and body: the same key with another request is a mistake."""
    status: Mapped[int]
    answer: Mapped[str] = mapped_column(sa.Text)
    """The body, as it was sent."""
    headers: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class IdempotencyKeyInvalidError(InvalidError):
    """A key that is empty, too long, or no printable ASCII. Facts: `field`, `rule`, `limit`."""


class IdempotencyKeyReusedError(InvalidError):
    """A key that stands for another request already. Facts: `field`, `rule`."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The key of a request, and the digest by which the same request is known again."""

    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent, now or again."""

    status: int
    body: str
    """JSON."""
    headers: Mapping[str, str]
    replayed: bool = False


class Caller(Protocol):
    """Who has keys of its own: a `Principal`."""

    @property
    def account_id(self) -> str:
        """Its account."""
        ...


def parse_key(values: Sequence[str]) -> str | None:
    """The key that a request names.

    Args:
        values: of every `Idempotency-Key` header; quoted (RFC 8941 string, as the draft wants it) or plain.

    Raises:
        IdempotencyKeyInvalidError: it cannot be one.
    """
    if not values:
        return None
    text = values[0].strip()
    quoted = _QUOTED.fullmatch(text)
    key = _ESCAPED.sub(r"\1", quoted.group(1)) if quoted else text
    well_formed = _PRINTABLE.fullmatch(key) is not None and (quoted is not None or not text.startswith('"'))
    if len(values) > 1 or len(key) > _LONGEST_KEY or not well_formed:
        raise IdempotencyKeyInvalidError(
            f"Idempotency-Key must be given once, as 1 to {_LONGEST_KEY} printable ASCII characters; a UUID is fine",
            field="Idempotency-Key",
            rule="idempotency-key",
            limit=_LONGEST_KEY,
        )
    return key


def digest(method: str, target: str, body: bytes) -> str:
    """SHA-256 by which a request is known again; `target` is the path with the query."""
    return hashlib.sha256(b"\n".join([method.encode(), target.encode(), body])).hexdigest()


async def request_key_of(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Names this call for 24 hours, plain or in double quotes: sent again with the same key and "
            "body it has no second effect and gets the first answer, with `Idempotent-Replayed: true`",
            json_schema_extra={"minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[!#-~][!-~]*$"},
            examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
        ),
    ] = None,
) -> RequestKey | None:
    """The key of this request, if it has one; for endpoints that take JSON or no body (a form is read once only).

    Raises:
        IdempotencyKeyInvalidError: see `parse_key`.
    """
    key = parse_key(request.headers.getlist("idempotency-key"))
    if key is None:
        return None
    target = f"{request.url.path}?{request.url.query}"
    return RequestKey(key, digest(request.method, target, await request.body()))


IdempotencyDep = Annotated[RequestKey | None, Depends(request_key_of)]


def once(
    request_key: RequestKey | None,
    database: Database,
    caller: Caller,
    clock: Clock,
    work: Callable[[Session], T],
    *,
    answer: Callable[[T], BaseModel],
    status: int = 201,
    headers: Callable[[T], Mapping[str, str]] | None = None,
) -> Response:
    """Do `work` in a transaction of its own and answer; a second call with the same key gets the first one's answer.

    A refusal (an error raised by `work`) undoes everything, the note of the key too: the call can be mended and sent
    again with the same key. Not for answers that hold a secret (API tokens, secret links), which would be stored, nor
    for requests that hold a password, whose digest would be.

    Args:
        request_key: by `IdempotencyDep`; without one, this is `database.transact` and costs nothing more.
        database: where the work is done.
        caller: whose key it is; others' keys are unknown to it.
        clock: tells how old a key is.
        work: called with the session, perhaps more than once; must not have effects outside it.
        answer: makes the body from what `work` gives, inside the transaction.
        status: of the answer.
        headers: such as Location and ETag, from what `work` gives.

    Raises:
        IdempotencyKeyReusedError: the key stands for another request.
    """

    def made(session: Session) -> Answer:
        thing = work(session)
        session.flush()  # what the database fills in belongs to the answer
        return Answer(status, answer(thing).model_dump_json(by_alias=True), headers(thing) if headers else {})

    def done(session: Session) -> Answer:
        if request_key is None:
            return made(session)
        return answer_once(session, request_key, caller.account_id, made, now=clock.now())

    given = database.transact(done)
    replayed = {"Idempotent-Replayed": "true"} if given.replayed else {}
    return Response(given.body, given.status, {**given.headers, **replayed}, media_type="application/json")


def answer_once(
    session: Session, request_key: RequestKey, account_id: str, make: Callable[[Session], Answer], *, now: datetime
) -> Answer:
    """What was answered to this key, else what `make` answers now, remembered in the same transaction.

    Raises:
        IdempotencyKeyReusedError: the key stands for another request.
    """
    whose = {"for_account": account_id, "for_key": request_key.key}
    taken = session.execute(
        _TAKE[session.get_bind().dialect.name],
        {
            "account_id": account_id,
            "key": request_key.key,
            "request_hash": request_key.request_hash,
            "status": 0,  # nobody sees this: the answer follows before the transaction ends
            "answer": "",
            "headers": {},
            "created_at": now,
            "forgotten": now - KEPT_FOR,
        },
    )
    if cast("sa.CursorResult[Any]", taken).rowcount == 0:
        return _known_answer(session, request_key, whose)
    fresh = make(session)
    session.execute(_REMEMBER, {**whose, "status": fresh.status, "answer": fresh.body, "headers": dict(fresh.headers)})
    return fresh


def _known_answer(session: Session, request_key: RequestKey, whose: Mapping[str, str]) -> Answer:
    found = session.execute(_RECALL, whose).one()
    if found.request_hash != request_key.request_hash:
        raise IdempotencyKeyReusedError(
            "this Idempotency-Key was used for another request; send the same request again, or take a new key",
            field="Idempotency-Key",
            rule="one-key-one-request",
        )
    return Answer(found.status, found.answer, found.headers, replayed=True)


def forget_old_keys(session: Session, *, now: datetime) -> int:
    """Delete the keys that are older than `KEPT_FOR`; to be called from time to time.

    Returns:
        How many there were.
    """
    gone = session.execute(sa.delete(_KEYS).where(_KEYS.c.created_at <= now - KEPT_FOR))
    return cast("sa.CursorResult[Any]", gone).rowcount


_KEYS = cast(sa.Table, IdempotencyKey.__table__)


def _taking(insert: Callable[[sa.Table], Any]) -> sa.Executable:
    """Write the key unless there is one that is still remembered; on PostgreSQL this locks the row that is there."""
    fresh = insert(_KEYS)
    every_fact = [column.name for column in _KEYS.columns if not column.primary_key]
    statement: sa.Executable = fresh.on_conflict_do_update(
        index_elements=[_KEYS.c.account_id, _KEYS.c.key],
        set_={name: fresh.excluded[name] for name in every_fact},
        where=_KEYS.c.created_at <= sa.bindparam("forgotten", type_=UtcDateTime),
    )
    return statement.execution_options(preserve_rowcount=True)  # else an INSERT does not tell it on PostgreSQL


_TAKE = {"postgresql": _taking(postgresql.insert), "sqlite": _taking(sqlite.insert)}
_THIS_ONE = sa.and_(_KEYS.c.account_id == sa.bindparam("for_account"), _KEYS.c.key == sa.bindparam("for_key"))
_RECALL = sa.select(_KEYS.c.request_hash, _KEYS.c.status, _KEYS.c.answer, _KEYS.c.headers).where(_THIS_ONE)
_REMEMBER = sa.update(_KEYS).where(_THIS_ONE)
