"""Backups of the file: a copy, and beside it what it must hold, written last, so that half a backup is none."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from telemetry.stores.errors import BackupUnusableError

log = structlog.get_logger(__name__)

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the file as it was at one instant."""

    path: Path
    made_at: datetime
    bytes: int
    sha256: str
    rows: int
    watermarks: dict[str, int]
    """Spool → the last row of it that is in the copy."""
    received_ns: int | None
    """When the newest message in it was received."""


def backup_name(now: datetime) -> str:
    """The name of a backup made now; names sort by time."""
    return f"samples-{now:%Y%m%dT%H%M%S}Z.duckdb"


def note_backup(backup: Backup) -> None:
    """Write what a copy must hold; from now on it is a backup."""
    noted = _note_of(backup.path)
    facts = asdict(backup) | {"path": backup.path.name, "made_at": backup.made_at.isoformat()}
    coming = noted.with_name(noted.name + ".coming")
    with coming.open("w") as file:
        json.dump(facts, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    coming.replace(noted)


def read_backup(path: Path) -> Backup:
    """A backup by its file.

    Raises:
        BackupUnusableError: nothing tells what it must hold.
    """
    try:
        facts = json.loads(_note_of(path).read_text())
        return Backup(**{**facts, "path": path, "made_at": datetime.fromisoformat(facts["made_at"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackupUnusableError(
            f"{path.name} is no backup: {_note_of(path).name} beside it cannot be read ({error}); choose another one",
            field="backup",
            rule="known-backup",
        ) from error


def newest_first(folder: Path) -> list[Backup]:
    """The backups of a folder, without those that are not whole."""
    found = []
    for path in sorted(folder.glob("samples-*.duckdb"), reverse=True) if folder.is_dir() else []:
        try:
            found.append(read_backup(path))
        except BackupUnusableError as error:
            log.warning("not a whole backup", file=path.name, problem=error.message)
    return found


def forget_old(folder: Path, *, kept: int) -> list[Path]:
    """Delete all but the newest backups; gives what was deleted."""
    old = [backup.path for backup in newest_first(folder)[kept:]]
    for path in old:
        _note_of(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return old


def copy_file(source: Path, target: Path, *, expected: str) -> None:
    """Copy a file that nobody has open, and see that it is the right one.

    Raises:
        BackupUnusableError: it is not.
    """
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    if digest.hexdigest() != expected:
        target.unlink()
        raise BackupUnusableError(
            f"the backup {source.name} has been changed since it was made; choose another one",
            field="backup",
            rule="unchanged-backup",
        )


def _note_of(path: Path) -> Path:
    return path.with_suffix(".json")
