"""Errors of retention.

PilotLabError
├── InvalidError
│   ├── TermInThePastError
│   └── TermReasonMissingError
├── NotFoundError
│   ├── RetentionRuleMissingError
│   └── DataSetUnknownError
├── ConflictError
│   └── DataSetRemovedError
└── StaleError
    └── RetentionRuleChangedError
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError, StaleError


class TermInThePastError(InvalidError):
    """A data set is kept until an instant that is to come. Facts: `field`, `rule`."""


class TermReasonMissingError(InvalidError):
    """Keeping a data set for a shorter time needs a reason. Facts: `field`, `rule`."""


class RetentionRuleMissingError(NotFoundError):
    """Nothing is set there. Facts: `rule`."""


class DataSetUnknownError(NotFoundError):
    """No such data set, or another company's."""


class DataSetRemovedError(ConflictError):
    """The data set's time is over and its data are deleted."""


class RetentionRuleChangedError(StaleError):
    """The rule was changed meanwhile. Facts: `version`."""
