"""Notes in a report: those that were meant for it, in every form of it, and never what the staff wrote for itself."""

import io
import json
import zipfile
from datetime import timedelta

import pypdf
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from lab.core.database import Database
from lab.core.errors import ForbiddenError
from lab.pilots.notes.models import PilotNote
from lab.pilots.notes.repository import notes_for_report
from lab.pilots.notes.schemas import NoteRequest
from lab.pilots.notes.service import write_note
from lab.reports.assembly import compute_results
from lab.reports.charts import draw_charts
from lab.reports.html import render_page
from lab.reports.issue import ReportIssue, Statement
from lab.reports.pdf import render_pdf
from lab.reports.verifying import verify_package
from tests.integration.test_report_pdf import judged
from tests.integration.test_reports import Lab

MEANT = "Coolant was topped up after run 3.\nThe blanks are from <one> heat & batch: Łódź."
INTERNAL, BETWEEN_US = "They will never pay for it, zzsecret.", "Agreed by telephone, zzprivate."


@pytest.fixture
def noted(database: Database, tmp_path):
    lab = Lab(database, tmp_path / "data").make_runs()
    for text, facts in ((MEANT, {"in_report": True}), (INTERNAL, {"staff_only": True}), (BETWEEN_US, {})):
        lab.clock.advance(timedelta(seconds=1))
        request = NoteRequest(text=text, **facts)
        lab.write(lambda s, request=request: write_note(s, lab.engineer, lab.pilot_id, request, now=lab.clock.now()))
    yield lab
    lab.store.close()


def text_of(pdf: bytes) -> str:
    return "".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


def test_a_note_for_the_report_is_in_all_its_forms_and_the_others_in_none(noted: Lab) -> None:
    report = noted.report()
    folder = noted.folder / report.folder
    pdf, page = (folder / "report.pdf").read_bytes(), (folder / "report.html").read_text("utf-8")
    assert judged(pdf) == []
    for line in MEANT.split("\n"):
        assert "".join(line.split()) in text_of(pdf)
    assert "AnnexG:notes" in text_of(pdf)
    assert "&lt;one&gt; heat &amp; batch" in page
    assert [note["text"] for note in json.loads((folder / "results.json").read_text("utf-8"))["notes"]] == [MEANT]
    with zipfile.ZipFile(folder / "package.zip") as package:
        everything = {name: package.read(name) for name in package.namelist()}
    assert any(b"Coolant" in content for name, content in everything.items() if name.endswith("pilot.json"))
    everything |= {"page": page.encode(), "pdf": text_of(pdf).encode()}
    everything |= {"row": json.dumps(report.results).encode()}
    assert [name for name, content in everything.items() if b"zzsecret" in content or b"zzprivate" in content] == []
    findings = verify_package(folder / "package.zip")
    assert findings[-1].fact.startswith("SAME")


def test_in_polish_the_annex_is_polish_and_the_note_stays_as_it_was_written(noted: Lab) -> None:
    data_set = noted.seal()
    issue = ReportIssue(statement=Statement(language="pl"))
    results = compute_results(noted.folder / data_set.folder, issue=issue)
    charts = draw_charts(results)
    text = text_of(render_pdf(results, charts, timestamp=results.identification.dated))
    assert "ZałącznikG:notatki" in text
    assert "Coolantwastoppedup" in text
    assert "Załącznik G: notatki" in render_page(results, charts)


def test_no_note_no_annex(database: Database, tmp_path) -> None:
    lab = Lab(database, tmp_path / "data").make_runs()
    data_set = lab.seal()
    assert compute_results(lab.folder / data_set.folder).notes == ()
    lab.store.close()


def test_a_note_is_for_the_staff_alone_or_for_the_report_and_the_staff_chooses(noted: Lab) -> None:
    with pytest.raises(ValidationError, match="never printed"):
        NoteRequest(text="Both", staff_only=True, in_report=True)
    with pytest.raises(ForbiddenError):
        noted.write(
            lambda s: write_note(
                s, noted.member, noted.pilot_id, NoteRequest(text="We did well", in_report=True), now=noted.clock.now()
            )
        )


def test_even_a_row_that_says_both_is_not_printed(noted: Lab) -> None:
    noted.write(lambda s: s.execute(sa.update(PilotNote).values(in_report=True)))
    with noted.database.read() as session:
        told = [note.text for note in notes_for_report(session, noted.pilot_id)]
    assert told == [MEANT, BETWEEN_US]
