"""What became of the pilots, as a table for the programme (CSV, RFC 4180)."""

import csv
import io
from collections.abc import Iterable, Mapping

from bookings.figures.sheets import plain
from lab.people.models import Organisation
from lab.pilots.models import Pilot
from lab.reports.afterwards.models import FollowUp

HEADER = (
    "pilot", "title", "company", "size_class", "nace", "region", "months", "due", "answered", "invested",
    "amount_cents", "funding", "source", "comment", "maturity_t0", "maturity_t1", "maturity_t2",
)  # fmt: skip


def write_follow_ups(
    rows: Iterable[tuple[FollowUp, Pilot, Organisation]], maturity: Mapping[tuple[str, str], float]
) -> str:
    """One line for each follow-up.

    Args:
        rows: with their pilots and companies.
        maturity: (pilot, stage) → mean of the six dimensions, 0 to 100.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for row, pilot, company in rows:
        words = (pilot.number, pilot.title, company.name, company.size_class, company.nace, company.region)
        told = (row.funding, row.source, row.comment)
        writer.writerow(
            [
                *(plain(word or "") for word in words),
                row.months,
                row.due_at.isoformat(),
                row.answered_at.isoformat() if row.answered_at is not None else "",
                row.invested or "",
                "" if row.amount_cents is None else row.amount_cents,
                *(plain(word or "") for word in told),
                *(maturity.get((pilot.id, stage), "") for stage in ("T0", "T1", "T2")),
            ]
        )
    return text.getvalue()
