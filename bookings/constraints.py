"""Invariant I1 in the database itself: no device is reserved twice at one time.

The statements below make it so, on each dialect in its own way. `create_all` runs them after the table
`booking_devices` is made (`attach`); a migration executes `UPGRADE[dialect]` and `DOWNGRADE[dialect]`.

PostgreSQL: an exclusion constraint over device and span, deferred so that two bookings can swap within a transaction.

SQLite: triggers. Active rows of a device never overlap, so of those that end after the new start the one that ends
first also starts first: if *it* does not start before the new end, none does. That is one step in an index, however
long the history. Two writers never run at once (`BEGIN IMMEDIATE`), so what a trigger sees is all there is.
"""

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

EXCLUSION = "ex_booking_devices_device_free"
"""Name of the exclusion constraint on PostgreSQL."""

DEVICE_BUSY = "pilotlab device is reserved at that time"
"""What the triggers on SQLite say."""

WRONG_FORM = "pilotlab reservation needs whole microseconds and active 0 or 1"
"""What they say of a value that SQLite would store but could not compare."""

_EXCLUSION_VIOLATION = "23P01"

_CHECKS = f"""
  SELECT RAISE(ABORT, '{WRONG_FORM}')
   WHERE typeof(NEW.reserved_start) <> 'integer' OR typeof(NEW.reserved_end) <> 'integer' OR NEW.active NOT IN (0, 1);
  SELECT RAISE(ABORT, '{DEVICE_BUSY}')
   WHERE NEW.active = 1 AND NEW.reserved_end > (
     SELECT reserved_start FROM booking_devices
      WHERE device_id = NEW.device_id AND active = 1 AND reserved_end > NEW.reserved_start AND {{others}}
      ORDER BY reserved_end LIMIT 1);"""  # noqa: S608 - constants only

_INSERT_CHECKS = _CHECKS.format(others="booking_id <> NEW.booking_id")
_UPDATE_CHECKS = _CHECKS.format(others="NOT (booking_id = OLD.booking_id AND device_id = OLD.device_id)")

UPGRADE: dict[str, list[str]] = {
    "postgresql": [
        "CREATE EXTENSION IF NOT EXISTS btree_gist",
        f"ALTER TABLE booking_devices ADD CONSTRAINT {EXCLUSION} "
        "EXCLUDE USING gist (device_id WITH =, tstzrange(reserved_start, reserved_end) WITH &&) "
        "WHERE (active) DEFERRABLE INITIALLY DEFERRED",
    ],
    "sqlite": [
        f"CREATE TRIGGER booking_devices_free_on_insert BEFORE INSERT ON booking_devices BEGIN{_INSERT_CHECKS}\nEND",
        "CREATE TRIGGER booking_devices_free_on_update "
        "BEFORE UPDATE OF booking_id, device_id, reserved_start, reserved_end, active ON booking_devices "
        f"BEGIN{_UPDATE_CHECKS}\nEND",
    ],
}
"""Statements that establish I1 on the existing table `booking_devices`, by dialect, in order."""

DOWNGRADE: dict[str, list[str]] = {
    "postgresql": [f"ALTER TABLE booking_devices DROP CONSTRAINT {EXCLUSION}"],
    "sqlite": ["DROP TRIGGER booking_devices_free_on_update", "DROP TRIGGER booking_devices_free_on_insert"],
}
"""Statements that take it away again (the extension stays, others may use it)."""


def attach(table: sa.Table) -> None:
    """Have `create_all` run the statements of its dialect right after it has made the table."""
    for dialect, statements in UPGRADE.items():
        for statement in statements:
            ddl = sa.DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


def enforce_now(session: Session) -> None:
    """Have the database judge what was written so far, instead of at commit.

    SQLite judges each row at once. On PostgreSQL this waits for whoever is writing a colliding row just now.

    Raises:
        IntegrityError: see `is_device_busy`; the transaction goes on only from a savepoint.
    """
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text(f"SET CONSTRAINTS {EXCLUSION} IMMEDIATE"))
        session.execute(sa.text(f"SET CONSTRAINTS {EXCLUSION} DEFERRED"))


def is_device_busy(error: IntegrityError) -> bool:
    """Whether a refusal of the database means that a device is reserved then, and not a broken key or value."""
    if getattr(error.orig, "sqlstate", None) == _EXCLUSION_VIOLATION:
        return True
    return DEVICE_BUSY in str(error.orig)
