"""What can be refused about a booking.

PilotLabError (lab.core.errors)
├── InvalidError
│   ├── RuleBrokenError          a rule of the lab says no; the nearest allowed choice is named
│   ├── UnknownDevicesError      no such device
│   ├── DevicesRetiredError      the device is no longer in service
│   ├── UnknownOrganisationError booked for nobody
│   ├── PilotUnfitError          for a pilot that the company has not
│   ├── EngineerUnknownError     to be supervised by somebody who is no engineer
│   └── WindowTooLongError       more of the calendar than it shows at once
├── ForbiddenError
│   ├── NotYourBookingError      for another company, or by somebody who may not book
│   └── OverrideRefusedError     rules set aside by somebody who is not of the staff
├── NotFoundError
│   └── BookingUnknownError      no such booking, or another company's
├── ConflictError
│   ├── DeviceBusyError          somebody holds a device at that time; alternatives are named
│   ├── EngineersBusyError       nobody can supervise at that time; alternatives are named
│   ├── BookingStartedError      too late to move
│   ├── BookingNotStartedError   too early to use or finish
│   ├── BookingClosedError       cancelled, done or over
│   └── NoRequestError           there is nothing to approve, decline or reinstate
├── StaleError
│   └── BookingChangedError      somebody else changed it meanwhile
└── SetupError
    └── OpeningHoursError        the lab's opening hours cannot be read
"""

from lab.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    SetupError,
    StaleError,
)


class RuleBrokenError(InvalidError):
    """A rule of the lab says no. Facts: `field`, `rule`, `nearest` (`{"start", "end"}` or None), and the rule's own."""


class UnknownDevicesError(InvalidError):
    """There are no such devices. Facts: `field`, `rule`, `devices`."""


class DevicesRetiredError(InvalidError):
    """The devices are no longer in service. Facts: `field`, `rule`, `devices`."""


class UnknownOrganisationError(InvalidError):
    """There is no organisation to book for. Facts: `field`, `rule`."""


class PilotUnfitError(InvalidError):
    """The company that the booking is for has no such pilot. Facts: `field`, `rule`."""


class EngineerUnknownError(InvalidError):
    """Whoever should supervise is no engineer of the lab. Facts: `field`, `rule`."""


class WindowTooLongError(InvalidError):
    """More of the calendar than it shows at once. Facts: `field`, `rule`, `limit` (days)."""


class OverrideRefusedError(ForbiddenError):
    """Only the staff sets rules aside. Facts: `field`, `rule`."""


class NotYourBookingError(ForbiddenError):
    """A company books for itself only; recipients of reports do not book. Facts: `field`, `rule`."""


class BookingUnknownError(NotFoundError):
    """There is no such booking, or it is another company's, which is the same answer. Facts: `booking_id`."""


class DeviceBusyError(ConflictError):
    """Somebody holds a device at that time.

    Facts: `field`, `rule`, `devices` (the busy ones), `conflicts` (own bookings with title and times, others' only as
    "taken") and `alternatives` (free spans under all rules, the nearest first).
    """


class EngineersBusyError(ConflictError):
    """No engineer is free to supervise. Facts: `field`, `rule`, `alternatives` (free spans, the nearest first)."""


class NoRequestError(ConflictError):
    """The booking is in no state to be approved, declined or reinstated. Facts: `rule`, `state`."""


class BookingStartedError(ConflictError):
    """After its start a booking does not move: who held a device when is history. Facts: `rule`, `start`."""


class BookingNotStartedError(ConflictError):
    """It has not begun. Facts: `rule`, `start`."""


class BookingClosedError(ConflictError):
    """It is cancelled, done or over. Facts: `rule`, `state`, `end`."""


class BookingChangedError(StaleError):
    """It was changed since the caller read it. Facts: `field`, `rule`, `version` (the present one)."""


class OpeningHoursError(SetupError):
    """The setting `opening_hours` cannot be read."""
