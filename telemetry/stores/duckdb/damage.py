"""A file that is damaged is set aside, and what can be had instead takes its place.

After a process that did not close the file, and after DuckDB has said that what it reads is not what it wrote, the file
is read whole by a process of its own before this one opens it. If that fails, the write-ahead file is set aside and
the main file alone tried; if that fails too, the newest backup takes its place. Either way the watermark is lower
afterwards, and the recorder drains again whatever the spool still holds.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from telemetry.stores.duckdb.backups import Backup, copy_file, newest_first
from telemetry.stores.errors import BackupUnusableError, StoreUnavailableError
from telemetry.stores.interface import Repair

log = structlog.get_logger(__name__)

_CHILD = Path(__file__).with_name("child.py")
_PATIENCE_S = 60.0
_BYTES_A_SECOND = 10_000_000
_NOT_THE_FILE = (
    "could not set lock",
    "conflicting lock",
    "already open",
    "used by another process",
    "out of memory",
    "no memory",
    "no space left",
    "permission denied",
    "too many open files",
)
"""In what DuckDB says when it cannot open a file that may be sound."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a file holds; `fault` says why that cannot be told."""

    rows: int = 0
    watermarks: dict[str, int] | None = None
    received_ns: int | None = None
    fault: str | None = None


def look_at(path: Path) -> Look:
    """Read a file whole in a process of its own.

    Raises:
        StoreUnavailableError: another process has it open, or memory or disk are short.
    """
    answer = run_child("look", path, patience_s=_PATIENCE_S + path.stat().st_size / _BYTES_A_SECOND)
    fault = answer.get("error")
    if fault is None:
        return Look(answer["rows"], answer["watermarks"], answer["received_ns"])
    if any(word in fault.lower() for word in _NOT_THE_FILE):
        raise StoreUnavailableError(f"the sample store {path.name} cannot be opened: {fault}")
    return Look(fault=fault)


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy on the disk."""

    bytes: int
    sha256: str


def copy_apart(source: Path, target: Path) -> Copied:
    """Copy a file that this process has open, in a process of its own.

    Raises:
        StoreUnavailableError: it cannot be copied.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(f"backups cannot be written to {target.parent}: {error.strerror}") from error
    answer = run_child("copy", source, target)
    if "error" in answer:
        target.unlink(missing_ok=True)
        raise StoreUnavailableError(f"the sample store cannot be copied to {target.parent}: {answer['error']}")
    return Copied(answer["bytes"], answer["sha256"])


def mend(path: Path, backups: Path | None) -> list[Repair]:
    """See that a file can be opened, setting aside what is damaged; says what was done."""
    wal = path.with_name(path.name + ".wal")
    if not path.exists():
        return []
    found = look_at(path)
    if found.fault is None:
        return []
    ending = free_ending(path, "damaged")
    if wal.exists():
        wal.replace(wal.with_name(wal.name + ending))
        log.error("the store's write-ahead file is damaged and set aside", fault=found.fault, kept_as=wal.name + ending)
        alone = look_at(path)
        if alone.fault is None:
            detail = f"the write-ahead file of the samples is damaged ({found.fault}) and kept as {wal.name}{ending}"
            return [Repair("store-damaged", detail, alone.watermarks or {}, alone.received_ns)]
        found = alone
    path.replace(path.with_name(path.name + ending))
    log.error("the store is damaged and set aside", fault=found.fault, kept_as=path.name + ending)
    detail = f"the file of the samples is damaged ({found.fault}) and kept as {path.name}{ending}"
    try:
        return [_restore_newest(path, backups, detail)]
    except OSError as error:  # the disk is full, perhaps: better a damaged file than none, and once more later
        path.with_name(path.name + ending).replace(path)
        raise StoreUnavailableError(
            f"the sample store {path.name} is damaged and no backup can be copied: {error}"
        ) from error


def restore(path: Path, backup: Backup) -> Look:
    """Put a backup in the place of a file that is not there.

    Raises:
        BackupUnusableError: its file is not the one that was backed up.
    """
    coming = path.with_name(path.name + ".restoring")
    copy_file(backup.path, coming, expected=backup.sha256)
    coming.replace(path)
    return Look(backup.rows, backup.watermarks, backup.received_ns)


def _restore_newest(path: Path, backups: Path | None, detail: str) -> Repair:
    for backup in newest_first(backups) if backups is not None else []:
        try:
            found = restore(path, backup)
        except BackupUnusableError as error:
            log.warning("a backup cannot be used", backup=backup.path.name, problem=error.message)
            continue
        detail = f"{detail}; the backup of {backup.made_at.isoformat()} took its place"
        return Repair("store-restored", detail, found.watermarks or {}, found.received_ns)
    return Repair("store-damaged", f"{detail}; there is no backup, so that an empty one took its place", {}, None)


def run_child(command: str, *paths: Path, patience_s: float | None = None) -> dict[str, Any]:
    """What the program of `child` says; its failure as `error`.

    Args:
        command: look or copy.
        paths: of what.
        patience_s: after so many seconds it is ended, and nothing speaks against the file.
    """
    line = [sys.executable, "-P", str(_CHILD), command, *map(str, paths)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=patience_s, check=False)
    except subprocess.TimeoutExpired:
        log.warning("a file was not read in time", command=command, file=paths[0].name, seconds=patience_s)
        return {"rows": 0, "watermarks": {}, "received_ns": None}
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        if done.returncode == -signal.SIGKILL:
            return {"error": "no memory: the process that read it was killed"}
        return {"error": f"reading it ended with {done.returncode}: {done.stderr.strip()[-200:]}"}
    return answer


def free_ending(path: Path, word: str) -> str:
    """Under which a file, with its write-ahead file, can be set aside."""
    number = 1
    while any(path.with_name(f"{path.name}{part}.{word}-{number}").exists() for part in ("", ".wal")):
        number += 1
    return f".{word}-{number}"
