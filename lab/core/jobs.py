"""The job table: work that must happen, outside the request that asked for it.

At least once, with backoff; a `key` makes the effect happen once: a second job with the same key is the first one.
Whoever handles a job must look whether its effect is there already, because a worker can die after the effect and
before the note of it.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from lab.core.clock import Clock
from lab.core.database import Base, Database, UtcDateTime
from lab.core.ids import new_id

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(hours=1)
_RESTS = 3.0
"""Beside pages, the thread of a worker rests so many times as long as its last job took: people wait for the requests
that the same process answers, and for jobs nobody does. Without it a crowd of bookings is slowed down by its own
notices."""
_LONGEST_REST_SECONDS = 0.05


class Job(Base):
    """One piece of work."""

    __tablename__ = "jobs"
    __table_args__ = (sa.Index("ix_jobs_due", "state", "run_at"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(60))
    key: Mapped[str] = mapped_column(sa.String(200), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    state: Mapped[str] = mapped_column(sa.String(20))
    """queued, running, done or failed (gave up)."""
    attempts: Mapped[int]
    max_attempts: Mapped[int]
    run_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Queued: when it is due. Running: when its lease ends and another worker may take it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(sa.Text)


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this worker holds."""

    id: str
    kind: str
    key: str
    payload: Mapping[str, Any]
    attempt: int


_TABLE = cast(sa.Table, Job.__table__)
# One statement without the ORM: every change of a booking leaves a job behind, hardly ever one that is there already.
_INSERTS: Mapping[str, sa.Executable] = {
    "sqlite": sqlite.insert(_TABLE).on_conflict_do_nothing(index_elements=["key"]).returning(_TABLE.c.id),
    "postgresql": postgresql.insert(_TABLE).on_conflict_do_nothing(index_elements=["key"]).returning(_TABLE.c.id),
}


def enqueue(
    session: Session,
    *,
    kind: str,
    key: str,
    payload: Mapping[str, Any],
    now: datetime,
    run_at: datetime | None = None,
    max_attempts: int = 8,
) -> Job:
    """Ask for work; part of the caller's transaction, so that it happens if and only if the cause is kept.

    Args:
        session: a write session.
        kind: which handler.
        key: names the effect; asking twice with one key gives the same job.
        payload: JSON-ready arguments.
        now: the present instant.
        run_at: not before this instant; default `now`.
        max_attempts: then it is `failed` and waits for a person.

    Returns:
        The job, to read only.
    """
    _, values = new_job(kind=kind, key=key, payload=payload, now=now, run_at=run_at, max_attempts=max_attempts)
    connection = session.connection()
    if connection.scalar(_INSERTS[connection.dialect.name], values) is not None:
        return Job(**values)
    # Somebody asked for it before, or a moment ago, which the insert has waited for.
    return session.scalars(sa.select(Job).where(Job.key == key)).one()


def new_job(
    *,
    kind: str,
    key: str,
    payload: Mapping[str, Any],
    now: datetime,
    run_at: datetime | None = None,
    max_attempts: int = 8,
) -> tuple[sa.Table, dict[str, Any]]:
    """A job as a row, to be written together with its cause (`lab.core.database.write_together`).

    Only for a key that nobody can have used: of something that is made in the same statement.
    """
    return _TABLE, {
        "id": new_id("job"),
        "kind": kind,
        "key": key,
        "payload": dict(payload),
        "state": "queued",
        "attempts": 0,
        "max_attempts": max_attempts,
        "run_at": run_at or now,
        "created_at": now,
        "finished_at": None,
        "last_error": None,
    }


def claim(
    session: Session, *, now: datetime, only: Collection[str] | None = None, but: Collection[str] = ()
) -> ClaimedJob | None:
    """Take the next due job, or one whose worker died; nobody else gets it until its lease ends.

    A job whose worker died at its last attempt is given up: it may be what kills the workers.

    Args:
        session: a write session.
        now: the present instant.
        only: the kinds to choose from; None: all.
        but: kinds that are left to others.
    """
    due = sa.select(Job.id).where(Job.state.in_(["queued", "running"]), Job.run_at <= now)
    if only is not None:
        due = due.where(Job.kind.in_(only))
    if but:
        due = due.where(Job.kind.not_in(but))
    taken = (
        sa.update(_TABLE)
        .where(
            _TABLE.c.id == due.order_by(Job.run_at, Job.id).limit(1).with_for_update(skip_locked=True).scalar_subquery()
        )
        .values(state="running", attempts=_TABLE.c.attempts + 1, run_at=now + LEASE)
        .returning(*(_TABLE.c[name] for name in ("id", "kind", "key", "payload", "attempts", "max_attempts")))
    )
    while (job := session.execute(taken).one_or_none()) is not None:
        if job.attempts <= job.max_attempts:
            return ClaimedJob(job.id, job.kind, job.key, job.payload, job.attempts)
        given_up = {"state": "failed", "attempts": job.max_attempts, "finished_at": now}
        why = "its worker died at the last attempt"
        session.execute(sa.update(_TABLE).where(_TABLE.c.id == job.id).values(**given_up, last_error=why))
    return None


def find_job(session: Session, key: str) -> Job | None:
    """The job that makes an effect happen, whatever has become of it."""
    return session.scalars(sa.select(Job).where(Job.key == key)).one_or_none()


def try_anew(session: Session, key: str, *, now: datetime) -> bool:
    """Have a job that was given up tried again, as often as a new one: a person has mended the cause.

    Returns:
        Whether there was one; others are left alone.
    """
    given_up = sa.update(Job).where(Job.key == key, Job.state == "failed")
    anew = given_up.values(state="queued", attempts=0, run_at=now, finished_at=None).returning(Job.id)
    return session.scalar(anew.execution_options(synchronize_session="fetch")) is not None


def hasten(session: Session, key: str, *, run_at: datetime) -> None:
    """Have a job that nobody has begun done earlier; one that is due earlier already is left alone."""
    waiting = sa.update(Job).where(Job.key == key, Job.state == "queued", Job.attempts == 0, Job.run_at > run_at)
    session.execute(waiting.values(run_at=run_at).execution_options(synchronize_session="fetch"))


def finish(session: Session, job_id: str, *, now: datetime) -> None:
    """Note that the effect is there."""
    session.execute(sa.update(Job).where(Job.id == job_id).values(state="done", finished_at=now, last_error=None))


def fail(session: Session, claimed: ClaimedJob, *, now: datetime, error: str) -> None:
    """Note a failed attempt: again later, ever later, or not at all after the last one.

    Whoever has lost its lease has no say any more: the job is done, or somebody else's.
    """
    job = session.get_one(Job, claimed.id, with_for_update=True)
    if job.state != "running" or job.attempts != claimed.attempt:
        return
    job.last_error = error[:2000]
    if job.attempts >= job.max_attempts:
        job.state, job.finished_at = "failed", now
    else:
        job.state = "queued"
        job.run_at = now + min(LONGEST_RETRY, FIRST_RETRY * 2 ** (job.attempts - 1))


def overdue_jobs(session: Session, *, before: datetime) -> int:
    """How many jobs nobody has begun although they were due before this instant."""
    waiting = sa.select(sa.func.count()).select_from(Job).where(Job.state == "queued", Job.run_at < before)
    return session.scalar(waiting) or 0


class TryLaterError(Exception):
    """What a handler raises when it could not be done this time, and nothing of ours is wrong."""


Handler = Callable[[ClaimedJob], None]


class Worker:
    """Runs jobs one after another, in a thread of its own or call by call.

    Args:
        database: where the job table is.
        clock: tells what is due.
        handlers: by kind of job.
        only: the kinds it works on; None: all, so that a job which nobody handles is noticed.
        but: kinds that it leaves to other workers, so that a slow one of theirs keeps nobody waiting here.
        name: of its thread.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        handlers: Mapping[str, Handler],
        *,
        only: Collection[str] | None = None,
        but: Collection[str] = (),
        name: str = "jobs",
    ) -> None:
        self._database = database
        self._clock = clock
        self._handlers = handlers
        self._only, self._but, self._name = only, but, name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def run_due(self, *, resting: bool = False) -> int:
        """Run everything that is due now.

        Args:
            resting: whether to leave the computer to others between two jobs.

        Returns:
            How many jobs were attempted.
        """
        count, done = 0, None
        while True:
            with self._database.write() as session:
                now = self._clock.now()
                if done is not None:
                    finish(session, done.id, now=now)
                asked = not self._stop.is_set()
                job = claim(session, now=now, only=self._only, but=self._but) if asked else None
            if job is None:
                return count
            count += 1
            started = time.monotonic()
            done = job if self._attempt(job) else None
            if resting:
                self._stop.wait(min(_LONGEST_REST_SECONDS, _RESTS * (time.monotonic() - started)))

    def _attempt(self, job: ClaimedJob) -> bool:
        """Whether its effect is there, which is still to be noted."""
        handler = self._handlers.get(job.kind)
        try:
            if handler is None:
                raise LookupError(f"nobody handles jobs of kind {job.kind}")
            handler(job)
        except Exception as error:
            trace = not isinstance(error, TryLaterError)
            log.warning("job failed", job=job.id, kind=job.kind, attempt=job.attempt, why=str(error), exc_info=trace)
            with self._database.write() as session:
                fail(session, job, now=self._clock.now(), error=f"{type(error).__name__}: {error}")
            return False
        return True

    def start(self, *, every: float = 0.5, resting: bool = True) -> None:
        """Work in a thread.

        Args:
            every: seconds after which it looks for due jobs.
            resting: whether people wait for other threads of this process.
        """
        self._thread = threading.Thread(target=self._loop, args=(every, resting), name=self._name, daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Take no more jobs."""
        self._stop.set()

    def stop(self, *, timeout: float = 10.0) -> None:
        """Finish the job at hand and stop."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join(timeout)

    def _loop(self, every: float, resting: bool) -> None:
        while not self._stop.is_set():
            try:
                self.run_due(resting=resting)
            except Exception:
                log.exception("job worker stumbled")
            self._stop.wait(every)
