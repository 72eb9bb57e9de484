"""What a store had to repair, and which messages neither it nor the spool has any more."""

from datetime import datetime
from typing import Any

from lab.core.time import to_nanoseconds
from telemetry.incidents.noting import incident
from telemetry.spool import Spool
from telemetry.stores.interface import Repair


def incident_of_repair(repair: Repair, spool: Spool, *, now: datetime) -> dict[str, Any]:
    """A row of `RecordingIncident` that names exactly what is missing.

    Args:
        repair: what the store did.
        spool: from which everything above the store's watermark is drained again.
        now: when it is noted.
    """
    holds = repair.watermarks.get(spool.id)
    if not repair.watermarks and spool.begins_at:
        holds = spool.begins_at - 1  # all that was ever recorded came through this spool
    oldest = spool.oldest
    first_left_ns = (spool.received_after(oldest - 1) if oldest else None) or to_nanoseconds(now)
    if holds is not None and (not oldest or holds >= oldest - 1) and holds <= spool.head:
        again = max(0, spool.head - holds)
        return incident(
            repair.kind,
            f"{repair.detail}; nothing is missing: {again} messages are drained again from the spool",
            now=now,
            key=repair.detail,
            span_ns=(repair.received_ns, to_nanoseconds(now)),
            numbers=(holds + 1, spool.head) if again else (None, None),
            messages=0,
            ended_at=now,
        )
    last = oldest - 1 if oldest else spool.head
    missing = None if holds is None else max(0, last - holds)
    since = "the beginning" if repair.received_ns is None else f"{repair.received_ns} ns"
    count = "it cannot be known how many" if missing is None else f"{missing}"
    return incident(
        repair.kind,
        f"{repair.detail}; missing are the messages received after {since} and before {first_left_ns} ns ({count}); "
        "what came later is drained again from the spool",
        now=now,
        key=repair.detail,
        span_ns=(repair.received_ns, first_left_ns),
        numbers=(None if holds is None else holds + 1, last),
        messages=missing,
        ended_at=now,
    )
