"""Whether a package is what the lab wrote, and whether its numbers come out again.

Nothing is needed but the package: no database, no server, no network. What is computed again is everything that the
report says, from the sealed samples on; with the same release it must agree to the last bit, and the PDF byte by byte.
With another one numbers must agree within 1e-9; page, PDF and charts cannot come out byte by byte, and that is said.
"""

import csv
import io
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from lab.core.findings import Finding
from lab.reports.descriptors import run_values_csv
from lab.reports.errors import DataSetAlteredError
from lab.reports.issue import ReportIssue
from lab.reports.package import ISSUE, MANIFEST, write_package
from lab.reports.results import Results
from lab.reports.sealing import file_sha256
from lab.reports.verifying.comparing import Compared, Difference, compare
from lab.reports.verifying.unpacking import Unpacked, unpacked

RESULTS = "results/results.json"
RUN_VALUES = "results/run-values.csv"
MOST_NAMED = 10
"""Files, and numbers, that are named one by one."""


def verify_package(package: Path) -> list[Finding]:
    """Check all hashes of a data package and compute every number of its report again.

    Args:
        package: package.zip, or the folder into which it was unpacked.

    Returns:
        What was found, the answer last; "wrong" stands with everything that is not as it should be.

    Raises:
        NotAPackageError: if it is no data package.
    """
    with unpacked(package) as files:
        findings = [*_hashes(files)]
        if {RESULTS, MANIFEST, ISSUE} <= files.sound:
            findings += _recomputed(files.folder, package if package.is_file() else None)
        else:
            fact = f"cannot be computed again without {RESULTS}, {MANIFEST} and {ISSUE}"
            findings.append(Finding("wrong", "numbers", fact))
    return [*findings, _answer(findings)]


def _hashes(files: Unpacked) -> list[Finding]:
    if not files.wrong:
        return [Finding("good", "files", f"{len(files.sound)} files, every one as listed")]
    named = [Finding("wrong", "file", f"{name} {fault}") for name, fault in files.wrong[:MOST_NAMED]]
    more = len(files.wrong) - len(named)
    return [*named, *([Finding("wrong", "files", f"{more} more are not as listed")] if more else [])]


def _recomputed(folder: Path, archive: Path | None) -> list[Finding]:
    from lab.reports.assembly import compute_results  # here: statistics take two seconds to import

    try:
        then = json.loads((folder / RESULTS).read_bytes())
        sealed = str(then["manifest"]["sha256"])
        issue = ReportIssue.model_validate_json((folder / ISSUE).read_bytes())
        results = compute_results(folder, manifest_sha256=sealed, issue=issue)
    except DataSetAlteredError as error:
        return [Finding("wrong", "sealed data", error.message)]
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        return [Finding("wrong", "numbers", f"this release cannot read {RESULTS} or the sealed data: {reason}")]
    now = json.loads(results.model_dump_json())
    others = _other_versions(then)
    compared = compare(_said(then), _said(now), exact=not others)
    findings = [
        Finding("good", "sealed data", f"the manifest is the one that the report names: {sealed}"),
        *_versions(others),
        *_numbers(compared, same_release=not others),
        *_table(folder, results, same_release=not others),
    ]
    return [*findings, *([_NOT_DRAWN] if others else _documents(folder, results, archive))]


_NOT_DRAWN = Finding(
    "mind",
    "report",
    "PDF, page, charts and archive were not made again: only the versions that made them give the same bytes; "
    "that they are as listed is all that is known of them",
    "compare the SHA-256 of the PDF or the package with what the lab sent, or verify with the versions named above",
)


def _said(results: Any) -> Any:
    """What a report says, without the programs that made it."""
    return {name: value for name, value in results.items() if name != "software"}


def _other_versions(then: Any) -> list[tuple[str, str, str]]:
    """(program, version then, version now) of those that differ."""
    noted = [(str(one["name"]), str(one["version"])) for one in then.get("software", ())]
    return [(name, was, _installed(name)) for name, was in noted if was != _installed(name)]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _versions(others: list[tuple[str, str, str]]) -> list[Finding]:
    if not others:
        return [Finding("good", "programs", "the same versions as then: numbers must agree to the last bit")]
    told = ", ".join(f"{name} {was} (here {now})" for name, was, now in others)
    fact = f"made with {told}: numbers must agree within 1e-9, words may differ; "
    return [Finding("mind", "programs", fact + "what only this release says is not compared")]


def _numbers(compared: Compared, *, same_release: bool) -> list[Finding]:
    wrong = [one for one in compared.differences if one.is_number or same_release]
    words = len(compared.differences) - len(wrong)
    found = [Finding("wrong", "number" if one.is_number else "words", _told(one)) for one in wrong[:MOST_NAMED]]
    if len(wrong) > len(found):
        found.append(Finding("wrong", "numbers", f"{len(wrong) - len(found)} more differ"))
    if not wrong:
        found.append(
            Finding("good", "numbers", f"{compared.numbers} numbers computed again from the samples: the same")
        )
    if words:
        found.append(Finding("mind", "words", f"{words} texts are worded otherwise by this release"))
    return found


def _table(folder: Path, results: Results, *, same_release: bool) -> list[Finding]:
    """Whether the table of the runs' numbers, which opens in a spreadsheet, says the same."""
    path = folder / RUN_VALUES
    if not path.is_file():
        return [Finding("wrong", RUN_VALUES, "is missing")]
    then, now = (_cells(content) for content in (path.read_bytes(), run_values_csv(results)))
    compared = compare(then, now, exact=same_release)
    wrong = [one for one in compared.differences if one.is_number or same_release]
    if wrong:
        return [Finding("wrong", RUN_VALUES, _told(one)) for one in wrong[:MOST_NAMED]]
    return [Finding("good", RUN_VALUES, f"{compared.numbers} numbers of the table computed again: the same")]


def _cells(content: bytes) -> list[dict[str, float | str]]:
    rows = csv.DictReader(io.StringIO(content.decode("utf-8", "replace")), restval="", restkey="beyond")
    return [{name: _cell(text) for name, text in row.items()} for row in rows]


def _cell(text: object) -> float | str:
    try:
        return float(str(text))
    except ValueError:
        return str(text)


def _told(difference: Difference) -> str:
    return f"{difference.place}: the report says {difference.then!r}, computed again it is {difference.now!r}"


def _documents(folder: Path, results: Results, archive: Path | None) -> list[Finding]:
    """Whether charts, page and PDF come out byte by byte, and the archive is packed as we pack it."""
    from lab.reports.charts import draw_charts
    from lab.reports.html import render_page
    from lab.reports.pdf import render_pdf
    from lab.reports.photos import photos_of

    charts = draw_charts(results)
    pictures = {**charts, **photos_of(results, folder)}
    pdf, page = render_pdf(results, pictures, timestamp=results.identification.dated), render_page(results, pictures)
    made = {"report.pdf": pdf, "report.html": page.encode(), **{f"charts/{name}": svg for name, svg in charts.items()}}
    found = [
        Finding("good", name, "drawn again: the same bytes")
        if (folder / name).is_file() and (folder / name).read_bytes() == content
        else Finding("wrong", name, "drawn again, it is not the same")
        for name, content in made.items()
    ]
    wrong = [finding for finding in found if finding.level == "wrong"]
    told = wrong or [Finding("good", "report", f"PDF, page and {len(charts)} charts drawn again: the same bytes")]
    if archive is None or wrong:
        return told
    with TemporaryDirectory(prefix="pilotlab-verify-") as name:
        packed = Path(name) / "package.zip"
        sha256 = write_package(packed, results=results, folder=folder, pdf=pdf, page=page, charts=charts)
    if sha256 == file_sha256(archive):
        return [*told, Finding("good", "archive", f"packed again: the same bytes, SHA-256 {sha256}")]
    fact = "packed again, it is not the same: somebody has packed it by other means, or bytes between its files changed"
    return [*told, Finding("wrong", "archive", fact, "unpack it and verify the folder, if only its files matter")]


def _answer(findings: list[Finding]) -> Finding:
    wrong = sum(finding.level == "wrong" for finding in findings)
    if wrong:
        return Finding("wrong", "answer", f"DIFFERENT: {wrong} thing{'s are' if wrong > 1 else ' is'} not as written")
    if _NOT_DRAWN in findings:
        fact = "SAME: every file is as listed and every number comes out again; PDF and page were not made again"
        return Finding("good", "answer", fact)
    return Finding("good", "answer", "SAME: nothing was changed, and every number comes out again")
