"""Start and stop the parts of an installation, in the order in which they need each other.

Embedded, everything runs in one process. In a deployment `web`, `worker` and `recorder` run the same parts in processes
of their own, against PostgreSQL, InfluxDB and a broker that run elsewhere.
"""

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import configure_mappers

from bookings.opening import OpeningHours
from devices.credentials import hash_mqtt_password
from devices.service import broker_passwords
from lab.core.broker import (
    DEMO_ONLY,
    EmbeddedBroker,
    choose_broker,
    end_orphan,
    new_password,
    require_free_broker_port,
)
from lab.core.clock import Clock, FollowedClock, SystemClock
from lab.core.collecting import keep_for_good
from lab.core.database import Database
from lab.core.errors import SetupError
from lab.core.folder import hold_folder, prepare_folder
from lab.core.jobs import Handler, Worker
from lab.core.migration import migrate
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.ending import Ending
from telemetry.alarms.keeping import AlarmKeeper
from telemetry.alarms.watching import TICK_SECONDS, AlarmWatch
from telemetry.recorder import CLOCK_TOLERANCE, Recorder
from telemetry.serving import HealthServer
from telemetry.sparkplug.host import SparkplugNames
from telemetry.spool_retention import SpoolLimits
from telemetry.stores.interface import SampleStore

if TYPE_CHECKING:
    from fastapi import FastAPI

    from telemetry.live.hub import LiveHub

log = structlog.get_logger(__name__)

CREDENTIALS_CHECK_SECONDS = 3.0
STORE_STOP_SECONDS = 1.5


_STEERED_TOLERANCE = timedelta(minutes=10)
"""A steered clock goes a hundred times as fast as messages travel, and jumps; its machines have no other clock."""


_OF_WEB = ("lab.app", "telemetry.live.hub")
_OF_JOBS = (
    "bookings.notices",
    "bookings.waitlist.jobs",
    "lab.housekeeping",
    "lab.post.jobs",
    "lab.reports.jobs",
    "lab.retention.jobs",
    "lab.watch.jobs",
    "lab.watch.looking",
)
"""What is imported only where it runs: a recorder and the commands do without."""


@dataclass(slots=True)
class System:
    """The running parts; those that this process does not run are `None`."""

    settings: Settings
    clock: Clock
    database: Database
    store: SampleStore
    broker: EmbeddedBroker | None
    address: BrokerAddress
    alarms: AlarmKeeper
    recorder: Recorder | None
    live: "LiveHub | None"
    app: "FastAPI | None"


def clock_of(settings: Settings) -> Clock:
    """The computer's clock, or the steered one of a demonstration.

    Raises:
        SetupError: if what steers it cannot be read.
    """
    if settings.steered_clock is None:
        return SystemClock()
    try:
        return FollowedClock(settings.steered_clock)
    except (OSError, ValueError, TypeError) as error:
        raise SetupError(
            f"setting steered_clock: {settings.steered_clock} does not steer a clock ({error}); correct or remove "
            "PILOTLAB_STEERED_CLOCK",
            field="steered_clock",
        ) from error


def open_database(settings: Settings) -> Database:
    """The relational store at this release's schema; an embedded one is made and migrated on the way.

    Raises:
        SetupError: if the folder cannot be written, the server does not answer, or the schema is of another release.
    """
    if settings.database_url is None:
        prepare_folder(settings.data_dir)
    database = Database(settings.sqlalchemy_url)
    if migrate(database):
        log.info("database is at this release's schema", url=database.url.render_as_string(hide_password=True))
    return database


def open_store(settings: Settings) -> SampleStore:
    """The store of samples."""
    if settings.store == "influxdb":
        from telemetry.stores.influxdb import InfluxDBStore  # each store brings a large library

        assert settings.influxdb_token is not None
        return InfluxDBStore(
            settings.influxdb_url,
            settings.influxdb_token.get_secret_value(),
            settings.influxdb_org,
            settings.influxdb_bucket,
        )
    from telemetry.stores.duckdb import DuckDBStore

    return DuckDBStore(
        settings.duckdb_path,
        memory_limit=settings.duckdb_memory_limit,
        backups=settings.backup_dir or settings.data_dir / "backups",
    )


def check_settings(settings: Settings, *, whole: bool = True) -> None:
    """Refuse settings that would only fail later, before anything is made.

    Args:
        settings: the installation's settings.
        whole: whether one process runs all parts.

    Raises:
        SetupError: naming the setting.
    """
    OpeningHours.from_settings(settings)
    if not whole and settings.store == "duckdb":
        raise SetupError(
            "DuckDB can be opened by one process only: run `pilotlab up`, or set PILOTLAB_STORE=influxdb to run web "
            "and recorder apart",
            field="store",
        )
    if not whole and settings.broker != "external":
        raise SetupError(
            "web and recorder apart share a broker that neither of them starts: set PILOTLAB_BROKER=external and "
            "PILOTLAB_BROKER_HOST, or run `pilotlab up`",
            field="broker",
        )


@contextmanager
def running(settings: Settings, *, recorder: bool = False, web: bool = False, jobs: bool = False) -> Iterator[System]:
    """Run the parts of one process; everything is stopped again, last started first.

    Args:
        settings: the installation's settings.
        recorder: whether this process records.
        web: whether this process serves pages.
        jobs: whether this process does what happens outside requests.

    Raises:
        SetupError: if a part cannot start; those started before it are stopped.
    """
    check_settings(settings, whole=recorder and web and jobs)
    clock = clock_of(settings)
    ending = Ending()
    with ExitStack() as stack:
        prepare_folder(settings.data_dir)
        if recorder:
            stack.enter_context(hold_folder(settings.data_dir))
        broker = _own_broker(settings)
        database = open_database(settings)
        stack.callback(database.close)
        _import_parts(web=web, jobs=jobs)
        address = _outside_broker(settings) if broker is None else _start_broker(broker, database, stack, ending)
        store = open_store(settings)
        stack.callback(_close_in_time, store)
        alarms = AlarmKeeper(database, clock)
        system = System(settings, clock, database, store, broker, address, alarms, None, None, None)
        if recorder:
            _start_recorder(system, stack, ending)
        if web:
            _start_web(system, stack)
        if jobs:
            _start_jobs(system, stack, ending, resting=web)
        stack.callback(ending.begin)
        keep_for_good()
        yield system


def _import_parts(*, web: bool, jobs: bool) -> None:
    """Know every table of this process before its first thread asks the database.

    SQLAlchemy relates all classes that it knows at the first question. Where another thread was just importing some of
    them, it found half of them, and did not work any more in this process.
    """
    for name in [*(_OF_WEB if web else ()), *(_OF_JOBS if jobs else ())]:
        importlib.import_module(name)
    configure_mappers()


def _start_recorder(system: System, stack: ExitStack, ending: Ending) -> None:
    settings = system.settings
    watch = AlarmWatch(system.database, system.clock, system.alarms)
    recorder = system.recorder = Recorder(
        address=system.address,
        lab=settings.lab,
        database=system.database,
        store=system.store,
        spool_path=settings.spool_path,
        clock=system.clock,
        client_id=f"pilotlab-recorder-{settings.lab}",
        max_payload_bytes=settings.max_payload_bytes,
        letters_per_device=settings.dead_letters_per_device,
        clock_tolerance=_STEERED_TOLERANCE if settings.steered_clock is not None else CLOCK_TOLERANCE,
        sparkplug=_sparkplug_names(settings),
        spool_limits=SpoolLimits(
            keep_hours=settings.spool_keep_hours,
            most_bytes=settings.spool_max_bytes,
        ),
        observers=[watch],
    )
    recorder.start()
    if settings.store == "duckdb":
        from lab.backups import ROUND_SECONDS, backups_of

        if backups := backups_of(system.store, settings, system.clock):
            _repeat(backups.round, every=ROUND_SECONDS, name="backups", stack=stack, ending=ending)
    _repeat(watch.tick, every=TICK_SECONDS, name="alarms", stack=stack, ending=ending)
    server: HealthServer | None = None

    def end() -> None:
        if server is not None:
            server.close()
        recorder.stop(ending.left())

    stack.callback(ending.at_once(end, name="recorder-stop"))
    if settings.recorder_http_port:
        host, port = settings.recorder_http_host, settings.recorder_http_port
        server = HealthServer(host, port, recorder.told_health, recorder.failed.is_set)


def _close_in_time(store: SampleStore) -> None:
    """Close it, but do not wait for a store that hangs: what it has not told us is drained again at the next start."""
    thread = threading.Thread(target=store.close, name="store-close", daemon=True)
    thread.start()
    thread.join(STORE_STOP_SECONDS)
    if thread.is_alive():
        log.warning("the sample store does not close in time")


def _sparkplug_names(settings: Settings) -> SparkplugNames | None:
    group = settings.sparkplug_group
    return SparkplugNames(group, settings.sparkplug_host_id) if group is not None else None


def _outside_broker(settings: Settings) -> BrokerAddress:
    secret = settings.broker_password
    return BrokerAddress(
        settings.broker_host,
        settings.broker_port,
        settings.broker_username,
        secret.get_secret_value() if secret else None,
        settings.broker_tls_ca,
        version=settings.broker_version,
    )


def _own_broker(settings: Settings) -> EmbeddedBroker | None:
    """The broker of this process, not started, but sure to have its port; `None`: it runs elsewhere."""
    if settings.broker == "external":
        return None
    folder, password = settings.data_dir / "broker", new_password()
    end_orphan(folder)
    broker = choose_broker(
        settings.broker,
        folder=folder,
        host=settings.broker_host,
        port=settings.broker_port,
        lab=settings.lab,
        product_hash=hash_mqtt_password(password),
        password=password,
    )
    require_free_broker_port(broker.address)
    return broker


def _start_broker(broker: EmbeddedBroker, database: Database, stack: ExitStack, ending: Ending) -> BrokerAddress:
    if broker.kind == "amqtt":
        log.warning(DEMO_ONLY)
    refresh = _device_refresher(broker, database)
    refresh()
    stack.callback(broker.stop)  # first, so that a start which fails or is interrupted leaves nothing running
    broker.start()
    _repeat(refresh, every=CREDENTIALS_CHECK_SECONDS, name="credentials", stack=stack, ending=ending)
    return broker.address


def _device_refresher(broker: EmbeddedBroker, database: Database) -> Callable[[], None]:
    def refresh() -> None:
        with database.read() as session:
            broker.set_devices(broker_passwords(session))

    return refresh


def _repeat(action: Callable[[], None], *, every: float, name: str, stack: ExitStack, ending: Ending) -> None:
    def loop() -> None:
        while not ending.asked.wait(every):
            try:
                action()
            except Exception:
                log.exception("a repeated task stumbled", task=name)

    thread = threading.Thread(target=loop, name=name, daemon=True)
    thread.start()
    stack.callback(lambda: thread.join(ending.left()))


def _start_web(system: System, stack: ExitStack) -> None:
    from lab.app import create_app  # here: a recorder and the commands do without the web
    from lab.web.vendored import require_vendored
    from telemetry.live.hub import LiveHub

    require_vendored()
    settings = system.settings
    system.live = LiveHub(system.address, settings.lab, clock=system.clock)
    stack.callback(system.live.stop)
    system.app = create_app(
        settings=settings,
        database=system.database,
        clock=system.clock,
        store=system.store,
        live=system.live,
        recorder=system.recorder,
        broker=system.address,
    )
    system.app.state.unwritten_alarms = system.alarms.unwritten


def _start_jobs(system: System, stack: ExitStack, ending: Ending, *, resting: bool) -> None:
    from bookings.notices import notice_handlers
    from bookings.waitlist.jobs import waitlist_handlers
    from devices.commanding import Sender
    from lab.housekeeping import EVERY_SECONDS, Housekeeping
    from lab.post.jobs import post_handlers
    from lab.reports.jobs import report_handlers
    from lab.retention.jobs import ASK_EVERY_SECONDS, DailyRetention, retention_handlers
    from lab.watch.jobs import watch_handlers
    from lab.watch.looking import LabWatch

    settings = system.settings
    sender = Sender(system.address, settings.lab, system.clock)
    reports = report_handlers(
        system.database,
        system.store,
        data_dir=settings.data_dir,
        clock=system.clock,
        time_zone=settings.time_zone,
        lab_address=settings.lab_address,
        language=settings.language,
    )
    apart = {
        **retention_handlers(
            system.database,
            system.store,
            data_dir=settings.data_dir,
            default_days=settings.retention_days,
            clock=system.clock,
        ),
        **notice_handlers(system.database, system.clock, settings),
        **waitlist_handlers(system.database, system.clock, settings),
        **post_handlers(system.database, system.clock, settings),
        **watch_handlers(system.database, system.clock, settings, sender, system.alarms),
    }
    _start_workers(system, reports, apart, stack, ending, resting=resting)
    housekeeping = Housekeeping(system.database, system.clock, settings)
    _repeat(housekeeping.round, every=EVERY_SECONDS, name="housekeeping", stack=stack, ending=ending)
    retention = DailyRetention(system.database, system.clock)
    _repeat(retention.ask, every=ASK_EVERY_SECONDS, name="retention", stack=stack, ending=ending)
    watch = LabWatch(system.database, system.store, system.clock, settings, system.alarms)
    _repeat(watch.round, every=EVERY_SECONDS, name="lab-watch", stack=stack, ending=ending)


def _start_workers(
    system: System,
    main: Mapping[str, Handler],
    apart: Mapping[str, Handler],
    stack: ExitStack,
    ending: Ending,
    *,
    resting: bool,
) -> None:
    """One thread for `main` and what nobody handles, one for each kind of `apart`.

    So a mail server or receiver that does not answer keeps no report waiting, and a long report no news of a booking.
    They end all at once; who is still at it when the time is over is left behind.
    """
    workers = [Worker(system.database, system.clock, main, but=apart)]
    workers += [Worker(system.database, system.clock, apart, only=[kind], name=f"jobs-{kind}") for kind in apart]
    for worker in workers:
        stack.callback(_stop_worker, worker, ending)
    for worker in workers:
        stack.callback(worker.ask_to_stop)
    for worker in workers:
        worker.start(resting=resting)


def _stop_worker(worker: Worker, ending: Ending) -> None:
    worker.stop(timeout=ending.left())
