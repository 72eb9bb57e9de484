"""The files of a pilot in the data folder, each under the SHA-256 of its content: whole, or not there at all.

A file is written under another name first and gets its own in the transaction that makes its row, while the pilot is
locked. So whatever lies in a locked pilot's folder and belongs to no row was left by a process that died, or removed.
"""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from lab.core.folder import LockHeldError, hold_lock, sync_names
from lab.core.ids import new_id
from lab.pilots.documents.errors import DocumentNotKeptError

_COMING, _LOCK = ".coming", ".lock"


def folder_of(data_dir: Path, pilot_id: str) -> Path:
    """Where a pilot's files are."""
    return data_dir / "pilots" / pilot_id / "files"


class ComingFile:
    """A file on its way: complete on the disk, without its name yet. Ends as a `with` block.

    Args:
        folder: of the pilot's files; made if it is not there.
        content: the whole file.

    Raises:
        DocumentNotKeptError: if it cannot be written; nothing is left behind.
    """

    def __init__(self, folder: Path, content: bytes) -> None:
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._folder = folder
        self._path = folder / f"{_COMING}-{new_id('tmp')}"
        self._lock_path = self._path.with_name(self._path.name + _LOCK)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = hold_lock(self._lock_path)
        except OSError as error:
            self._lock_path.unlink(missing_ok=True)
            raise _not_kept(error) from error
        try:
            with self._path.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.end()
            raise _not_kept(error) from error

    def __enter__(self) -> "ComingFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def arrive(self) -> None:
        """Give it its name; a second time changes nothing. The pilot is locked meanwhile."""
        if self._path.exists():
            self._path.replace(self._folder / self.sha256)
            sync_names(self._folder)

    def end(self) -> None:
        """Leave nothing behind that has no name."""
        self._path.unlink(missing_ok=True)
        self._lock_path.unlink(missing_ok=True)
        self._lock.close()


def clear_away(folder: Path, needed: Collection[str]) -> int:
    """Delete files that belong to no document. The pilot is locked meanwhile.

    Args:
        folder: of the pilot's files.
        needed: SHA-256 of those that are to stay.

    Returns:
        How many there were.
    """
    gone = 0
    for path in unneeded(folder, needed):
        if path.name.startswith(_COMING) and _somebody_writes(path):
            continue
        path.unlink(missing_ok=True)
        gone += 1
    return gone


def unneeded(folder: Path, needed: Collection[str]) -> list[Path]:
    """Files of a folder that belong to no document, or not yet."""
    return [path for path in sorted(folder.iterdir()) if path.name not in needed] if folder.is_dir() else []


def _somebody_writes(path: Path) -> bool:
    lock = path if path.name.endswith(_LOCK) else path.with_name(path.name + _LOCK)
    if not lock.exists():
        return False
    try:
        hold_lock(lock).close()
    except LockHeldError:
        return True
    return False


def _not_kept(error: OSError) -> DocumentNotKeptError:
    return DocumentNotKeptError(
        f"the file could not be kept ({error.strerror}); nothing of it is left here, please try again later",
        rule="file-kept",
    )
