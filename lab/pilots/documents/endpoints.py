"""Documents of a pilot over HTTP."""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import FileResponse

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.pilots.documents import service
from lab.pilots.documents.kinds import MEDIA_TYPES
from lab.pilots.documents.schemas import DocumentAnswer, DocumentChange, DocumentRemoval
from lab.pilots.plans import Prose

router = APIRouter(prefix="/api/v1", tags=["pilots"])
_ANY_FILE = {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


@router.get("/pilots/{pilot_id}/documents", summary="Documents and photos of a pilot")
def list_documents(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> list[DocumentAnswer]:
    """For the pilot's own company and the staff, the oldest first; of removed ones it is told that they were there."""
    with database.read() as session:
        return [DocumentAnswer.of(row) for row in service.list_documents(session, principal, pilot_id)]


@router.post("/pilots/{pilot_id}/documents", status_code=201, summary="Add a document or photo to a pilot")
def add_document(
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    file: Annotated[UploadFile, File(description="PDF, PNG, JPEG, CSV or plain text, as its content says.")],
    caption: Annotated[Prose | None, Form(description="What it shows; left out: its name.")] = None,
) -> DocumentAnswer:
    """For the pilot's own company and the staff. The same content is kept once."""
    row = service.add_document(
        database,
        principal,
        pilot_id,
        name=file.filename or "",
        content=file.file.read(),
        caption=caption or "",
        data_dir=settings.data_dir,
        largest=settings.largest_document_bytes,
        now=clock.now(),
    )
    return DocumentAnswer.of(row)


@router.get(
    "/pilots/{pilot_id}/documents/{document_id}/content",
    response_class=FileResponse,
    responses=_ANY_FILE,  # type: ignore[arg-type]
    summary="The content of a document",
)
def get_content(
    pilot_id: str, document_id: str, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep
) -> FileResponse:
    """Always as a download under its name, never shown as a page of ours."""
    with database.read() as session:
        row = service.get_document(session, principal, pilot_id, document_id)
    return FileResponse(
        service.file_of(settings.data_dir, row),
        media_type=MEDIA_TYPES[row.kind],
        filename=row.name,
        content_disposition_type="attachment",
        headers={"X-Content-Type-Options": "nosniff"},
    )


@router.put(
    "/pilots/{pilot_id}/documents/{document_id}", summary="Staff: describe a document, choose it for the report"
)
def describe_document(
    pilot_id: str,
    document_id: str,
    request: DocumentChange,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> DocumentAnswer:
    """What is chosen becomes part of the next sealed data set, and so of its report."""
    return database.transact(
        lambda session: DocumentAnswer.of(
            service.describe_document(session, principal, pilot_id, document_id, request, now=clock.now())
        )
    )


@router.post("/pilots/{pilot_id}/documents/{document_id}/remove", summary="Remove a document, with a reason")
def remove_document(
    pilot_id: str,
    document_id: str,
    request: DocumentRemoval,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> DocumentAnswer:
    """For the staff and whoever added it. Its content is deleted; that it was there stays. Not once it is sealed."""
    row = service.remove_document(
        database,
        principal,
        pilot_id,
        document_id,
        reason=request.reason,
        data_dir=settings.data_dir,
        now=clock.now(),
    )
    return DocumentAnswer.of(row)
