"""The command line: `pilotlab …`. Every refusal is one line and exit code 2."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console

from lab.core.errors import PilotLabError
from lab.core.settings import Settings, load_settings
from lab.ending import leave

app = typer.Typer(
    help="Pilot Lab: test before you invest.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
admin = typer.Typer(help="People who run the lab.", no_args_is_help=True)
devices = typer.Typer(help="What the lab owns.", no_args_is_help=True)
app.add_typer(admin, name="admin")
app.add_typer(devices, name="devices")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (PILOTLAB_DATA_DIR).")]
PortOption = Annotated[int | None, typer.Option("--port", help="Port of the pages (PILOTLAB_PORT); 0: a free one.")]
HostOption = Annotated[str | None, typer.Option("--host", help="Address of the pages (PILOTLAB_HOST).")]
BrokerOption = Annotated[
    str | None, typer.Option("--broker", help="auto, mosquitto, amqtt or external (PILOTLAB_BROKER).")
]


def _settings(**overrides: object) -> Settings:
    from lab.core.logs import set_up_logs

    settings = load_settings(**overrides)
    set_up_logs(format=settings.log_format, level=settings.log_level)
    return settings


@app.command()
def up(
    data: DataOption = None,
    port: PortOption = None,
    host: HostOption = None,
    broker: BrokerOption = None,
    catalogue: Annotated[Path | None, typer.Option(help="Devices to import at the start.")] = None,
) -> None:
    """Start everything in one process, for real use, and keep running until Ctrl-C."""
    from lab.up import run_embedded

    run_embedded(_settings(data_dir=data, port=port, host=host, broker=broker), catalogue=catalogue, console=out)
    leave()


@app.command()
def web(port: PortOption = None, host: HostOption = None) -> None:
    """Serve pages; part of a deployment (PostgreSQL, InfluxDB, a broker elsewhere)."""
    from lab.serving import listen, serve
    from lab.system import running

    settings = _settings(port=port, host=host)
    with listen(settings.host, settings.port) as listener, running(settings, web=True) as system:
        serve(system, listener)
    leave()


@app.command()
def worker() -> None:
    """Do what happens outside requests: reports, notices, mail, webhooks, the passing of time; part of a deployment."""
    from lab.up import run_worker

    run_worker(_settings())
    leave()


@app.command()
def recorder() -> None:
    """Record what machines say; part of a deployment."""
    from lab.up import run_recorder

    run_recorder(_settings())
    leave()


@app.command()
def migrate(data: DataOption = None) -> None:
    """Bring the database to this release's schema."""
    from lab.system import open_database

    database = open_database(_settings(data_dir=data))
    out.print("The database is at this release's schema.")
    database.close()


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the demonstration; emptied at each start.")
    ] = None,
    port: PortOption = None,
    broker: BrokerOption = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the report instead of serving pages.")] = False,
    output: Annotated[Path | None, typer.Option("--out", help="Write report and data package here.")] = None,
    recording: Annotated[
        Path | None, typer.Option(help="Replay this real recording instead of simulated machines.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated machines and the order of the runs.")] = 2026,
    rate: Annotated[
        float, typer.Option(min=1, max=1000, help="Lab seconds in a second while simulated machines work.")
    ] = 100,
) -> None:
    """Run a whole pilot, from the question to the report, on machines that do not exist."""
    from lab.demo import run_demo

    run_demo(
        data_dir=data,
        port=port,
        broker=broker,
        once=once,
        output=output,
        recording=recording,
        seed=seed,
        rate=rate,
        console=out,
    )


@app.command()
def doctor(data: DataOption = None) -> None:
    """Say what is wrong with this installation, and what to do."""
    from lab.doctor import examine, print_findings

    findings = examine(_settings(data_dir=data))
    print_findings(findings, out)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


@app.command()
def backup(data: DataOption = None) -> None:
    """Copy samples, database and files as they are now, while recording goes on or not."""
    from lab.backups import back_up, records_of
    from lab.system import clock_of

    settings = _settings(data_dir=data)
    made = back_up(settings, clock_of(settings))
    out.print(f"{made.path}: {made.rows:,} samples, {made.bytes:,} bytes, sha256 {made.sha256}", soft_wrap=True)
    if records := records_of(settings, made):
        with_database = "database and files" if records.has_database else "files, without the database of a server"
        out.print(f"{records.path}: {len(records.files)} files ({with_database})", soft_wrap=True)


@app.command()
def restore(
    name: Annotated[str | None, typer.Argument(help="The backup's file; default: the newest one.")] = None,
    data: DataOption = None,
) -> None:
    """Put a backup in place: on an empty machine all of it, else the samples; the spool drains what came later."""
    from lab.backups import bring_back

    settings = _settings(data_dir=data)
    had_database = settings.sqlite_path.exists() or settings.database_url is not None
    brought = bring_back(settings, name)
    out.print(f"{brought.rows:,} samples of {brought.made_at.isoformat()} are in place", soft_wrap=True)
    if had_database:
        out.print("database and files here stay as they are")
    elif settings.sqlite_path.exists():
        out.print("database and files are in place")


@app.command()
def verify(
    package: Annotated[Path, typer.Argument(help="package.zip of a report, or the folder it was unpacked into.")],
) -> None:
    """Check a data package and compute every number of its report again; needs nothing but the package."""
    from lab.doctor import print_findings
    from lab.reports.verifying import verify_package

    findings = verify_package(package)
    print_findings(findings, out)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of `/api/v1`."""
    from lab.app import create_app
    from lab.core.clock import SystemClock
    from lab.core.database import Database

    application = create_app(
        settings=load_settings(), database=Database("sqlite://"), clock=SystemClock(), store=None, live=None
    )
    json.dump(application.openapi(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of what machines say over MQTT."""
    from devices.messages.asyncapi import asyncapi_document

    json.dump(asyncapi_document(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")


@app.command("broker-files")
def broker_files(
    folder: Annotated[Path, typer.Argument(help="Where to write `passwords` and `acl`.")], data: DataOption = None
) -> None:
    """Write password and access files for a Mosquitto that runs elsewhere, from the devices in the database."""
    from lab.administration import write_broker_files

    settings = _settings(data_dir=data)
    for path in write_broker_files(settings, folder):
        out.print(f"wrote {path}")


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    out.print(version_of("pilotlab"))


@admin.command("create")
def admin_create(
    sign_in: Annotated[str, typer.Argument(help="Sign-in name, e.g. an e-mail address.")],
    name: Annotated[str, typer.Option(help="As people read it.")] = "Lab manager",
    role: Annotated[Literal["manager", "engineer"], typer.Option(help="manager or engineer.")] = "manager",
    password: Annotated[str | None, typer.Option(help="Default: asked for, or made and printed.")] = None,
    data: DataOption = None,
) -> None:
    """Create an account of the lab's own staff."""
    from lab.administration import ask_password, create_staff

    settings = _settings(data_dir=data)
    chosen, generated = ask_password(password)
    create_staff(settings, sign_in=sign_in, name=name, role=role, password=chosen)
    out.print(f"created {role} {sign_in}" + (f", password: {chosen}" if generated else ""))


@admin.command("reset-password")
def admin_reset_password(
    sign_in: Annotated[str, typer.Argument(help="Whose.")],
    password: Annotated[str | None, typer.Option(help="Default: asked for, or made and printed.")] = None,
    data: DataOption = None,
) -> None:
    """Set a new password; all browsers of that person are signed out."""
    from lab.administration import ask_password, set_password

    settings = _settings(data_dir=data)
    chosen, generated = ask_password(password)
    set_password(settings, sign_in=sign_in, password=chosen)
    out.print(f"new password of {sign_in}" + (f": {chosen}" if generated else " is set"))


@devices.command("import")
def devices_import(file: Annotated[Path, typer.Argument(help="Catalogue in YAML.")], data: DataOption = None) -> None:
    """Import or update devices from a catalogue file."""
    from lab.administration import import_devices

    out.print(import_devices(_settings(data_dir=data), file))


@devices.command("credentials")
def devices_credentials(
    device: Annotated[str, typer.Argument(help="The device's short name.")], data: DataOption = None
) -> None:
    """Make a new password for a device at the broker and print it once."""
    from lab.administration import issue_device_password

    settings = _settings(data_dir=data)
    password = issue_device_password(settings, device)
    when = (
        "the broker takes it after `pilotlab broker-files` and SIGHUP"
        if settings.broker == "external"
        else "a running system takes it within seconds"
    )
    out.print(f"sign-in name {device}, password {password} (shown once; {when})", soft_wrap=True)


@devices.command("check")
def devices_check(
    device: Annotated[str, typer.Argument(help="The device's short name.")],
    data: DataOption = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long to watch its messages.")] = 5.0,
) -> None:
    """Say whether a machine is connected as it should be, and what to do where it is not."""
    from lab.administration import check_device
    from lab.doctor import print_findings

    findings = check_device(_settings(data_dir=data), device, seconds=seconds)
    print_findings(findings, out)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


def _end_in_order(number: int, _: object) -> NoReturn:
    """What was started is stopped on the way out, once."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # not ignored, as under nohup
            signal.signal(number, _end_in_order)
    try:
        yield
    except PilotLabError as error:
        err.print(f"pilotlab: {' '.join(error.message.split())}", soft_wrap=True, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def main() -> None:
    """Entry of the `pilotlab` program."""
    with _one_line_errors():
        app()


if __name__ == "__main__":
    main()
