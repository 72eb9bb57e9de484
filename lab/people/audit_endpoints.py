"""The log of all changes over HTTP: who, when, what, from, to and why."""

import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict

from lab.core.audit import find_changes
from lab.core.http import DatabaseDep, PageDep, say_next
from lab.core.time import aware_utc
from lab.people import repository
from lab.people.endpoints import PrincipalDep
from lab.people.errors import PeriodReversedError

router = APIRouter(prefix="/api/v1", tags=["audit"])

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _require_written_time(value: Any) -> Any:
    """Refuse numbers, which could be seconds or milliseconds, and dates without a time of day."""
    if isinstance(value, str) and not _DATE_AND_TIME.match(value):
        raise ValueError("write the time as RFC 3339, such as 2026-11-23T09:00:00Z")
    return value


_Instant = Annotated[datetime, BeforeValidator(_require_written_time)]


class ChangeAnswer(BaseModel):
    """One change of one thing."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True, frozen=True)

    id: int
    at: datetime
    by: str
    """Account id, or `system`."""
    by_name: str | None
    """Of the account; null of one that does not exist."""
    subject: str
    """What kind of thing: booking, rule, outage, …"""
    subject_id: str
    what: str
    """What was done: created, moved, cancelled, …"""
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    """In the person's own words."""


class ChangeList(BaseModel):
    """Part of the log."""

    changes: list[ChangeAnswer]
    next: str | None
    """Give it back as `cursor` for what comes after; null: that was all."""


@router.get("/audit", summary="Every change of anything, newest first (managers)")
def list_changes(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    page: PageDep,
    subject: Annotated[str | None, Query(description="kind of thing: booking, rule, outage, …")] = None,
    subject_id: Annotated[str | None, Query(description="which one")] = None,
    by: Annotated[str | None, Query(description="account id, or `system`")] = None,
    since: Annotated[_Instant | None, Query(alias="from", description="not before this instant")] = None,
    until: Annotated[_Instant | None, Query(alias="to", description="before this instant")] = None,
) -> ChangeList:
    """Managers only: the log names people and what they wrote."""
    principal.require_manager("read the log of changes")
    since = None if since is None else aware_utc(since, field="from")
    until = None if until is None else aware_utc(until, field="to")
    if since is not None and until is not None and until <= since:
        raise PeriodReversedError("to is not after from; exchange them", field="to", rule="to-after-from")
    with database.read() as session:
        found = find_changes(session, page, subject=subject, subject_id=subject_id, by=by, since=since, until=until)
        names = repository.names_of_accounts(session, {entry.by for entry in found.rows})
    facts = set(ChangeAnswer.model_fields) - {"by_name"}
    return ChangeList(
        changes=[
            ChangeAnswer(by_name=names.get(entry.by), **{fact: getattr(entry, fact) for fact in facts})
            for entry in found.rows
        ],
        next=say_next(request, response, found),
    )
