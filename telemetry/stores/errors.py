"""What can go wrong with a store of samples.

UnavailableError
└── StoreUnavailableError   nothing, or a part that may be written again, is stored; the same call may succeed later
"""

from lab.core.errors import UnavailableError


class StoreUnavailableError(UnavailableError):
    """The store does not answer, is full, or cannot be opened. What was to be written stays in the spool."""
