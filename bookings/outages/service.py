"""When something is out of service, and what the staff does about it: end, withdraw, look; see `declaring`, too."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bookings.outages import repository
from bookings.outages.errors import (
    OutageChangedError,
    OutageClosedError,
    OutageInvalidError,
    OutageNotBegunError,
    OutagesNotYoursError,
    OutageUnknownError,
)
from bookings.outages.history import snapshot
from bookings.outages.models import Outage
from bookings.outages.rules import (
    LONGEST_OUTAGE,
    OutageSpan,
    outage_spans,
    require_may_change,
    spans_of,
)
from bookings.outages.schemas import EndRequest, WithdrawRequest
from bookings.repository import device_ids
from bookings.waitlist.freed import note_eased
from lab.core.audit import note_change
from lab.core.paging import Page, PageWish
from lab.core.time import Span, aware_utc
from lab.people.principals import Principal, Role

__all__ = ["OutageSpan", "end_outage", "get_outage", "list_outages", "outages_within", "withdraw_outage"]


def outages_within(session: Session, device_ids: Sequence[str] | None, window: Span, *, zone: str) -> list[OutageSpan]:
    """When these devices cannot be used, by start, in one statement.

    Args:
        session: to read in.
        device_ids: which; None: all. What concerns the whole lab is always told, with `device_id` None.
        window: spans that overlap it are told, in full length; `FURTHER_NOTICE` stands for an unknown end.
        zone: IANA zone of the lab's wall clock, by which recurring outages recur.
    """
    return outage_spans(repository.outages_near(session, device_ids, window), window, zone=zone)


def end_outage(
    session: Session, principal: Principal, outage_id: str, request: EndRequest, *, version: int | None, now: datetime
) -> Outage:
    """Put back into service, now or at an instant that is earlier than the end known so far.

    A recurring outage does not come again after its end.

    Args:
        session: of a write transaction.
        principal: staff; a manager if it is the whole lab.
        outage_id: which.
        request: when, and why.
        version: the version the decision was made on; None: whichever is there.
        now: the present instant.

    Raises:
        ForbiddenError, OutageUnknownError, OutageChangedError: not by this principal, not there, or changed meanwhile.
        OutageNotBegunError, OutageClosedError: it cannot end.
        OutageInvalidError: not then.
    """
    outage = _lock(session, principal, outage_id, version, "end")
    if outage.last_end_at is not None and outage.last_end_at <= now:
        raise OutageClosedError("this outage is over", rule="end-while-on", end=outage.last_end_at.isoformat())
    if now <= outage.start_at:
        raise OutageNotBegunError(
            f"this outage begins at {outage.start_at.isoformat()}; it can be withdrawn instead",
            rule="end-after-start",
            start=outage.start_at.isoformat(),
        )
    end = now if request.end is None else aware_utc(request.end, field="end")
    _require_end(outage, end)
    before = snapshot(outage)
    outage.last_end_at = end
    if outage.rrule is None:
        outage.end_at = end
    outage.version += 1
    _note(session, principal, outage, "ended", before, request.reason, now)
    _tell_waitlist(session, outage, now)
    return outage


def withdraw_outage(
    session: Session,
    principal: Principal,
    outage_id: str,
    request: WithdrawRequest,
    *,
    version: int | None,
    now: datetime,
) -> Outage:
    """Take an outage back: it was a mistake, or will not happen. It counts nowhere any more.

    Raises:
        ForbiddenError, OutageUnknownError, OutageChangedError: not by this principal, not there, or changed meanwhile.
        OutageClosedError: it is withdrawn already.
    """
    outage = _lock(session, principal, outage_id, version, "withdraw")
    before = snapshot(outage)
    outage.withdrawn_at = now
    outage.version += 1
    _note(session, principal, outage, "withdrawn", before, request.reason, now)
    _tell_waitlist(session, outage, now)
    return outage


def _tell_waitlist(session: Session, outage: Outage, now: datetime) -> None:
    """What was out of service may be what somebody waits for."""
    devices = device_ids(session) if outage.device_id is None else [outage.device_id]
    note_eased(session, f"{outage.id}:{outage.version}", devices, now=now)


def get_outage(session: Session, principal: Principal, outage_id: str) -> Outage:
    """One outage.

    Raises:
        OutagesNotYoursError, OutageUnknownError: not for recipients of reports, or not there.
    """
    _require_may_look(principal)
    outage = repository.find_outage(session, outage_id)
    if outage is None or (outage.withdrawn_at is not None and not principal.is_staff):
        raise _unknown()
    return outage


def list_outages(
    session: Session, principal: Principal, window: Span, page: PageWish, *, zone: str, device_id: str | None = None
) -> tuple[Page[Outage], Mapping[str, list[Span]]]:
    """The outages within a window, by their first start, and when they are.

    Args:
        session: to read in.
        principal: staff or a member.
        window: which time.
        page: which part of the list.
        zone: IANA zone of the lab's wall clock.
        device_id: only those of this device and of the whole lab.

    Raises:
        OutagesNotYoursError: for recipients of reports.
        CursorInvalidError: a cursor that this list never gave.
    """
    _require_may_look(principal)
    found = repository.page_of_outages(session, device_id, window, page)
    return found, {one.id: spans_of(repository.facts_of(one), window, zone=zone) for one in found.rows}


def _lock(session: Session, principal: Principal, outage_id: str, version: int | None, verb: str) -> Outage:
    principal.require_staff(f"{verb} outages")
    outage = repository.lock_outage(session, outage_id)
    if outage is None:
        raise _unknown()
    require_may_change(principal, outage.device_id, verb)
    if version is not None and outage.version != version:
        raise OutageChangedError(
            "this outage was changed meanwhile; look at it again before you change it",
            field="If-Match",
            rule="present-version",
            version=outage.version,
        )
    if outage.withdrawn_at is not None:
        raise OutageClosedError("this outage is withdrawn", rule="change-while-declared")
    return outage


def _require_end(outage: Outage, end: datetime) -> None:
    if end <= outage.start_at:
        raise OutageInvalidError("an outage ends after its start", field="end", rule="end-after-start")
    if outage.last_end_at is not None and end > outage.last_end_at:
        raise OutageInvalidError(
            f"this outage ends at {outage.last_end_at.isoformat()} already; declare another one for the time after it",
            field="end",
            rule="end-only-earlier",
            limit=outage.last_end_at.isoformat(),
        )
    if end > outage.start_at + LONGEST_OUTAGE and outage.rrule is None:
        raise OutageInvalidError(
            f"an outage lasts {LONGEST_OUTAGE.days} days at most", field="end", rule="longest-outage"
        )


def _require_may_look(principal: Principal) -> None:
    if not principal.is_staff and principal.role is not Role.MEMBER:
        raise OutagesNotYoursError(
            "you can read reports here; ask the lab for a member's account to see its calendar", rule="members-look"
        )


def _unknown() -> OutageUnknownError:
    return OutageUnknownError("there is no such outage", field="outage_id", rule="known-outage")


def _note(
    session: Session,
    principal: Principal,
    outage: Outage,
    what: str,
    before: dict[str, Any],
    reason: str | None,
    now: datetime,
) -> None:
    session.flush()
    by = principal.account_id
    note_change(session, "outage", outage.id, what, by=by, at=now, before=before, after=snapshot(outage), reason=reason)
