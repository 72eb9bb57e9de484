"""How far a pilot is on its way from the last run to the written report, and trying again what was given up.

Three jobs follow each other: `seal` makes the data set, `report` the first draft on it, `write-report` its files again
after each change.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from lab.core.jobs import Job, find_job, try_anew
from lab.people.principals import Principal
from lab.reports import repository
from lab.reports.models import DataSet, Report

SEAL_JOB, REPORT_JOB, WRITE_JOB = "seal", "report", "write-report"


@dataclass(frozen=True, slots=True)
class Progress:
    """How it stands.

    Attributes:
        state: open (nobody has asked for it), waiting (for the end of the slot and late messages), working, stumbled
            (tried again by itself), failed (given up: somebody has to look), done.
        job: the one that is next, or was given up; None: open or done.
        data_set: the newest sealed data.
        report: the newest one on these data.
    """

    state: Literal["open", "waiting", "working", "stumbled", "failed", "done"]
    job: Job | None = None
    data_set: DataSet | None = None
    report: Report | None = None

    @property
    def under_way(self) -> bool:
        """Whether it goes on by itself."""
        return self.state in {"waiting", "working", "stumbled"}


def seal_key(pilot_id: str, version: int) -> str:
    """Names the job that seals a version of a pilot's data."""
    return f"{SEAL_JOB}:{pilot_id}:{version}"


def report_key(data_set: DataSet) -> str:
    """Names the job that makes the first draft on sealed data."""
    return f"{REPORT_JOB}:{data_set.id}"


def write_key(report: Report) -> str:
    """Names the job that writes the files of a report as it is now."""
    return f"{WRITE_JOB}:{report.id}:{report.revision}"


def progress_of_pilot(session: Session, pilot_id: str, *, now: datetime) -> Progress:
    """How far sealing and the report on it are."""
    data_set = repository.latest_data_set(session, pilot_id)
    report = None if data_set is None else repository.report_of(session, data_set.id)
    job = find_job(session, seal_key(pilot_id, 1 if data_set is None else data_set.version + 1))
    if job is not None and job.state != "done":
        return Progress(_state(job, now), job, data_set, report)
    if data_set is None:
        return Progress("open")
    if report is None:
        job = find_job(session, report_key(data_set))
        return Progress("working" if job is None else _state(job, now), job, data_set)
    return progress_of_report(session, report, data_set, now=now)


def progress_of_report(session: Session, report: Report, data_set: DataSet | None = None, *, now: datetime) -> Progress:
    """Whether the files of a report say what it says."""
    if report.is_written:
        return Progress("done", None, data_set, report)
    job = find_job(session, write_key(report))
    return Progress("working" if job is None else _state(job, now), job, data_set, report)


def try_again(session: Session, principal: Principal, pilot_id: str, *, now: datetime) -> bool:
    """Have what was given up on a pilot's way to its report tried again; for the staff.

    Returns:
        Whether there was something.

    Raises:
        ForbiddenError: for anybody else.
    """
    principal.require_staff("have reports tried again")
    progress = progress_of_pilot(session, pilot_id, now=now)
    return progress.job is not None and try_anew(session, progress.job.key, now=now)


def try_writing_again(session: Session, principal: Principal, report: Report, *, now: datetime) -> bool:
    """The same of the files of a report."""
    principal.require_staff("have reports tried again")
    return try_anew(session, write_key(report), now=now)


def _state(job: Job, now: datetime) -> Literal["waiting", "working", "stumbled", "failed"]:
    if job.state == "failed":
        return "failed"
    if job.state == "queued" and job.attempts:
        return "stumbled"
    return "waiting" if job.state == "queued" and job.run_at > now else "working"
