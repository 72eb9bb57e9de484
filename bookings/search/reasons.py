"""Why no booking can start at some time, as it is told to whoever asks."""

from dataclasses import dataclass
from typing import TypeAlias

from bookings.search.stretches import Stretch


@dataclass(frozen=True, slots=True)
class Reason:
    """Why.

    Attributes:
        rule: short and stable name: opening-hours, holiday, device-free, outage, lead-time, …
        fact: one sentence for a person. Of what others hold it says no more than "taken".
        general: whether it has nothing to do with one device.
    """

    rule: str
    fact: str
    general: bool = False


Layer: TypeAlias = tuple[Reason, list[Stretch]]
"""Starts that are refused for one reason."""
