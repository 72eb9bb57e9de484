"""What can be refused about rules and trainings.

PilotLabError (lab.core.errors)
├── InvalidError
│   ├── RuleInvalidError              rules under which nothing could be booked
│   └── QualificationInvalidError     a training for nobody, or one that is over already
├── NotFoundError
│   ├── RuleTargetUnknownError        no such device or device class
│   ├── RuleUnknownError              nothing is set there
│   └── QualificationUnknownError     no such training of anybody
└── StaleError
    └── RuleChangedError              somebody else changed it meanwhile, or it is not said on what the change stands
"""

from lab.core.errors import InvalidError, NotFoundError, StaleError


class RuleInvalidError(InvalidError):
    """Under these rules nothing could be booked. Facts: `field`, `rule`, often `device_id`."""


class QualificationInvalidError(InvalidError):
    """A training for nobody, or one that is over already. Facts: `field`, `rule`."""


class RuleTargetUnknownError(NotFoundError):
    """There is no such device or device class. Facts: `field`, `rule`."""


class RuleUnknownError(NotFoundError):
    """Nothing is set there. Facts: `rule`."""


class QualificationUnknownError(NotFoundError):
    """Nobody has such a training. Facts: `field`, `rule`."""


class RuleChangedError(StaleError):
    """It was changed since the caller read it, or the caller has not said so. Facts: `field`, `rule`, `version`."""
