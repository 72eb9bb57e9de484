"""Which assessments of digital maturity there should be by now. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

from dateutil.relativedelta import relativedelta

Stage = Literal["T0", "T1", "T2"]
T2_AFTER_MONTHS = 12
"""From T1 on."""


def missing_stages(assessed: Mapping[str, date], pilot_state: str, *, today: date) -> list[Stage]:
    """T0 from the beginning on, T1 once the pilot is reported, T2 a year after T1; to warn, never to block.

    Args:
        assessed: stage → day of its assessment.
        pilot_state: how far the pilot is.
        today: the present day.
    """
    expected: list[Stage] = ["T0", "T1"] if pilot_state == "reported" else ["T0"]
    first = assessed.get("T1")
    if first is not None and today >= first + relativedelta(months=T2_AFTER_MONTHS):
        expected.append("T2")
    return [stage for stage in expected if stage not in assessed]
