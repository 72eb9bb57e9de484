"""The migrations make exactly the tables that the code expects, on both databases."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from lab.core.database import Base, Database
from lab.core.errors import SetupError
from lab.core.migration import NewerDatabaseError, alembic_config, migrate
from tests.conftest import MODELS

REFUSALS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
    "postgresql": (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'x' "
        "UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    ),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Addresses of two empty databases of one kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'a.sqlite'}", f"sqlite:///{tmp_path / 'b.sqlite'}"
    cluster = request.getfixturevalue("postgres_cluster")
    return cluster.create_database(), cluster.create_database()


def refusals(database: Database) -> list[tuple[str, str]]:
    with database.engine.connect() as connection:
        rows = connection.execute(sa.text(REFUSALS[connection.dialect.name]))
        return [(name, " ".join(text.split())) for name, text in rows]


def test_migrated_database_has_what_the_models_say(empty_pair: tuple[str, str]) -> None:
    for module in MODELS:
        importlib.import_module(module)
    migrated, made = (Database(url) for url in empty_pair)
    assert migrate(migrated) is True
    Base.metadata.create_all(made.engine)
    with migrated.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    found = refusals(migrated)
    assert found == refusals(made)
    assert len(found) >= 3
    migrated.close()
    made.close()


def test_second_migration_has_nothing_to_do_and_downgrade_leaves_nothing(empty_pair: tuple[str, str]) -> None:
    database = Database(empty_pair[0])
    migrate(database)
    assert migrate(database) is False
    config = alembic_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}
    database.close()


def test_database_of_a_newer_version_is_refused_and_not_touched(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    migrate(database)
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabaseError, match="newer version of Pilot Lab"):
        migrate(database)
    with database.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9999"
    database.close()


def test_user_without_the_right_to_make_tables_is_told_so(postgres_url: str) -> None:
    owner = Database(postgres_url)
    name = f"reader_{owner.url.database}"
    with owner.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'reader'"))
        connection.execute(sa.text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    reader = Database(owner.url.set(username=name, password="reader").render_as_string(hide_password=False))
    with pytest.raises(SetupError, match="must own the database"):
        migrate(reader)
    reader.close()
    with owner.engine.begin() as connection:
        connection.execute(sa.text(f"DROP ROLE {name}"))
    owner.close()


def test_those_who_migrate_an_empty_postgresql_at_once_wait_for_each_other(postgres_url: str) -> None:
    databases = [Database(postgres_url) for _ in range(4)]
    with ThreadPoolExecutor(len(databases)) as together:
        done = list(together.map(migrate, databases))
    assert sorted(done) == [False, False, False, True]
    for database in databases:
        database.close()
