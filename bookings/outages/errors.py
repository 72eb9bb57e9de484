"""What can be refused about an outage.

PilotLabError (lab.core.errors)
├── InvalidError
│   └── OutageInvalidError       times or recurrence that no outage has
├── ForbiddenError
│   └── OutagesNotYoursError     a recipient of reports asks for the lab's calendar
├── NotFoundError
│   └── OutageUnknownError       no such outage
├── ConflictError
│   ├── OutageNotBegunError      too early to end; it can be withdrawn
│   └── OutageClosedError        over or withdrawn
└── StaleError
    └── OutageChangedError       somebody else changed it meanwhile
"""

from lab.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, StaleError


class OutageInvalidError(InvalidError):
    """Times or recurrence that no outage has. Facts: `field`, `rule`."""


class OutagesNotYoursError(ForbiddenError):
    """Only who books or works here looks at the lab's calendar. Facts: `rule`."""


class OutageUnknownError(NotFoundError):
    """There is no such outage. Facts: `field`, `rule`."""


class OutageNotBegunError(ConflictError):
    """It has not begun. Facts: `rule`, `start`."""


class OutageClosedError(ConflictError):
    """It is over or withdrawn. Facts: `rule`."""


class OutageChangedError(StaleError):
    """It was changed since the caller read it. Facts: `field`, `rule`, `version` (the present one)."""
