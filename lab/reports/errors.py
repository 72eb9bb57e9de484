"""What can be wrong with sealed data and reports.

NotFoundError
├── ReportUnknownError      no such report, or another company's
├── DataSetUnknownError     no such data set, or another company's
├── PhotoUnknownError       the report shows no such photo
└── LinkUnknownError        no such link, or it is revoked or over
ConflictError
├── PilotUnfinishedError    runs are neither made nor excluded
├── DataSetAlteredError     a sealed file is missing or not what was sealed
├── ReportStateError        a draft, reviewed or approved report where another one is needed
└── SameReviewerError       whoever reviewed a report does not approve it
InvalidError
├── SpreadUnknownError      the spread of runs is neither given nor known
└── LinkTermError           a link lasts a day at least, a year at most
StaleError
└── ReportChangedError      decided on an older state of the report
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError, StaleError


class SpreadUnknownError(InvalidError):
    """The spread of runs is neither given nor known from earlier pilots."""


class ReportUnknownError(NotFoundError):
    """No such report, or another company's."""


class PhotoUnknownError(NotFoundError):
    """The report shows no photo of this name."""


class DataSetUnknownError(NotFoundError):
    """No such data set, or another company's."""


class PilotUnfinishedError(ConflictError):
    """Runs are neither made nor excluded."""


class DataSetAlteredError(ConflictError):
    """A sealed file is missing or not what was sealed."""


class LinkUnknownError(NotFoundError):
    """No such link, or it is revoked or over; which of these is not said."""


class ReportStateError(ConflictError):
    """The report is not in the state that this needs. Facts: `now`."""


class SameReviewerError(ConflictError):
    """Whoever has reviewed a report does not approve it."""


class LinkTermError(InvalidError):
    """A link lasts a day at least and a year at most. Facts: `nearest`."""


class ReportChangedError(StaleError):
    """Somebody changed the report meanwhile. Facts: `now`."""
