"""What was heard is written down now and then, by the recorder."""

import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lab.core.database import Database
from telemetry.discovery.hearing import Hearing
from telemetry.discovery.repository import add_heard

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0


class HeardWriter:
    """Stores what was heard every few seconds; what cannot be stored is lost, and heard again.

    Args:
        database: where it goes.
        hearing: what collects it.
    """

    def __init__(self, database: Database, hearing: Hearing) -> None:
        self._database = database
        self._hearing = hearing
        self._written_at: float | None = None

    def __call__(self, *, at_once: bool = False) -> None:
        """Store what is new, if it is time."""
        now = time.monotonic()
        if not at_once and self._written_at is not None and now - self._written_at < EVERY_SECONDS:
            return
        heard = self._hearing.take()
        if not heard:
            return
        self._written_at = now
        try:
            self._database.transact(lambda session: add_heard(session, heard))
        except SQLAlchemyError:
            log.warning("what was heard could not be stored", signals=len(heard))
