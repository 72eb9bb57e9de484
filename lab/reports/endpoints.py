"""Reports over HTTP."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from lab.core.errors import UnavailableError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.reports import service
from lab.reports.models import Report
from lab.reports.schemas import ReportAnswer, ReportSummary, SealAnswer

router = APIRouter(prefix="/api/v1", tags=["reports"])


@router.post("/pilots/{pilot_id}/seal", status_code=202)
def seal_pilot(pilot_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> SealAnswer:
    """Have a pilot's data sealed and its report made; for the staff. Asking again gives the same job."""
    return database.transact(
        lambda session: SealAnswer.of(service.ask_to_seal(session, principal, pilot_id, now=clock.now()))
    )


@router.get("/reports")
def list_reports(principal: PrincipalDep, database: DatabaseDep, pilot_id: str | None = None) -> list[ReportSummary]:
    """The reports of the own company, the newest first; for the staff, of all."""
    with database.read() as session:
        return [ReportSummary.of(report) for report in service.list_reports(session, principal, pilot_id)]


@router.get("/reports/{report_id}")
def get_report(report_id: str, principal: PrincipalDep, database: DatabaseDep) -> ReportAnswer:
    """One report, with everything that it says."""
    with database.read() as session:
        return ReportAnswer.of(service.get_report(session, principal, report_id))


@router.get("/reports/{report_id}/report.pdf")
def get_pdf(report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep) -> FileResponse:
    """The report as PDF."""
    with database.read() as session:
        report = service.get_report(session, principal, report_id)
    return _file(report, settings.data_dir, "report.pdf", "application/pdf")


@router.get("/reports/{report_id}/package.zip")
def get_package(report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep) -> FileResponse:
    """The data package: report, sealed data, results and hashes."""
    with database.read() as session:
        report = service.get_report(session, principal, report_id)
    return _file(report, settings.data_dir, "package.zip", "application/zip")


def _file(report: Report, data_dir: Path, name: str, media_type: str) -> FileResponse:
    path = data_dir / report.folder / name
    if not path.is_file():
        raise UnavailableError(f"{name} of report {report.number} is not on this machine just now; please try again")
    return FileResponse(path, media_type=media_type, filename=f"{report.number}-{name}")
