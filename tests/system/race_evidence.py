"""What the database itself says after a race, in plain SQL on a connection of its own, past the product's code."""

import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from lab.core.time import Span, to_microseconds

_OVERLAPS = """
SELECT count(*) FROM {table} one JOIN {table} other
    ON one.{holder} = other.{holder} AND one.booking_id < other.booking_id
   AND one.reserved_start < other.reserved_end AND other.reserved_start < one.reserved_end
 WHERE one.active AND other.active"""

_WITHOUT_LOG = """
SELECT count(*) FROM bookings
 WHERE version <> (SELECT count(*) FROM audit_entries WHERE subject = 'booking' AND subject_id = bookings.id)"""

_WITHOUT_NOTICE = """
SELECT count(*) FROM bookings
 WHERE NOT EXISTS (
       SELECT 1 FROM jobs WHERE kind = 'booking-notice' AND key LIKE 'booking-notice:' || bookings.id || ':%')"""

_HALF_ACTIVE = """
SELECT count(*) FROM (SELECT booking_id FROM booking_devices GROUP BY booking_id
 HAVING min(CASE WHEN active THEN 1 ELSE 0 END) <> max(CASE WHEN active THEN 1 ELSE 0 END)) mixed"""


class Evidence:
    """Questions to one database."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._is_sqlite = url.get_backend_name() == "sqlite"

    def active(self, devices: Sequence[str], span: Span) -> list[tuple[str, str]]:
        """(booking, device) of what is held of these devices within a span, buffers included."""
        marks = ", ".join(["?"] * len(devices))
        return self._rows(
            f"SELECT booking_id, device_id FROM booking_devices WHERE active AND device_id IN ({marks}) "
            "AND reserved_start < ? AND reserved_end > ? ORDER BY device_id",
            *devices,
            self._instant(span.end),
            self._instant(span.start),
        )

    def counted(self, title: str) -> tuple[int, int]:
        """Bookings with this title, and the rows of their devices, active or not."""
        bookings = self._number("SELECT count(*) FROM bookings WHERE title = ?", title)
        rows = self._number(
            "SELECT count(*) FROM booking_devices JOIN bookings ON id = booking_id WHERE title = ?", title
        )
        return bookings, rows

    def line_is_looked_through(self, now: datetime) -> bool:
        """Whether nothing that was given back waits to be offered."""
        waiting = self._number(
            "SELECT count(*) FROM jobs WHERE kind = 'waitlist-offer' AND state IN ('queued', 'running') "
            "AND created_at <= ? AND key NOT LIKE '%:over'",
            self._instant(now),
        )
        return waiting == 0

    def offered(self, booking_id: str) -> bool:
        """Whether a booking holds a slot for somebody on the waitlist."""
        return (
            self._number("SELECT count(*) FROM waitlist_entries WHERE state = 'offered' AND booking_id = ?", booking_id)
            == 1
        )

    def faults(self) -> dict[str, int]:
        """What there must never be, counted over the whole database."""
        return {
            "overlapping": self._number(_OVERLAPS.format(table="booking_devices", holder="device_id")),
            "engineer twice": self._number(_OVERLAPS.format(table="booking_engineers", holder="account_id")),
            "partly active": self._number(_HALF_ACTIVE),
            "without devices": self._number(
                "SELECT count(*) FROM bookings WHERE id NOT IN (SELECT booking_id FROM booking_devices)"
            ),
            "not in the log": self._number(_WITHOUT_LOG),
            "not announced": self._number(_WITHOUT_NOTICE),
            "keys without answer": self._number("SELECT count(*) FROM idempotency_keys WHERE status = 0"),
        }

    def deadlocks(self) -> int:
        """How many PostgreSQL has ended so far."""
        if self._is_sqlite:
            return 0
        return self._number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

    def _instant(self, instant: datetime) -> Any:
        return to_microseconds(instant) if self._is_sqlite else instant

    def _number(self, query: str, *values: Any) -> int:
        ((found,),) = self._rows(query, *values)
        return int(found)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        if self._is_sqlite:
            with contextlib.closing(sqlite3.connect(str(self._url.database), timeout=30)) as connection:
                return connection.execute(query, values).fetchall()
        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address) as connection:
            text = query.replace("%", "%%").replace("?", "%s") if values else query
            return connection.execute(text, values or None).fetchall()  # type: ignore[arg-type]
