"""Reports: the page, the PDF and the data package; for the staff and the company it was made for, nobody else."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from lab.core.errors import ConflictError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.settings import Settings
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal, Role
from lab.reports import issuing
from lab.reports.afterwards.service import accept_report, get_acceptance
from lab.reports.endpoints import get_package, get_pdf, photo_file
from lab.reports.errors import SameReviewerError
from lab.reports.links import service as links
from lab.reports.models import Report
from lab.reports.progress import progress_of_report, try_writing_again
from lab.reports.service import get_report, list_reports
from lab.web.job_words import what_to_do, why_given_up
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.report_fragments import fragment_of
from lab.web.wording import one_line, plain_words

router = APIRouter()

Revision = Annotated[int, Form()]
Said = Annotated[str, Form(max_length=2000)]
_DONE = {
    "reviewed": ("good", N_("You have reviewed this report. Somebody else can approve it now.")),
    "approved": ("good", N_("The report is approved. Its company is told.")),
    "written": ("good", N_("What you have written is kept in this report.")),
    "again": ("good", N_("It is tried again.")),
    "sent-back": ("good", N_("The report is a draft again.")),
    "closed": ("good", N_("The link is closed.")),
    "accepted": ("good", N_("Thank you. The lab knows now that you accept this report.")),
    "late": ("warn", N_("Somebody was faster, or the report is just being written; this is how it stands now.")),
    "four-eyes": ("warn", N_("You have reviewed this report yourself; somebody else has to approve it.")),
    "begun": (
        "good",
        N_("The correction is begun as a new draft. The approved report stays as it is until this one replaces it."),
    ),
    "correct-reason": ("warn", N_("Please say what is corrected; the new report prints it.")),
    "reason": ("warn", N_("Please say what has to be changed.")),
}


@router.get("/reports/{report_id}")
def show_report(
    request: Request,
    report_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    done: str = "",
) -> Response:
    """The report as a page: the decision first."""
    return _show(request, report_id, principal, database, settings, done=done)


@router.post("/reports/{report_id}/review")
def submit_review(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, revision: Revision
) -> Response:
    """Somebody of the staff stands for it."""
    return _changed(
        report_id,
        "reviewed",
        lambda: database.transact(
            lambda session: issuing.review_report(session, principal, report_id, version=revision, now=clock.now())
        ),
    )


@router.post("/reports/{report_id}/approve")
def submit_approval(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, revision: Revision
) -> Response:
    """A manager issues it for good."""
    return _changed(
        report_id,
        "approved",
        lambda: database.transact(
            lambda session: issuing.approve_report(session, principal, report_id, version=revision, now=clock.now())
        ),
    )


@router.post("/reports/{report_id}/send-back")
def submit_sending_back(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, revision: Revision, reason: Said
) -> Response:
    """Something has to be changed first."""
    said = plain_words(reason)
    if not said:
        return _back(report_id, "reason")
    return _changed(
        report_id,
        "sent-back",
        lambda: database.transact(
            lambda session: issuing.send_back(
                session, principal, report_id, reason=said, version=revision, now=clock.now()
            )
        ),
    )


@router.post("/reports/{report_id}/correct")
def submit_correction(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, reason: Said = ""
) -> RedirectResponse:
    """A new draft that replaces an approved report, with a reason that it prints; the old one stays."""
    principal.require_staff("correct reports")
    said = one_line(reason)
    if not said:
        return _back(report_id, "correct-reason")
    try:
        begun = database.transact(
            lambda session: issuing.correct_report(session, principal, report_id, reason=said, now=clock.now()).id
        )
    except ConflictError:
        return _back(report_id, "late")
    return _back(begun, "begun")


@router.post("/reports/{report_id}/accept")
def submit_acceptance(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, comment: Said = ""
) -> Response:
    """A member of its company accepts it."""
    said = one_line(comment) or None
    return _changed(
        report_id,
        "accepted",
        lambda: database.transact(
            lambda session: accept_report(session, principal, report_id, comment=said, now=clock.now())
        ),
    )


@router.post("/reports/{report_id}/links")
def submit_link(
    request: Request,
    report_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    label: Annotated[str, Form(max_length=200)],
    days: Annotated[int, Form()],
) -> Response:
    """A secret address for somebody without an account; shown on this answer only."""
    named = plain_words(label) or "somebody"
    link, secret = database.transact(
        lambda session: links.create_link(session, principal, report_id, label=named, days=days, now=clock.now())
    )
    address = f"{(settings.public_url or str(request.base_url)).rstrip('/')}/shared/{secret}"
    return _show(request, report_id, principal, database, settings, address=address, until=link.expires_at)


@router.post("/reports/{report_id}/links/{link_id}/revoke")
def submit_closing(
    report_id: str, link_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> Response:
    """The link leads nowhere any more."""
    database.transact(lambda session: links.revoke_link(session, principal, link_id, now=clock.now()))
    return _back(report_id, "closed")


@router.get("/reports/{report_id}/writing")
def show_writing(
    request: Request,
    report_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """The piece of the page that says how far the writing is; once it is done, the browser takes the page anew."""
    with database.read() as session:
        report = get_report(session, principal, report_id)
        if report.is_written:
            return Response(headers={"HX-Refresh": "true"})
        return page(
            request,
            "report-writing.html",
            title="",
            principal=principal,
            report=report,
            **_writing(session, report, settings, clock.now()),
        )


@router.post("/reports/{report_id}/writing/again")
def submit_writing_again(
    report_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> RedirectResponse:
    """Its files could not be written, and somebody has mended the cause."""

    def again(session: Session) -> bool:
        report = get_report(session, principal, report_id)
        return try_writing_again(session, principal, report, now=clock.now())

    tried = database.transact(again)
    return _back(report_id, "again" if tried else "late")


@router.get("/reports/{report_id}/photos/{name}")
def show_photo(
    report_id: str, name: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep
) -> Response:
    """A photo in the report, for whoever may read the report."""
    with database.read() as session:
        report = get_report(session, principal, report_id)
    return photo_file(report, settings.data_dir, name)


router.add_api_route("/reports/{report_id}/report.pdf", get_pdf)
router.add_api_route("/reports/{report_id}/package.zip", get_package)


def standing_reports(session: Session, principal: Principal) -> Mapping[str, Report]:
    """The report of each pilot that stands, among those that this principal may read, by pilot id."""
    found: dict[str, list[Report]] = {}
    for report in list_reports(session, principal):
        found.setdefault(report.pilot_id, []).append(report)
    standing = {pilot_id: standing_report(reports) for pilot_id, reports in found.items()}
    return {pilot_id: report for pilot_id, report in standing.items() if report is not None}


def standing_report(reports: Sequence[Report]) -> Report | None:
    """The newest approved one of a pilot's reports, the newest first; as long as there is none, the newest draft."""
    return next((report for report in reports if report.is_final), reports[0] if reports else None)


def _show(
    request: Request,
    report_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    *,
    done: str = "",
    address: str | None = None,
    until: datetime | None = None,
) -> Response:
    with database.read() as session:
        report = get_report(session, principal, report_id)
        acceptance = get_acceptance(session, principal, report_id)
        newer = list_reports(session, principal, report.pilot_id)[0]
        shared = (
            links.list_links(session, principal, report_id)
            if report.is_final and principal.role is not Role.RECIPIENT
            else []
        )
        writing = _writing(session, report, settings, request.app.state.clock.now())
    tone, words = _DONE.get(done, ("good", ""))
    shown = report.is_final or principal.is_staff  # what a draft says is not decided yet
    return page(
        request,
        "report.html",
        title=_("Report %(number)s", number=report.number),
        principal=principal,
        report=report,
        newer=newer if newer.id != report.id else None,
        links=shared,
        acceptance=acceptance,
        may_accept=report.is_final and acceptance is None and principal.role is Role.MEMBER,
        done=_(words) if words else "",
        tone=tone,
        address=address,
        until=until,
        report_language=language_of(report),
        **writing,
        shown=shown,
        fragment=fragment_of(report, settings.data_dir, address=f"/reports/{report.id}") if shown else "",
    )


def _writing(session: Session, report: Report, settings: Settings, now: datetime) -> dict[str, Any]:
    """How far the files of a report are."""
    progress = progress_of_report(session, report, now=now)
    why = why_given_up(progress.job, settings.time_zone)
    return {"progress": progress, "why": why, "to_do": what_to_do(progress.job)}


def _changed(report_id: str, done: str, change: Callable[[], object]) -> Response:
    try:
        change()
    except SameReviewerError:
        return _back(report_id, "four-eyes")
    except (ConflictError, StaleError):
        return _back(report_id, "late")
    return _back(report_id, done)


def _back(report_id: str, done: str) -> RedirectResponse:
    return RedirectResponse(f"/reports/{report_id}?done={done}", 303)


def language_of(report: Report) -> str:
    """The code of the language that a report is written in, for whoever reads it aloud."""
    statement = report.results.get("issue", {}).get("statement", {})
    return str(statement.get("language", "en"))
