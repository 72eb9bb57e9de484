"""What can be wrong with an assessment of digital maturity.

InvalidError
└── AssessmentDateError     assessed in the future
"""

from lab.core.errors import InvalidError


class AssessmentDateError(InvalidError):
    """An assessment lies in the future. Facts: `nearest`."""
