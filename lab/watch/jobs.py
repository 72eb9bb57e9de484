"""Alarms as jobs: people and programs are told, and a plan's stop criterion stops its machines."""

from collections.abc import Mapping

from devices.commanding import Sender
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.jobs import ClaimedJob, Handler
from lab.core.settings import Settings
from lab.watch.stopping import stop_for_alarm
from lab.watch.telling import tell
from telemetry.alarms.keeping import AlarmKeeper
from telemetry.alarms.service import STOP_JOB, TELL_JOB


def watch_handlers(
    database: Database, clock: Clock, settings: Settings, sender: Sender, keeper: AlarmKeeper
) -> Mapping[str, Handler]:
    """Handlers of the jobs `alarm` (payload `alarm_id`, `what`) and `stop` (payload `alarm_id`)."""

    def handle_alarm(job: ClaimedJob) -> None:
        database.transact(lambda session: tell(session, job.payload, settings=settings, now=clock.now()))

    def handle_stop(job: ClaimedJob) -> None:
        stop_for_alarm(database, sender, keeper, job.payload["alarm_id"])

    return {TELL_JOB: handle_alarm, STOP_JOB: handle_stop}
