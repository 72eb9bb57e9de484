"""What can go wrong with a store of samples.

UnavailableError
└── StoreUnavailableError   nothing, or a part that may be written again, is stored; the same call may succeed later
    └── StoreDamagedError   what is read back is not what was written; at the next call the store mends itself
InvalidError
└── BackupUnusableError     a folder holds no backup, or one whose file is not the one that was backed up
"""

from lab.core.errors import InvalidError, UnavailableError


class StoreUnavailableError(UnavailableError):
    """The store does not answer, is full, or cannot be opened. What was to be written stays in the spool."""


class StoreDamagedError(StoreUnavailableError):
    """What is read back from the disk is not what was written."""


class BackupUnusableError(InvalidError):
    """There is no backup, or its file is not the one that was backed up."""
