"""The files that explain a data package: RO-Crate metadata, Frictionless descriptor, run values, README."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.reports.results import ManifestEntry, Results, RunQuality

Json = dict[str, Any]

TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".csv": "text/csv",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".txt": "text/plain",
}
RUN_TYPES = {
    "run": "integer",
    "arm": "string",
    "executed_order": "integer",
    "booking": "string",
    "started_at": "datetime",
    "ended_at": "datetime",
    "excluded": "string",
    "data": "string",
    "block": "string",
}
SAMPLE_FIELDS = (
    ("device", "string", None, "Device that measured."),
    ("signal", "string", None, "What was measured; its unit stands in `pilotlab:signals`."),
    ("boot", "string", None, "Which start of the device the message belongs to."),
    ("device_ns", "integer", "ns", "Time by the device's clock, since 1970-01-01T00:00:00Z."),
    ("settled_ns", "integer", "ns", "Time after correction of the device's clock, since 1970-01-01T00:00:00Z."),
    ("received_ns", "integer", "ns", "Time of arrival, since 1970-01-01T00:00:00Z."),
    ("value", "number", None, "Number in the signal's unit; yes and no as 1 and 0."),
    ("text", "string", None, "Value of a signal that is text."),
    ("flags", "integer", "1", "Sum of 1 skewed, 2 late, 4 buffered, 8 uncertain, 16 out of range."),
)


def sample_path(run: RunQuality, names: Sequence[str]) -> str | None:
    """The file with a run's samples, if there is one."""
    path = f"data/run-{run.run:02d}.parquet"
    return path if path in names else None


def run_values_csv(results: Results) -> bytes:
    """One line a run with its number for every KPI; what does not count has a reason in the column beside it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    keys = [kpi.key for kpi in results.kpis]
    writer.writerow(["run", "arm", "executed_order", *(name for key in keys for name in (key, f"{key}_excluded"))])
    values = [{run.run: run for run in kpi.runs} for kpi in results.kpis]
    for run in results.quality:
        cells: list[object] = [run.run, run.arm, run.executed_order]
        for by_run in values:
            found = by_run.get(run.run)
            cells += [None, None] if found is None else [found.value, found.excluded]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue().encode()


@dataclass(frozen=True, slots=True)
class Columns:
    """What the sealed data say about the columns of the tables."""

    runs: tuple[str, ...]
    """Names of the columns of `runs.csv`."""
    kpi_units: Mapping[str, str]
    """UCUM code by key of the KPI, as in the locked plan."""
    signals: tuple[Json, ...]
    """Device, signal, title and UCUM unit of everything that was recorded."""


def data_package(results: Results, names: Sequence[str], columns: Columns) -> Json:
    """`datapackage.json`: Frictionless Data Package 2 with the UCUM unit of every column that has one.

    Args:
        results: what the report says.
        names: paths of all files of the package.
        columns: what the sealed data say about them.
    """
    identity = results.identification
    resources = [
        _resource("runs", "runs.csv", [_field(name, RUN_TYPES.get(name, "any"), None, "") for name in columns.runs]),
        _resource("run-values", "results/run-values.csv", _value_fields(results, columns.kpi_units)),
    ]
    fields = [_field(*field) for field in SAMPLE_FIELDS]
    for name in names:
        if name.endswith(".parquet"):
            resource = _resource(name.removeprefix("data/").removesuffix(".parquet"), name, fields)
            resources.append({**resource, "format": "parquet", "pilotlab:signals": list(columns.signals)})
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": _slug(identity.report_number),
        "title": identity.pilot_title,
        "description": results.question,
        "version": f"{identity.version}.0.0",
        "created": identity.dated.isoformat().replace("+00:00", "Z"),
        "resources": resources,
    }


def _resource(name: str, path: str, fields: list[Json]) -> Json:
    suffix = path[path.rindex(".") :]
    resource = {
        "name": _slug(name),
        "path": path,
        "format": suffix[1:],
        "mediatype": TYPES[suffix],
        "encoding": "utf-8",
    }
    return {**resource, "schema": {"fields": fields, "missingValues": [""]}}


def _field(name: str, kind: str, unit: str | None, description: str) -> Json:
    field: Json = {"name": name, "type": kind}
    if description:
        field["description"] = description
    if unit is not None:
        field["unit"] = unit
    return field


def _value_fields(results: Results, units: Mapping[str, str]) -> list[Json]:
    fields = [
        _field("run", "integer", None, "Place in the planned order."),
        _field("arm", "string", None, "Way of working."),
        _field("executed_order", "integer", None, "Place in the order of execution; empty: not executed."),
    ]
    for kpi in results.kpis:
        fields.append(_field(kpi.key, "number", units.get(kpi.key), f"{kpi.label}. {kpi.definition}"))
        fields.append(_field(f"{kpi.key}_excluded", "string", None, "Why the value does not count; empty: it does."))
    return fields


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in text.lower())


def ro_crate(results: Results, hashes: Mapping[str, tuple[int, str]]) -> Json:
    """`ro-crate-metadata.json`: RO-Crate 1.1 with an action for every run that was made.

    Args:
        results: what the report says.
        hashes: path → (bytes, SHA-256) of every file but this one and the list of hashes.
    """
    identity = results.identification
    dated = identity.dated.isoformat().replace("+00:00", "Z")
    names = sorted(hashes)
    runs = [run for run in results.quality if run.started_at is not None]
    root: Json = {
        "@id": "./",
        "@type": "Dataset",
        "identifier": identity.report_number,
        "name": f"{identity.report_number}: {identity.pilot_title}",
        "description": results.question,
        "datePublished": dated,
        "license": "For the customer and the laboratory named in the report.",
        "publisher": {"@id": "#laboratory"},
        "about": {"@id": "#customer"},
        "mainEntity": {"@id": "report.pdf"},
        "hasPart": [{"@id": name} for name in names],
        "mentions": [{"@id": f"#run-{run.run:02d}"} for run in runs],
    }
    graph: list[Json] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        root,
        {"@id": "#laboratory", "@type": "Organization", "name": identity.lab_name},
        {"@id": "#customer", "@type": "Organization", "name": identity.customer},
        *(
            {"@id": f"#{device.id}", "@type": "Product", "name": device.name, "category": device.kind}
            for device in results.devices
        ),
        *(_file(name, *hashes[name]) for name in names),
        *(_action(run, names) for run in runs),
    ]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def _file(name: str, size: int, sha256: str) -> Json:
    suffix = name[name.rindex(".") :] if "." in name else ""
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "encodingFormat": TYPES.get(suffix, "application/octet-stream"),
        "contentSize": str(size),
        "sha256": sha256,
    }


def _action(run: RunQuality, names: Sequence[str]) -> Json:
    action: Json = {
        "@id": f"#run-{run.run:02d}",
        "@type": "CreateAction",
        "name": f"Run {run.run}, {run.arm}",
        "agent": {"@id": "#laboratory"},
        "object": {"@id": "plan.json"},
        "instrument": [{"@id": f"#{part.device}"} for part in run.devices],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    if run.started_at is not None:
        action["startTime"] = run.started_at.isoformat().replace("+00:00", "Z")
    if run.ended_at is not None:
        action["endTime"] = run.ended_at.isoformat().replace("+00:00", "Z")
    path = sample_path(run, names)
    if path is not None:
        action["result"] = {"@id": path}
    if run.excluded:
        action["description"] = f"Does not count: {run.excluded}"
    return action


def readme(results: Results, sealed: Sequence[ManifestEntry]) -> bytes:
    """What is in the package and how to check it, for readers who have never seen one."""
    identity = results.identification
    lines = [
        f"Data package of report {identity.report_number}, version {identity.version}",
        f"Pilot: {identity.pilot_title}",
        f"For: {identity.customer}",
        f"By: {identity.lab_name}",
        "",
        "What is in here",
        "  report.pdf, report.html    the report; both say the same",
        "  results/results.json       every number of the report, in full",
        "  results/run-values.csv     one line a run: its number for every KPI; opens in a spreadsheet",
        "  runs.csv                   one line a run: when, which way of working, what was found",
        "  data/run-NN.parquet        everything the machines sent during run NN (pandas, DuckDB and others read it)",
        "  plan.json                  the analysis plan as it was locked",
        *(
            ["  plan-v1.json …             versions of the plan that a later one has replaced"]
            if results.plan.former
            else []
        ),
        "  issue.json                 what people say in the report, and who stands for it",
        "  manifest.json              the list of the sealed files; its hash is printed in the report",
        "  charts/                    the charts of the report",
        *(["  attachments/               photos and documents that go with the report"] if results.attachments else []),
        "  datapackage.json, ro-crate-metadata.json    descriptions for programs (Frictionless Data, RO-Crate)",
        "  checksums.sha256           the hash of every file",
        "",
        "How to check that nothing was changed",
        "  In this folder:  sha256sum --check checksums.sha256",
        "  (Windows PowerShell:  Get-FileHash manifest.json  and compare)",
        f"  The hash of manifest.json must be the one printed in the report: {results.manifest.sha256}",
        "",
        "How to compute every number again, with nothing but this package",
        "  pilotlab verify PACKAGE    (this zip, or the folder it was unpacked into)",
        f"  It says SAME or names what differs. Pilot Lab {_version_of(results, 'pilotlab')} made this package; with",
        "  that release the numbers agree to the last bit and the PDF byte by byte, with another within 1e-9.",
        "",
        f"{len(sealed)} files were sealed. " + " ".join(results.statements),
        "",
    ]
    return "\n".join(lines).encode()


def _version_of(results: Results, program: str) -> str:
    return next((one.version for one in results.software if one.name == program), "")


def to_json(document: Json) -> bytes:
    """A descriptor as people can read it; the same document gives the same bytes."""
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"
