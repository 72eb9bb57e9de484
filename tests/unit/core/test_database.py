"""One relational store, two dialects: times, transactions, retries."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import Session

from lab.core import database as database_module
from lab.core.database import Database, UtcDateTime
from lab.core.errors import SetupError, UnavailableError
from lab.core.time import NaiveTimeError
from lab.people.models import Organisation
from tests.factories import MONDAY_MORNING, make_organisation
from tests.services import wait_until

INSTANTS = [
    MONDAY_MORNING,
    MONDAY_MORNING + timedelta(microseconds=1),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
]


def _names(database: Database) -> list[str]:
    with database.read() as session:
        return sorted(session.scalars(sa.select(Organisation.name)))


@pytest.mark.parametrize("instant", INSTANTS)
def test_instant_comes_back_as_it_went_in(each_database: Database, instant: datetime) -> None:
    with each_database.write() as session:
        id = make_organisation(session, created_at=instant.astimezone(UTC)).id
    with each_database.read() as session:
        stored = session.get_one(Organisation, id).created_at
    assert stored == instant
    assert stored.tzinfo is UTC


def test_instants_are_sorted_and_compared_by_the_database(each_database: Database) -> None:
    with each_database.write() as session:
        for instant in INSTANTS:
            make_organisation(session, created_at=instant)
    column = Organisation.created_at
    with each_database.read() as session:
        assert list(session.scalars(sa.select(column).order_by(column))) == sorted(INSTANTS)
        assert set(session.scalars(sa.select(column).where(column > MONDAY_MORNING))) == {INSTANTS[1], INSTANTS[3]}


def test_time_without_zone_is_not_stored(each_database: Database) -> None:
    with pytest.raises(StatementError) as refused, each_database.write() as session:
        make_organisation(session, created_at=datetime(2026, 11, 23))
    assert isinstance(refused.value.orig, NaiveTimeError)
    assert _names(each_database) == []


def test_missing_instant_stays_missing(each_database: Database) -> None:
    with each_database.read() as session:
        assert session.scalar(sa.select(sa.literal(None, UtcDateTime))) is None


def test_error_undoes_the_whole_transaction(each_database: Database) -> None:
    def work(session: Session) -> None:
        make_organisation(session)
        raise KeyError

    with pytest.raises(KeyError):
        each_database.transact(work)
    assert _names(each_database) == []


def test_what_a_reading_session_does_is_not_kept(each_database: Database) -> None:
    with each_database.read() as session:
        make_organisation(session)
    assert _names(each_database) == []


def test_rows_can_be_used_after_their_session(each_database: Database) -> None:
    made = each_database.transact(lambda session: make_organisation(session, "Hut Silesia"))
    assert made.name == "Hut Silesia"


def test_reference_to_nothing_is_refused(each_database: Database) -> None:
    with pytest.raises(IntegrityError), each_database.write() as session:
        session.execute(
            sa.text(
                "INSERT INTO web_sessions (token_hash, account_id, created_at, expires_at) "
                "SELECT 'x', 'nobody', created_at, created_at FROM organisations WHERE id = :id"
            ),
            {"id": make_organisation(session).id},
        )


def test_readers_do_not_wait_for_a_writer(each_database: Database) -> None:
    with each_database.write() as session:
        make_organisation(session)
        assert _names(each_database) == []


def test_many_writers_at_once_lose_nothing(each_database: Database) -> None:
    def work() -> None:
        for _ in range(10):
            each_database.transact(make_organisation)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(_names(each_database)) == 60


def test_writer_on_sqlite_holds_the_file_from_its_first_statement(database: Database) -> None:
    other = Database(database.url.render_as_string())
    sa.event.listen(other.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 10"))
    try:
        with database.write() as session:
            session.execute(sa.text("SELECT 1"))
            with pytest.raises(UnavailableError, match="too busy"):
                other.transact(make_organisation)
        other.transact(make_organisation)
    finally:
        other.close()
    assert len(_names(database)) == 1


def test_write_session_inside_a_write_session_is_refused(database: Database) -> None:
    with database.write(), pytest.raises(RuntimeError, match="open already"), database.write():
        pass


def test_sqlite_is_safe_against_power_loss(database: Database) -> None:
    with database.read() as session:
        assert session.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(sa.text("PRAGMA synchronous")) == 2
        assert session.scalar(sa.text("PRAGMA foreign_keys")) == 1


@pytest.fixture
def two_organisations(postgres_database: Database) -> tuple[str, str]:
    with postgres_database.write() as session:
        one, other = make_organisation(session), make_organisation(session)
    return one.id, other.id


def test_deadlock_is_tried_again_and_both_changes_are_made(
    postgres_database: Database, two_organisations: tuple[str, str]
) -> None:
    met, attempts = threading.Barrier(2), []

    def rename(session: Session, first: str, second: str, suffix: str) -> None:
        attempts.append(suffix)
        for number, id in enumerate((first, second)):
            row = session.get_one(Organisation, id, with_for_update=True)
            row.region = (row.region or "")[:1] + suffix
            session.flush()
            if number == 0 and attempts.count(suffix) == 1:
                met.wait(5)

    one, other = two_organisations
    threads = [
        threading.Thread(target=postgres_database.transact, args=(lambda s, a=a: rename(s, *a),), daemon=True)
        for a in ((one, other, "a"), (other, one, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(set(attempts)) == ["a", "b"]
    assert len(attempts) == 3
    with postgres_database.read() as session:
        assert len({row.region for row in session.scalars(sa.select(Organisation))}) == 1


class _DeadlockError(Exception):
    sqlstate = "40P01"


def test_change_that_collides_again_and_again_is_refused_at_last(each_database: Database) -> None:
    tries = []

    def work(session: Session) -> None:
        tries.append(make_organisation(session))
        raise OperationalError("UPDATE", {}, _DeadlockError())

    with pytest.raises(UnavailableError, match="too busy"):
        each_database.transact(work)
    assert len(tries) == database_module.RETRIES
    assert _names(each_database) == []


def test_another_error_is_not_tried_again(each_database: Database) -> None:
    tries = []

    def work(session: Session) -> None:
        tries.append(1)
        make_organisation(session, "Twice")
        make_organisation(session, "Twice")

    with pytest.raises(IntegrityError):
        each_database.transact(work)
    assert tries == [1]


@pytest.mark.parametrize("url", ["mysql://lab@server/lab", "oracle://lab@server/lab"])
def test_database_of_another_kind_is_refused_by_name(url: str) -> None:
    with pytest.raises(SetupError, match=r"database_url: .* is not supported"):
        Database(url)


def test_file_of_sqlite_is_made_at_the_first_use(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'lab.sqlite'}")
    with database.read() as session:
        session.execute(sa.text("SELECT 1"))
    database.close()
    wait_until((tmp_path / "lab.sqlite").exists)
