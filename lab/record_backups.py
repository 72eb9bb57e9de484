"""Backups of what is not samples: the embedded database, and the files of pilots and reports.

A backup is a folder, complete when its manifest is there, which is written last. Whatever has not changed since the
last one is linked to it, so that a day costs what the day brought. The files are copied before the database and once
more after it: what a row of the copied database names is there.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from lab.core.errors import SetupError
from lab.core.folder import sync_names
from lab.pilots.documents.store import folder_of

log = structlog.get_logger(__name__)

FOLDERS = ("pilots", "reports")
"""In the data folder: documents, sealed data; what was reported from them."""
_MANIFEST = "manifest.json"
_DATABASE = "pilotlab.sqlite"
_CHUNK = 1 << 20
_ATTEMPTS = 5
_COMING = ".coming"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a backup."""

    path: str
    """Relative to the data folder."""
    bytes: int
    changed_ns: int
    """When it was last changed, as its file system says."""
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordBackup:
    """A whole backup."""

    path: Path
    made_at: datetime
    files: tuple[KeptFile, ...]
    has_database: bool
    """Whether the database is in it; PostgreSQL is backed up by its own means."""


def back_up_records(data_dir: Path, folder: Path, *, database: Path | None, now: datetime) -> RecordBackup:
    """Copy the database and the files as they are now, while people work or not.

    Args:
        data_dir: the data folder.
        folder: where backups are.
        database: the SQLite file; `None`: it is a server's.
        now: the present instant.

    Raises:
        SetupError: it could not be written; nothing of it is left.
    """
    target = folder / f"records-{now:%Y%m%dT%H%M%S}Z"
    try:
        return _make(data_dir, target, database, now)
    except (OSError, sqlite3.Error) as error:
        shutil.rmtree(target.with_name(target.name + _COMING), ignore_errors=True)
        raise SetupError(f"database and files could not be backed up: {error}", field="backup_dir") from error


def _make(data_dir: Path, target: Path, database: Path | None, now: datetime) -> RecordBackup:
    folder = target.parent
    last = next(iter(newest_records(folder)), None)
    coming = target.with_name(target.name + _COMING)
    shutil.rmtree(coming, ignore_errors=True)
    coming.mkdir(parents=True)
    kept = _copy_files(data_dir, coming, {}, last)
    if database is not None:
        kept = _copy_with_database(data_dir, coming, kept, last, database)
    backup = RecordBackup(target, now, tuple(kept[name] for name in sorted(kept)), database is not None)
    _note(backup, coming)
    shutil.rmtree(target, ignore_errors=True)
    coming.rename(target)
    sync_names(folder)
    log.info("records backed up", folder=target.name, files=len(kept), database=backup.has_database)
    return backup


def newest_records(folder: Path) -> list[RecordBackup]:
    """The whole backups of a folder, the newest first."""
    found = []
    for path in sorted(folder.glob("records-*Z"), reverse=True):
        try:
            facts = json.loads((path / _MANIFEST).read_text("utf-8"))
            files = tuple(KeptFile(**one) for one in facts["files"])
            made_at = datetime.fromisoformat(facts["made_at"])
            found.append(RecordBackup(path, made_at, files, bool(facts["has_database"])))
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("not a whole backup", folder=path.name, problem=str(error))
    return found


def forget_old_records(folder: Path, *, kept: int) -> None:
    """Delete all but the newest backups, and what an attempt left that was cut short."""
    for old in newest_records(folder)[kept:]:
        shutil.rmtree(old.path)
    for half in folder.glob(f"records-*{_COMING}"):
        shutil.rmtree(half)


def bring_back_records(backup: RecordBackup, data_dir: Path) -> None:
    """Put a backup into a data folder that has neither a database nor files of pilots yet.

    Every file is compared with its hash before the first one gets its place.

    Raises:
        SetupError: something is there already, or the backup has been changed.
    """
    taken = [name for name in (_DATABASE, *FOLDERS) if (data_dir / name).exists()]
    if taken:
        raise SetupError(
            f"{data_dir} has {' and '.join(taken)} already, which a restore does not replace; choose an empty folder "
            "with --data",
            field="data_dir",
        )
    coming = data_dir / f"restored{_COMING}"
    shutil.rmtree(coming, ignore_errors=True)
    for file in backup.files:
        target = coming / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (backup.path / file.path).is_file() or _copy(backup.path / file.path, target) != file.sha256:
            shutil.rmtree(coming)
            raise SetupError(
                f"{file.path} in the backup {backup.path.name} has been changed since it was made; choose another one",
                field="backup",
            )
    for name in (*FOLDERS, _DATABASE):  # the database last: with it the lab is there
        if (coming / name).exists():
            (coming / name).rename(data_dir / name)
    shutil.rmtree(coming, ignore_errors=True)
    sync_names(data_dir)


def _copy_with_database(
    data_dir: Path, target: Path, kept: dict[str, KeptFile], last: RecordBackup | None, database: Path
) -> dict[str, KeptFile]:
    copy, lost = target / _DATABASE, [""]
    for _ in range(_ATTEMPTS):
        copy.unlink(missing_ok=True)
        _copy_database(database, copy)
        kept = _copy_files(data_dir, target, kept, last)
        lost = [name for row in _documents_of(copy) if (name := _document(*row)) not in kept]
        if not lost:
            break
    else:  # nobody removes so fast: they are lost, and what is left is backed up all the more
        log.error("documents without their content", files=lost)
    return kept | {_DATABASE: _seen(copy, _DATABASE, _sha256_of(copy))}


def _documents_of(copy: Path) -> list[tuple[str, str]]:
    """(pilot, SHA-256) of the documents that are not removed; one may have been, between the copies."""
    with closing(sqlite3.connect(copy)) as connection:
        return connection.execute("SELECT pilot_id, sha256 FROM pilot_documents WHERE removed_at IS NULL").fetchall()


def _document(pilot_id: str, sha256: str) -> str:
    return (folder_of(Path(), pilot_id) / sha256).as_posix()


def _copy_files(
    data_dir: Path, target: Path, kept: dict[str, KeptFile], last: RecordBackup | None
) -> dict[str, KeptFile]:
    """Copy what is not kept yet, or has changed since; what went meanwhile stays as it was."""
    before = {} if last is None else {file.path: file for file in last.files}
    kept = dict(kept)
    for path in _files_below(data_dir):
        name = path.relative_to(data_dir).as_posix()
        try:
            seen = _seen(path, name, "")
            if name in kept and _same(kept[name], seen):
                continue
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).unlink(missing_ok=True)
            if last is not None and name in before and _same(before[name], seen):
                os.link(last.path / name, target / name)
                kept[name] = before[name]
            else:
                kept[name] = _seen(path, name, _copy(path, target / name))
        except FileNotFoundError:  # removed, or a folder was given its name, while we looked
            (target / name).unlink(missing_ok=True)
            kept.pop(name, None)
    return kept


def _files_below(data_dir: Path) -> Iterator[Path]:
    """Without what is still being written, whose name or folder begins with a point."""
    for folder in FOLDERS:
        for place, folders, names in os.walk(data_dir / folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def _copy_database(database: Path, target: Path) -> None:
    address = f"{database.resolve().as_uri()}?mode=rw"  # a write-ahead file cannot be read without a place beside it
    with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise SetupError(f"the copy of {database.name} is damaged ({verdict}); nothing was backed up", field="backup")


def _copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seen(path: Path, name: str, sha256: str) -> KeptFile:
    facts = path.stat()
    return KeptFile(name, facts.st_size, facts.st_mtime_ns, sha256)


def _same(one: KeptFile, other: KeptFile) -> bool:
    return (one.bytes, one.changed_ns) == (other.bytes, other.changed_ns)


def _note(backup: RecordBackup, folder: Path) -> None:
    facts = {
        "made_at": backup.made_at.isoformat(),
        "has_database": backup.has_database,
        "files": [asdict(file) for file in backup.files],
    }
    with (folder / _MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
