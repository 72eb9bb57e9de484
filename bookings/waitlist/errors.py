"""What can be refused about the waitlist, besides what can be refused about a booking.

PilotLabError (lab.core.errors)
├── ForbiddenError
│   └── NotYourOfferError          an offer is accepted by those who wait, by nobody else
├── NotFoundError
│   └── WaitlistEntryUnknownError  no such entry, or another company's
├── ConflictError
│   ├── NothingFreeError           nothing fits into the window; alternatives outside it are named
│   ├── NoOfferError               there is no offer to accept or decline
│   ├── OfferOpenError             an offer waits for an answer first
│   ├── OfferEndedError            the offer has lapsed, or somebody has cancelled it
│   ├── WaitlistClosedError        withdrawn, expired or taken
│   └── WaitlistFullError          the company waits for as much as it may
└── StaleError
    └── WaitlistEntryChangedError  somebody else changed it meanwhile
"""

from lab.core.errors import ConflictError, ForbiddenError, NotFoundError, StaleError


class NotYourOfferError(ForbiddenError):
    """Only the company that waits answers its offers. Facts: `rule`."""


class WaitlistEntryUnknownError(NotFoundError):
    """There is no such entry, or it is another company's, which is the same answer. Facts: `field`, `rule`."""


class NothingFreeError(ConflictError):
    """Nothing that fits is free in the window. Facts: `rule`, `alternatives` (free spans outside it, nearest first)."""


class NoOfferError(ConflictError):
    """No offer is open. Facts: `rule`, `state`."""


class OfferOpenError(ConflictError):
    """An offer waits for an answer. Facts: `rule`, `booking_id`."""


class OfferEndedError(ConflictError):
    """The offer is over. Facts: `rule`, `booking_id`."""


class WaitlistClosedError(ConflictError):
    """The entry does not wait any more. Facts: `rule`, `state`."""


class WaitlistFullError(ConflictError):
    """The company has as many open entries as it may. Facts: `field`, `rule`, `limit`."""


class WaitlistEntryChangedError(StaleError):
    """It was changed since the caller read it. Facts: `field`, `rule`, `version` (the present one)."""
