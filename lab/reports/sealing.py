"""A data set on disk: written once, with the hash of every file, and read back only as it was written.

The same content gives the same bytes: JSON is canonical, Parquet is sorted by device, signal, time and compressed by
zstd with fixed settings, nothing names the moment of writing.
"""

import csv
import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from lab.pilots.plans import AmendedPlan, AnalysisPlan, canonical_json, read_plan
from lab.reports.errors import DataSetAlteredError
from lab.reports.sealed import (
    SealedDevice,
    SealedEvent,
    SealedFile,
    SealedManifest,
    SealedPilot,
    SealedPlanVersion,
    SealedRun,
)
from lab.reports.sealed_samples import portions_of, read_portions, write_samples
from telemetry.stores.interface import SAMPLES

MANIFEST = "manifest.json"
PLAN_VERSIONS = "plan-versions.json"
"""Earlier versions of the locked plan; only where there are any."""
SamplesOf = Callable[[SealedRun], Iterable[pa.Table]]
"""A run's samples (schema SAMPLES) in portions: by device, then by signal, each portion wholly of one signal. Several
runs are asked for at the same time, each in its own thread."""
_RUNS_AT_ONCE = 2
"""While one is compressed, another is read; more would take more memory."""

_RUNS = TypeAdapter(tuple[SealedRun, ...])
_EVENTS = TypeAdapter(tuple[SealedEvent, ...])
_DEVICES = TypeAdapter(tuple[SealedDevice, ...])
_VERSIONS = TypeAdapter(tuple[SealedPlanVersion, ...])


@dataclass(frozen=True, slots=True)
class DataSetContent:
    """Everything of a data set but the samples."""

    pilot: SealedPilot
    plan_document: Mapping[str, Any]
    runs: tuple[SealedRun, ...]
    events: tuple[SealedEvent, ...]
    devices: tuple[SealedDevice, ...]
    attached: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    """Path of each attachment that `pilot` names → gives its content."""
    former: tuple[tuple[SealedPlanVersion, Mapping[str, Any]], ...] = ()
    """Earlier versions of the plan with their documents, the first one first."""


@dataclass(frozen=True, slots=True)
class FormerPlan:
    """An earlier version of the locked plan, as read back and checked."""

    facts: SealedPlanVersion
    plan: AnalysisPlan


@dataclass(frozen=True, slots=True)
class SealedData:
    """A data set as read back and checked."""

    folder: Path
    pilot: SealedPilot
    plan: AnalysisPlan
    runs: tuple[SealedRun, ...]
    events: tuple[SealedEvent, ...]
    devices: tuple[SealedDevice, ...]
    manifest: SealedManifest
    manifest_sha256: str
    former: tuple[FormerPlan, ...] = ()
    """Earlier versions of the plan, the first one first; each names the one before it."""

    def samples(self, run: SealedRun, *, device: str, signal: str, columns: Sequence[str] = SAMPLES.names) -> pa.Table:
        """One signal's samples in a run (columns of SAMPLES); empty for a run that was never made."""
        found = list(self.portions(run, device=device, signal=signal, columns=columns))
        schema = pa.schema([SAMPLES.field(name) for name in columns])
        return pa.concat_tables([table for _, table in found]) if found else schema.empty_table()

    def portions(
        self, run: SealedRun, *, device: str, signal: str | None = None, columns: Sequence[str]
    ) -> Iterator[tuple[str, pa.Table]]:
        """A device's samples in a run, one portion of one signal after the other, by signal and time.

        Args:
            run: the run.
            device: its id.
            signal: only this one; None: all.
            columns: of SAMPLES.

        Yields:
            The signal and at most `MOST_ROWS` of its samples.
        """
        if run.data is not None:
            path = self.folder / run.data
            wanted = [one for one in portions_of(path) if one.device == device and signal in (None, one.signal)]
            for portion, table in zip(wanted, read_portions(path, wanted, columns), strict=True):
                yield portion.signal, table

    def counts(self, run: SealedRun) -> Counter[tuple[str, str]]:
        """How many samples a run has, by device and signal."""
        found: Counter[tuple[str, str]] = Counter()
        for portion in [] if run.data is None else portions_of(self.folder / run.data):
            found[portion.device, portion.signal] += portion.rows
        return found

    def signal_unit(self, device: str, signal: str) -> str | None:
        """UCUM unit of a signal as sealed."""
        for known in self.devices:
            if known.id == device:
                return next((found.unit for found in known.signals if found.name == signal), None)
        return None


def write_data_set(folder: Path, content: DataSetContent, samples_of: SamplesOf) -> str:
    """Write a data set into a new folder.

    Args:
        folder: does not exist yet.
        content: all but the samples.
        samples_of: gives a run's samples.

    Returns:
        SHA-256 (hex) of its manifest.
    """
    (folder / "data").mkdir(parents=True)
    _write(folder / "pilot.json", canonical_json(content.pilot.model_dump(mode="json")))
    _write(folder / "plan.json", canonical_json(content.plan_document))
    for facts, document in content.former:
        _write(folder / facts.path, canonical_json(document))
    if content.former:
        _write(folder / PLAN_VERSIONS, _lines([facts for facts, _ in content.former]))
    _write(folder / "runs.json", _lines(content.runs))
    _write(folder / "runs.csv", _run_table(content.runs).encode())
    _write(folder / "events.json", _lines(content.events))
    _write(folder / "signals.json", _lines(content.devices))
    with ThreadPoolExecutor(max_workers=_RUNS_AT_ONCE) as writers:
        made = [run for run in content.runs if run.data is not None]
        deque(writers.map(lambda run: write_samples(folder / str(run.data), samples_of(run)), made), maxlen=0)
    for path, content_of in content.attached.items():
        (folder / path).parent.mkdir(exist_ok=True)
        _write(folder / path, content_of())
    manifest = canonical_json(SealedManifest(files=_entries(folder)).model_dump(mode="json"))
    _write(folder / MANIFEST, manifest)
    return hashlib.sha256(manifest).hexdigest()


def read_data_set(folder: Path, *, manifest_sha256: str | None = None) -> SealedData:
    """Read a data set and check every file against the manifest.

    Args:
        folder: holds manifest.json and what it names; other files are not looked at.
        manifest_sha256: what the manifest must have, where that is known.

    Raises:
        DataSetAlteredError: naming the file that is missing, altered or not of the right form.
    """
    manifest_bytes = _read(folder, MANIFEST)
    found = hashlib.sha256(manifest_bytes).hexdigest()
    if manifest_sha256 is not None and found != manifest_sha256:
        raise _altered(MANIFEST, "is not the one that was sealed")
    try:
        manifest = SealedManifest.model_validate_json(manifest_bytes)
    except ValidationError as error:
        raise _altered(MANIFEST, "is not of the right form") from error
    check_files(folder, manifest)
    try:
        pilot = SealedPilot.model_validate_json(_read(folder, "pilot.json"))
        plan = _plan(folder, "plan.json", pilot.plan_sha256)
        return SealedData(
            folder=folder,
            pilot=pilot,
            plan=plan,
            former=_former_plans(folder, manifest, pilot, plan),
            runs=_RUNS.validate_json(_read(folder, "runs.json")),
            events=_EVENTS.validate_json(_read(folder, "events.json")),
            devices=_DEVICES.validate_json(_read(folder, "signals.json")),
            manifest=manifest,
            manifest_sha256=found,
        )
    except ValueError as error:
        raise DataSetAlteredError("a file of the data set is not of the right form", rule="sealed") from error


def check_files(folder: Path, manifest: SealedManifest) -> None:
    """Compare every file with its hash.

    Raises:
        DataSetAlteredError: for the first that is missing or differs.
    """
    for entry in manifest.files:
        path = folder / entry.path
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise _altered(entry.path, "is missing")
        if path.stat().st_size != entry.bytes or file_sha256(path) != entry.sha256:
            raise _altered(entry.path, "is not what was sealed: its SHA-256 differs")


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, read in portions."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Have everything in a folder reach the disk before its name does."""
    for path in [*sorted(folder.rglob("*")), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _plan(folder: Path, name: str, sha256: str) -> AnalysisPlan:
    document = _read(folder, name)
    if hashlib.sha256(document).hexdigest() != sha256:
        raise _altered(name, "is not the plan that was locked")
    return read_plan(json.loads(document))


def _former_plans(
    folder: Path, manifest: SealedManifest, pilot: SealedPilot, plan: AnalysisPlan
) -> tuple[FormerPlan, ...]:
    """The earlier versions, which must be those that the later ones name, back to the first."""
    if any(file.path == PLAN_VERSIONS for file in manifest.files):
        versions = _VERSIONS.validate_json(_read(folder, PLAN_VERSIONS))
    else:
        versions = ()
    former = tuple(FormerPlan(one, _plan(folder, one.path, one.sha256)) for one in versions)
    chain = [(one.facts.version, one.facts.sha256, one.plan) for one in former]
    chain.append((pilot.plan_version, pilot.plan_sha256, plan))
    before: tuple[int, str] | None = None
    for version, sha256, document in chain:
        named = (document.amends.version, document.amends.sha256) if isinstance(document, AmendedPlan) else None
        if named != before:
            raise _altered(PLAN_VERSIONS, f"is not the plan before version {version}, as that version names it")
        before = version, sha256
    return former


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _altered(name, "is missing") from error


def _altered(name: str, what: str) -> DataSetAlteredError:
    return DataSetAlteredError(f"{name} of the sealed data {what}", file=name, rule="sealed")


def _lines(
    rows: Sequence[SealedRun] | Sequence[SealedEvent] | Sequence[SealedDevice] | Sequence[SealedPlanVersion],
) -> bytes:
    """A JSON list with one element a line, so that people can read it and compare it."""
    return b"[\n" + b",\n".join(canonical_json(row.model_dump(mode="json")) for row in rows) + b"\n]\n"


def _run_table(runs: Sequence[SealedRun]) -> str:
    facts = sorted({name for run in runs for name in run.result})
    levels = sorted({name for run in runs for name in run.levels})
    blocks = ["block"] if any(run.block is not None for run in runs) else []
    columns = ["run", "arm", "executed_order", "booking", "started_at", "ended_at", "excluded", "data", *blocks]
    rows: list[list[object]] = [
        [*columns, *(f"level_{name}" for name in levels), *(f"result_{name}" for name in facts)]
    ]
    for run in runs:
        written = json.loads(run.model_dump_json())
        rows.append(
            [
                run.number,
                *(written[name] for name in ("arm", "executed_order", "booking_id", "started_at", "ended_at")),
                run.excluded,
                run.data,
                *(run.block for _ in blocks),
                *(run.levels.get(name) for name in levels),
                *(run.result.get(name) for name in facts),
            ]
        )
    return "".join(_csv_line(row) for row in rows)


def _csv_line(cells: Sequence[object]) -> str:
    line = _Line()
    csv.writer(line, lineterminator="\n").writerow(["" if cell is None else _cell(cell) for cell in cells])
    return line.text


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


class _Line:
    """Takes what the csv writer writes."""

    text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)


def _entries(folder: Path) -> tuple[SealedFile, ...]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        SealedFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=file_sha256(path))
        for path in paths
    )
