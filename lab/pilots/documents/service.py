"""What people do with documents of a pilot. Where a session is given, the caller owns the transaction."""

import os
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.database import Database
from lab.core.errors import ForbiddenError
from lab.core.ids import new_id
from lab.people.principals import Principal
from lab.pilots.documents import repository
from lab.pilots.documents.errors import (
    AltTextMissingError,
    DocumentNotKeptError,
    DocumentSealedError,
    DocumentsFullError,
    DocumentSizeError,
    DocumentThereError,
    DocumentUnknownError,
    RemovalReasonError,
)
from lab.pilots.documents.kinds import PHOTOS, kind_of, safe_name
from lab.pilots.documents.models import PilotDocument
from lab.pilots.documents.schemas import DocumentChange
from lab.pilots.documents.store import ComingFile, clear_away, folder_of, unneeded
from lab.pilots.repository import lock_pilot
from lab.pilots.service import get_pilot

MOST_DOCUMENTS = 200
"""Of one pilot."""


def add_document(
    database: Database,
    principal: Principal,
    pilot_id: str,
    *,
    name: str,
    content: bytes,
    caption: str,
    data_dir: Path,
    largest: int,
    now: datetime,
) -> PilotDocument:
    """Keep a document or photo of a pilot.

    Args:
        database: where the pilot is.
        principal: a member of the pilot's company, or the staff.
        pilot_id: the pilot.
        name: as whoever sends it calls it.
        content: the whole file; its kind is told from it.
        caption: what it shows; empty: its name.
        data_dir: the data folder.
        largest: bytes.
        now: the present instant.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        DocumentSizeError: if it is empty or too large.
        DocumentKindError: if it is of no kind that is taken.
        DocumentThereError, DocumentsFullError: if the pilot has it already, or too many.
        DocumentNotKeptError: if it cannot be written; nothing is left behind.
    """
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
    if not 0 < len(content) <= largest:
        raise DocumentSizeError(
            f"the file has {len(content)} bytes; from 1 to {largest} are taken",
            field="file", rule="size", limit=largest,
        )  # fmt: skip
    kind = kind_of(content)
    named = safe_name(name, kind)
    with ComingFile(folder_of(data_dir, pilot.id), content) as coming:
        row = PilotDocument(
            id=new_id("doc"), pilot_id=pilot.id, name=named, kind=kind, bytes=len(content), sha256=coming.sha256,
            caption=caption or named, alt_text=None, in_report=False, added_by=principal.account_id,
            added_by_name=principal.name, added_at=now,
            sealed_version=None, removed_at=None, removed_by=None, removed_by_name=None, removal_reason=None,
        )  # fmt: skip
        return database.transact(lambda session: _keep(session, principal, row, coming))


def list_documents(session: Session, principal: Principal, pilot_id: str) -> Sequence[PilotDocument]:
    """The documents of a pilot, the oldest first; of removed ones it is told that they were there.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
    """
    return repository.documents_of(session, get_pilot(session, principal, pilot_id).id)


def get_document(session: Session, principal: Principal, pilot_id: str, document_id: str) -> PilotDocument:
    """One document that has not been removed.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        DocumentUnknownError: if the pilot has no such document, or it was removed.
    """
    return _present(repository.find_document(session, get_pilot(session, principal, pilot_id).id, document_id))


def file_of(data_dir: Path, document: PilotDocument) -> Path:
    """Where the content of a document is.

    Raises:
        DocumentNotKeptError: if it is not there, because only the database was restored for example.
    """
    path = folder_of(data_dir, document.pilot_id) / document.sha256
    if not path.is_file():
        raise DocumentNotKeptError(
            "the content of this document is missing in the data folder; restore it from the backup", rule="file-kept"
        )
    return path


def describe_document(
    session: Session, principal: Principal, pilot_id: str, document_id: str, change: DocumentChange, *, now: datetime
) -> PilotDocument:
    """Say what a document shows, and whether the report shows it; for the staff.

    Raises:
        ForbiddenError: for anybody but the staff.
        DocumentUnknownError: if the pilot has no such document.
        AltTextMissingError: if a photo is to be in the report without words for who cannot see it.
    """
    row = _locked(session, principal, pilot_id, document_id)
    principal.require_staff("choose what a report shows")
    if change.in_report and row.kind in PHOTOS and not change.alt_text:
        raise AltTextMissingError(
            "a photo in the report needs words for who cannot see it; say what is to be seen",
            field="alt_text", rule="alt-text",
        )  # fmt: skip
    before = _facts(row)
    row.caption, row.alt_text, row.in_report = change.caption, change.alt_text, change.in_report
    session.flush()
    _note(session, row, "document described", principal, now, before=before, after=_facts(row))
    return row


def remove_document(
    database: Database,
    principal: Principal,
    pilot_id: str,
    document_id: str,
    *,
    reason: str,
    data_dir: Path,
    now: datetime,
) -> PilotDocument:
    """Delete the content of a document; that it was there, who removed it and why stays to be seen.

    Args:
        database: where the pilot is.
        principal: the staff, or whoever added it.
        pilot_id: the pilot.
        document_id: the document.
        reason: in plain words.
        data_dir: the data folder.
        now: the present instant.

    Raises:
        PilotUnknownError, DocumentUnknownError: if there is no such thing, or it is another company's.
        ForbiddenError: for a member who did not add it.
        DocumentSealedError: if a sealed report shows it.
        RemovalReasonError: without a reason.
    """

    def remove(session: Session) -> PilotDocument:
        row = _locked(session, principal, pilot_id, document_id)
        if not principal.is_staff and row.added_by != principal.account_id:
            raise ForbiddenError(
                "a document is removed by whoever added it, or by the lab's staff", rule="own-document"
            )
        if row.sealed_version is not None:
            raise DocumentSealedError(
                f"{row.name} is part of the sealed data, version {row.sealed_version}, and of their report; it stays",
                field="document_id", rule="sealed",
            )  # fmt: skip
        if not reason.strip():
            raise RemovalReasonError("please say why this document is removed", field="reason", rule="not-empty")
        row.removed_at, row.removed_by, row.removed_by_name = now, principal.account_id, principal.name
        row.removal_reason, row.in_report = reason.strip(), False
        session.flush()
        _note(session, row, "document removed", principal, now, before=_facts(row), after=None, reason=reason.strip())
        return row

    row = database.transact(remove)
    database.transact(lambda session: _clear_away(session, row.pilot_id, data_dir))
    return row


def chosen_documents(session: Session, pilot_id: str) -> list[PilotDocument]:
    """Those that the next sealed data set takes along, the oldest first."""
    return [row for row in repository.documents_of(session, pilot_id) if row.in_report and row.removed_at is None]


def note_sealed(session: Session, pilot_id: str, document_ids: Collection[str], *, version: int) -> None:
    """Note that a sealed data set holds these documents: from now on they are not removed."""
    for row in repository.documents_of(session, pilot_id):
        if row.id in document_ids and row.sealed_version is None:
            row.sealed_version = version
    session.flush()


def clear_documents_away(database: Database, data_dir: Path) -> int:
    """Delete what processes that died have left among the files of all pilots; gives how many files there were."""
    gone = 0
    for folder in sorted((data_dir / "pilots").glob("*/files")):
        pilot_id = folder.parent.name
        with database.read() as session:
            suspect = unneeded(folder, repository.needed_files(session, pilot_id))
        if suspect:
            gone += database.transact(partial(_clear_away, pilot_id=pilot_id, data_dir=data_dir))
    return gone


def _keep(session: Session, principal: Principal, row: PilotDocument, coming: ComingFile) -> PilotDocument:
    lock_pilot(session, row.pilot_id)
    present = [one for one in repository.documents_of(session, row.pilot_id) if one.removed_at is None]
    if len(present) >= MOST_DOCUMENTS:
        raise DocumentsFullError(
            f"this pilot has {len(present)} documents, the most that it can have; remove what is not needed",
            rule="most-documents",
        )
    same = next((one for one in present if one.sha256 == row.sha256), None)
    if same is not None:
        raise DocumentThereError(
            f"this file is here already, as {same.name}", field="file", rule="once", document_id=same.id
        )
    kept = session.merge(row)  # a copy: a transaction that is run again must not meet a row of its first attempt
    session.flush()
    _note(session, kept, "document added", principal, row.added_at, before=None, after=_facts(kept))
    try:
        coming.arrive()
    except OSError as error:
        raise DocumentNotKeptError(
            f"the file could not be kept ({os.strerror(error.errno or 0)}); please try again later", rule="file-kept"
        ) from error
    return kept


def _clear_away(session: Session, pilot_id: str, data_dir: Path) -> int:
    lock_pilot(session, pilot_id)
    return clear_away(folder_of(data_dir, pilot_id), repository.needed_files(session, pilot_id))


def _locked(session: Session, principal: Principal, pilot_id: str, document_id: str) -> PilotDocument:
    pilot = get_pilot(session, principal, pilot_id)
    lock_pilot(session, pilot.id)
    return _present(repository.find_document(session, pilot.id, document_id))


def _present(row: PilotDocument | None) -> PilotDocument:
    if row is None or row.removed_at is not None:
        raise DocumentUnknownError(
            "the pilot has no such document, or it was removed", field="document_id", rule="known-document"
        )
    return row


def _facts(row: PilotDocument) -> dict[str, Any]:
    names = ("name", "kind", "bytes", "sha256", "caption", "alt_text", "in_report")
    return {"document_id": row.id, **{name: getattr(row, name) for name in names}}


def _note(
    session: Session,
    row: PilotDocument,
    what: str,
    who: Principal,
    now: datetime,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    reason: str | None = None,
) -> None:
    note_change(
        session, "pilot", row.pilot_id, what, by=who.account_id, at=now, before=before, after=after, reason=reason
    )
