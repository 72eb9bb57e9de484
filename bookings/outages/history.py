"""What the audit log keeps of an outage."""

from datetime import datetime
from typing import Any

from bookings.outages.models import Outage


def snapshot(outage: Outage) -> dict[str, Any]:
    """What of an outage is can change, JSON-ready."""

    def text(at: datetime | None) -> str | None:
        return None if at is None else at.isoformat()

    return {
        "device_id": outage.device_id,
        "kind": outage.kind,
        "start": text(outage.start_at),
        "end": text(outage.end_at),
        "rrule": outage.rrule,
        "last_end": text(outage.last_end_at),
        "withdrawn_at": text(outage.withdrawn_at),
        "version": outage.version,
    }
