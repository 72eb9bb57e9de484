"""Backups of samples, records and files: made daily and when asked for, and put in place again.

Only the process that records can copy its DuckDB file. `pilotlab backup` therefore leaves a request in the folder of
the backups, which that process answers; where nothing runs, it does the work itself.
"""

import json
import time
from datetime import timedelta
from pathlib import Path

import structlog

from lab.core.clock import Clock
from lab.core.errors import PilotLabError, SetupError
from lab.core.folder import FolderInUseError, hold_folder, prepare_folder
from lab.core.settings import Settings
from lab.record_backups import (
    RecordBackup,
    back_up_records,
    bring_back_records,
    forget_old_records,
    newest_records,
)
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.duckdb.backups import Backup, forget_old, newest_first, read_backup
from telemetry.stores.duckdb.damage import free_ending, restore
from telemetry.stores.interface import SampleStore

log = structlog.get_logger(__name__)

ROUND_SECONDS = 2.0
_FIRST_AFTER_SECONDS = 600.0
_AGAIN_AFTER_SECONDS = 600.0
_ASKED, _ANSWER = "backup.asked", "backup.answer"
_ANSWER_SECONDS = 3600.0


class Backups:
    """Makes backups while the recorder works.

    Args:
        store: the open store.
        settings: where backups go, how often they are made and how many are kept.
        clock: the lab's clock.
    """

    def __init__(self, store: DuckDBStore, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._folder = backup_folder(settings)
        self._data_dir, self._database = settings.data_dir, _own_database(settings)
        self._every = timedelta(hours=settings.backup_every_hours)
        self._kept = settings.backups_kept
        self._clock = clock
        self._due = time.monotonic() + _FIRST_AFTER_SECONDS

    def round(self) -> None:
        """Answer a request, or make the backup of the day if it is time."""
        asked = self._folder / _ASKED
        if asked.exists():
            asked.unlink()
            try:
                answer = {"backup": self.make().path.name}
            except PilotLabError as error:
                answer = {"error": error.message}
            coming = self._folder / f"{_ANSWER}.coming"
            coming.write_text(json.dumps(answer))
            coming.replace(self._folder / _ANSWER)
        elif self._every and time.monotonic() >= self._due:
            self._due = time.monotonic() + _AGAIN_AFTER_SECONDS
            newest = next(iter(newest_first(self._folder)), None)
            if newest is None or self._clock.now() - newest.made_at >= self._every:
                self.make()
                self._store.compact(before_ns=self._clock.now_ns() // _DAY_NS * _DAY_NS)

    def make(self) -> Backup:
        """Make a backup now, and forget the oldest ones.

        The samples come first: what places and explains them is in the database before they are stored.

        Raises:
            StoreUnavailableError: the store cannot be copied just now.
            SetupError: the records cannot be copied.
        """
        now = self._clock.now()
        made = self._store.back_up(self._folder, now=now)
        back_up_records(self._data_dir, self._folder, database=self._database, now=now)
        forgotten = forget_old(self._folder, kept=self._kept)
        forget_old_records(self._folder, kept=self._kept)
        log.info("samples backed up", file=made.path.name, rows=made.rows, bytes=made.bytes, forgotten=len(forgotten))
        return made


_DAY_NS = 86_400 * 10**9


def backups_of(store: SampleStore, settings: Settings, clock: Clock) -> Backups | None:
    """Who makes the backups of a store; `None` where its server does."""
    return Backups(store, settings, clock) if isinstance(store, DuckDBStore) else None


def backup_folder(settings: Settings) -> Path:
    """Where backups are."""
    return settings.backup_dir or settings.data_dir / "backups"


def records_of(settings: Settings, backup: Backup) -> RecordBackup | None:
    """The records that were backed up with these samples; `None`: the samples are alone."""
    return next((one for one in newest_records(backup_folder(settings)) if one.made_at == backup.made_at), None)


def _own_database(settings: Settings) -> Path | None:
    return settings.sqlite_path if settings.database_url is None and settings.sqlite_path.exists() else None


def back_up(settings: Settings, clock: Clock) -> Backup:
    """Make a backup of samples, records and files, whether the system runs or not.

    Raises:
        SetupError: the samples are not ours to back up, or the running system does not answer.
        StoreUnavailableError: the store cannot be copied.
    """
    _require_duckdb(settings)
    try:
        held = hold_folder(settings.data_dir)
    except FolderInUseError:
        return _ask_for_backup(backup_folder(settings))
    with held:
        store = DuckDBStore(settings.duckdb_path, memory_limit=settings.duckdb_memory_limit)
        try:
            return Backups(store, settings, clock).make()
        finally:
            store.close()


def bring_back(settings: Settings, name: str | None) -> Backup:
    """Put a backup in the place of the samples; what was there is kept beside it.

    Where there is no database yet, records and files are brought back too; one that is there stays as it is, since it
    knows of bookings that the backup does not.

    The recorder drains again whatever its spool still holds beyond the backup.

    Args:
        settings: the installation's settings.
        name: of the backup's file; `None`: the newest one.

    Raises:
        FolderInUseError: the system runs.
        SetupError: there is no backup.
        BackupUnusableError: its file is not the one that was backed up.
    """
    _require_duckdb(settings)
    folder, path = backup_folder(settings), settings.duckdb_path
    prepare_folder(settings.data_dir)
    with hold_folder(settings.data_dir):
        backup = next(iter(newest_first(folder)), None) if name is None else read_backup(folder / Path(name).name)
        if backup is None:
            raise SetupError(
                f"there is no backup in {folder}; make one with `pilotlab backup`, or name its folder with "
                "PILOTLAB_BACKUP_DIR",
                field="backup_dir",
            )
        records = records_of(settings, backup)
        if records is not None and settings.database_url is None and not settings.sqlite_path.exists():
            bring_back_records(records, settings.data_dir)
        ending = free_ending(path, "replaced")
        parts = [part for part in (path, path.with_name(path.name + ".wal")) if part.exists()]
        for part in parts:
            part.replace(part.with_name(part.name + ending))
        try:
            restore(path, backup)
        except BaseException:
            for part in parts:
                part.with_name(part.name + ending).replace(part)
            raise
    return backup


def _ask_for_backup(folder: Path) -> Backup:
    folder.mkdir(parents=True, exist_ok=True)
    answer = folder / _ANSWER
    answer.unlink(missing_ok=True)
    (folder / _ASKED).touch()
    until = time.monotonic() + _ANSWER_SECONDS
    while not answer.exists():
        if time.monotonic() > until:
            raise SetupError("the running Pilot Lab does not make the backup; look into its log", field="backup_dir")
        time.sleep(0.2)
    said = json.loads(answer.read_text())
    answer.unlink()
    if "error" in said:
        raise SetupError(f"the backup was not made: {said['error']}", field="backup_dir")
    return read_backup(folder / said["backup"])


def _require_duckdb(settings: Settings) -> None:
    if settings.store != "duckdb":
        raise SetupError(
            "samples are in InfluxDB, which is backed up by its own means: `influx backup`; this command is for DuckDB",
            field="store",
        )
