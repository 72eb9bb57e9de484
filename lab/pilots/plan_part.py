"""What every part of an analysis plan is."""

from pydantic import BaseModel, ConfigDict


class PlanPart(BaseModel):
    """A part of a plan: frozen, nothing unknown, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
