"""Sealing and reporting as jobs. Both look first whether their effect is there already."""

from collections.abc import Mapping
from pathlib import Path

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.jobs import ClaimedJob, Handler, enqueue
from lab.people.principals import SYSTEM
from lab.pilots.service import PLAN_LOCKED_JOB
from lab.reports.afterwards.service import REMIND_JOB, remind
from lab.reports.issuing import load_ahead, make_report, write_again
from lab.reports.language import Language
from lab.reports.lock_notices import tell_of_lock
from lab.reports.progress import REPORT_JOB, SEAL_JOB, WRITE_JOB, report_key
from lab.reports.service import LAB_TIME_ZONE, seal_pilot
from telemetry.stores.interface import SampleStore


def report_handlers(
    database: Database,
    store: SampleStore,
    *,
    data_dir: Path,
    clock: Clock,
    time_zone: str = LAB_TIME_ZONE,
    lab_address: str = "",
    language: Language = "en",
) -> Mapping[str, Handler]:
    """Handlers of the jobs that begin, write and follow up reports.

    They are `seal` (payload `pilot_id`), `report` (`data_set_id`), `write-report` (`report_id`), `follow-up`
    (`pilot_id`, `months`) and `plan-locked` (`plan_id`). Sealing asks for the report; a report is written again when
    its files no longer say what it says.
    """

    def seal(job: ClaimedJob) -> None:
        load_ahead()
        data_set = seal_pilot(
            database,
            store,
            SYSTEM,
            job.payload["pilot_id"],
            data_dir=data_dir,
            clock=clock,
            time_zone=time_zone,
            lab_address=lab_address,
            version=job.payload.get("version", 1),
        )
        database.transact(
            lambda session: enqueue(
                session,
                kind=REPORT_JOB,
                key=report_key(data_set),
                payload={
                    "data_set_id": data_set.id,
                    "reason": job.payload.get("reason"),
                    "by": job.payload.get("by"),
                },
                now=clock.now(),
            )
        )

    def report(job: ClaimedJob) -> None:
        make_report(
            database,
            SYSTEM,
            job.payload["data_set_id"],
            data_dir=data_dir,
            clock=clock,
            reason=job.payload.get("reason"),
            by=job.payload.get("by"),
            language=language,
        )

    def write(job: ClaimedJob) -> None:
        write_again(database, job.payload["report_id"], data_dir=data_dir, clock=clock)

    def ask_company(job: ClaimedJob) -> None:
        pilot_id, months = job.payload["pilot_id"], job.payload["months"]
        database.transact(lambda session: remind(session, pilot_id, months, now=clock.now()))

    def tell_company(job: ClaimedJob) -> None:
        plan_id = job.payload["plan_id"]
        database.transact(
            lambda session: tell_of_lock(session, plan_id, time_zone=time_zone, language=language, now=clock.now())
        )

    return {
        SEAL_JOB: seal,
        REPORT_JOB: report,
        WRITE_JOB: write,
        REMIND_JOB: ask_company,
        PLAN_LOCKED_JOB: tell_company,
    }
