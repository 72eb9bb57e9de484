"""Writes down what becomes of alarms, and keeps it in memory while nothing can be written.

An alarm is most needed when the disk is full or the database is away. So whoever notices something tells it here, and
it is written as soon as that is possible, in the order in which it was told.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DatabaseError, InterfaceError
from sqlalchemy.orm import Session

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import UnavailableError
from telemetry.alarms import service
from telemetry.alarms.service import RuleFacts

log = structlog.get_logger(__name__)

MOST_WAITING = 1000
"""What waits to be written; beyond it the oldest is only logged."""
_AWAY = (UnavailableError, DatabaseError, InterfaceError, OSError)


@dataclass(frozen=True, slots=True)
class _Told:
    rule: RuleFacts
    text: str
    at_ns: int | None
    """Settled time at which it was raised; `None`: it has cleared."""
    value: float | None = None
    booking_id: str | None = None
    from_ns: int | None = None


class AlarmKeeper:
    """Takes what is noticed from any thread.

    Args:
        database: where alarms are.
        clock: the lab's clock.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[_Told] = deque()
        self._changing = threading.Lock()
        self._writing = threading.Lock()

    def raised(
        self,
        rule: RuleFacts,
        text: str,
        *,
        at_ns: int,
        from_ns: int | None = None,
        value: float | None = None,
        booking_id: str | None = None,
    ) -> None:
        """An alarm begins; nothing happens if the rule has an open one."""
        log.warning("alarm", rule=rule.id, device=rule.device_id, signal=rule.signal, kind=rule.kind, text=text)
        self._take(_Told(rule, text, at_ns, value, booking_id, from_ns))

    def cleared(self, rule: RuleFacts, text: str) -> None:
        """It is over; nothing happens if the rule has no open alarm."""
        self._take(_Told(rule, text, None))

    def unwritten(self) -> Sequence[tuple[RuleFacts, str, int]]:
        """Alarms that are raised and not written down yet: rule, text, settled time; the newest first."""
        with self._changing:
            waiting = list(self._waiting)
        found: dict[str, tuple[RuleFacts, str, int]] = {}
        for told in waiting:
            found.pop(told.rule.id, None)
            if told.at_ns is not None:
                found[told.rule.id] = (told.rule, told.text, told.at_ns)
        return list(found.values())[::-1]

    def write(self) -> None:
        """Write down what waits, as far as that is possible now."""
        with self._writing:
            while self._waiting:
                told = self._waiting[0]
                try:
                    self._database.transact(self._work(told))
                except _AWAY as error:
                    problem = f"{type(error).__name__}: {error}".partition("\n")[0]
                    log.warning("alarms cannot be written down; they wait", waiting=len(self._waiting), problem=problem)
                    return
                except Exception:
                    log.exception("an alarm that cannot be written down is dropped", rule=told.rule.id, text=told.text)
                with self._changing:
                    self._waiting.popleft()

    def _take(self, told: _Told) -> None:
        with self._changing:
            if len(self._waiting) >= MOST_WAITING:
                log.error("too many alarms wait to be written; one is only told here", rule=told.rule.id)
                return
            self._waiting.append(told)
        self.write()

    def _work(self, told: _Told) -> Callable[[Session], None]:
        def work(session: Session) -> None:
            now = self._clock.now()
            if told.at_ns is None:
                service.clear_alarm(session, told.rule.id, told.text, now=now)
                return
            service.raise_alarm(
                session,
                told.rule,
                told.text,
                at_ns=told.at_ns,
                now=now,
                value=told.value,
                booking_id=told.booking_id,
                from_ns=told.from_ns,
            )

        return work
