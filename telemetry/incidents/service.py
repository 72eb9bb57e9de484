"""Incidents of recording, for whoever looks after the lab."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.paging import Keyset, Page, PageWish, read_page
from lab.people.principals import Principal
from telemetry.models import RecordingIncident

BY_NOTICE = Keyset("recording-incidents", (RecordingIncident.noted_at, RecordingIncident.id), descending=True)


def list_incidents(
    session: Session, principal: Principal, wish: PageWish, *, lasting: bool = False
) -> Page[RecordingIncident]:
    """What is missing in the record or was repaired, the newest first.

    Args:
        session: to read with.
        principal: the lab's staff.
        wish: which page.
        lasting: only what is not over.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        CursorInvalidError: a cursor that this list never gave.
    """
    principal.require_staff("read what is missing in the record")
    query = sa.select(RecordingIncident)
    if lasting:
        query = query.where(RecordingIncident.ended_at.is_(None))
    return read_page(session, query, BY_NOTICE, wish)
