"""Every query on assessments of digital maturity."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.pilots.maturity.models import MaturityAssessment


def assessments_of(session: Session, pilot_id: str) -> Sequence[MaturityAssessment]:
    """The assessments of a pilot, T0 first."""
    query = sa.select(MaturityAssessment).where(MaturityAssessment.pilot_id == pilot_id)
    return session.scalars(query.order_by(MaturityAssessment.stage)).all()


def all_assessments(session: Session) -> Sequence[MaturityAssessment]:
    """The assessments of all pilots."""
    return session.scalars(sa.select(MaturityAssessment)).all()


def assessment(session: Session, pilot_id: str, stage: str) -> MaturityAssessment | None:
    """One assessment."""
    return session.get(MaturityAssessment, (pilot_id, stage))
