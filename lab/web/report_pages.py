"""Reports: the page, the PDF and the data package; for the staff and the company it was made for, nobody else."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from lab.core.http import DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.reports.endpoints import get_package, get_pdf
from lab.reports.html import render_html
from lab.reports.models import Report
from lab.reports.service import get_report, list_reports
from lab.web.rendering import page

router = APIRouter()


@router.get("/reports/{report_id}")
def show_report(
    request: Request, report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep
) -> Response:
    """The report as a page: the decision first."""
    with database.read() as session:
        report = get_report(session, principal, report_id)
        newer = list_reports(session, principal, report.pilot_id)[0]
    fragment = render_html(report.results, charts_of(settings.data_dir / report.folder))
    return page(
        request,
        "report.html",
        title=f"Report {report.number}",
        principal=principal,
        report=report,
        newer=newer if newer.id != report.id else None,
        fragment=Markup(fragment),  # noqa: S704 - lab.reports.html escapes what it prints
    )


router.add_api_route("/reports/{report_id}/report.pdf", get_pdf)
router.add_api_route("/reports/{report_id}/package.zip", get_package)


def newest_reports(session: Session, principal: Principal) -> Mapping[str, Report]:
    """The newest report of each pilot that this principal may read, by pilot id."""
    newest: dict[str, Report] = {}
    for report in list_reports(session, principal):
        newest.setdefault(report.pilot_id, report)
    return newest


def charts_of(folder: Path) -> dict[str, bytes]:
    """The charts of a report, by file name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "charts").glob("*.svg"))}
