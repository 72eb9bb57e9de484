"""Who may see which telemetry: the only place where a `Grant` is made (I4).

The lab's staff sees everything, with the samples whose time is in doubt. A member sees the own company's occupancies,
`[start, end)` without buffers. Recipients of reports see reports.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from bookings import repository
from lab.core.time import to_nanoseconds
from lab.people.principals import Principal, Role
from telemetry.grants import BEGINNING_NS, END_NS, Grant, GrantedSpan

NOTHING = Grant(())
"""What somebody may see who has no business with telemetry."""


def grant_for(session: Session, principal: Principal) -> Grant:
    """What somebody may see of the machines' data."""
    if principal.is_staff:
        everything = (GrantedSpan(device, BEGINNING_NS, END_NS) for device in repository.device_ids(session))
        return Grant(tuple(everything), uncertain=True)
    if principal.role is not Role.MEMBER:
        return NOTHING
    return Grant(
        tuple(
            GrantedSpan(occupancy.device_id, to_nanoseconds(occupancy.start), to_nanoseconds(occupancy.end))
            for occupancy in repository.occupancies(session, principal.organisation_id)
        )
    )


def may_see_live(session: Session, principal: Principal, device_id: str, now: datetime) -> bool:
    """Whether somebody may see what a device says at this instant; asked again while a stream runs."""
    if principal.is_staff:
        return True
    if principal.role is not Role.MEMBER:
        return False
    return bool(repository.occupancies(session, principal.organisation_id, device_id=device_id, at=now))
