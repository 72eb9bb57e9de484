"""Reports over HTTP."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse

from lab.core.errors import UnavailableError
from lab.core.etags import IfMatch, version_of
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.reports import issuing, service, sizing
from lab.reports.errors import PhotoUnknownError
from lab.reports.issue import Statement
from lab.reports.late import late_arrivals
from lab.reports.models import Report
from lab.reports.photos import photo_named
from lab.reports.schemas import (
    LateArrivalAnswer,
    LateArrivals,
    Reasoned,
    ReportAnswer,
    ReportSummary,
    SealAnswer,
    SizeAnswer,
    SizeRequest,
    SpreadAnswer,
)
from telemetry.endpoints import StoreDep

router = APIRouter(prefix="/api/v1", tags=["reports"])

_MEDIA_TYPES = {"report.pdf": "application/pdf", "package.zip": "application/zip"}


@router.post("/pilots/{pilot_id}/seal", status_code=202)
def seal_pilot(
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    request: Reasoned | None = None,
) -> SealAnswer:
    """Have a pilot's data sealed and its report made; for the staff.

    Asking again gives the same job; one that was given up is tried again. It is done some minutes after the end of the
    last slot, when late messages are in. With a reason, data that are sealed already are sealed again as a new version,
    with what came late.
    """
    settling = timedelta(minutes=settings.seal_settling_minutes)
    return database.transact(
        lambda session: SealAnswer.of(
            service.ask_to_seal(
                session,
                principal,
                pilot_id,
                now=clock.now(),
                settling=settling,
                reason=request.reason if request else None,
            )
        )
    )


@router.get("/pilots/{pilot_id}/late-arrivals")
def list_late_arrivals(
    pilot_id: str, principal: PrincipalDep, database: DatabaseDep, store: StoreDep, settings: SettingsDep
) -> LateArrivals:
    """What the store has of the runs that the newest sealed data do not have, or the other way round."""
    with database.read() as session:
        version, found = late_arrivals(session, store, principal, pilot_id, data_dir=settings.data_dir)
    return LateArrivals(data_set_version=version, arrivals=[LateArrivalAnswer.model_validate(one) for one in found])


@router.post("/pilots/{pilot_id}/plan/size")
def size_pilot(pilot_id: str, request: SizeRequest, principal: PrincipalDep, database: DatabaseDep) -> SizeAnswer:
    """How many runs the plan needs as it is written now, how long to book for them, and where to look for slots."""
    with database.read() as session:
        return SizeAnswer.of(sizing.size_pilot(session, principal, pilot_id, request.question()))


@router.get("/pilots/{pilot_id}/plan/spread")
def get_spread(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> SpreadAnswer | None:
    """What the company's own earlier runs differed by in the plan's primary KPI; null: no earlier trial tells."""
    with database.read() as session:
        found = sizing.earlier_spread(session, principal, pilot_id)
        return None if found is None else SpreadAnswer.of(found)


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


@router.put("/reports/{report_id}/statement")
def write_statement(
    report_id: str,
    statement: Statement,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> ReportSummary:
    """Write what people say in a draft: authors, risks, next steps, readiness and more; for the staff."""
    version = version_of(if_match)
    return database.transact(
        lambda session: ReportSummary.of(
            issuing.write_statement(session, principal, report_id, statement, version=version, now=clock.now())
        )
    )


@router.post("/reports/{report_id}/review")
def review_report(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, if_match: IfMatch = None
) -> ReportSummary:
    """Stand for it that a draft is right; for the staff."""
    version = version_of(if_match)
    return database.transact(
        lambda session: ReportSummary.of(
            issuing.review_report(session, principal, report_id, version=version, now=clock.now())
        )
    )


@router.post("/reports/{report_id}/approve")
def approve_report(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, if_match: IfMatch = None
) -> ReportSummary:
    """Issue a reviewed report, for good; for a manager who has not reviewed it."""
    version = version_of(if_match)
    return database.transact(
        lambda session: ReportSummary.of(
            issuing.approve_report(session, principal, report_id, version=version, now=clock.now())
        )
    )


@router.post("/reports/{report_id}/send-back")
def send_back(
    report_id: str,
    request: Reasoned,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> ReportSummary:
    """Make a reviewed report a draft again; for the staff."""
    version = version_of(if_match)
    return database.transact(
        lambda session: ReportSummary.of(
            issuing.send_back(session, principal, report_id, reason=request.reason, version=version, now=clock.now())
        )
    )


@router.post("/reports/{report_id}/correct", status_code=201)
def correct_report(
    report_id: str, request: Reasoned, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> ReportSummary:
    """Begin a new version of an approved report; the old one stays as it is; for the staff."""
    return database.transact(
        lambda session: ReportSummary.of(
            issuing.correct_report(session, principal, report_id, reason=request.reason, now=clock.now())
        )
    )


@router.get("/reports/{report_id}/report.pdf")
def get_pdf(report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep) -> FileResponse:
    """The report as PDF."""
    with database.read() as session:
        report = service.get_report(session, principal, report_id)
    return report_file(report, settings.data_dir, "report.pdf")


@router.get("/reports/{report_id}/package.zip")
def get_package(report_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep) -> FileResponse:
    """The data package: report, sealed data, results and hashes."""
    with database.read() as session:
        report = service.get_report(session, principal, report_id)
    return report_file(report, settings.data_dir, "package.zip")


def report_file(report: Report, data_dir: Path, name: Literal["report.pdf", "package.zip"]) -> FileResponse:
    """A file of a report, as an answer.

    Raises:
        UnavailableError: while it is being written, or if it is not on this machine.
    """
    path, media_type = data_dir / report.folder / name, _MEDIA_TYPES[name]
    if not report.written_revision or (report.status == "approved" and not report.is_written):
        raise UnavailableError(f"report {report.number} is being written; please try again in a few seconds")
    if not path.is_file():
        raise UnavailableError(f"{name} of report {report.number} is not on this machine just now; please try again")
    return FileResponse(path, media_type=media_type, filename=f"{report.number}-{name}")


def photo_file(report: Report, data_dir: Path, name: str) -> FileResponse:
    """A photo of a report as it was sealed: upright, 1400 pixels a side at most, without what the camera wrote in it.

    Raises:
        PhotoUnknownError: if the report shows no such photo.
        UnavailableError: if it is not on this machine.
    """
    found = photo_named(report.results.get("attachments", ()), name)
    if found is None:
        raise PhotoUnknownError("this report shows no such photo", field="name", rule="known-photo")
    path, media_type = data_dir / report.folder / found[0], found[1]
    if not path.is_file():
        raise UnavailableError(f"a photo of report {report.number} is not on this machine just now; please try again")
    return FileResponse(path, media_type=media_type)
