"""Reports from the first draft to the approved version, and its correction by a new one.

    draft → reviewed → approved        a correction is a new draft, which names the version that it replaces

Each step changes what is printed, so the files are written again by a job. An approved report does not change any more:
the database refuses it. Whoever reviews does not approve: four eyes.
"""

import functools
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.clock import Clock
from lab.core.collecting import keep_for_good
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.jobs import enqueue
from lab.people.principals import Principal, Role
from lab.pilots.maturity.repository import assessments_of
from lab.pilots.repository import lock_pilot
from lab.reports import repository
from lab.reports.afterwards.service import plan_follow_ups
from lab.reports.errors import (
    DataSetUnknownError,
    ReportChangedError,
    ReportStateError,
    ReportUnknownError,
    SameReviewerError,
)
from lab.reports.files import building_beside, give_name, write_report
from lab.reports.issue import Change, Maturity, ReportIssue, Signature, Statement, Status, report_number
from lab.reports.language import Language, marked
from lab.reports.models import DataSet, Report
from lab.reports.progress import WRITE_JOB, write_key
from lab.reports.results import Results
from lab.reports.sealing import file_sha256, sync_folder
from lab.reports.telling import tell_of_approval

_ROLES = {Role.ENGINEER: marked("Lab engineer"), Role.MANAGER: marked("Lab manager")}


def make_report(
    database: Database,
    principal: Principal,
    data_set_id: str,
    *,
    data_dir: Path,
    clock: Clock,
    reason: str | None = None,
    by: str | None = None,
    language: Language = "en",
) -> Report:
    """Compute, draw and lay out the first draft on a data set. A second time it gives the same report.

    Args:
        database: where the data set is.
        principal: the staff, or the system.
        data_set_id: the data set.
        data_dir: the data folder; the report goes to `pilots/<pilot>/report-v…` in it.
        clock: tells when it was made (not what is printed: that is when the data were sealed).
        reason: why there is a new version of the data.
        by: who decided so.
        language: of a pilot's first draft; a later one has that of the one before.

    Raises:
        ForbiddenError: for anybody but the staff.
        DataSetUnknownError: if there is no such data set.
        DataSetAlteredError: if a sealed file is missing or not what was sealed.
    """
    principal.require_staff("make reports")
    with database.read() as session:
        data_set = repository.find_data_set(session, data_set_id)
        if data_set is None:
            raise DataSetUnknownError(f"there is no data set {data_set_id[:40]}", field="data_set_id")
        known = repository.report_of(session, data_set.id)
        if known is not None:
            return known
        issue = _next_issue(session, data_set, reason=reason, by=by, language=language)
    row = Report(
        id=new_id("rep"), pilot_id=data_set.pilot_id, data_set_id=data_set.id, version=issue.version,
        created_at=clock.now(), status=issue.status, issue=issue.model_dump(mode="json"), revision=1,
        written_revision=1,
    )  # fmt: skip
    building, facts = _write(data_set, issue, data_dir, revision=1)
    try:
        return database.transact(lambda session: _keep_first(session, row, facts, building, data_dir))
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_again(database: Database, report_id: str, *, data_dir: Path, clock: Clock) -> None:
    """Write the files of a report as its issue says now; does nothing where they are so already."""
    with database.read() as session:
        report = repository.report(session, report_id)
        if report is None or report.is_written:
            return
        data_set = repository.find_data_set(session, report.data_set_id)
        assert data_set is not None
        revision, issue, old = report.revision, ReportIssue.model_validate(report.issue), report.folder
    building, facts = _write(data_set, issue, data_dir, revision=revision)

    def keep(session: Session) -> bool:
        row = repository.lock_report(session, report_id)
        if row is None or row.is_written or row.revision != revision:  # a later job writes what came later
            return False
        give_name(building, data_dir / facts["folder"])
        for name, value in facts.items():
            setattr(row, name, value)
        row.written_revision = revision
        session.flush()
        if row.is_final:
            tell_of_approval(session, row, now=clock.now())
            plan_follow_ups(session, row.pilot_id, approved_at=clock.now(), now=clock.now())
        return True

    try:
        if database.transact(keep) and old != facts["folder"]:
            shutil.rmtree(data_dir / old, ignore_errors=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_statement(
    session: Session, principal: Principal, report_id: str, statement: Statement, *, version: int | None, now: datetime
) -> Report:
    """Write what people say in a draft.

    Args:
        session: a write session.
        principal: the staff.
        report_id: the report.
        statement: all of it; what was said before is replaced.
        version: the revision that it was decided on; None: whichever there is.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the staff.
        ReportUnknownError: if there is no such report.
        ReportChangedError: if somebody changed it meanwhile.
        ReportStateError: if it is no draft any more.
    """
    principal.require_staff("write in reports")
    report, issue = _changing(session, report_id, version)
    _require(report, "draft", "send it back to draft first, or correct it once it is approved")
    return _changed(session, report, issue.model_copy(update={"statement": statement}), "written", principal, now)


def review_report(
    session: Session, principal: Principal, report_id: str, *, version: int | None, now: datetime
) -> Report:
    """Stand for it that a draft is right; for the staff.

    Raises:
        ForbiddenError, ReportUnknownError, ReportChangedError: as for `write_statement`.
        ReportStateError: if it is no draft, or its last change is still being written.
    """
    principal.require_staff("review reports")
    report, issue = _changing(session, report_id, version)
    _require(report, "draft", "it has been reviewed already")
    _require_written(report)
    signed = issue.model_copy(update={"status": "reviewed", "reviewed": _signature(principal, now)})
    return _changed(session, report, signed, "reviewed", principal, now)


def approve_report(
    session: Session, principal: Principal, report_id: str, *, version: int | None, now: datetime
) -> Report:
    """Issue a reviewed report: it does not change any more, and its company is told; for managers.

    Raises:
        ForbiddenError: for anybody but a manager.
        ReportUnknownError, ReportChangedError: as for `write_statement`.
        ReportStateError: if it is not reviewed, or its last change is still being written.
        SameReviewerError: if whoever approves has reviewed it.
    """
    principal.require_manager("approve reports")
    report, issue = _changing(session, report_id, version)
    _require(report, "reviewed", "a report is approved after somebody else has reviewed it")
    _require_written(report)
    if repository.last_actor(session, report.id, "reviewed") == principal.account_id:
        raise SameReviewerError(
            "you have reviewed this report; somebody else has to approve it", field="report_id", rule="four-eyes"
        )
    signed = issue.model_copy(update={"status": "approved", "approved": _signature(principal, now)})
    return _changed(session, report, signed, "approved", principal, now)


def send_back(
    session: Session, principal: Principal, report_id: str, *, reason: str, version: int | None, now: datetime
) -> Report:
    """Make a reviewed report a draft again, with a reason; for the staff.

    Raises:
        ForbiddenError, ReportUnknownError, ReportChangedError: as for `write_statement`.
        ReportStateError: if it is not reviewed.
    """
    principal.require_staff("send reports back")
    report, issue = _changing(session, report_id, version)
    _require(report, "reviewed", "only a reviewed report is sent back; an approved one is corrected by a new version")
    draft = issue.model_copy(update={"status": "draft", "reviewed": None})
    return _changed(session, report, draft, "sent back", principal, now, reason=reason)


def correct_report(session: Session, principal: Principal, report_id: str, *, reason: str, now: datetime) -> Report:
    """Begin a new version of an approved report, on the newest sealed data; the old one stays as it is.

    Args:
        session: a write session.
        principal: the staff.
        report_id: the approved report, the newest version.
        reason: is printed in the new version.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the staff.
        ReportUnknownError: if there is no such report.
        ReportStateError: if it is not approved, or there is a newer version.
    """
    principal.require_staff("correct reports")
    old = _known(repository.lock_report(session, report_id), report_id)
    if not old.is_final:
        raise ReportStateError(
            f"report {old.number} is not approved; what is wrong with it can still be changed", rule="approved-first"
        )
    pilot = lock_pilot(session, old.pilot_id)
    newest = repository.newest_report(session, old.pilot_id)
    data_set = repository.latest_data_set(session, old.pilot_id)
    assert pilot is not None
    assert newest is not None
    assert data_set is not None
    if newest.id != old.id:
        raise ReportStateError(
            f"{newest.number} replaces this report already; correct that one", rule="newest-version", report=newest.id
        )
    number = old.version + 1
    issue = _following(session, old, Change(version=number, at=now, by=principal.name, reason=reason))
    report = Report(
        id=new_id("rep"), pilot_id=old.pilot_id, data_set_id=data_set.id, version=number,
        number=report_number(pilot.number, number), created_at=now, verdict=old.verdict, results=old.results,
        pdf_sha256="", package_sha256="", folder=_folder(old.pilot_id, number, revision=1), status="draft",
        issue=issue.model_dump(mode="json"), revision=1, written_revision=0,
    )  # fmt: skip
    session.add(report)
    session.flush()
    _note(session, report, "begun", principal, now, before=None, reason=reason)
    _ask_for_writing(session, report, now)
    return report


def _next_issue(
    session: Session, data_set: DataSet, *, reason: str | None, by: str | None, language: Language
) -> ReportIssue:
    newest = repository.newest_report(session, data_set.pilot_id)
    if newest is None:
        return ReportIssue(statement=Statement(language=language, maturity=_assessed(session, data_set.pilot_id)))
    change = Change(
        version=newest.version + 1,
        at=data_set.sealed_at,
        by=by or "Pilot Lab",
        reason=reason or f"The data were sealed again, as version {data_set.version}.",
    )
    return _following(session, newest, change)


def known_maturity(session: Session, report: Report) -> tuple[Maturity, ...]:
    """The digital maturity of a report's company as it is known by now; what the report says already fills in."""
    return _assessed(session, report.pilot_id, ReportIssue.model_validate(report.issue).statement.maturity)


def _assessed(session: Session, pilot_id: str, said: Sequence[Maturity] = ()) -> tuple[Maturity, ...]:
    """What is known of the company's digital maturity by now, for a first draft; what was said before fills in."""
    found = {one.stage: one for one in said}
    for row in assessments_of(session, pilot_id):
        one = Maturity.model_validate({name: getattr(row, name) for name in Maturity.model_fields})
        found[one.stage] = one
    return tuple(found[stage] for stage in sorted(found))


def _following(session: Session, old: Report, change: Change) -> ReportIssue:
    """The first draft of a version that replaces another one: what was said stays, who stood for it does not.

    Digital maturity is as it is known by now.
    """
    said = ReportIssue.model_validate(old.issue)
    maturity = _assessed(session, old.pilot_id, said.statement.maturity)
    statement = said.statement.model_copy(update={"maturity": maturity})
    return ReportIssue(
        version=change.version, statement=statement, replaces=old.number, changes=(*said.changes, change)
    )


def load_ahead() -> None:
    """Begin to load what `make_report` needs; for whoever seals, as the report follows."""
    threading.Thread(target=_statistics, name="load-reports").start()


@functools.cache
def _statistics() -> Callable[..., Results]:
    """`compute_results`, once its libraries are there: they take two seconds to import, and pages do without."""
    from lab.reports import charts, pdf  # noqa: F401 - what is written with the results stays as well
    from lab.reports.assembly import compute_results

    keep_for_good()
    return compute_results


def _write(data_set: DataSet, issue: ReportIssue, data_dir: Path, *, revision: int) -> tuple[Path, dict[str, Any]]:
    """Files in a folder that has no name yet, and the columns that tell of them."""
    sealed = data_dir / data_set.folder
    results = _statistics()(sealed, manifest_sha256=data_set.manifest_sha256, issue=issue)
    folder = _folder(data_set.pilot_id, issue.version, revision=revision)
    building = building_beside(data_dir, folder)
    try:
        write_report(building, results, sealed)
        sync_folder(building)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return building, {
        "number": results.identification.report_number,
        "verdict": results.verdict.value,
        "results": results.model_dump(mode="json"),
        "pdf_sha256": file_sha256(building / "report.pdf"),
        "package_sha256": file_sha256(building / "package.zip"),
        "folder": folder,
    }


def _folder(pilot_id: str, version: int, *, revision: int) -> str:
    """A folder for each writing, so that who reads the one before is not cut off."""
    return f"pilots/{pilot_id}/report-v{version}" + (f".{revision}" if revision > 1 else "")


def _keep_first(session: Session, row: Report, facts: Mapping[str, Any], building: Path, data_dir: Path) -> Report:
    pilot = lock_pilot(session, row.pilot_id)
    known = repository.report_of(session, row.data_set_id)
    if known is not None or pilot is None:
        return known or row
    give_name(building, data_dir / facts["folder"])
    pilot.state = "reported"
    for name, value in facts.items():
        setattr(row, name, value)
    kept = session.merge(row)  # a copy: a transaction that is run again must not meet a row of its first attempt
    session.flush()
    return kept


def _changing(session: Session, report_id: str, version: int | None) -> tuple[Report, ReportIssue]:
    report = _known(repository.lock_report(session, report_id), report_id)
    if version is not None and version != report.revision:
        raise ReportChangedError(
            f"report {report.number} has been changed meanwhile; look at it again", rule="version", now=report.revision
        )
    return report, ReportIssue.model_validate(report.issue)


def _known(report: Report | None, report_id: str) -> Report:
    if report is None:
        raise ReportUnknownError(f"there is no report {report_id[:40]}", field="report_id", rule="known-report")
    return report


def _require(report: Report, status: Status, otherwise: str) -> None:
    if report.status != status:
        raise ReportStateError(
            f"report {report.number} is {report.status}: {otherwise}", field="status", rule="status", now=report.status
        )


def _require_written(report: Report) -> None:
    if not report.is_written:
        raise ReportStateError(
            f"report {report.number} is being written again after its last change; read it first, in a few seconds",
            field="status",
            rule="written-first",
        )


def _signature(principal: Principal, now: datetime) -> Signature:
    return Signature(name=principal.name, role=_ROLES.get(principal.role, principal.role.value), at=now)


def _changed(
    session: Session,
    report: Report,
    issue: ReportIssue,
    what: str,
    principal: Principal,
    now: datetime,
    *,
    reason: str | None = None,
) -> Report:
    before = report.status
    report.issue, report.status = issue.model_dump(mode="json"), issue.status
    report.revision += 1
    session.flush()
    _note(session, report, what, principal, now, before=before, reason=reason)
    _ask_for_writing(session, report, now)
    return report


def _note(
    session: Session,
    report: Report,
    what: str,
    who: Principal,
    now: datetime,
    *,
    before: str | None,
    reason: str | None,
) -> None:
    note_change(
        session,
        "report",
        report.id,
        what,
        by=who.account_id,
        at=now,
        before=None if before is None else {"status": before},
        after={"status": report.status, "revision": report.revision},
        reason=reason,
    )


def _ask_for_writing(session: Session, report: Report, now: datetime) -> None:
    enqueue(session, kind=WRITE_JOB, key=write_key(report), payload={"report_id": report.id}, now=now)
