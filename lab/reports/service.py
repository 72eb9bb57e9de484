"""Sealing a pilot's data, and reading the reports on them. Writing and approving reports: `lab.reports.issuing`."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.jobs import Job, enqueue, find_job, hasten
from lab.people.principals import Principal, Role
from lab.pilots import service as pilots
from lab.pilots.documents.service import note_sealed
from lab.pilots.errors import PilotStateError
from lab.pilots.repository import lock_pilot
from lab.reports import repository
from lab.reports.errors import ReportUnknownError
from lab.reports.files import building_beside, give_name
from lab.reports.gathering import gather, gather_attachments, gather_runs, grant_of_company, samples_of
from lab.reports.models import DataSet, Report
from lab.reports.progress import SEAL_JOB, seal_key, try_again
from lab.reports.sealing import DataSetContent, sync_folder, write_data_set
from telemetry.stores.interface import SampleStore

LAB_TIME_ZONE = "Europe/Warsaw"


def ask_to_seal(
    session: Session,
    principal: Principal,
    pilot_id: str,
    *,
    now: datetime,
    settling: timedelta = timedelta(0),
    reason: str | None = None,
) -> Job:
    """Have a pilot's data sealed and reported on, as a job; asking again gives the same job.

    What was given up after many attempts, of the job itself or of what follows from it, is tried again; what waits for
    the end of a slot that has ended early does not wait any longer.

    Args:
        session: a write session.
        principal: the staff.
        pilot_id: the pilot.
        now: the present instant.
        settling: how long after the end of its last slot the data are sealed, so that late messages are in.
        reason: of sealed data: make a new version of them, with what came late. None: leave them as they are.

    Raises:
        ForbiddenError: for anybody but the staff.
        PilotUnfinishedError: if a run is neither made nor excluded.
    """
    principal.require_staff("seal data")
    pilot = pilots.get_pilot(session, principal, pilot_id)
    pilots.locked_plan(session, pilot.id)
    runs = gather_runs(session, pilot.id)
    sealed = repository.latest_data_set(session, pilot.id)
    version = 1 if sealed is None else sealed.version + (reason is not None)
    try_again(session, principal, pilot.id, now=now)
    last = repository.last_end(session, {run.booking_id for run in runs if run.booking_id is not None})
    due = now if last is None else max(now, last + settling)
    known = find_job(session, seal_key(pilot.id, version))
    if known is not None:
        hasten(session, known.key, run_at=due)
        return known
    if sealed is not None and reason is not None:
        note_change(
            session,
            "pilot",
            pilot.id,
            "sealed again",
            by=principal.account_id,
            at=now,
            before={"data_set_version": sealed.version},
            after={"data_set_version": version},
            reason=reason,
        )
    return enqueue(
        session,
        kind=SEAL_JOB,
        key=seal_key(pilot.id, version),
        payload={"pilot_id": pilot.id, "version": version, "reason": reason, "by": principal.name},
        now=now,
        run_at=due,
    )


def seal_pilot(
    database: Database,
    store: SampleStore,
    principal: Principal,
    pilot_id: str,
    *,
    data_dir: Path,
    clock: Clock,
    time_zone: str = LAB_TIME_ZONE,
    lab_address: str = "",
    version: int = 1,
) -> DataSet:
    """Seal a pilot's data: its runs do not change any more. A second time it gives the same data set.

    Args:
        database: where the pilot is.
        store: where its samples are.
        principal: the staff, or the system.
        pilot_id: the pilot.
        data_dir: the data folder; the data set goes to `pilots/<pilot>/data-v…` in it.
        clock: tells the moment of sealing.
        time_zone: of the lab, for the report.
        lab_address: of the lab, for the report; empty: not stated.
        version: of the data set; one that is there already is given as it is.

    Raises:
        ForbiddenError: for anybody but the staff.
        PilotUnfinishedError: if a run is neither made nor excluded.
        PilotStateError: if a run or the plan changed meanwhile; nothing is sealed.
    """
    principal.require_staff("seal data")
    with database.read() as session:
        pilot = pilots.get_pilot(session, principal, pilot_id)
        known = repository.latest_data_set(session, pilot.id)
        if known is not None and known.version >= version:
            return known
        now = clock.now()
        content = gather(
            session, pilot, version=version, time_zone=time_zone, lab_address=lab_address, now=now, data_dir=data_dir
        )
        grant = grant_of_company(session, pilot)
    folder = f"pilots/{pilot.id}/data-v{version}"
    building = building_beside(data_dir, folder)
    try:
        sha256 = write_data_set(building, content, samples_of(store, grant, content.devices))
        sync_folder(building)
        row = DataSet(
            id=new_id("dat"), pilot_id=pilot.id, version=version, sealed_at=now, folder=folder, manifest_sha256=sha256
        )
        return database.transact(lambda session: _keep_data_set(session, content, row, building, data_dir))
    finally:
        shutil.rmtree(building, ignore_errors=True)


def list_reports(session: Session, principal: Principal, pilot_id: str | None = None) -> list[Report]:
    """Reports that this principal may read, the newest first.

    The staff reads all, others their own organisation's; those who only read reports, approved ones.
    """
    organisation_id = None if principal.is_staff else principal.organisation_id
    found = repository.list_reports(session, organisation_id=organisation_id, pilot_id=pilot_id)
    return [report for report in found if _may_read(principal, report)]


def get_report(session: Session, principal: Principal, report_id: str) -> Report:
    """One report.

    Raises:
        ReportUnknownError: if there is none, or it is another company's.
    """
    found = repository.find_report(session, report_id)
    if (
        found is None
        or not (principal.is_staff or found[1].organisation_id == principal.organisation_id)
        or not _may_read(principal, found[0])
    ):
        raise ReportUnknownError(f"there is no report {report_id[:40]}", field="report_id", rule="known-report")
    return found[0]


def _may_read(principal: Principal, report: Report) -> bool:
    return principal.role is not Role.RECIPIENT or report.is_final


def _keep_data_set(session: Session, content: DataSetContent, row: DataSet, building: Path, data_dir: Path) -> DataSet:
    pilot = lock_pilot(session, row.pilot_id)
    known = repository.latest_data_set(session, row.pilot_id)
    if known is not None and known.version >= row.version:
        return known
    if pilot is None or gather_runs(session, pilot.id) != content.runs:
        raise PilotStateError("a run changed while the data were being sealed; seal again", field="runs", rule="still")
    if pilots.locked_plan(session, pilot.id)[0].sha256 != content.pilot.plan_sha256:
        raise PilotStateError(
            "the plan changed while the data were being sealed; seal again", field="plan", rule="still"
        )
    attached = gather_attachments(session, pilot.id)
    if tuple(attached.values()) != content.pilot.attachments:
        raise PilotStateError(
            "a document changed while the data were being sealed; seal again", field="documents", rule="still"
        )
    note_sealed(session, pilot.id, attached, version=row.version)
    give_name(building, data_dir / row.folder)
    pilot.state = "sealed"
    kept = session.merge(row)  # a copy: a transaction that is run again must not meet a row of its first attempt
    session.flush()
    return kept
