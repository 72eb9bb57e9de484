"""De minimis aid that companies had from other grantors, as they declare it. The caller owns the transaction.

(EU) 2023/2831 sums up what a single undertaking has from anybody in the Union; the lab knows its own grants, and asks
the company for the rest before it grants more (article 7). What is written down here uses the ceiling up like a grant
of the lab's; nothing is taken from bookings that were accepted before.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bookings.prices import repository
from bookings.prices.errors import AidAheadError, NoCompanyError, OtherAidCounteredError, OtherAidUnknownError
from bookings.prices.models import OtherAid
from bookings.prices.rules import DeMinimis
from bookings.prices.service import de_minimis, require_sees_prices
from lab.core.audit import note_change
from lab.core.paging import Page, PageWish
from lab.core.time import aware_utc
from lab.people.principals import Principal
from lab.people.service import get_organisation

SUBJECT = "other-aid"
"""In the log of changes."""


@dataclass(frozen=True, slots=True)
class OtherAidView:
    """A page of others' aid."""

    page: Page[OtherAid]
    organisation_id: str | None
    """None: everybody's."""
    de_minimis: DeMinimis | None
    """Of one organisation's single undertaking."""
    countered: frozenset[int]
    """Entries of this page that are taken back, wherever the entries stand that do so."""


def record_other_aid(
    session: Session,
    principal: Principal,
    *,
    organisation_id: str,
    grantor: str,
    granted_at: datetime,
    cents: int,
    reference: str | None,
    now: datetime,
) -> OtherAid:
    """Write down de minimis aid that a company declares to have had from somebody else (managers).

    Args:
        session: of a write transaction.
        principal: a manager.
        organisation_id: who had it.
        grantor: from whom.
        granted_at: when it was granted.
        cents: how much, > 0.
        reference: of the decision or the declaration.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but managers.
        OrganisationUnknownError, NoCompanyError: there is no such company.
        NaiveTimeError, AidAheadError: it is not granted yet.
    """
    principal.require_manager("write down aid of other grantors")
    company = get_organisation(session, principal, organisation_id)
    if company.kind == "lab":
        raise NoCompanyError(
            "the lab itself has no aid to declare; name a company or a partner",
            field="organisation_id",
            rule="company",
        )
    granted_at = aware_utc(granted_at, field="granted_at")
    if granted_at > now:
        raise AidAheadError(
            "aid counts from the day on which it is granted; write it down then",
            field="granted_at",
            rule="granted-by-now",
        )
    repository.lock_single_undertaking(session, company.id)  # so that a booking counts it, or was there before
    entry = OtherAid(
        organisation_id=company.id,
        grantor=grantor,
        reference=reference,
        granted_at=granted_at,
        cents=cents,
        written_by=principal.account_id,
        written_at=now,
    )
    return _written(session, principal, entry, "recorded", now)


def counter_other_aid(session: Session, principal: Principal, aid_id: int, *, reason: str, now: datetime) -> OtherAid:
    """Take an entry back that was wrong (managers): with its own granting date, so that both leave together.

    Raises:
        ForbiddenError: for anybody but managers.
        OtherAidUnknownError: there is none.
        OtherAidCounteredError: it is taken back already, or takes another back itself.
    """
    principal.require_manager("take back aid of other grantors")
    found = repository.find_other_aid(session, aid_id)
    if found is None:
        raise OtherAidUnknownError("there is no such entry", field="aid_id", rule="known-aid")
    repository.lock_single_undertaking(session, found.organisation_id)
    if found.counters is not None or repository.counter_of_other_aid(session, found.id) is not None:
        raise OtherAidCounteredError(
            "this entry is taken back already, or takes another one back; write down what is right as a new one",
            field="aid_id",
            rule="countered-once",
        )
    entry = OtherAid(
        organisation_id=found.organisation_id,
        grantor=found.grantor,
        reference=found.reference,
        granted_at=found.granted_at,
        cents=-found.cents,
        counters=found.id,
        written_by=principal.account_id,
        written_at=now,
        reason=reason,
    )
    return _written(session, principal, entry, "countered", now)


def list_other_aid(
    session: Session, principal: Principal, organisation_id: str | None, wish: PageWish, *, now: datetime
) -> OtherAidView:
    """Others' aid: the staff sees everybody's or one company's, a member the own company's.

    Raises:
        NotYourPricesError: for recipients of reports.
        OrganisationUnknownError: there is none, or it is another's.
        CursorInvalidError: see `lab.core.paging`.
    """
    require_sees_prices(principal)
    whose = organisation_id or (None if principal.is_staff else principal.organisation_id)
    if whose is not None:
        whose = get_organisation(session, principal, whose).id
    standing = None if whose is None else de_minimis(session, whose, now=now)
    page = repository.list_other_aid(session, whose, wish)
    return OtherAidView(page, whose, standing, repository.countered_aid(session, [entry.id for entry in page.rows]))


def _written(session: Session, principal: Principal, entry: OtherAid, what: str, now: datetime) -> OtherAid:
    session.add(entry)
    session.flush()
    after = {
        "organisation_id": entry.organisation_id,
        "grantor": entry.grantor,
        "reference": entry.reference,
        "granted_at": entry.granted_at.isoformat(),
        "cents": entry.cents,
        "counters": entry.counters,
    }
    note_change(
        session, SUBJECT, str(entry.id), what, by=principal.account_id, at=now, after=after, reason=entry.reason
    )
    return entry
