"""The recorder's lease: a lock file beside the spool that one living process holds.

The operating system lets go of it when the process ends, however it ends, so a `kill -9` leaves no stale lease.
"""

import os
from pathlib import Path
from typing import IO

from telemetry.errors import RecorderRunningError

try:
    import fcntl
except ImportError:  # Windows: the lock on the data folder is missing there too
    fcntl = None  # type: ignore[assignment]


def take_lease(spool_path: Path) -> IO[str]:
    """Hold the spool for this process until the returned file is closed.

    Raises:
        RecorderRunningError: if a living recorder holds it.
    """
    lock = spool_path.with_name(spool_path.name + ".lock").open("a+")
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise RecorderRunningError(
                f"another recorder (process {holder}) works on {spool_path}; stop it or choose another data folder",
                field="data_dir",
                holder=holder,
            ) from error
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
