"""The relational store: one model for SQLite (WAL) and PostgreSQL.

A write session on SQLite begins with `BEGIN IMMEDIATE`, one at a time through a fair lock, so that writers queue
in the order in which they came instead of failing with "database is locked". Everybody else reads at the same time.
"""

import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from lab.core.errors import SetupError, UnavailableError
from lab.core.time import aware_utc, from_microseconds, to_microseconds

T = TypeVar("T")

RETRIES = 5
_IDLE_SECONDS = 1.0
"""A connection that nobody has used for so long is tried before it is given out; at each time it would cost a trip."""
_EXCLUSION_VIOLATION = "23P01"
_DEADLOCK = "40P01"
_RETRYABLE_SQLSTATES = {"40001", _DEADLOCK, _EXCLUSION_VIOLATION}  # the first: serialisation failure
_APART_SECONDS = 0.2


class Base(DeclarativeBase):
    """Every table of the product."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC instant: `timestamptz` on PostgreSQL, integer microseconds since 1970 on SQLite.

    Raises:
        NaiveTimeError: when a naive time is stored.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column type of the dialect."""
        return dialect.type_descriptor(sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """To the database."""
        if value is None:
            return None
        value = aware_utc(value)
        return to_microseconds(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return from_microseconds(value) if dialect.name == "sqlite" else value.astimezone(UTC)


class FairLock:
    """A lock that is given to waiters in the order in which they asked.

    Raises:
        RuntimeError: when the thread that holds it asks for it again, which would wait for ever.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._holder: int | None = None
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self._mutex:
            if self._held and self._holder == threading.get_ident():
                raise RuntimeError("this thread has a write session open already")
            if not self._held and not self._waiting:
                self._held = True
                self._holder = threading.get_ident()
                return
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # Ctrl-C while waiting: whoever is next must not wait for us
            with self._mutex:
                if turn not in self._waiting:
                    self._hand_over()
                else:
                    self._waiting.remove(turn)
            raise
        self._holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            self._hand_over()

    def _hand_over(self) -> None:
        self._holder = None
        if self._waiting:
            self._waiting.popleft().set()  # the lock stays held and changes hands
        else:
            self._held = False


class Database:
    """Sessions on one relational store.

    Args:
        url: SQLAlchemy address, `sqlite:///…` or `postgresql://…`.
    """

    def __init__(self, url: str) -> None:
        self.url: URL = _with_driver(_address(url))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._write_lock = FairLock()
        if self.is_sqlite:
            self.engine = sa.create_engine(self.url, connect_args={"timeout": 30, "check_same_thread": False})
            event.listen(self.engine, "connect", _prepare_sqlite_connection)
            event.listen(self.engine, "begin", _begin_sqlite_transaction)
        else:
            self.engine = sa.create_engine(self.url, pool_size=10, max_overflow=10)
            event.listen(self.engine, "checkin", _note_when_given_back)
            event.listen(self.engine, "checkout", _try_if_idle)
        self._read = sessionmaker(self.engine, expire_on_commit=False)
        self._look = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._write = sessionmaker(self.engine.execution_options(begin_immediate=True), expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; nothing it does is kept."""
        with self._read() as session:
            yield session

    @contextmanager
    def look(self) -> Iterator[sa.Connection]:
        """A connection for one or two SELECTs that need not see the same moment; on PostgreSQL without a transaction.

        For what every request asks: beginning and ending a transaction are two more trips to the server.
        """
        with self._look.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session for writing; committed at the end of the block, rolled back on an error."""
        if self.is_sqlite:
            with self._write_lock, self._write.begin() as session:
                yield session
        else:
            with self._write.begin() as session:
                yield session

    def transact(self, work: Callable[[Session], T]) -> T:
        """Run `work` in a write session; on a deadlock or serialisation failure run it again (bounded).

        So also when somebody else has reserved the same between its look and its commit: looking again, it finds that.

        Args:
            work: called with the session, perhaps more than once; must not have effects outside it.

        Raises:
            UnavailableError: when it collided `RETRIES` times in a row, or another process kept SQLite locked.
            IntegrityError: when it wrote, `RETRIES` times in a row, what an exclusion constraint refuses.
        """
        for tried in range(1, RETRIES + 1):
            try:
                with self.write() as session:
                    return work(session)
            except DBAPIError as error:
                if _is_locked_sqlite(error):  # it has waited its half minute already
                    break
                sqlstate = getattr(error.orig, "sqlstate", None)
                if sqlstate not in _RETRYABLE_SQLSTATES or (sqlstate == _EXCLUSION_VIOLATION and tried == RETRIES):
                    raise
                if sqlstate == _DEADLOCK:  # those who met in a circle would meet in the same one again
                    time.sleep(random.uniform(0, _APART_SECONDS))  # noqa: S311 - not a secret
        raise UnavailableError("the database is too busy for this change just now; please try again")

    def rehearse(self, work: Callable[[Session], T]) -> T:
        """Run `work` as `transact` does, and undo it: what it gives is what would come of it just now.

        Args:
            work: gives values, nothing that still belongs to the session.
        """

        def undone(session: Session) -> T:
            found = work(session)
            session.rollback()
            return found

        return self.transact(undone)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _address(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # not quoted: it may hold a password
        raise SetupError(
            "setting database_url: it is no address of a database; write postgresql://name:password@host/database or "
            "leave it empty",
            field="database_url",
        ) from error


def storable(text: str) -> bool:
    """Whether an id can be compared with stored ones at all; PostgreSQL refuses NUL and half characters."""
    return text.isascii() and text.isprintable()


def _with_driver(url: URL) -> URL:
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise SetupError(
            f"setting database_url: {url.drivername} is not supported; use postgresql:// or leave it empty"
        )
    return url


def _is_locked_sqlite(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def write_together(session: Session, rows: Sequence[tuple[sa.Table, Mapping[str, Any]]]) -> None:
    """Insert rows of several tables; on PostgreSQL in one statement, because each one is a trip to the server.

    PostgreSQL looks at foreign keys when the statement is over, so rows may refer to each other.

    Args:
        session: of a write transaction.
        rows: table and values by column, in an order in which they can also be written one by one.
    """
    session.flush()  # what they refer to
    connection = session.connection()
    if connection.dialect.name != "postgresql":
        for table, values in rows:
            connection.execute(sa.insert(table), values)
        return
    shape = tuple((table, tuple(values)) for table, values in rows)
    connection.execute(
        _insert_together(shape),
        {f"{name}_{number}": value for number, (_, values) in enumerate(rows) for name, value in values.items()},
    )


@lru_cache(maxsize=256)
def _insert_together(shape: tuple[tuple[sa.Table, tuple[str, ...]], ...]) -> sa.Insert:
    inserts = [
        table.insert().values({name: sa.bindparam(f"{name}_{number}", type_=table.c[name].type) for name in names})
        for number, (table, names) in enumerate(shape)
    ]
    together = inserts.pop().inline()
    for number, insert in enumerate(inserts):
        together = together.add_cte(insert.cte(f"insert_{number}"))
    return together


def _note_when_given_back(_: Any, record: Any) -> None:
    record.info["given_back"] = time.monotonic()


def _try_if_idle(connection: Any, record: Any, _: Any) -> None:
    """Have the pool make new connections where the server has gone away while nobody asked."""
    import psycopg  # here: whoever keeps to SQLite does without (8 MB)

    given_back = record.info.get("given_back")
    if given_back is None or time.monotonic() - given_back < _IDLE_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.OperationalError as error:
        raise InvalidatePoolError("the server has closed this connection") from error


def _prepare_sqlite_connection(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite_transaction(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("begin_immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
