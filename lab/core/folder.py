"""The data folder: made, tried, and held by one program at a time."""

import os
import tempfile
from pathlib import Path
from typing import IO

from lab.core.errors import SetupError

try:
    import fcntl
except ImportError:  # Windows has other locks; there the ports keep a second start away
    fcntl = None  # type: ignore[assignment]


class DataFolderError(SetupError):
    """The data folder cannot be used."""


class FolderInUseError(SetupError):
    """Another program works on the data folder."""


class LockHeldError(Exception):
    """A living process holds the lock; `holder` is its id as it wrote it."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by process {holder}")
        self.holder = holder


def prepare_folder(folder: Path) -> None:
    """Make the data folder and try whether it can be written.

    Raises:
        DataFolderError: naming the folder, the fact and the setting.
    """
    way_out = "choose another folder with PILOTLAB_DATA_DIR or --data"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # a name of its own: several web processes may share the folder
    except OSError as error:
        raise DataFolderError(
            f"data folder {folder} cannot be written ({error.strerror}); {way_out}", field="data_dir"
        ) from error


def hold_folder(folder: Path) -> IO[str]:
    """Take the folder for this process, until the returned file is closed or the process ends, however it ends.

    Raises:
        FolderInUseError: if a running program holds it, with its process id.
    """
    try:
        return hold_lock(folder / "pilotlab.lock")
    except LockHeldError as held:
        raise FolderInUseError(
            f"another Pilot Lab (process {held.holder}) works on data folder {folder}; "
            "stop it or choose another folder with --data",
            field="data_dir",
        ) from held


def hold_lock(path: Path) -> IO[str]:
    """Hold a lock file for this process until the returned file is closed.

    The operating system lets go of it when the process ends, however it ends, so a `kill -9` leaves no stale lock.

    Raises:
        LockHeldError: if a living process holds it.
    """
    lock = path.open("a+")
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise LockHeldError(holder) from error
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def sync_names(folder: Path) -> None:
    """Have the names in a folder reach the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
