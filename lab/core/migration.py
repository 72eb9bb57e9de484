"""Bring a relational store to the schema of this release, on SQLite and PostgreSQL alike."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from lab.core.database import Database
from lab.core.errors import SetupError

_HERE = Path(__file__).resolve()
_INSTALLED = _HERE.parent / "migrations"
_CHECKOUT = _HERE.parents[2] / "migrations"


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
    except OperationalError as error:
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

    Returns:
        Whether there was anything to do.

    Raises:
        NewerDatabaseError: if it is of a later release; nothing is changed.
    """
    present, newest = current_revision(database), newest_revision()
    if present == newest:
        return False
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if present is not None and present not in known:
        raise NewerDatabaseError(
            f"the database is of a newer version of Pilot Lab (schema {present}, this release knows {newest}); "
            "install that version or restore a backup"
        )
    config = alembic_config()
    with database.engine.connect().execution_options(begin_immediate=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True
