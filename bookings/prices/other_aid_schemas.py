"""Aid of other grantors as HTTP tells it. All amounts are integer euro cents."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bookings.prices.models import OtherAid
from bookings.prices.other_aid import OtherAidView
from bookings.prices.rules import CEILING_CENTS
from bookings.prices.schemas import DeMinimisAnswer
from bookings.schemas import Instant, Reason, Reference, Title


class OtherAidRequest(BaseModel):
    """De minimis aid that a company declares to have had from somebody else."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    organisation_id: Reference
    grantor: Title = Field(examples=["Regional development agency"])
    """Who granted it."""
    granted_at: Instant = Field(examples=["2026-03-02T00:00:00+01:00"])
    """The granting date, from which three years roll."""
    cents: Annotated[int, Field(strict=True, ge=1, le=CEILING_CENTS)]
    """Gross grant equivalent; nobody may grant more than the ceiling."""
    reference: Title | None = None
    """Of the grantor's decision or of the company's declaration."""


class CounterRequest(BaseModel):
    """Why an entry is taken back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason


class OtherAidAnswer(BaseModel):
    """One entry; never changed, never deleted, only countered."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    id: int
    organisation_id: str
    grantor: str
    reference: str | None
    granted_at: datetime
    cents: int
    """Negative in a counter entry."""
    counters: int | None
    """The entry that this one takes back."""
    written_at: datetime
    reason: str | None

    @classmethod
    def of(cls, entry: OtherAid) -> "OtherAidAnswer":
        """Translate a row."""
        return cls.model_validate(entry, from_attributes=True)


class OtherAidList(BaseModel):
    """Aid of other grantors, the newest entry first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    entries: list[OtherAidAnswer]
    organisation_id: str | None
    """Whose; null: everybody's."""
    de_minimis: DeMinimisAnswer | None
    """Of the single undertaking, when one organisation's is shown; what the lab granted is in it too."""
    next: str | None
    """Cursor of the next page."""

    @classmethod
    def of(cls, view: OtherAidView) -> "OtherAidList":
        """Translate a page."""
        return cls(
            entries=[OtherAidAnswer.of(entry) for entry in view.page.rows],
            organisation_id=view.organisation_id,
            de_minimis=DeMinimisAnswer.of(view.de_minimis),
            next=view.page.next,
        )
