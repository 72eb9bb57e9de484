"""Fixtures for all tests: the lab's clock, databases, and real servers (see `tests.services`)."""

import importlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.migration import migrate
from tests.factories import MONDAY_MORNING
from tests.services import (
    InfluxDB,
    InfluxDBServer,
    Khal,
    Mosquitto,
    PostgresCluster,
    ServiceMissingError,
    chromium_program,
    start_influxdb,
    start_khal,
    start_mosquitto,
    start_postgres,
)
from tests.services.mosquitto import given_mosquitto
from tests.services.recording import find_recording

T = TypeVar("T")

# A busy computer is no failure: how long an example takes is measured in `benchmarks/`.
settings.register_profile(
    "unhurried", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

MODELS = [
    "lab.core.audit",
    "lab.core.idempotency",
    "lab.core.jobs",
    "lab.people.models",
    "lab.post.models",
    "devices.models",
    "bookings.models",
    "bookings.feeds.models",
    "bookings.outages.models",
    "bookings.prices.models",
    "bookings.rulebook.models",
    "bookings.waitlist.models",
    "telemetry.models",
    "telemetry.alarms.models",
    "lab.pilots.models",
    "lab.pilots.enquiries.models",
    "lab.pilots.maturity.models",
    "lab.pilots.documents.models",
    "lab.pilots.notes.models",
    "lab.reports.models",
    "lab.reports.links.models",
    "lab.reports.afterwards.models",
    "lab.retention.models",
]


def pytest_configure() -> None:
    """End in good order on SIGTERM too (a time limit, a cancelled CI run), so that no server is left behind."""

    def end(*_: object) -> None:
        pytest.exit("SIGTERM", returncode=143)

    signal.signal(signal.SIGTERM, end)


_running: dict[str, float] = {}
"""Tests that have begun and not ended, in whichever process, and since when (monotonic seconds)."""


def pytest_runtest_logstart(nodeid: str) -> None:
    """Remember what runs."""
    _running[nodeid] = time.monotonic()


def pytest_runtest_logfinish(nodeid: str) -> None:
    """It runs no more."""
    _running.pop(nodeid, None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Name the tests that a run which is cut off did not finish."""
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    for nodeid, since in _running.items():
        terminalreporter.write_line(f"cut off after {time.monotonic() - since:.0f} s: {nodeid}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the full numbers, which take hours, unless they are asked for by their marker."""
    if "faults_long" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("faults_long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not item.get_closest_marker("faults_long")]


def have(start: Callable[[], T]) -> T:
    """What `start` gives; without it the test is skipped, or fails where `PILOTLAB_REQUIRE_SERVICES=1`."""
    try:
        return start()
    except ServiceMissingError as missing:
        if os.environ.get("PILOTLAB_REQUIRE_SERVICES") == "1":
            pytest.fail(f"PILOTLAB_REQUIRE_SERVICES=1, but {missing}", pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see default settings, whatever the developer's own installation has in its environment."""
    for name in list(os.environ):
        if name.startswith("PILOTLAB_") and name != "PILOTLAB_REQUIRE_SERVICES":
            monkeypatch.delenv(name)


@pytest.fixture
def lab_clock() -> LabClock:
    """A clock that stands on Monday 2026-11-23, 07:00 UTC, 08:00 in Gliwice."""
    return LabClock(MONDAY_MORNING)


# Databases


def create_tables(database: Database) -> None:
    """Make every table of the product, as an installation gets them: by the migrations."""
    for module in MODELS:  # so that SQLAlchemy knows what refers to what, whichever of them a test uses
        importlib.import_module(module)
    migrate(database)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that a server running as another user can reach (pytest's own is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="pilotlab-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _sqlite_with_tables(server_folder: Path) -> Path:
    path = server_folder / "tables.sqlite"
    database = Database(f"sqlite:///{path}")
    create_tables(database)
    database.close()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Address of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'lab.sqlite'}"


@pytest.fixture
def database(tmp_path: Path, _sqlite_with_tables: Path) -> Iterator[Database]:
    """SQLite with all tables, empty."""
    path = tmp_path / "tables.sqlite"
    shutil.copyfile(_sqlite_with_tables, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres_cluster(server_folder: Path) -> Iterator[PostgresCluster]:
    """One PostgreSQL server for all tests."""
    cluster = have(lambda: start_postgres(server_folder / "postgres"))
    yield cluster
    cluster.remove()


@pytest.fixture
def postgres_url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    """Address of a fresh, empty PostgreSQL database."""
    url = postgres_cluster.create_database()
    yield url
    postgres_cluster.drop_database(url)


@pytest.fixture(scope="session")
def _postgres_with_tables(postgres_cluster: PostgresCluster) -> str:
    url = postgres_cluster.create_database()
    database = Database(url)
    create_tables(database)
    database.close()
    return database.url.database or ""


@pytest.fixture
def postgres_database(postgres_cluster: PostgresCluster, _postgres_with_tables: str) -> Iterator[Database]:
    """PostgreSQL with all tables, empty."""
    url = postgres_cluster.create_database(template=_postgres_with_tables)
    database = Database(url)
    yield database
    database.close()
    postgres_cluster.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest) -> Database:
    """The test runs twice: on SQLite and on PostgreSQL, with all tables, empty."""
    name = "database" if request.param == "sqlite" else "postgres_database"
    found: Database = request.getfixturevalue(name)
    return found


# Brokers


@pytest.fixture
def mosquitto_factory(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers that end with the test: `mosquitto_factory(["allow_anonymous false", …], files={…})`.

    In the lines, `{folder}` is the folder of the files.
    """
    started: list[Mosquitto] = []

    def start(lines: list[str] | None = None, *, files: dict[str, str] | None = None) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(started) + 1}"
        started.append(have(lambda: start_mosquitto(folder, lines or [], files=files)))
        return started[-1]

    yield start
    for broker in started:
        broker.remove()


@pytest.fixture
def own_mosquitto(mosquitto_factory: Callable[..., Mosquitto]) -> Mosquitto:
    """A fresh broker for this test alone, which it may stop, kill and start again."""
    return mosquitto_factory()


@pytest.fixture
def mosquitto(request: pytest.FixtureRequest) -> Mosquitto:
    """A broker: that of `TEST_MQTT_URL`, which may remember other tests' messages, else a fresh one."""
    given = given_mosquitto()
    if given is not None:
        return given
    fresh: Mosquitto = request.getfixturevalue("own_mosquitto")
    return fresh


# Sample stores, browsers and readers


@pytest.fixture(scope="session")
def influxdb_server(server_folder: Path) -> Iterator[InfluxDBServer]:
    """One InfluxDB for all tests."""
    server = have(lambda: start_influxdb(server_folder / "influxdb"))
    yield server
    server.remove()


@pytest.fixture
def influxdb(influxdb_server: InfluxDBServer) -> InfluxDB:
    """An empty bucket: `.url .token .org .bucket`."""
    return influxdb_server.create_bucket()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program."""
    return have(chromium_program)


@pytest.fixture
def khal(tmp_path: Path) -> Khal:
    """A foreign program that reads calendars, with an empty one of its own, by the lab's clock."""
    return have(lambda: start_khal(tmp_path / "khal"))


@pytest.fixture(scope="session")
def real_recording() -> Path:
    """Folder of the real recording."""
    return have(find_recording)
