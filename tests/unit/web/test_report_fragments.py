"""A report on a page: made once, and never older than what is written and lies on disk."""

from pathlib import Path

import pytest

from lab.reports.assembly import compute_results
from lab.reports.models import Report
from lab.web import report_fragments
from tests.unit.reports.report_examples import seal_example


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pilot") / "sealed"
    seal_example(folder, customer="Foundry")
    return folder


@pytest.fixture
def report(sealed: Path, tmp_path: Path) -> Report:
    results = compute_results(sealed).model_dump(mode="json")
    (tmp_path / "r1" / "charts").mkdir(parents=True)
    (tmp_path / "r1" / "charts" / "chart-energy_per_part.svg").write_text("<svg/>")
    return Report(id="rep_fragment", results=results, folder="r1", revision=1, written_revision=1)


def fragment_of(report: Report, folder: Path) -> str:
    return report_fragments.fragment_of(report, folder, address="/reports/rep_fragment")


def test_a_report_that_is_looked_at_again_is_not_made_again(report: Report, tmp_path: Path) -> None:
    assert fragment_of(report, tmp_path) is fragment_of(report, tmp_path)


def test_what_is_written_anew_is_shown_at_once(report: Report, tmp_path: Path) -> None:
    before = fragment_of(report, tmp_path)
    report.results = report.results | {"question": "Is it quieter?"}
    report.written_revision = 2
    after = fragment_of(report, tmp_path)
    assert ("Is it quieter?" in before, "Is it quieter?" in after) == (False, True)


def test_an_image_that_is_gone_is_not_shown_from_memory(report: Report, tmp_path: Path) -> None:
    before = fragment_of(report, tmp_path)
    for chart in (tmp_path / "r1" / "charts").iterdir():
        chart.unlink()
    assert fragment_of(report, tmp_path) is not before
