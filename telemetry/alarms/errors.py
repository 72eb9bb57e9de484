"""What can be wrong with an alarm or its rule.

InvalidError
├── AlarmRuleInvalidError      a rule that could never be right for its signal
└── SilenceUnmeasurableError   a rule of silence for a signal of which no interval is known
NotFoundError
├── AlarmUnknownError          no such alarm, or it was not raised in the asker's own time
└── AlarmRuleUnknownError      no such rule
ConflictError
├── AlarmClosedError           it has been acknowledged, or cleared, already
└── AlarmRuleFixedError        a rule that a locked plan has made, or one that has ended
StaleError
└── AlarmRuleChangedError      somebody changed the rule meanwhile
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError, StaleError


class AlarmRuleInvalidError(InvalidError):
    """A rule that could never be right for its signal. Facts: `field`, `rule`."""


class SilenceUnmeasurableError(InvalidError):
    """A rule of silence for a signal of which no interval is known. Facts: `field`, `rule`."""


class AlarmUnknownError(NotFoundError):
    """There is no such alarm, or it was not raised in the time of whoever asks."""


class AlarmRuleUnknownError(NotFoundError):
    """There is no such rule."""


class AlarmClosedError(ConflictError):
    """It has been acknowledged, or cleared, already."""


class AlarmRuleFixedError(ConflictError):
    """A rule that a locked plan has made, or one that has ended, does not change."""


class AlarmRuleChangedError(StaleError):
    """Somebody changed the rule meanwhile. Facts: `version`."""
