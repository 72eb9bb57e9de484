"""A whole report from sealed data, held against outside judges: a PDF validator, a second process, a clock."""

import hashlib
import io
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import page
import pypdf
import pytest

from lab.reports.assembly import compute_results
from lab.reports.charts import draw_charts
from lab.reports.document import build_document
from lab.reports.pdf import render_pdf
from lab.reports.results import Results
from tests.unit.reports.report_examples import AWKWARD, seal_example, with_texts

SEALED = datetime(2026, 11, 23, 12, tzinfo=UTC)
AWKWARD_TEXTS = {
    "markup": '#import "x" *bold* <script> $x$',
    "long word": "w" * 300,
    "no font": "株式会社 😀 \x00",
    "cyrillic": "Завод",
}

IN_ANOTHER_PROCESS = """
import sys, hashlib
from datetime import UTC, datetime
from pathlib import Path
from lab.reports.assembly import compute_results
from lab.reports.charts import draw_charts
from lab.reports.html import render_page
from lab.reports.package import write_package
from lab.reports.pdf import render_pdf

folder, target = Path(sys.argv[1]), Path(sys.argv[2])
results = compute_results(folder)
charts = draw_charts(results)
pdf = render_pdf(results, charts, timestamp=datetime(2026, 11, 23, 12, tzinfo=UTC))
print(hashlib.sha256(pdf).hexdigest())
print(write_package(target, results=results, folder=folder, pdf=pdf, page=render_page(results, charts), charts=charts))
"""


def judged(pdf: bytes) -> list[str]:
    """What the validator has against it as PDF/A-3a and PDF/UA-1."""
    reports = [page.validate_pdf_bytes(pdf, profile=profile) for profile in ("3a", "ua1")]
    assert [report.profile.value for report in reports] == ["3a", "ua1"]
    return [f"{failure.rule_id}: {failure.message}" for report in reports for failure in report.failures]


@pytest.mark.parametrize("case", AWKWARD)
def test_every_report_is_archivable_and_accessible(case):
    results = AWKWARD[case]()
    assert judged(render_pdf(results, draw_charts(results), timestamp=SEALED)) == []


@pytest.mark.parametrize("case", AWKWARD_TEXTS)
def test_so_is_a_report_with_awkward_texts(case):
    results = with_texts(AWKWARD_TEXTS[case])
    assert judged(render_pdf(results, draw_charts(results), timestamp=SEALED)) == []


def test_and_so_are_reports_that_differ_a_little():
    """One stream in 256 ends in a byte that a strict reader takes for the end of line."""
    base = AWKWARD["as it was"]()
    charts = draw_charts(base)
    for number in range(8):
        question = f"Question {number}: does it pay?" + "?" * number
        results = base.model_copy(update={"question": question})
        assert judged(render_pdf(results, charts, timestamp=SEALED)) == []


def test_two_processes_make_the_same_bytes(tmp_path: Path):
    seal_example(tmp_path / "sealed")
    outputs = []
    for name, environment in (("a", {"PYTHONHASHSEED": "1"}), ("b", {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"})):
        home = tmp_path / f"home-{name}"
        home.mkdir()
        command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(tmp_path / "sealed"), str(tmp_path / f"{name}.zip")]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"HOME": str(home), "LANG": "C.UTF-8", **environment}
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.split())
    assert outputs[0] == outputs[1]
    assert hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest() == outputs[0][1]


def test_the_text_holds_every_number_and_cell_of_the_results(tmp_path: Path):
    seal_example(tmp_path / "sealed")
    results = compute_results(tmp_path / "sealed")
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(results, draw_charts(results), timestamp=SEALED)))
    text = _squeezed(" ".join(page.extract_text() for page in reader.pages))
    for wanted in _printed(results):
        assert _squeezed(wanted) in text, wanted
    comparison = results.primary.comparison
    assert comparison is not None
    for number in (comparison.difference, comparison.interval.low, comparison.interval.high):
        assert _squeezed(f"{number:.4f}".replace("-", "−")) in text


def test_every_page_ends_with_number_version_hash_and_page(tmp_path: Path):
    seal_example(tmp_path / "sealed")
    results = compute_results(tmp_path / "sealed")
    pages = pypdf.PdfReader(io.BytesIO(render_pdf(results, draw_charts(results), timestamp=SEALED))).pages
    for number, sheet in enumerate(pages, start=1):
        low: list[str] = []
        sheet.extract_text(visitor_text=lambda text, cm, _tm, *_, low=low: low.append(text) if cm[5] < 60 else None)
        foot = _squeezed("".join(low))
        for part in ("PL-2026-001-R1, version 1", results.manifest.sha256[:10], f"Page {number} of {len(pages)}"):
            assert _squeezed(part) in foot, number


def _printed(results: Results) -> list[str]:
    """Every text of the blocks that must be found on paper."""
    texts = [results.manifest.sha256, results.plan.sha256]
    for section in build_document(results).sections:
        texts.append(section.title)
        for block in section.blocks:
            texts += [getattr(block, "text", ""), *getattr(block, "items", ())]
            texts += [cell for row in getattr(block, "rows", ()) for cell in row]
            texts += [fact.text for fact in getattr(block, "facts", ())]
    return texts


def _squeezed(text: str) -> str:
    return "".join(text.split())


def test_a_report_takes_less_than_two_seconds_after_the_first():
    results = AWKWARD["as it was"]()
    charts = draw_charts(results)
    render_pdf(results, charts, timestamp=SEALED)
    changed = results.model_copy(update={"answer": "Another answer."})
    began = time.process_time()
    render_pdf(changed, charts, timestamp=SEALED)
    assert time.process_time() - began < 2
