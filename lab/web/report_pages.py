"""Reports: the page, the PDF and the data package; for the staff and the company it was made for, nobody else."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from lab.core.errors import NotFoundError
from lab.core.http import DatabaseDep, SettingsDep
from lab.core.settings import Settings
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.reports.html import render_html
from lab.reports.models import Report
from lab.web.rendering import page
from lab.web.report_reading import get_report, list_reports

router = APIRouter()


class ReportFileMissingError(NotFoundError):
    """A file of a report is not in its folder."""


@router.get("/reports/{report_id}")
def show_report(
    request: Request, report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep
) -> Response:
    """The report as a page: the decision first."""
    with database.read() as session:
        report = get_report(session, principal, report_id)
        newer = list_reports(session, principal, report.pilot_id)[0]
    fragment = render_html(report.results, _charts(settings.data_dir / report.folder))
    return page(
        request,
        "report.html",
        title=f"Report {report.number}",
        principal=principal,
        report=report,
        newer=newer if newer.id != report.id else None,
        fragment=Markup(fragment),  # noqa: S704 - lab.reports.html escapes what it prints
    )


@router.get("/reports/{report_id}/report.pdf")
def download_pdf(report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep) -> Response:
    """The report to print and to file."""
    with database.read() as session:
        report = get_report(session, principal, report_id)
    return _file(settings, report, "report.pdf", f"{report.number}.pdf", "application/pdf")


@router.get("/reports/{report_id}/package.zip")
def download_package(report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep) -> Response:
    """The data package: everything from which the numbers can be computed again."""
    with database.read() as session:
        report = get_report(session, principal, report_id)
    return _file(settings, report, "package.zip", f"{report.number}.zip", "application/zip")


def newest_reports(session: Session, principal: Principal) -> Mapping[str, Report]:
    """The newest report of each pilot that this principal may read, by pilot id."""
    newest: dict[str, Report] = {}
    for report in list_reports(session, principal):
        newest.setdefault(report.pilot_id, report)
    return newest


def _file(settings: Settings, report: Report, name: str, shown_as: str, media_type: str) -> Response:
    path = settings.data_dir / report.folder / name
    if not path.is_file():
        raise ReportFileMissingError(
            f"the file {shown_as} is not in the lab's data folder; ask the lab to restore it from its backup",
            file=shown_as,
        )
    return FileResponse(path, media_type=media_type, filename=shown_as)


def _charts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "charts").glob("*.svg"))}
