"""How far a plan has come that began as a company's sketch, by the log of changes."""

from sqlalchemy.orm import Session

from lab.core.audit import changes_of
from lab.pilots.models import Plan
from lab.pilots.plans import plan_sha256

DRAFTED = "plan drafted from a sketch"
COMPLETED = "plan written by the staff"


def is_sketch(session: Session, plan: Plan) -> bool:
    """Whether a plan is the draft of the last sketch, not locked and as the sketch left it."""
    if plan.locked_at is not None:
        return False
    drafts = [change for change in changes_of(session, "pilot", plan.pilot_id) if change.what == DRAFTED]
    return bool(drafts) and (drafts[-1].after or {}).get("document_sha256") == plan_sha256(plan.document)


def awaits_engineer(session: Session, plan: Plan) -> bool:
    """Whether a plan began as a sketch and no engineer has completed it since, whatever the company has changed."""
    if plan.locked_at is not None:
        return False
    steps = [change.what for change in changes_of(session, "pilot", plan.pilot_id)]
    return [what for what in steps if what in (DRAFTED, COMPLETED)][-1:] == [DRAFTED]
