"""What can be refused about many bookings at once, besides what can be refused about each of them.

PilotLabError (lab.core.errors)
├── InvalidError
│   ├── ClockTimeError           by the clock on the wall, the time does not exist on that day, or exists twice
│   └── BookingNamedTwiceError   a booking cannot move to two places
├── NotFoundError
│   └── SeriesUnknownError       no such series, or another company's
└── ConflictError
    ├── NothingBookedError       each of the wishes was refused
    └── SeriesOverError          nothing of the series is ahead
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError


class ClockTimeError(InvalidError):
    """The clocks change there. Facts: `field`, `rule` (`time-does-not-exist` or `time-exists-twice`), `local_start`."""


class BookingNamedTwiceError(InvalidError):
    """A booking is to be moved to two places. Facts: `field`, `rule`, `booking_id`."""


class SeriesUnknownError(NotFoundError):
    """There is no such series, or it is another company's, which is the same answer. Facts: `field`, `rule`."""


class NothingBookedError(ConflictError):
    """Each of the wishes was refused. Facts: `rule`, `refusals` (each with `number`, its times and the refusal)."""


class SeriesOverError(ConflictError):
    """Nothing of the series is ahead that could move. Facts: `rule`."""
