"""What can be wrong with an assigned time.

InvalidError
├── SpanCertainError    the samples there have a certain time already
└── OffsetUnknownError  neither an offset was given nor is one known of the rest of the boot
NotFoundError
└── BootUnknownError    nothing was ever heard of this boot
ConflictError
└── SetBackError        what was assigned before cannot be told from other samples of the same device times
"""

from lab.core.errors import ConflictError, InvalidError, NotFoundError


class SpanCertainError(InvalidError):
    """Part of the span has a certain time, which nobody may change. Facts: `field`, `rule`, `doubtful`."""


class OffsetUnknownError(InvalidError):
    """No offset was given, and none is believed of this boot. Facts: `field`, `rule`."""


class BootUnknownError(NotFoundError):
    """Nothing was ever heard of this start of the device. Facts: `field`, `rule`."""


class SetBackError(ConflictError):
    """The clock was set back: an assigned time cannot be corrected without moving other samples. Facts: `rule`."""
