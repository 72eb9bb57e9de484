"""Two bookings that change places: which ones can, and why two did not."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.series.schemas import MovesRequest, OneMove
from bookings.service import list_bookings
from bookings.states import UPCOMING
from bookings.waitlist.service import open_offers
from lab.core.errors import PilotLabError
from lab.core.time import Span
from lab.people.principals import Principal
from lab.web.languages import gettext as _
from lab.web.wording import sentence

_MOST_PARTNERS = 8


def partners_of(session: Session, principal: Principal, booking: Booking, ahead: Span) -> list[Booking]:
    """With which others a booking can change places: ahead too and on a machine of it, the nearest in time.

    A member sees the own company's, the staff everybody's.

    Args:
        session: to read in.
        principal: who looks.
        booking: that is ahead.
        ahead: from now on, as far as one looks.
    """
    offers, machines = open_offers(session, principal), {row.device_id for row in booking.devices}
    found = [
        other
        for other in list_bookings(session, principal, ahead)
        if other.id != booking.id
        and other.id not in offers
        and other.state in UPCOMING
        and other.start_at > ahead.start
        and machines & {row.device_id for row in other.devices}
    ]
    nearest = sorted(found, key=lambda other: abs(other.start_at - booking.start_at))[:_MOST_PARTNERS]
    return sorted(nearest, key=lambda other: other.start_at)


def exchange(one: Booking, other: Booking, versions: tuple[int | None, int | None]) -> MovesRequest:
    """Each to the time of the other; `versions`: on which the decision was made."""
    return MovesRequest(
        moves=[
            OneMove(booking_id=one.id, start=other.start_at, end=other.end_at, version=versions[0]),
            OneMove(booking_id=other.id, start=one.start_at, end=one.end_at, version=versions[1]),
        ]
    )


def why_not_swapped(error: PilotLabError, both: Sequence[Booking], zone: str) -> str:
    """What is in the way, and of which of the two."""
    refused = error.facts.get("refusals") or [{}]
    booking = next((one for one in both if one.id == refused[0].get("booking_id")), None)
    if booking is None:
        return sentence(error.message, zone)
    reason = sentence(str(refused[0]["refusal"]["detail"]), zone)
    return _("Nothing is changed, because of “%(title)s”. %(reason)s", title=booking.title, reason=reason)
