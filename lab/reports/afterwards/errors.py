"""What can be wrong after the report.

InvalidError
└── AmountUnfitError       an amount of an investment that was not made
NotFoundError
└── FollowUpUnknownError   the pilot has no follow-up after so many months, or is another company's
ConflictError
└── AcceptedError          the report has been accepted already
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError


class AmountUnfitError(InvalidError):
    """An amount, or its funding, of an investment that was not made."""


class FollowUpUnknownError(NotFoundError):
    """The pilot has no follow-up after so many months."""


class AcceptedError(ConflictError):
    """The report has been accepted already. Facts: `at`."""
