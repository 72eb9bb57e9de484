"""What can be wrong with sealed data and reports.

NotFoundError
├── ReportUnknownError      no such report, or another company's
└── DataSetUnknownError     no such data set, or another company's
ConflictError
├── PilotUnfinishedError    runs are neither made nor excluded
└── DataSetAlteredError     a sealed file is missing or not what was sealed
"""

from lab.core.errors import ConflictError, NotFoundError


class ReportUnknownError(NotFoundError):
    """No such report, or another company's."""


class DataSetUnknownError(NotFoundError):
    """No such data set, or another company's."""


class PilotUnfinishedError(ConflictError):
    """Runs are neither made nor excluded."""


class DataSetAlteredError(ConflictError):
    """A sealed file is missing or not what was sealed."""
