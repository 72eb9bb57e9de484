"""The data package: one zip with the report, the sealed data it was made from, and what is needed to check both.

The same input gives the same bytes: names are sorted, times are the report's own date, nothing is compressed (samples
and PDF are already, and packers differ from machine to machine). Files go through in portions; no sample is held in
memory.
"""

import csv
import hashlib
import json
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.reports.descriptors import Columns, data_package, readme, ro_crate, run_values_csv, to_json
from lab.reports.document import as_results
from lab.reports.errors import DataSetAlteredError
from lab.reports.results import ManifestEntry, Results

MANIFEST = "manifest.json"
CHECKSUMS = "checksums.sha256"
CRATE = "ro-crate-metadata.json"
ISSUE = "issue.json"
PORTION = 1 << 20
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # a zip knows nothing before


@dataclass(frozen=True, slots=True)
class SealedPart:
    """A sealed file on its way into the package."""

    path: Path
    bytes: int
    sha256: str


Part = SealedPart | bytes


def write_package(
    path: Path,
    *,
    results: Results | Mapping[str, Any],
    folder: Path,
    pdf: bytes,
    page: str,
    charts: Mapping[str, bytes],
) -> str:
    """Write the data package of a report.

    Args:
        path: the zip to be written; an older one is replaced.
        results: the result object or its JSON form; its manifest must be that of `folder`.
        folder: the sealed data set: manifest.json and every file that it names.
        pdf: the report.
        page: the report as a whole HTML page.
        charts: file name → SVG.

    Returns:
        SHA-256 (hex) of the zip.

    Raises:
        DataSetAlteredError: a sealed file is missing or not what was sealed; nothing is left behind.
    """
    results = as_results(results)
    parts = _sealed_parts(folder, results)
    columns = _columns(folder, frozenset(parts))
    parts |= {
        "report.pdf": pdf,
        "report.html": page.encode(),
        ISSUE: results.issue.model_dump_json(indent=1).encode() + b"\n",
        "results/results.json": to_json(json.loads(results.model_dump_json())),
        "results/run-values.csv": run_values_csv(results),
        "README.txt": readme(results, results.manifest.files),
        **{f"charts/{name}": svg for name, svg in charts.items()},
    }
    parts["datapackage.json"] = to_json(data_package(results, sorted(parts), columns))
    parts[CRATE] = to_json(ro_crate(results, {name: _facts(part) for name, part in parts.items()}))
    lines = (f"{_facts(part)[1]}  {name}\n" for name, part in sorted(parts.items()))
    parts[CHECKSUMS] = "".join(lines).encode()
    partial = path.with_name(path.name + ".part")
    try:
        _write_zip(partial, parts, results.identification.dated)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return _sha256_of(path)


def _sealed_parts(folder: Path, results: Results) -> dict[str, Part]:
    manifest = results.manifest
    size = _size(folder / MANIFEST, MANIFEST)
    parts: dict[str, Part] = {MANIFEST: SealedPart(folder / MANIFEST, size, manifest.sha256)}
    for entry in manifest.files:
        parts[entry.path] = _sealed_part(folder, entry)
    return parts


def _sealed_part(folder: Path, entry: ManifestEntry) -> SealedPart:
    path = folder / entry.path
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataSetAlteredError(f"{entry.path} lies outside the sealed data", file=entry.path, rule="sealed")
    if _size(path, entry.path) != entry.bytes:
        raise _altered(entry.path)
    return SealedPart(path, entry.bytes, entry.sha256)


def _size(path: Path, name: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataSetAlteredError(f"{name} of the sealed data is missing", file=name, rule="sealed") from error


def _altered(name: str) -> DataSetAlteredError:
    return DataSetAlteredError(f"{name} of the sealed data is not what was sealed", file=name, rule="sealed")


def _facts(part: Part) -> tuple[int, str]:
    """Bytes and SHA-256; a sealed file's are those of the manifest and are compared while it is copied."""
    if isinstance(part, SealedPart):
        return part.bytes, part.sha256
    return len(part), hashlib.sha256(part).hexdigest()


def _columns(folder: Path, names: Collection[str]) -> Columns:
    header: list[str] = []
    if "runs.csv" in names:
        with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file), [])
    plan = json.loads((folder / "plan.json").read_bytes()) if "plan.json" in names else {}
    devices = json.loads((folder / "signals.json").read_bytes()) if "signals.json" in names else []
    return Columns(
        runs=tuple(header),
        kpi_units={kpi["key"]: kpi["unit"] for kpi in plan.get("kpis", ())},
        signals=tuple(
            {"device": device["id"], "signal": signal["name"], "title": signal["label"], "unit": signal["unit"]}
            for device in devices
            for signal in device["signals"]
        ),
    )


def _write_zip(path: Path, parts: Mapping[str, Part], dated: datetime) -> None:
    moment = max(dated.astimezone(UTC), EARLIEST)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as package:
        for name, part in sorted(parts.items()):
            info = zipfile.ZipInfo(name, moment.timetuple()[:6])
            info.create_system = 3
            info.external_attr = 0o644 << 16
            info.file_size = _facts(part)[0]
            with package.open(info, "w") as target:
                if isinstance(part, bytes):
                    target.write(part)
                    continue
                digest = hashlib.sha256()
                with part.path.open("rb") as source:
                    while portion := source.read(PORTION):
                        digest.update(portion)
                        target.write(portion)
                if digest.hexdigest() != part.sha256:
                    raise _altered(name)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
