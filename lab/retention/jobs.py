"""Retention as a job, once a day."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.jobs import ClaimedJob, Handler, enqueue
from lab.retention.service import retain
from telemetry.stores.interface import SampleStore

KIND = "retention"
ASK_EVERY_SECONDS = 60.0


def retention_handlers(
    database: Database, store: SampleStore, *, data_dir: Path, default_days: int | None, clock: Clock
) -> Mapping[str, Handler]:
    """Handler of the job `retention`, which needs nothing to be told."""

    def handle(_: ClaimedJob) -> None:
        retain(database, store, data_dir=data_dir, default_days=default_days, clock=clock)

    return {KIND: handle}


class DailyRetention:
    """Asks for the job once a day; several processes may, and it is done once.

    Args:
        database: with the jobs.
        clock: the lab's clock.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._asked: date | None = None

    def ask(self) -> None:
        """Ask for today's, unless that is done."""
        now = self._clock.now()
        if self._asked == now.date():
            return
        self._database.transact(
            lambda session: enqueue(session, kind=KIND, key=f"{KIND}:{now.date()}", payload={}, now=now)
        )
        self._asked = now.date()
