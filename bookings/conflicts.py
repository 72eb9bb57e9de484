"""What is said about a device that somebody holds: to its owner everything, to a stranger only "taken"."""

from collections.abc import Sequence
from typing import Any

from bookings.errors import DeviceBusyError
from bookings.repository import Reservation
from bookings.rules import span_facts
from lab.core.time import Span
from lab.people.principals import Principal


def busy_error(
    principal: Principal,
    wanted: Sequence[str],
    found: Sequence[Reservation],
    alternatives: Sequence[Span],
    *,
    running: bool = False,
) -> DeviceBusyError:
    """The refusal of a wish that collides.

    Args:
        principal: who is told.
        wanted: the wished devices; all of them are named busy when what was in the way has gone again meanwhile.
        found: what is in the way.
        alternatives: free spans, the nearest first.
        running: the booking has begun, only its end is wished.
    """
    busy = sorted({reservation.device_id for reservation in found}) or sorted(wanted)
    verb = "is" if len(busy) == 1 else "are"
    if running:
        advice = "see alternatives for how long it can go on" if alternatives else "it cannot go on longer than now"
    else:
        advice = "see alternatives for free times near it" if alternatives else "no free time is left up to the horizon"
    return DeviceBusyError(
        f"{', '.join(busy)} {verb} taken at that time; {advice}",
        field="start",
        rule="device-free",
        devices=busy,
        conflicts=conflict_facts(principal, found),
        alternatives=[span_facts(span) for span in alternatives],
    )


def conflict_facts(principal: Principal, found: Sequence[Reservation]) -> list[dict[str, Any]]:
    """What is in the way, as this principal may know it; of strangers' one word a device, not even how many."""
    facts: list[dict[str, Any]] = []
    for reservation in found:
        booking = reservation.booking
        if principal.owns(booking.organisation_id):
            facts.append(
                {
                    "device_id": reservation.device_id,
                    "what": "own booking" if booking.organisation_id == principal.organisation_id else "booking",
                    "booking_id": booking.id,
                    "title": booking.title,
                    **span_facts(Span(booking.start_at, booking.end_at)),
                }
            )
            continue
        taken = {"device_id": reservation.device_id, "what": "taken"}
        if taken not in facts:
            facts.append(taken)
    return facts
