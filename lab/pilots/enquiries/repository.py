"""Every query on enquiries."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.database import storable
from lab.people.models import Organisation
from lab.pilots.enquiries.models import Enquiry


def enquiries(session: Session, *, organisation_id: str | None, state: str | None) -> Sequence[Enquiry]:
    """Enquiries, the newest first; only one organisation's and in one state, where named."""
    query = sa.select(Enquiry).order_by(Enquiry.asked_at.desc(), Enquiry.id)
    if organisation_id is not None:
        query = query.where(Enquiry.organisation_id == organisation_id)
    if state is not None:
        query = query.where(Enquiry.state == state)
    return session.scalars(query).all()


def lock_enquiry(session: Session, enquiry_id: str) -> Enquiry | None:
    """An enquiry as it is now, kept from other decisions until this transaction ends."""
    if not storable(enquiry_id):
        return None
    query = sa.select(Enquiry).where(Enquiry.id == enquiry_id).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def count_since(session: Session, since: datetime, *, mail: str | None = None) -> int:
    """How many enquiries came from people without an account since then; only those with this address, if named."""
    query = sa.select(sa.func.count()).select_from(Enquiry).where(Enquiry.asked_by.is_(None), Enquiry.asked_at > since)
    if mail is not None:
        query = query.where(Enquiry.mail == mail)
    return session.scalar(query) or 0


def organisation(session: Session, organisation_id: str) -> Organisation | None:
    """An organisation by its id."""
    return session.get(Organisation, organisation_id) if storable(organisation_id) else None
