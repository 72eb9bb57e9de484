"""A package brought into a folder, with everything that is wrong with its files.

A package comes from anywhere: names that lead out of the folder, names that stand twice, files that nobody listed and
sizes that are not the listed ones are named, never followed.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from lab.core.errors import InvalidError
from lab.reports.package import CHECKSUMS, PORTION
from lab.reports.sealing import file_sha256

MOST_LIST_BYTES = 16 << 20
"""Of the list of hashes: more than a hundred thousand files."""

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError)


class NotAPackageError(InvalidError):
    """What was given is no data package."""


@dataclass(slots=True)
class Unpacked:
    """The files of a package whose hashes hold, and what is wrong with the others."""

    folder: Path
    sound: set[str] = field(default_factory=set)
    """Names of the files that are what the list says."""
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """(name, what is wrong with it)."""


@contextmanager
def unpacked(package: Path) -> Iterator[Unpacked]:
    """The package's files in a folder, until the block ends.

    Args:
        package: the zip, or the folder into which somebody has unpacked it.

    Raises:
        NotAPackageError: if it is neither, or has no list of hashes.
    """
    if package.is_dir():
        yield _look_through(package)
        return
    with TemporaryDirectory(prefix="pilotlab-verify-") as name:
        yield _unpack(package, Path(name))


def _look_through(folder: Path) -> Unpacked:
    """Compare a folder with its list of hashes."""
    listed = _listed((folder / CHECKSUMS).read_bytes()) if (folder / CHECKSUMS).is_file() else {}
    if not listed:
        raise _not_a_package(folder, f"it has no {CHECKSUMS}")
    found = Unpacked(folder)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {CHECKSUMS}
    for name in sorted(listed.keys() | present):
        path = folder / name
        if name not in listed:
            found.wrong.append((name, "is not in the list of hashes"))
        elif name not in present or not path.resolve().is_relative_to(folder.resolve()):
            found.wrong.append((name, "is missing"))
        elif file_sha256(path) != listed[name]:
            found.wrong.append((name, "was changed: its SHA-256 is another one"))
        else:
            found.sound.add(name)
    return found


def _unpack(package: Path, folder: Path) -> Unpacked:
    try:
        with zipfile.ZipFile(package) as archive:
            return _unpack_archive(archive, package, folder)
    except FileNotFoundError as error:
        raise _not_a_package(package, "there is no such file") from error
    except _DAMAGED as error:
        raise _not_a_package(package, f"it is no zip file, or a damaged one ({error})") from error


def _unpack_archive(archive: zipfile.ZipFile, package: Path, folder: Path) -> Unpacked:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    lists = [entry for entry in entries if entry.filename == CHECKSUMS]
    if len(lists) != 1 or lists[0].file_size > MOST_LIST_BYTES:
        raise _not_a_package(package, f"it has no {CHECKSUMS}")
    listed, found = _listed(archive.read(lists[0])), Unpacked(folder)
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        if name == CHECKSUMS:
            continue
        fault = _copy(archive, entry, folder, listed.get(name)) if name not in seen else "stands twice in the archive"
        seen.add(name)
        if fault is None:
            found.sound.add(name)
        else:
            found.sound.discard(name)
            found.wrong.append((name, fault))
    found.wrong += [(name, "is missing") for name in sorted(listed.keys() - seen)]
    return found


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, sha256: str | None) -> str | None:
    """Bring one file into the folder; what is wrong with it, if anything is."""
    if sha256 is None:
        return "is not in the list of hashes"
    place = PurePosixPath(entry.filename)
    if place.is_absolute() or ".." in place.parts or "\\" in entry.filename or ":" in entry.filename:
        return "has a name that leads out of the package"
    target = folder / place
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(entry) as source, target.open("wb") as sink:
            found = _copied(source, sink, entry.file_size)
    except _DAMAGED as error:
        return f"cannot be read: {error}"
    return None if found == sha256 else "was changed: its SHA-256 is another one"


def _copied(source: IO[bytes], sink: IO[bytes], size: int) -> str:
    """Copy in portions, no more than was announced, and give the SHA-256."""
    digest, left = hashlib.sha256(), size
    while left > 0 and (portion := source.read(min(PORTION, left))):
        digest.update(portion)
        sink.write(portion)
        left -= len(portion)
    return digest.hexdigest()


def _listed(content: bytes) -> dict[str, str]:
    """Name → SHA-256 of a list in the form of `sha256sum`."""
    lines = (_LINE.fullmatch(line) for line in content.decode("utf-8", errors="replace").splitlines())
    return {line[2]: line[1] for line in lines if line is not None}


def _not_a_package(path: Path, why: str) -> NotAPackageError:
    return NotAPackageError(
        f"{path} is not a data package of Pilot Lab: {why}; take the file package.zip of a report, or its folder",
        field="package",
        rule="package",
    )
