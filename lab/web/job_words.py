"""Why a job that makes sealed data or a report was given up, and what to do, in plain words."""

from lab.core.errors import PilotLabError
from lab.core.jobs import Job
from lab.pilots.errors import PilotStateError, PlanAlteredError, PlanMissingError
from lab.reports.errors import DataSetAlteredError, PilotUnfinishedError
from lab.web.languages import gettext as _
from lab.web.wording import sentence

_SPEAKING: tuple[type[PilotLabError], ...] = (
    PilotStateError,
    PilotUnfinishedError,
    PlanMissingError,
    PlanAlteredError,
)
"""Errors whose message is a sentence for people."""
_CALL = "; seal again"
"""Said to programs; the page has a button, or tries by itself."""
_FULL_DISK = "No space left on device"


def why_given_up(job: Job | None, zone: str) -> str:
    """What went wrong at the last attempt, as a sentence; empty: nothing did."""
    if job is None or not job.last_error:
        return ""
    name, _colon, message = job.last_error.partition(": ")
    if name in {error.__name__ for error in _SPEAKING}:
        return sentence(message.removesuffix(_CALL), zone)
    if name == DataSetAlteredError.__name__:
        return _("A file of the sealed data is missing or was changed: %(file)s.", file=message.partition(" ")[0])
    if _FULL_DISK in job.last_error:
        return _("The disk of the lab's computer is full.")
    return _("Something went wrong on the lab's computer: %(words)s", words=job.last_error[:300])


def what_to_do(job: Job | None) -> str:
    """The way out."""
    if job is None or not job.last_error:
        return ""
    name = job.last_error.partition(":")[0]
    if name in {PilotStateError.__name__, PilotUnfinishedError.__name__}:
        return _("Look that nobody is changing runs, plan or documents any more, then try again.")
    if name in {DataSetAlteredError.__name__, PlanAlteredError.__name__}:
        return _("Ask whoever looks after the lab's computer to put it back from a backup, then try again.")
    if _FULL_DISK in job.last_error:
        return _("Ask whoever looks after it to make room, then try again.")
    return _("Tell whoever looks after it these words, then try again. Nothing is lost.")
