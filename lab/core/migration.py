"""Bring a relational store to the schema of this release, on SQLite and PostgreSQL alike."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DatabaseError, ProgrammingError

from lab.core.database import Database
from lab.core.errors import SetupError

_HERE = Path(__file__).resolve()
_INSTALLED = _HERE.parent / "migrations"
_CHECKOUT = _HERE.parents[2] / "migrations"
_ONE_AT_A_TIME = 0x50494C4F544C4142
"""Key of the lock that a migration holds on PostgreSQL: "PILOTLAB" in ASCII."""
_NO_RIGHT = {"42501", "3F000"}  # insufficient privilege, no schema that the user may use


class NewerDatabaseError(SetupError):
    """The database was written by a later release."""


def migrations_folder() -> Path:
    """Where the migrations are: inside the package when installed, at the top of a checkout."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


def alembic_config() -> Config:
    """Alembic's configuration; there is no `alembic.ini`."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def current_revision(database: Database) -> str | None:
    """The revision a database is at; `None`: empty.

    Raises:
        SetupError: if the database does not answer.
    """
    try:
        with database.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DatabaseError as error:  # away, refused, or a file that is no database
        raise SetupError(
            f"the database does not answer: {str(error.orig).strip().splitlines()[0]} "
            f"({database.url.render_as_string(hide_password=True)})",
            field="database_url",
        ) from error


def newest_revision() -> str:
    """The revision of this release."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if head is None:
        raise SetupError("this installation has no migrations; install it again")
    return head


def migrate(database: Database) -> bool:
    """Bring the database to this release's schema.

    Processes that start at the same moment on the same database wait for each other: one migrates, the others find
    it done.

    Returns:
        Whether there was anything to do.

    Raises:
        NewerDatabaseError: if it is of a later release; nothing is changed.
        SetupError: if the database does not answer, or its user may not make tables or the extension `btree_gist`.
    """
    if not is_older(current_revision(database)):
        return False
    config = alembic_config()
    try:
        with database.engine.connect().execution_options(begin_immediate=True) as connection, connection.begin():
            if not database.is_sqlite:  # where BEGIN IMMEDIATE has waited already
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
            if not is_older(MigrationContext.configure(connection).get_current_revision()):
                return False
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) not in _NO_RIGHT:
            raise
        raise SetupError(
            f"the database refuses: {str(error.orig).strip().splitlines()[0]}; its user must own the database, or have "
            "CREATE on it and on the schema public",
            field="database_url",
        ) from error
    return True


def is_older(present: str | None) -> bool:
    """Whether a database at this revision lacks something of this release."""
    newest = newest_revision()
    if present == newest:
        return False
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if present is not None and present not in known:
        raise NewerDatabaseError(
            f"the database is of a newer version of Pilot Lab (schema {present}, this release knows {newest}); "
            "install that version or restore a backup"
        )
    return True
