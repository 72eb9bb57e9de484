"""The life of a booking: requested → confirmed → in use → done | cancelled | no-show."""

from enum import StrEnum


class BookingState(StrEnum):
    """Where a booking stands."""

    REQUESTED = "requested"
    """Holds the slot until it is approved or lapses."""
    CONFIRMED = "confirmed"
    IN_USE = "in_use"
    DONE = "done"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


UPCOMING = frozenset({BookingState.REQUESTED, BookingState.CONFIRMED})
"""Not begun by anybody's deed; may still move."""

OPEN = UPCOMING | {BookingState.IN_USE}
"""Not finished by anybody's deed; may still be cancelled."""
