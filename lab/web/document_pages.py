"""Documents, photos and notes of a pilot."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from lab.core.errors import ConflictError, ForbiddenError, InvalidError, UnavailableError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.pilots.documents import service
from lab.pilots.documents.endpoints import get_content
from lab.pilots.documents.kinds import PHOTOS
from lab.pilots.documents.schemas import DocumentChange
from lab.pilots.notes.schemas import NoteRequest
from lab.pilots.notes.service import list_notes, write_note
from lab.pilots.service import get_pilot
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import one_line, plain_words, sentence

router = APIRouter(prefix="/pilots/{pilot_id}")

_DONE = {
    "added": N_("The document is kept."),
    "described": N_("What it shows is noted."),
    "removed": N_("The document is removed. That it was here, and why it is gone, stays to be seen."),
    "noted": N_("The note is kept."),
    "drafted": N_(
        "The lab has your sketch, as a note below and as a draft of the plan. An engineer completes it with you."
    ),
    "sketched": N_("The lab has your sketch, as a note below. An engineer makes a plan of it with you."),
}
_FAULT = N_("Please check what you have typed.")
_REFUSED = (ConflictError, InvalidError, UnavailableError)
Line = Annotated[str, Form(max_length=400)]
Prose = Annotated[str, Form(max_length=6000)]


@router.get("/documents")
def show_documents(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    done: str = "",
) -> Response:
    """What there is, and a form for more."""
    return _page(request, pilot_id, principal, database, settings, done=_(_DONE[done]) if done in _DONE else "")


@router.post("/documents")
def submit_document(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    file: Annotated[UploadFile | None, File()] = None,
    caption: Line = "",
) -> Response:
    """Keep a file."""
    content = file.file.read() if file is not None else b""
    try:
        service.add_document(
            database,
            principal,
            pilot_id,
            name=(file.filename or "") if file is not None else "",
            content=content,
            caption=one_line(caption),
            data_dir=settings.data_dir,
            largest=settings.largest_document_bytes,
            now=clock.now(),
        )
    except _REFUSED as error:
        problem = sentence(error.message, settings.time_zone) if content else _("Please choose a file.")
        return _page(request, pilot_id, principal, database, settings, problem=problem)
    return _back(pilot_id, "added")


router.add_api_route("/documents/{document_id}/content", get_content)


@router.post("/documents/{document_id}/describe")
def submit_description(
    request: Request,
    pilot_id: str,
    document_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    caption: Line = "",
    alt_text: Prose = "",
    in_report: Line = "",
) -> Response:
    """What it shows, and whether the report shows it."""
    try:
        change = DocumentChange(
            caption=one_line(caption), alt_text=one_line(alt_text) or None, in_report=bool(in_report)
        )
        database.transact(
            lambda session: service.describe_document(
                session, principal, pilot_id, document_id, change, now=clock.now()
            )
        )
    except ValidationError:
        return _page(request, pilot_id, principal, database, settings, problem=_(_FAULT))
    except _REFUSED as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, pilot_id, principal, database, settings, problem=problem)
    return _back(pilot_id, "described")


@router.post("/documents/{document_id}/remove")
def submit_removal(
    request: Request,
    pilot_id: str,
    document_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    reason: Line = "",
) -> Response:
    """Delete its content, with a reason."""
    try:
        service.remove_document(
            database,
            principal,
            pilot_id,
            document_id,
            reason=plain_words(reason),
            data_dir=settings.data_dir,
            now=clock.now(),
        )
    except (*_REFUSED, ForbiddenError) as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, pilot_id, principal, database, settings, problem=problem)
    return _back(pilot_id, "removed")


@router.post("/notes")
def submit_note(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    text: Prose = "",
    staff_only: Line = "",
    in_report: Line = "",
) -> Response:
    """Write something down."""
    if staff_only and in_report:
        problem = _("A note for the staff only is never printed in the report. Please choose one of the two.")
        return _page(request, pilot_id, principal, database, settings, problem=problem)
    try:
        wish = NoteRequest(text=plain_words(text), staff_only=bool(staff_only), in_report=bool(in_report))
    except ValidationError:
        problem = _("Please write a note of 1 to 5000 letters.")
        return _page(request, pilot_id, principal, database, settings, problem=problem)
    database.transact(lambda session: write_note(session, principal, pilot_id, wish, now=clock.now()))
    return _back(pilot_id, "noted")


def _page(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    *,
    done: str = "",
    problem: str = "",
) -> Response:
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
        documents = service.list_documents(session, principal, pilot_id)
        return page(
            request,
            "documents.html",
            title=_("Documents and notes of %(number)s", number=pilot.number),
            principal=principal,
            status=422 if problem else 200,
            pilot=pilot,
            documents=[row for row in documents if row.removed_at is None],
            removed=[row for row in documents if row.removed_at is not None],
            notes=list_notes(session, principal, pilot_id),
            photos=PHOTOS,
            most_megabytes=settings.largest_document_bytes // 1_000_000,
            done=done,
            problem=problem,
            here=f"/pilots/{pilot.id}/documents",
        )


def _back(pilot_id: str, done: str) -> RedirectResponse:
    return RedirectResponse(f"/pilots/{pilot_id}/documents?done={done}", 303)
