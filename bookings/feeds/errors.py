"""What can be refused about calendar links.

PilotLabError (lab.core.errors)
├── InvalidError
│   └── CalendarSubjectMissingError   a device's calendar, but of which device?
├── ForbiddenError
│   └── NoCalendarsError              recipients of reports have no business with the calendar
├── NotFoundError
│   ├── CalendarSubjectUnknownError   no such person, device or company for whoever asks
│   ├── CalendarLinkUnknownError      no such link, or another person's
│   └── CalendarUnknownError          nothing behind this address, or nothing any more
└── ConflictError
    └── TooManyLinksError             more links than anybody reads
"""

from lab.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


class CalendarSubjectMissingError(InvalidError):
    """A device's calendar needs a device. Facts: `field`, `rule`."""


class NoCalendarsError(ForbiddenError):
    """Recipients of reports read reports only. Facts: `rule`."""


class CalendarSubjectUnknownError(NotFoundError):
    """No such person, device or company, or none whose calendar one may read. Facts: `field`, `rule`."""


class CalendarLinkUnknownError(NotFoundError):
    """There is no such link, or it is another person's. Facts: `field`, `rule`."""


class CalendarUnknownError(NotFoundError):
    """The link was never given, is revoked, or its owner may not read this calendar any more. Facts: `rule`."""


class TooManyLinksError(ConflictError):
    """One person has so many links already. Facts: `rule`, `limit`."""
