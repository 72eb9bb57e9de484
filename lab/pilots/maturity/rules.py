"""Which assessments of digital maturity there should be by now. Pure."""

from collections.abc import Collection
from typing import Literal

Stage = Literal["T0", "T1", "T2"]


def missing_stages(assessed: Collection[str], pilot_state: str) -> list[Stage]:
    """T0 from the beginning on, T1 once the pilot is reported; a reason to warn, never to block."""
    expected: list[Stage] = ["T0", "T1"] if pilot_state == "reported" else ["T0"]
    return [stage for stage in expected if stage not in assessed]
