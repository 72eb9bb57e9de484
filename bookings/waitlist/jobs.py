"""The job of the waitlist: something was given back, somebody new waits, or a window is over."""

from bookings.rules import Rules
from bookings.waitlist.freed import JOB_KIND
from bookings.waitlist.offers import offer_freed_slots
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.jobs import ClaimedJob, Handler
from lab.core.settings import Settings


def waitlist_handlers(database: Database, clock: Clock, settings: Settings) -> dict[str, Handler]:
    """Handler of the jobs that look through the line; doing a job twice offers nothing twice."""
    rules = Rules.from_settings(settings)

    def offer(job: ClaimedJob) -> None:
        offer_freed_slots(database, job.payload["device_ids"], now=clock.now(), rules=rules)

    return {JOB_KIND: offer}
