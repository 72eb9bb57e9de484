"""What goes over HTTP about enquiries."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.core.catalogues import Language
from lab.pilots.enquiries.models import Enquiry
from lab.pilots.plans import Line, Prose


class EnquiryRequest(BaseModel):
    """What a company would like to find out, and who asks."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    company: Line
    contact: Line
    """Who is asked back."""
    mail: Annotated[str, Field(max_length=320)]
    """Where the answer goes."""
    question: Prose
    """In the company's own words."""
    size_class: Literal["micro", "small", "medium", "large"] | None = None
    nace: Annotated[str, Field(max_length=10)] | None = None
    """Sector, NACE Rev. 2."""
    region: Annotated[str, Field(max_length=5)] | None = None
    """NUTS region."""
    language: Language | None = None
    """Of the answer; left out: the lab's."""


class EnquiryAcceptance(BaseModel):
    """The lab can help."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    title: Line
    """Of the pilot."""
    organisation_id: str | None = Field(default=None, max_length=40)
    """The company, if it is registered already; left out: it is registered with what the enquiry says."""
    answer: Prose | None = None
    """What the company is told."""


class EnquiryReferral(BaseModel):
    """Somebody else can help better."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    partner_id: str = Field(max_length=40)
    """An organisation of the kind partner."""
    answer: Prose
    """What the company is told: why, and whom to ask for."""


class EnquiryReceipt(BaseModel):
    """That an enquiry has arrived."""

    id: str
    asked_at: datetime


class EnquiryAnswer(BaseModel):
    """An enquiry and what became of it."""

    id: str
    company: str
    contact: str
    mail: str
    question: str
    size_class: str | None
    nace: str | None
    region: str | None
    language: str | None
    organisation_id: str | None
    state: str
    asked_at: datetime
    decided_at: datetime | None
    answer: str | None
    pilot_id: str | None
    partner_id: str | None

    @classmethod
    def of(cls, enquiry: Enquiry) -> "EnquiryAnswer":
        """From the table's row."""
        return cls.model_validate(enquiry, from_attributes=True)
