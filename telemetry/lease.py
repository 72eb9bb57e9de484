"""Who records: one recorder for a lab, however many are started.

On one computer a lock file beside the spool keeps a second one away at once. Between computers a row of the database
does: the holder raises its `beat` every few seconds, and who waits takes over when it has seen the beat stand still for
long enough by its own clock; nobody's clocks are compared.

A holder that cannot reach the database does not stop: most often the database is down for everybody, and nobody else
can take over either. It keeps the connection that it has, but makes no new one until it has reached the database, so
that it can never throw out one that has taken over. That a broker keeps one connection for a client id does the rest.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.core.folder import LockHeldError, hold_lock
from telemetry import leases
from telemetry.errors import RecorderRunningError

log = structlog.get_logger(__name__)

BEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 15.0
LOOK_SECONDS = 1.0
_CONFIRM_SECONDS = 3.0


def take_lease(spool_path: Path) -> IO[str]:
    """Hold the spool for this process until the returned file is closed.

    Raises:
        RecorderRunningError: if a living recorder holds it.
    """
    try:
        return hold_lock(spool_path.with_name(spool_path.name + ".lock"))
    except LockHeldError as held:
        raise RecorderRunningError(
            f"another recorder (process {held.holder}) works on {spool_path}; stop it or choose another data folder",
            field="data_dir",
            holder=held.holder,
        ) from held


class Watch:
    """A rule: when does somebody who waits take over?

    Args:
        spool_id: of who waits; the lock file has shown that the last holder on this spool is dead.
        dead_after_s: how long a beat must stand still.
    """

    def __init__(self, spool_id: str, *, dead_after_s: float = DEAD_AFTER_SECONDS) -> None:
        self._spool_id = spool_id
        self._dead_after_s = dead_after_s
        self._seen: tuple[int, int] | None = None
        self._since = 0.0

    def may_take(self, held: leases.Held | None, *, now: float) -> bool:
        """Whether the lease may be taken.

        Args:
            held: the row as it is now; `None`: there is none.
            now: seconds of a clock that never jumps.
        """
        if held is None or not held.holder or held.spool_id == self._spool_id:
            return True
        if (held.epoch, held.beat) != self._seen:
            self._seen, self._since = (held.epoch, held.beat), now
        return now - self._since >= self._dead_after_s


class Lease:
    """One recorder's claim to be the one that records; a thread takes it, keeps it and tells how it goes.

    Args:
        database: where the row is.
        name: of the row: `recorder/{lab}`.
        spool_id: of this recorder's spool.
        clock: tells when the health was looked at.
        health: what to write with each beat.
    """

    def __init__(
        self, database: Database, name: str, spool_id: str, clock: Clock, health: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._database = database
        self._name = name
        self._holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._spool_id = spool_id
        self._clock = clock
        self._health = health
        self._watch = Watch(spool_id, dead_after_s=DEAD_AFTER_SECONDS)
        self._epoch: int | None = None
        self._beat_at = float("-inf")
        self._stopping = threading.Event()
        self._asked = threading.Event()
        self._rounds = threading.Condition()
        self._round = 0
        self._thread: threading.Thread | None = None
        self.problem: str | None = None
        """Why it is not held, or not surely."""

    def start(self) -> None:
        """Begin to try; also again after the thread has died."""
        self._thread = threading.Thread(target=self._run, name="recorder-lease", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def held(self) -> bool:
        """Whether nobody else can have it; on SQLite the folder's lock makes sure of that."""
        if self._epoch is None:
            return False
        age = time.monotonic() - self._beat_at
        return self._database.is_sqlite or age < DEAD_AFTER_SECONDS - BEAT_SECONDS

    @property
    def lost(self) -> bool:
        """Whether somebody else has it, or may soon have: no connection may be kept."""
        return self._epoch is None

    def confirm(self) -> bool:
        """Ask the database whether the lease is held: before each connect, so that nobody is thrown out."""
        with self._rounds:
            seen = self._round
            self._asked.set()
            self._rounds.wait_for(lambda: self._round > seen or self._stopping.is_set(), _CONFIRM_SECONDS)
        return self.held

    def stop(self, *, timeout: float) -> None:
        """Give it back, so that who waits need not wait any longer."""
        self._stopping.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except (SQLAlchemyError, OSError, PilotLabError) as error:
                self._say(f"the database does not answer: {type(error).__name__}")
            except Exception as error:
                self._say(f"{type(error).__name__}: {error}")
                log.exception("keeping the lease stumbled")
            with self._rounds:
                self._round += 1
                self._rounds.notify_all()
            self._asked.wait(BEAT_SECONDS if self._epoch is not None else LOOK_SECONDS)
            self._asked.clear()
        self._give_back()

    def _turn(self) -> None:
        started = time.monotonic()
        health = self._told() if self._epoch is not None else {}
        now = self._clock.now()
        if self._epoch is not None:
            epoch = self._epoch
            kept = self._database.transact(
                lambda session: leases.beat(
                    session, self._name, self._holder, epoch, self._spool_id, health=health, now=now
                )
            )
            if kept:
                self._beat_at, self.problem = started, None
                return
            self._epoch = None
            log.warning("another recorder has taken over")
        with self._database.read() as session:
            held = leases.look(session, self._name)
        if not self._watch.may_take(held, now=time.monotonic()):
            assert held is not None
            self._say(f"another recorder ({held.holder}) records; this one waits")
            return
        taken = self._database.transact(
            lambda session: leases.take(session, self._name, self._holder, self._spool_id, seen=held, now=now)
        )
        if taken is not None:
            self._epoch, self._beat_at, self.problem = taken, started, None
            self._asked.set()  # tell how it goes at once, not only after the first beat
            log.info("this recorder records", lease=self._name, epoch=taken)

    def _told(self) -> dict[str, Any]:
        try:
            return dict(self._health())
        except Exception as error:
            log.exception("the recorder cannot say how it is doing")
            return {"problem": f"{type(error).__name__}: {error}"}

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("the recorder's lease", problem=problem)
        self.problem = problem

    def _give_back(self) -> None:
        if self._epoch is None:
            return
        epoch, self._epoch = self._epoch, None
        try:
            self._database.transact(lambda session: leases.give_back(session, self._name, self._holder, epoch))
        except (SQLAlchemyError, OSError, PilotLabError) as error:
            log.warning("the lease could not be given back; who waits takes it in a while", problem=str(error))
