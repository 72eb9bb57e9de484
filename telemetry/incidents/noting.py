"""Incidents: what is missing in the record, or was repaired, and exactly since when. For the lab's staff only."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from telemetry import repository
from telemetry.models import RecordingIncident
from telemetry.spool_file import Loss

MOST_UNTOLD = 1_000
_LONGEST_DETAIL = 2_000


def incident_of_loss(spool_id: str, loss: Loss, *, now: datetime) -> dict[str, Any]:
    """Messages that the spool has lost; a row of `RecordingIncident`, the same one however often it is told."""
    return incident(
        "spool-damaged",
        f"{loss.detail}: {loss.last - loss.first + 1} messages that were not stored yet cannot be read any more",
        now=now,
        key=f"{spool_id}/{loss.first}/{loss.last}",
        span_ns=(loss.from_ns, loss.to_ns),
        numbers=(loss.first, loss.last),
        messages=loss.last - loss.first + 1,
        ended_at=now,
    )


def incident(
    kind: str,
    detail: str,
    *,
    now: datetime,
    key: str,
    span_ns: tuple[int | None, int | None] = (None, None),
    numbers: tuple[int | None, int | None] = (None, None),
    messages: int | None = None,
    ended_at: datetime | None = None,
) -> dict[str, Any]:
    """A row of `RecordingIncident`.

    Args:
        kind: what happened, see `RecordingIncident.kind`.
        detail: for a person.
        now: when it is noted.
        key: tells it from others of its kind; the same key is the same incident.
        span_ns: what is missing was received in this span.
        numbers: of the spool, both included.
        messages: how many are missing; `None`: nobody can know.
        ended_at: when it was over; `None`: it lasts.
    """
    return {
        "id": "inc_" + hashlib.sha256(f"{kind}/{key}".encode()).hexdigest()[:32],
        "kind": kind,
        "device_id": None,
        "from_ns": span_ns[0],
        "to_ns": span_ns[1],
        "from_number": numbers[0],
        "to_number": numbers[1],
        "messages": messages,
        "detail": detail[:_LONGEST_DETAIL],
        "noted_at": now,
        "ended_at": ended_at,
    }


def write_incidents(session: Session, rows: list[dict[str, Any]]) -> None:
    """Store incidents; one that is there already only gets its end."""
    repository.add_incidents(session, rows)
    for row in rows:
        if row["ended_at"] is not None:
            session.execute(
                sa.update(RecordingIncident)
                .where(RecordingIncident.id == row["id"], RecordingIncident.ended_at.is_(None))
                .values(ended_at=row["ended_at"], to_ns=row["to_ns"])
            )


class IncidentBox:
    """Incidents that any part of the recorder has noticed and the drain has still to write. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[dict[str, Any]] = []

    def put(self, row: dict[str, Any]) -> None:
        """Notice one; beyond `MOST_UNTOLD` the newest are dropped, they are in the log."""
        with self._lock:
            if len(self._rows) < MOST_UNTOLD:
                self._rows.append(row)

    @contextmanager
    def taken(self) -> Iterator[list[dict[str, Any]]]:
        """Those that are waiting; they stay if the block fails."""
        with self._lock:
            rows = list(self._rows)
        yield rows
        with self._lock:
            del self._rows[: len(rows)]
