"""`pilotlab doctor`: what is wrong with this installation, and what to do."""

import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from lab.core.broker import find_mosquitto, find_orphan, require_free_broker_port
from lab.core.database import Database
from lab.core.errors import PilotLabError, SetupError
from lab.core.findings import Finding
from lab.core.folder import FolderInUseError, hold_folder, prepare_folder
from lab.core.jobs import overdue_jobs
from lab.core.migration import current_revision, is_older, newest_revision
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.system import clock_of

LOW_DISK_BYTES = 2 * 1024**3
LATE_JOB = timedelta(minutes=5)


def examine(settings: Settings) -> list[Finding]:
    """Look at every part; changes nothing but a probe file in the data folder."""
    checks: list[Callable[[Settings], Iterator[Finding]]] = [
        _python,
        _folder,
        _database,
        _jobs,
        _broker,
        _store,
        _pages,
        _report,
    ]
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check(settings))
        except PilotLabError as error:
            findings.append(Finding("wrong", check.__name__.strip("_"), error.message))
        except (OSError, RuntimeError, ValueError, SQLAlchemyError) as error:
            findings.append(Finding("wrong", check.__name__.strip("_"), f"{type(error).__name__}: {error}"))
    return findings


def print_findings(findings: list[Finding], console: Console) -> None:
    """The findings as a table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "part", "fact", "what to do"):
        table.add_column(heading, overflow="fold")
    marks = {"good": "[green]good[/green]", "mind": "[yellow]mind[/yellow]", "wrong": "[red]wrong[/red]"}
    for finding in findings:
        table.add_row(marks[finding.level], finding.part, finding.fact, finding.what_to_do)
    console.print(table)


def _python(_: Settings) -> Iterator[Finding]:
    yield Finding("good", "python", sys.version.split()[0])


def _folder(settings: Settings) -> Iterator[Finding]:
    prepare_folder(settings.data_dir)
    free = shutil.disk_usage(settings.data_dir).free
    fact = f"{settings.data_dir} can be written, {free / 1024**3:.1f} GiB free"
    if free < LOW_DISK_BYTES:
        yield Finding("mind", "folder", fact, "make room: recording stops, without loss, when the disk is full")
    else:
        yield Finding("good", "folder", fact)
    running = _running(settings)
    if running is None:
        yield Finding("good", "running", "no Pilot Lab works on this folder now")
    else:
        yield Finding("mind", "running", running)


def _running(settings: Settings) -> str | None:
    """Who works on the data folder, in a sentence; `None`: nobody."""
    try:
        hold_folder(settings.data_dir).close()
    except FolderInUseError as error:
        return error.message.split(";")[0]
    return None


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None and not settings.sqlite_path.exists():  # which a look at it would make
        yield Finding(
            "mind", "database", f"{settings.sqlite_path} is not there yet", "the first `pilotlab up` makes it"
        )
        return
    database = Database(settings.sqlalchemy_url)
    try:
        present, newest = current_revision(database), newest_revision()
        older = is_older(present)
    finally:
        database.close()
    where = database.url.render_as_string(hide_password=True)
    if not older:
        yield Finding("good", "database", f"{where}, schema {present}")
    elif present is None:
        yield Finding("mind", "database", f"{where} is empty", "the first `pilotlab up` fills it")
    else:
        yield Finding(
            "mind", "database", f"{where} has schema {present}, this release {newest}", "run `pilotlab migrate`"
        )


def _jobs(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None and not settings.sqlite_path.exists():
        return
    database = Database(settings.sqlalchemy_url)
    try:
        if current_revision(database) != newest_revision():
            return
        with database.read() as session:
            waiting = overdue_jobs(session, before=clock_of(settings).now() - LATE_JOB)
    finally:
        database.close()
    if waiting:
        fact = f"{waiting} have waited for more than {LATE_JOB.seconds // 60} minutes: notices, mail, reports"
        yield Finding("mind", "jobs", fact, "see that `pilotlab worker` (or `pilotlab up`) runs")
    else:
        yield Finding("good", "jobs", "none waits")


def _broker(settings: Settings) -> Iterator[Finding]:
    if settings.broker == "external":
        with socket.create_connection((settings.broker_host, settings.broker_port), 3):
            yield Finding("good", "broker", f"{settings.broker_host}:{settings.broker_port} answers")
        return
    program = find_mosquitto()
    if settings.broker == "amqtt" or program is None:
        fact = "amqtt inside this program" + ("" if program else ": Mosquitto is not installed")
        yield Finding(
            "mind" if settings.broker != "mosquitto" else "wrong",
            "broker",
            fact,
            "for demo and training only; for real use install Mosquitto (Debian: apt-get install mosquitto)",
        )
    else:
        yield Finding("good", "broker", f"Mosquitto, {program}")
    if settings.broker_port and _running(settings) is None and find_orphan(settings.data_dir / "broker") is None:
        require_free_broker_port(BrokerAddress(settings.broker_host, settings.broker_port))
        yield Finding("good", "broker", f"port {settings.broker_port} on {settings.broker_host} is free")


def _store(settings: Settings) -> Iterator[Finding]:
    if settings.store == "duckdb":
        size = settings.duckdb_path.stat().st_size if settings.duckdb_path.exists() else 0
        yield Finding("good", "store", f"DuckDB, {settings.duckdb_path}, {size / 1024**2:.1f} MiB")
        return
    from lab.system import open_store

    store = open_store(settings)
    try:
        yield Finding("good", "store", f"InfluxDB at {settings.influxdb_url}, watermark {store.watermark()}")
    finally:
        store.close()


def _pages(settings: Settings) -> Iterator[Finding]:
    from lab.serving import listen
    from lab.web.vendored import require_vendored

    require_vendored()
    try:
        listen(settings.host, settings.port).close()
        yield Finding("good", "pages", f"port {settings.port} on {settings.host} is free")
    except SetupError:
        if _running(settings) is None:
            raise
        yield Finding("good", "pages", f"port {settings.port} on {settings.host} is in use while Pilot Lab runs")
    if settings.host not in {"127.0.0.1", "localhost", "::1"} and not (settings.public_url or "").startswith("https"):
        yield Finding(
            "mind",
            "pages",
            f"pages are open to the network on {settings.host} without TLS",
            "put a proxy with TLS in front and set PILOTLAB_PUBLIC_URL to its https address",
        )


def _report(_: Settings) -> Iterator[Finding]:
    import typst

    pdf = typst.Compiler(b"= Pilot Lab", ignore_system_fonts=True).compile(format="pdf")
    yield Finding("good", "reports", f"typst makes PDF ({len(pdf or b'')} bytes)")
