"""What people and jobs do with a pilot's data and reports.

Sealing and reporting write a folder beside its final name, let it reach the disk, and give it the name in the same
transaction that makes the row: whoever is killed in between leaves no half, and the next attempt begins afresh.
"""

import shutil
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.jobs import Job, enqueue
from lab.people.principals import Principal
from lab.pilots import service as pilots
from lab.pilots.errors import PilotStateError
from lab.pilots.repository import lock_pilot
from lab.reports import repository
from lab.reports.errors import DataSetUnknownError, ReportUnknownError
from lab.reports.gathering import gather, gather_runs, grant_of_company, samples_of
from lab.reports.models import DataSet, Report
from lab.reports.results import Results
from lab.reports.sealing import DataSetContent, file_sha256, sync_folder, write_data_set
from telemetry.stores.interface import SampleStore

LAB_TIME_ZONE = "Europe/Warsaw"


def ask_to_seal(session: Session, principal: Principal, pilot_id: str, *, now: datetime) -> Job:
    """Have a pilot's data sealed and reported on, as a job; asking again gives the same job.

    Raises:
        ForbiddenError: for anybody but the staff.
        PilotUnfinishedError: if a run is neither made nor excluded.
    """
    principal.require_staff("seal data")
    pilot = pilots.get_pilot(session, principal, pilot_id)
    pilots.locked_plan(session, pilot.id)
    gather_runs(session, pilot.id)
    return enqueue(session, kind="seal", key=f"seal:{pilot.id}:1", payload={"pilot_id": pilot.id}, now=now)


def seal_pilot(
    database: Database,
    store: SampleStore,
    principal: Principal,
    pilot_id: str,
    *,
    data_dir: Path,
    clock: Clock,
    time_zone: str = LAB_TIME_ZONE,
) -> DataSet:
    """Seal a pilot's data: its runs do not change any more. A second time it gives the same data set.

    Args:
        database: where the pilot is.
        store: where its samples are.
        principal: the staff, or the system.
        pilot_id: the pilot.
        data_dir: the data folder; the data set goes to `pilots/<pilot>/data-v1` in it.
        clock: tells the moment of sealing.
        time_zone: of the lab, for the report.

    Raises:
        ForbiddenError: for anybody but the staff.
        PilotUnfinishedError: if a run is neither made nor excluded.
        PilotStateError: if a run changed meanwhile; nothing is sealed.
    """
    principal.require_staff("seal data")
    with database.read() as session:
        pilot = pilots.get_pilot(session, principal, pilot_id)
        known = repository.latest_data_set(session, pilot.id)
        if known is not None:
            return known
        now = clock.now()
        content = gather(session, pilot, version=1, time_zone=time_zone, now=now)
        grant = grant_of_company(session, pilot)
    folder = f"pilots/{pilot.id}/data-v1"
    building = _building(data_dir, folder)
    try:
        sha256 = write_data_set(building, content, samples_of(store, grant, content.devices))
        sync_folder(building)
        row = DataSet(
            id=new_id("dat"), pilot_id=pilot.id, version=1, sealed_at=now, folder=folder, manifest_sha256=sha256
        )
        return database.transact(lambda session: _keep_data_set(session, content, row, building, data_dir))
    finally:
        shutil.rmtree(building, ignore_errors=True)


def make_report(database: Database, principal: Principal, data_set_id: str, *, data_dir: Path, clock: Clock) -> Report:
    """Compute, draw and lay out the report on a data set. A second time it gives the same report.

    Args:
        database: where the data set is.
        principal: the staff, or the system.
        data_set_id: the data set.
        data_dir: the data folder; the report goes to `pilots/<pilot>/report-v1` in it.
        clock: tells when it was made (not what is printed: that is when the data were sealed).

    Raises:
        ForbiddenError: for anybody but the staff.
        DataSetUnknownError: if there is no such data set.
        DataSetAlteredError: if a sealed file is missing or not what was sealed.
    """
    from lab.reports.assembly import compute_results  # here: statistics take two seconds to import, pages do without

    principal.require_staff("make reports")
    with database.read() as session:
        data_set = repository.find_data_set(session, data_set_id)
        if data_set is None:
            raise DataSetUnknownError(f"there is no data set {data_set_id[:40]}", field="data_set_id")
        known = repository.report_of(session, data_set.id)
        if known is not None:
            return known
    results = compute_results(data_dir / data_set.folder, manifest_sha256=data_set.manifest_sha256)
    folder = f"pilots/{data_set.pilot_id}/report-v{data_set.version}"
    building = _building(data_dir, folder)
    try:
        write_report(building, results, data_dir / data_set.folder)
        sync_folder(building)
        row = _report_row(data_set, results, building, folder=folder, now=clock.now())
        return database.transact(lambda session: _keep_report(session, row, building, data_dir))
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_report(folder: Path, results: Results, data_set: Path) -> None:
    """Write report.pdf, report.html, results.json, charts and package.zip into a new folder.

    Args:
        folder: does not exist yet.
        results: what the report says.
        data_set: folder of the sealed data, for the package.
    """
    from lab.reports.charts import draw_charts
    from lab.reports.html import render_page
    from lab.reports.package import write_package
    from lab.reports.pdf import render_pdf

    charts = draw_charts(results)
    (folder / "charts").mkdir(parents=True)
    for name, chart in charts.items():
        (folder / "charts" / name).write_bytes(chart)
    pdf = render_pdf(results, charts, timestamp=results.identification.dated)
    page = render_page(results, charts)
    (folder / "report.pdf").write_bytes(pdf)
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "results.json").write_text(results.model_dump_json(indent=1), encoding="utf-8")
    write_package(folder / "package.zip", results=results, folder=data_set, pdf=pdf, page=page, charts=charts)


def list_reports(session: Session, principal: Principal, pilot_id: str | None = None) -> list[Report]:
    """Reports that this principal may read, the newest first: the staff all, others their own organisation's."""
    organisation_id = None if principal.is_staff else principal.organisation_id
    return repository.list_reports(session, organisation_id=organisation_id, pilot_id=pilot_id)


def get_report(session: Session, principal: Principal, report_id: str) -> Report:
    """One report.

    Raises:
        ReportUnknownError: if there is none, or it is another company's.
    """
    found = repository.find_report(session, report_id)
    if found is None or not (principal.is_staff or found[1].organisation_id == principal.organisation_id):
        raise ReportUnknownError(f"there is no report {report_id[:40]}", field="report_id", rule="known-report")
    return found[0]


def _building(data_dir: Path, folder: str) -> Path:
    """A folder beside the final one, on the same file system, that nobody else builds in."""
    final = data_dir / folder
    final.parent.mkdir(parents=True, exist_ok=True)
    return final.with_name(f".{final.name}-{new_id('tmp')}")


def _give_name(building: Path, final: Path) -> None:
    """Put a built folder in place of what an attempt without a row may have left there."""
    if building.exists():  # not on a second try of the same transaction
        shutil.rmtree(final, ignore_errors=True)
        building.rename(final)


def _keep_data_set(session: Session, content: DataSetContent, row: DataSet, building: Path, data_dir: Path) -> DataSet:
    pilot = lock_pilot(session, row.pilot_id)
    known = repository.latest_data_set(session, row.pilot_id)
    if known is not None:
        return known
    if pilot is None or gather_runs(session, pilot.id) != content.runs:
        raise PilotStateError("a run changed while the data were being sealed; seal again", field="runs", rule="still")
    _give_name(building, data_dir / row.folder)
    pilot.state = "sealed"
    kept = session.merge(row)  # a copy: a transaction that is run again must not meet a row of its first attempt
    session.flush()
    return kept


def _keep_report(session: Session, row: Report, building: Path, data_dir: Path) -> Report:
    pilot = lock_pilot(session, row.pilot_id)
    known = repository.report_of(session, row.data_set_id)
    if known is not None or pilot is None:
        return known or row
    _give_name(building, data_dir / row.folder)
    pilot.state = "reported"
    kept = session.merge(row)  # a copy: a transaction that is run again must not meet a row of its first attempt
    session.flush()
    return kept


def _report_row(data_set: DataSet, results: Results, building: Path, *, folder: str, now: datetime) -> Report:
    return Report(
        id=new_id("rep"),
        pilot_id=data_set.pilot_id,
        data_set_id=data_set.id,
        number=results.identification.report_number,
        version=data_set.version,
        created_at=now,
        verdict=results.verdict.value,
        results=results.model_dump(mode="json"),
        pdf_sha256=file_sha256(building / "report.pdf"),
        package_sha256=file_sha256(building / "package.zip"),
        folder=folder,
    )
