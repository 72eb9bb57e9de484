"""What the people of the demonstration say in its report: all that no machine can know."""

from datetime import date, timedelta
from typing import Any


def statement(day: date) -> dict[str, Any]:
    """The body of `PUT /reports/{id}/statement`.

    Args:
        day: of the slot; steps are due some weeks after it.
    """
    return {
        "authors": ["Piotr Zieliński"],
        "funding_notice": "A demonstration: nobody has paid for it.",
        "readiness": {"before": 5, "after": 6, "reason": "Whole parts were cut, on the lab's mill only."},
        "maturity": [
            {
                "stage": "T0", "assessed_on": (day - timedelta(days=60)).isoformat(), "strategy": 42, "readiness": 35,
                "people": 51, "data": 28, "automation": 12, "green": 24,
            }
        ],
        "risks": [
            {
                "text": "Tools wear faster at the higher feed; nobody has cut long enough to see it.",
                "likelihood": "medium",
                "impact": "high",
                "answer": "Count parts for each tool in the first month.",
            },
            {
                "text": "The company's spindle has less power.",
                "likelihood": "low",
                "impact": "medium",
                "answer": "Measure it with the lab's meter before the purchase.",
            },
        ],
        "transfer": "The company mills other steel in larger batches; expect the same direction, not the same number.",
        "recommendation": "Begin with one mill and compare it with the others for a month.",
        "next_steps": [
            {
                "text": "Measure one batch on the company's own mill.",
                "owner": "Head of production",
                "due": (day + timedelta(days=21)).isoformat(),
            },
            {"text": "Get two offers for the tools.", "owner": "Purchasing"},
        ],
        "funding": ["Regional programme for the digitisation of small companies; ask the hub for the open call."],
    }  # fmt: skip
