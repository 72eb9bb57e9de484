"""Waiting until a transaction waits for another one."""

import sqlalchemy as sa

from lab.core.database import Database
from tests.services import wait_until

_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def wait_for_a_lock(database: Database) -> None:
    """Return when some transaction on this PostgreSQL database waits for a lock of another.

    Each look is a transaction of its own: within one, PostgreSQL goes on showing what it saw first.

    Raises:
        TimeoutError: nobody does.
    """

    def somebody_waits() -> bool:
        with database.engine.connect() as connection:
            return bool(connection.scalar(_WAITING))

    wait_until(somebody_waits, timeout=30, what="a transaction that waits for another")
