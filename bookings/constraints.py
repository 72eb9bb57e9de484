"""Invariant I1 in the database itself: no device, and no engineer, is reserved twice at one time.

The statements below make it so, on each dialect in its own way. `create_all` runs them after their table is made
(`attach`); migrations execute the same statements.

PostgreSQL: an exclusion constraint over whoever is reserved and the span, deferred so that two bookings can swap within
a transaction.

SQLite: triggers. Active rows of a device never overlap, so of those that end after the new start the one that ends
first also starts first: if *it* does not start before the new end, none does. That is one step in an index, however
long the history. Two writers never run at once (`BEGIN IMMEDIATE`), so what a trigger sees is all there is. Triggers
judge each row at once: whoever swaps bookings makes the rows inactive first.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

WRONG_FORM = "pilotlab reservation needs whole microseconds and active 0 or 1"
"""What the triggers say of a value that SQLite would store but could not compare."""

_EXCLUSION_VIOLATION = "23P01"


@dataclass(frozen=True, slots=True)
class Exclusive:
    """A table whose active rows never overlap for one holder.

    Attributes:
        table: its name.
        holder: the column that says what is reserved.
        busy: what the triggers on SQLite say.
        constraint: the name of the exclusion constraint on PostgreSQL.
    """

    table: str
    holder: str
    busy: str
    constraint: str

    def statements(self) -> dict[str, list[str]]:
        """What establishes the constraint on the existing table, by dialect, in order."""
        insert = self._checks("booking_id <> NEW.booking_id")
        update = self._checks(f"NOT (booking_id = OLD.booking_id AND {self.holder} = OLD.{self.holder})")
        return {
            "postgresql": [
                "CREATE EXTENSION IF NOT EXISTS btree_gist",
                f"ALTER TABLE {self.table} ADD CONSTRAINT {self.constraint} "
                f"EXCLUDE USING gist ({self.holder} WITH =, tstzrange(reserved_start, reserved_end) WITH &&) "
                "WHERE (active) DEFERRABLE INITIALLY DEFERRED",
            ],
            "sqlite": [
                f"CREATE TRIGGER {self.table}_free_on_insert BEFORE INSERT ON {self.table} BEGIN{insert}\nEND",
                f"CREATE TRIGGER {self.table}_free_on_update "
                f"BEFORE UPDATE OF booking_id, {self.holder}, reserved_start, reserved_end, active ON {self.table} "
                f"BEGIN{update}\nEND",
            ],
        }

    def _checks(self, others: str) -> str:
        return f"""
  SELECT RAISE(ABORT, '{WRONG_FORM}')
   WHERE typeof(NEW.reserved_start) <> 'integer' OR typeof(NEW.reserved_end) <> 'integer' OR NEW.active NOT IN (0, 1);
  SELECT RAISE(ABORT, '{self.busy}')
   WHERE NEW.active = 1 AND NEW.reserved_end > (
     SELECT reserved_start FROM {self.table}
      WHERE {self.holder} = NEW.{self.holder} AND active = 1 AND reserved_end > NEW.reserved_start AND {others}
      ORDER BY reserved_end LIMIT 1);"""  # noqa: S608 - constants only


DEVICES = Exclusive(
    "booking_devices",
    "device_id",
    "pilotlab device is reserved at that time",
    "ex_booking_devices_device_free",
)
ENGINEERS = Exclusive(
    "booking_engineers",
    "account_id",
    "pilotlab engineer is reserved at that time",
    "ex_booking_engineers_engineer_free",
)


def attach(table: sa.Table, exclusive: Exclusive) -> None:
    """Have `create_all` run the statements of its dialect right after it has made the table."""
    for dialect, statements in exclusive.statements().items():
        for statement in statements:
            ddl = sa.DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


def is_device_busy(error: IntegrityError) -> bool:
    """Whether a refusal of the database means that a device is reserved then, and not a broken key or value."""
    return _broken(error, DEVICES)


def is_engineer_busy(error: IntegrityError) -> bool:
    """Whether a refusal of the database means that the engineer is reserved then."""
    return _broken(error, ENGINEERS)


def _broken(error: IntegrityError, exclusive: Exclusive) -> bool:
    if getattr(error.orig, "sqlstate", None) == _EXCLUSION_VIOLATION:
        return exclusive.constraint in str(error.orig)
    return exclusive.busy in str(error.orig)
