"""What can go wrong with recording.

SetupError
└── RecorderRunningError   another recorder works beside the same spool
UnavailableError
└── SpoolUnavailableError  the disk does not take (or give) messages just now
"""

from lab.core.errors import SetupError, UnavailableError


class RecorderRunningError(SetupError):
    """Another recorder holds the lease on this spool. Facts: `field`, `holder` (its process)."""


class SpoolUnavailableError(UnavailableError):
    """The spool cannot be written or read just now, most often because the disk is full; nothing was kept."""
