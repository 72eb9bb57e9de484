"""What the staff sees of one machine beside its values: outages ahead, and what of its messages could not be stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings.outages.service import list_outages
from lab.core.paging import PageWish
from lab.core.time import Span
from lab.people.principals import Principal
from telemetry.letters.service import count_letters
from telemetry.models import DeadLetterCount

_AHEAD = timedelta(days=90)
_MOST = 20


@dataclass(frozen=True, slots=True)
class ShownOutage:
    """When the machine, or the whole lab, is out of service, and why."""

    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class Care:
    """What to look after."""

    outages: Sequence[ShownOutage] = ()
    letters: Sequence[DeadLetterCount] = ()
    """By signal and reason."""


def care_of(session: Session, principal: Principal, device_id: str, now: datetime, zone: str) -> Care:
    """For the staff; nothing for anybody else."""
    if not principal.is_staff:
        return Care()
    window = Span(now, now + _AHEAD)
    found, spans = list_outages(session, principal, window, PageWish(_MOST), zone=zone, device_id=device_id)
    return Care(
        outages=[ShownOutage(spans[one.id][0], one.reason) for one in found.rows if spans[one.id]],
        letters=count_letters(session, principal, device=device_id)[:_MOST],
    )
