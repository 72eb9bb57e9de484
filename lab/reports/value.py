"""What every part of a result is, and the interval, which most of them have."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A part of the result: frozen, nothing unknown, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Interval(Value):
    """An interval for an unknown number."""

    low: float
    high: float
