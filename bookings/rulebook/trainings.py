"""Who is trained on what. The caller owns the transaction."""

from datetime import datetime

from sqlalchemy.orm import Session

from bookings.rulebook import repository
from bookings.rulebook.errors import QualificationInvalidError, QualificationUnknownError
from bookings.rulebook.models import Qualification
from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.core.paging import Page, PageWish
from lab.core.time import aware_utc
from lab.people.principals import Principal

SUBJECT = "qualification"
"""In the audit log."""


def grant_qualification(
    session: Session, principal: Principal, *, account_id: str, name: str, expires_at: datetime | None, now: datetime
) -> Qualification:
    """Note that somebody was trained. A training that is renewed is granted again; the last expiry counts.

    Args:
        session: of a write transaction.
        principal: staff.
        account_id: who was trained.
        name: of the training, as rules name it.
        expires_at: None: never.
        now: the present instant.

    Raises:
        ForbiddenError: by anybody but the staff.
        NaiveTimeError, QualificationInvalidError: there is no such person, or the training is over already.
    """
    principal.require_staff("grant trainings")
    expires = None if expires_at is None else aware_utc(expires_at, field="expires_at")
    if expires is not None and expires <= now:
        raise QualificationInvalidError(
            f"{expires.isoformat()} is over; choose an expiry that is ahead, or leave it out",
            field="expires_at",
            rule="expiry-ahead",
        )
    if not repository.has_account(session, account_id):
        raise QualificationInvalidError("there is no such account", field="account_id", rule="known-account")
    training = Qualification(
        id=new_id("qual"),
        account_id=account_id,
        name=name,
        granted_by=principal.account_id,
        granted_at=now,
        expires_at=expires,
        revoked_at=None,
    )
    session.add(training)
    session.flush()
    note_change(session, SUBJECT, training.id, "granted", by=principal.account_id, at=now, after=_snapshot(training))
    return training


def revoke_qualification(
    session: Session, principal: Principal, qualification_id: str, *, now: datetime
) -> Qualification:
    """End a training now; what was booked with it stays booked. Saying it again changes nothing.

    Raises:
        ForbiddenError: by anybody but the staff.
        QualificationUnknownError: there is no such training.
    """
    principal.require_staff("revoke trainings")
    training = repository.lock_qualification(session, qualification_id)
    if training is None:
        raise QualificationUnknownError("there is no such training", field="qualification_id", rule="known-training")
    if training.revoked_at is None:
        before = _snapshot(training)
        training.revoked_at = now
        session.flush()
        note_change(
            session,
            SUBJECT,
            training.id,
            "revoked",
            by=principal.account_id,
            at=now,
            before=before,
            after=_snapshot(training),
        )
    return training


def page_of_qualifications(
    session: Session, principal: Principal, page: PageWish, *, account_id: str | None = None
) -> Page[Qualification]:
    """Part of the trainings one may see: the staff everybody's, anybody else the own.

    Args:
        session: to read in.
        principal: who looks.
        page: which part.
        account_id: only this person's; somebody else's are none to who is not of the staff.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    if not principal.is_staff:
        if account_id not in (None, principal.account_id):
            return Page([], None)
        account_id = principal.account_id
    return repository.page_of_qualifications(session, page, account_id=account_id)


def _snapshot(training: Qualification) -> dict[str, str | None]:
    def text(at: datetime | None) -> str | None:
        return None if at is None else at.isoformat()

    return {
        "account_id": training.account_id,
        "name": training.name,
        "expires_at": text(training.expires_at),
        "revoked_at": text(training.revoked_at),
    }
