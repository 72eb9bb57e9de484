"""Work that must happen: at least once, its effect once, whoever dies in between."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core import jobs
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import LEASE, LONGEST_RETRY, ClaimedJob, Job, Worker, claim, enqueue
from tests.factories import MONDAY_MORNING
from tests.lock_waiting import wait_for_a_lock
from tests.services import wait_until


def _ask(database: Database, key: str = "report-1", **more: object) -> str:
    with database.write() as session:
        return enqueue(session, kind="report", key=key, payload={"pilot": key}, **{"now": MONDAY_MORNING, **more}).id  # type: ignore[arg-type]


def _claim(database: Database, now: datetime) -> ClaimedJob | None:
    with database.write() as session:
        return claim(session, now=now)


def _job(database: Database, id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, id)


def _worker(database: Database, clock: LabClock, handler: Callable[[ClaimedJob], None]) -> Worker:
    return Worker(database, clock, {"report": handler})


def _broken(_: ClaimedJob) -> None:
    raise OSError("the printer is on fire")


def test_job_is_done_once_and_kept_as_done(each_database: Database, lab_clock: LabClock) -> None:
    id, done = _ask(each_database), []
    worker = _worker(each_database, lab_clock, done.append)
    assert (worker.run_due(), worker.run_due()) == (1, 0)
    assert [(job.payload, job.attempt) for job in done] == [({"pilot": "report-1"}, 1)]
    job = _job(each_database, id)
    assert (job.state, job.finished_at, job.last_error) == ("done", MONDAY_MORNING, None)


def test_asking_twice_for_one_effect_gives_the_same_job(each_database: Database, lab_clock: LabClock) -> None:
    first = _ask(each_database)
    assert _ask(each_database) == first
    _worker(each_database, lab_clock, lambda _: None).run_due()
    assert _ask(each_database) == first
    assert _worker(each_database, lab_clock, _broken).run_due() == 0


def test_asking_costs_one_statement(each_database: Database) -> None:
    statements: list[str] = []
    sa.event.listen(each_database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    _ask(each_database)
    assert len([statement for statement in statements if "jobs" in statement]) == 1


def test_asking_again_leaves_the_first_wish_as_it_was(each_database: Database) -> None:
    id = _ask(each_database, run_at=MONDAY_MORNING + timedelta(hours=1), max_attempts=3)
    _ask(each_database)
    job = _job(each_database, id)
    assert (job.run_at, job.max_attempts) == (MONDAY_MORNING + timedelta(hours=1), 3)


def test_two_who_ask_at_the_same_moment_get_the_same_job(postgres_database: Database) -> None:
    second: list[str] = []
    asking = threading.Thread(target=lambda: second.append(_ask(postgres_database)), daemon=True)
    with postgres_database.write() as session:
        first = enqueue(session, kind="report", key="report-1", payload={}, now=MONDAY_MORNING).id
        asking.start()
        wait_for_a_lock(postgres_database)
    asking.join(5)
    assert second == [first]


def test_job_is_asked_for_only_if_its_cause_is_kept(each_database: Database, lab_clock: LabClock) -> None:
    def work(session: Session) -> None:
        enqueue(session, kind="report", key="report-1", payload={}, now=MONDAY_MORNING)
        raise KeyError

    with pytest.raises(KeyError):
        each_database.transact(work)
    assert _claim(each_database, MONDAY_MORNING) is None


def test_job_waits_for_its_time(each_database: Database, lab_clock: LabClock) -> None:
    _ask(each_database, run_at=MONDAY_MORNING + timedelta(hours=1))
    done: list[ClaimedJob] = []
    worker = _worker(each_database, lab_clock, done.append)
    assert worker.run_due() == 0
    lab_clock.advance(timedelta(hours=1))
    assert worker.run_due() == 1


def test_jobs_come_in_the_order_in_which_they_are_due(each_database: Database, lab_clock: LabClock) -> None:
    for minutes in (3, 1, 2):
        _ask(each_database, f"report-{minutes}", run_at=MONDAY_MORNING + timedelta(minutes=minutes))
    lab_clock.advance(timedelta(minutes=5))
    done: list[ClaimedJob] = []
    _worker(each_database, lab_clock, done.append).run_due()
    assert [job.key for job in done] == ["report-1", "report-2", "report-3"]


def test_failed_job_comes_again_ever_later_and_is_given_up_at_last(
    each_database: Database, lab_clock: LabClock
) -> None:
    id = _ask(each_database, max_attempts=4)
    worker, waits = _worker(each_database, lab_clock, _broken), []
    for _ in range(4):
        assert worker.run_due() == 1
        job = _job(each_database, id)
        if job.state == "queued":
            waits.append((job.run_at - lab_clock.now()).total_seconds())
            assert worker.run_due() == 0
            lab_clock.jump_to(job.run_at)
    assert waits == [5, 10, 20]
    assert (job.state, job.attempts, job.last_error) == ("failed", 4, "OSError: the printer is on fire")
    lab_clock.advance(timedelta(days=1))
    assert worker.run_due() == 0


def test_wait_between_attempts_has_an_end(database: Database) -> None:
    id, now = _ask(database, max_attempts=100), MONDAY_MORNING
    for _ in range(20):
        claimed = _claim(database, now)
        assert claimed is not None
        with database.write() as session:
            jobs.fail(session, claimed, now=now, error="again")
        wait = _job(database, id).run_at - now
        now += wait
    assert wait == LONGEST_RETRY


def test_job_that_nobody_handles_is_not_lost(each_database: Database, lab_clock: LabClock) -> None:
    id = _ask(each_database)
    Worker(each_database, lab_clock, {}).run_due()
    job = _job(each_database, id)
    assert job.state == "queued"
    assert "nobody handles jobs of kind report" in (job.last_error or "")


def test_failure_of_one_job_does_not_stop_the_next(each_database: Database, lab_clock: LabClock) -> None:
    _ask(each_database, "report-1")
    _ask(each_database, "report-2")
    done = []

    def handler(job: ClaimedJob) -> None:
        done.append(job.key)
        if job.key == done[0]:
            raise ValueError

    assert _worker(each_database, lab_clock, handler).run_due() == 2
    assert sorted(done) == ["report-1", "report-2"]


def test_job_of_a_killed_worker_is_taken_over_when_its_lease_ends(each_database: Database) -> None:
    _ask(each_database)
    lost = _claim(each_database, MONDAY_MORNING)  # and then it is killed
    assert _claim(each_database, MONDAY_MORNING + LEASE - timedelta(microseconds=1)) is None
    taken = _claim(each_database, MONDAY_MORNING + LEASE)
    assert lost is not None
    assert taken is not None
    assert (taken.id, taken.attempt) == (lost.id, 2)


def test_job_that_kills_its_workers_is_given_up(each_database: Database) -> None:
    id, now = _ask(each_database, max_attempts=2), MONDAY_MORNING
    _ask(each_database, "report-2", run_at=MONDAY_MORNING + 3 * LEASE)
    assert _claim(each_database, now) is not None
    assert _claim(each_database, now + LEASE) is not None
    last = _claim(each_database, now + 3 * LEASE)
    assert last is not None
    assert last.key == "report-2"
    job = _job(each_database, id)
    assert (job.state, job.last_error) == ("failed", "its worker died at the last attempt")


@pytest.mark.parametrize("other_is", ["at work", "done"])
def test_worker_that_lost_its_lease_cannot_bring_the_job_back(each_database: Database, other_is: str) -> None:
    id = _ask(each_database)
    slow, quick = _claim(each_database, MONDAY_MORNING), _claim(each_database, MONDAY_MORNING + LEASE)
    assert slow is not None
    assert quick is not None
    with each_database.write() as session:
        if other_is == "done":
            jobs.finish(session, quick.id, now=MONDAY_MORNING + LEASE)
        jobs.fail(session, slow, now=MONDAY_MORNING + LEASE, error="too late")
    job = _job(each_database, id)
    assert job.state == ("done" if other_is == "done" else "running")
    assert job.last_error is None


def test_two_workers_share_the_jobs_without_waiting_for_each_other(postgres_database: Database) -> None:
    for number in range(2):
        _ask(postgres_database, f"report-{number}")
    with postgres_database.write() as one, postgres_database.write() as other:
        first, second = claim(one, now=MONDAY_MORNING), claim(other, now=MONDAY_MORNING)
        assert first is not None
        assert second is not None
        assert first.id != second.id
        assert claim(other, now=MONDAY_MORNING) is None


def test_slow_kinds_can_have_a_worker_of_their_own(each_database: Database, lab_clock: LabClock) -> None:
    done: dict[str, list[str]] = {"post": [], "rest": []}
    with each_database.write() as session:
        for kind in ("mail", "report", "unheard-of"):
            enqueue(session, kind=kind, key=kind, payload={}, now=MONDAY_MORNING)
    handlers = {"mail": lambda job: done["post"].append(job.kind)}
    post = Worker(each_database, lab_clock, handlers, only=handlers)
    rest = Worker(each_database, lab_clock, {"report": lambda job: done["rest"].append(job.kind)}, but=handlers)
    assert rest.run_due() == 2  # what nobody handles is noticed too
    assert post.run_due() == 1
    assert done == {"post": ["mail"], "rest": ["report"]}


def test_many_workers_do_each_job_once(each_database: Database, lab_clock: LabClock) -> None:
    for number in range(40):
        _ask(each_database, f"report-{number}")
    done: list[str] = []
    workers = [_worker(each_database, lab_clock, lambda job: done.append(job.key)) for _ in range(3)]
    threads = [threading.Thread(target=worker.run_due, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == sorted(f"report-{number}" for number in range(40))


def test_worker_thread_takes_new_jobs_and_stops_when_asked(database: Database, lab_clock: LabClock) -> None:
    done: list[ClaimedJob] = []
    worker = _worker(database, lab_clock, done.append)
    worker.start(every=0.01)
    try:
        _ask(database)
        wait_until(lambda: bool(done), what="the job")
    finally:
        worker.stop()
    _ask(database, "report-2")
    assert worker.run_due() == 0
    assert len(done) == 1


def test_what_was_given_up_is_tried_anew_as_often_as_a_new_job_and_nothing_else_is(
    each_database: Database, lab_clock: LabClock
) -> None:
    id = _ask(each_database, max_attempts=2)
    worker = _worker(each_database, lab_clock, _broken)

    def try_anew() -> bool:
        with each_database.write() as session:
            return jobs.try_anew(session, "report-1", now=lab_clock.now())

    assert not try_anew()  # it waits for its turn
    for _ in range(2):
        worker.run_due()
        lab_clock.advance(LONGEST_RETRY)
    assert _job(each_database, id).state == "failed"
    assert try_anew()
    assert not try_anew()
    job = _job(each_database, id)
    assert (job.state, job.attempts, job.finished_at) == ("queued", 0, None)
    _worker(each_database, lab_clock, lambda _: None).run_due()
    assert _job(each_database, id).state == "done"
    assert not try_anew()


def test_a_job_is_hastened_as_long_as_nobody_has_begun_it(each_database: Database, lab_clock: LabClock) -> None:
    hour = timedelta(hours=1)
    id = _ask(each_database, run_at=MONDAY_MORNING + 2 * hour)

    def hasten(run_at: datetime) -> datetime:
        with each_database.write() as session:
            jobs.hasten(session, "report-1", run_at=run_at)
        return _job(each_database, id).run_at

    assert hasten(MONDAY_MORNING + hour) == MONDAY_MORNING + hour
    assert hasten(MONDAY_MORNING + 3 * hour) == MONDAY_MORNING + hour  # later is not earlier
    lab_clock.advance(hour)
    assert _claim(each_database, lab_clock.now()) is not None
    assert hasten(MONDAY_MORNING) == lab_clock.now() + LEASE  # its worker keeps it
