"""The recorder's lease: a lock file beside the spool that one living process holds."""

from pathlib import Path
from typing import IO

from lab.core.folder import LockHeldError, hold_lock
from telemetry.errors import RecorderRunningError


def take_lease(spool_path: Path) -> IO[str]:
    """Hold the spool for this process until the returned file is closed.

    Raises:
        RecorderRunningError: if a living recorder holds it.
    """
    try:
        return hold_lock(spool_path.with_name(spool_path.name + ".lock"))
    except LockHeldError as held:
        raise RecorderRunningError(
            f"another recorder (process {held.holder}) works on {spool_path}; stop it or choose another data folder",
            field="data_dir",
            holder=held.holder,
        ) from held
