"""PostgreSQL: one cluster for the whole test session, a database of its own for each test."""

import itertools
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.services.containers import Container, docker_answers
from tests.services.programs import Program, ServiceMissingError, find_program, free_port, ordinary_user

IMAGE = "postgres:16"

_ALWAYS = ["max_connections=200", "shared_buffers=64MB"]
_HASTY = [
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0"),
    *("autovacuum=off", "checkpoint_timeout=1h", "max_wal_size=4GB"),
]
"""Tests may lose their data when the computer stops, and drop their database before it is worth tidying."""


class PostgresCluster:
    """A running server in which databases can be made.

    Args:
        url: of its maintenance database, with the right to create databases and extensions.
        runner: what to end at last; `None` when the server is not ours.
    """

    def __init__(self, url: URL, runner: "Program | Container | None" = None) -> None:
        self.url = url.set(drivername="postgresql")
        self._runner = runner
        self._count = itertools.count(1)
        self._made: set[str] = set()

    def create_database(self, *, template: str = "template0") -> str:
        """Make a new database.

        Args:
            template: name of the database it starts as a copy of; nobody may be connected to that.

        Returns:
            Its address, `postgresql://…`.
        """
        name = f"pilotlab_test_{os.getpid()}_{next(self._count)}"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        self._made.add(name)
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        name = make_url(url).database or ""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self._made.discard(name)

    def remove(self) -> None:
        """End it for good; from a server of the environment only our databases go."""
        if self._runner is None:
            for name in list(self._made):
                self.drop_database(name)
        elif isinstance(self._runner, Container):
            self._runner.remove()
        else:
            self._runner.stop(signal.SIGINT)  # "fast" shutdown: does not wait for clients

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            self._execute(sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: sql.Composed | sql.SQL) -> None:
        address = self.url.render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)


def start_postgres(folder: Path, *, durable: bool = False) -> PostgresCluster:
    """The server that `TEST_DATABASE_URL` names, else a new one.

    Args:
        folder: for the files of a new one.
        durable: a new one keeps what it has committed, as in real use; for measurements.

    Raises:
        ServiceMissingError: when none of the ways works.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        return PostgresCluster(make_url(given))
    reasons = ["TEST_DATABASE_URL is not set", "Docker does not answer"]
    if docker_answers():
        try:
            return _in_container(durable=durable)
        except ServiceMissingError as error:
            reasons[1] = str(error)
    initdb = _find_initdb()
    if initdb is None:
        raise ServiceMissingError(
            f"PostgreSQL: {'; '.join(reasons)}; the programs initdb and postgres are not installed"
        )
    return _installed(initdb, folder, durable=durable)


def _options(durable: bool) -> list[str]:
    return _ALWAYS if durable else [*_ALWAYS, *_HASTY]


def _find_initdb() -> Path | None:
    """Debian keeps the server's programs out of PATH, a folder for each version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda path: int(path.parent.name))
    found = find_program("initdb", *(str(path) for path in reversed(versions)))
    return found.resolve() if found else None


def _installed(initdb: Path, folder: Path, *, durable: bool) -> PostgresCluster:
    user = ordinary_user()
    data = folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        shutil.chown(folder, user)
    made = subprocess.run(
        [initdb, "-D", data, "-U", "pilotlab", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        **({"user": user, "extra_groups": []} if user else {}),
    )
    if made.returncode != 0:
        raise ServiceMissingError(f"initdb: {made.stderr.strip()}")
    port = free_port()
    options = [*_options(durable), "listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={port}"]
    program = Program(
        [initdb.with_name("postgres"), "-D", data, *(part for option in options for part in ("-c", option))],
        folder=folder,
        user=user,
    )
    cluster = PostgresCluster(make_url(f"postgresql://pilotlab@127.0.0.1:{port}/postgres"), program)
    program.start(cluster.answers)
    return cluster


def _in_container(*, durable: bool) -> PostgresCluster:
    port = free_port()
    container = Container(
        IMAGE,
        ready_line=r"init process complete[\s\S]*ready to accept connections",
        ports={5432: port},
        environment={"POSTGRES_USER": "pilotlab", "POSTGRES_PASSWORD": "pilotlab", "POSTGRES_DB": "postgres"},
        command=" ".join(["postgres", *(f"-c {option}" for option in _options(durable))]),
    )
    container.start()
    return PostgresCluster(make_url(f"postgresql://pilotlab:pilotlab@{container.host}:{port}/postgres"), container)
