"""Links to reports: made, listed, revoked and followed. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.database import storable
from lab.core.errors import ForbiddenError, TooManyError
from lab.core.ids import new_id
from lab.people.passwords import hash_token, new_token
from lab.people.principals import Principal, Role
from lab.reports.errors import LinkTermError, LinkUnknownError, ReportStateError
from lab.reports.links import repository
from lab.reports.links.models import ReportLink
from lab.reports.models import Report
from lab.reports.service import get_report

SHORTEST_DAYS, LONGEST_DAYS = 1, 366
MOST_IN_USE = 50
"""Of one report: a link is for a person, not for a list of addresses."""
PAGE = "page"
READING = timedelta(hours=1)
"""How long somebody reads a page and comes to its photos one by one; fetched later they are an opening of their own."""
_LONGEST_SECRET = 100


def create_link(
    session: Session, principal: Principal, report_id: str, *, label: str, days: int, now: datetime
) -> tuple[ReportLink, str]:
    """Make a link to an approved report; only the hash of its secret is kept.

    Args:
        session: a write session.
        principal: the staff, or a member of the company whose report it is.
        report_id: the report.
        label: for whom.
        days: how long it leads there.
        now: the present instant.

    Returns:
        The link and its secret.

    Raises:
        ReportUnknownError: if there is no such report, or it is another company's.
        ForbiddenError: for those who only read reports.
        ReportStateError: if it is not approved.
        LinkTermError: if it would last too short or too long.
        TooManyError: if so many are in use already.
    """
    report = _shareable(session, principal, report_id)
    if not report.is_final:
        raise ReportStateError(
            f"report {report.number} is not approved yet; a link can be made as soon as it is", rule="approved-first"
        )
    if not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        nearest = min(max(days, SHORTEST_DAYS), LONGEST_DAYS)
        raise LinkTermError(
            f"a link lasts {SHORTEST_DAYS} to {LONGEST_DAYS} days, not {days}",
            field="days",
            rule="term",
            nearest=nearest,
        )
    if repository.count_in_use(session, report.id, now=now) >= MOST_IN_USE:
        raise TooManyError(
            f"{MOST_IN_USE} links lead to this report already; revoke those that nobody needs any more",
            rule="links-in-use",
            limit=MOST_IN_USE,
        )
    secret = new_token("rpt")
    link = ReportLink(
        id=new_id("rln"),
        token_hash=hash_token(secret),
        report_id=report.id,
        label=label,
        created_by=principal.account_id,
        created_at=now,
        expires_at=now + timedelta(days=days),
        revoked_at=None,
        opened=0,
        last_opened_at=None,
    )
    session.add(link)
    session.flush()
    after = {"report": report.id, "for": label, "until": link.expires_at.isoformat()}
    note_change(session, "report-link", link.id, "created", by=principal.account_id, at=now, after=after)
    return link, secret


def list_links(session: Session, principal: Principal, report_id: str) -> Sequence[ReportLink]:
    """The links to a report, without their secrets, ended ones included.

    Raises:
        ReportUnknownError, ForbiddenError: as for `create_link`.
    """
    return repository.links_of(session, _shareable(session, principal, report_id).id)


def revoke_link(session: Session, principal: Principal, link_id: str, *, now: datetime) -> ReportLink:
    """Close a link for good. Saying it again changes nothing.

    Raises:
        LinkUnknownError: there is none, or it leads to another company's report.
    """
    found = repository.link(session, link_id)
    if found is None or not principal.owns(found[2].organisation_id):
        raise LinkUnknownError("there is no such link", field="link_id", rule="known-link")
    link = found[0]
    if link.revoked_at is None:
        link.revoked_at = now
        note_change(session, "report-link", link.id, "revoked", by=principal.account_id, at=now)
    return link


def follow_link(session: Session, secret: str, *, now: datetime) -> tuple[ReportLink, Report]:
    """Where a link leads now.

    Raises:
        LinkUnknownError: it was never given, is revoked or over; which of these is not said.
    """
    found = None
    if len(secret) <= _LONGEST_SECRET and storable(secret):
        found = repository.report_behind(session, hash_token(secret), now=now)
    if found is None:
        raise LinkUnknownError(
            "this link leads to no report, or not any more; ask whoever sent it for a new one", rule="known-link"
        )
    return found[0], found[1]


def note_opening(session: Session, link_id: str, what: str, *, now: datetime) -> None:
    """Note what was fetched by a link, so that its maker knows whether it was read."""
    repository.count_opening(session, link_id, now=now)
    note_change(session, "report-link", link_id, "opened", by="link", at=now, after={"what": what})


def was_page_opened(session: Session, link_id: str, *, since: datetime) -> bool:
    """Whether the report's page was opened by a link since then."""
    return repository.was_opened(session, link_id, PAGE, since=since)


def _shareable(session: Session, principal: Principal, report_id: str) -> Report:
    report = get_report(session, principal, report_id)
    if not principal.is_staff and principal.role is not Role.MEMBER:
        raise ForbiddenError("only the company's members and the lab's staff may share a report", rule="members-only")
    return report
