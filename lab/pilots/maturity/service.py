"""What people do with assessments of digital maturity. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.people.principals import Principal
from lab.pilots.maturity import repository
from lab.pilots.maturity.errors import AssessmentDateError
from lab.pilots.maturity.models import MaturityAssessment
from lab.pilots.maturity.rules import Stage, missing_stages
from lab.pilots.maturity.schemas import MaturityRequest
from lab.pilots.repository import lock_pilot
from lab.pilots.service import get_pilot


def write_assessment(
    session: Session, principal: Principal, pilot_id: str, stage: Stage, request: MaturityRequest, *, now: datetime
) -> MaturityAssessment:
    """Write the assessment of a stage, or write it again; what it was stands in the log.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        AssessmentDateError: if it lies in the future.
    """
    pilot = get_pilot(session, principal, pilot_id)
    if request.assessed_on > now.date():
        raise AssessmentDateError(
            f"{request.assessed_on} is still to come; an assessment is written down after it was made",
            field="assessed_on", rule="not-in-the-future", nearest=now.date().isoformat(),
        )  # fmt: skip
    lock_pilot(session, pilot.id)
    row = repository.assessment(session, pilot.id, stage)
    before = None if row is None else _facts(row)
    facts = {**request.model_dump(), "written_by": principal.account_id, "written_at": now}
    if row is None:
        row = MaturityAssessment(pilot_id=pilot.id, stage=stage, **facts)
        session.add(row)
    else:
        for name, value in facts.items():
            setattr(row, name, value)
    session.flush()
    what = "maturity assessed"
    note_change(session, "pilot", pilot.id, what, by=principal.account_id, at=now, before=before, after=_facts(row))
    return row


def assessments(
    session: Session, principal: Principal, pilot_id: str, *, now: datetime
) -> tuple[Sequence[MaturityAssessment], list[Stage]]:
    """The assessments of a pilot, T0 first, and those that are missing by now.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
    """
    pilot = get_pilot(session, principal, pilot_id)
    found = repository.assessments_of(session, pilot.id)
    return found, missing_stages({row.stage: row.assessed_on for row in found}, pilot.state, today=now.date())


def _facts(row: MaturityAssessment) -> dict[str, Any]:
    scores = {name: getattr(row, name) for name in MaturityRequest.model_fields}
    return {**scores, "stage": row.stage, "assessed_on": row.assessed_on.isoformat()}
