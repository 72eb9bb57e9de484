"""What the command line does on an installation: accounts, devices, broker files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from getpass import getpass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from devices.catalogue import load_catalogue
from devices.credentials import hash_mqtt_password
from devices.service import ImportResult, broker_passwords, import_catalogue, issue_credentials
from lab.checking import examine_device
from lab.core.broker import BrokerAccounts, new_password, write_mosquitto_files
from lab.core.database import Database
from lab.core.errors import SetupError
from lab.core.findings import Finding
from lab.core.folder import FolderInUseError, hold_folder
from lab.core.settings import Settings
from lab.people.models import Account, Organisation
from lab.people.principals import SYSTEM, Role
from lab.people.service import create_account, create_organisation, reset_password
from lab.system import clock_of, open_database, open_store
from telemetry.stores.interface import SampleStore


@contextmanager
def opened(settings: Settings, *, make: bool = False) -> Iterator[Database]:
    """The installation's database, at this release's schema, for one command.

    Args:
        settings: of the installation.
        make: whether a folder without one gets one.

    Raises:
        SetupError: if there is none and none is to be made: a misspelt folder, most likely.
    """
    if not make and settings.database_url is None and not settings.sqlite_path.exists():
        raise SetupError(
            f"there is no Pilot Lab in {settings.data_dir}; name its folder with --data or PILOTLAB_DATA_DIR, or start "
            "it first with `pilotlab up`",
            field="data_dir",
        )
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


def ask_password(given: str | None) -> tuple[str, bool]:
    """A password: the given one, one typed twice at a terminal, or a new one where nobody can type.

    Returns:
        The password, and whether it was made here and has to be shown.
    """
    if given is not None:
        return given, False
    if not sys.stdin.isatty():
        return new_password(), True
    first = getpass("Password (empty: make one): ")
    if not first:
        return new_password(), True
    if getpass("Again: ") != first:
        raise SetupError("the two passwords differ; nothing was changed")
    return first, False


def lab_organisation(session: Session, settings: Settings, *, now: datetime) -> Organisation:
    """The lab itself as an organisation; made at the first call."""
    found = session.scalar(sa.select(Organisation).where(Organisation.kind == "lab"))
    return found or create_organisation(session, SYSTEM, name=settings.lab_name, kind="lab", now=now)


def has_manager(session: Session) -> bool:
    """Whether somebody can run the lab."""
    return (
        session.scalar(
            sa.select(Account.id).where(Account.role == Role.MANAGER, Account.disabled_at.is_(None)).limit(1)
        )
        is not None
    )


def create_staff(settings: Settings, *, sign_in: str, name: str, role: str, password: str) -> None:
    """Create an account of the lab's own staff."""
    now = clock_of(settings).now()

    def work(session: Session) -> None:
        organisation = lab_organisation(session, settings, now=now)
        create_account(
            session,
            SYSTEM,
            organisation_id=organisation.id,
            sign_in=sign_in,
            name=name,
            role=role,
            password=password,
            now=now,
        )

    with opened(settings, make=True) as database:
        database.transact(work)


def set_password(settings: Settings, *, sign_in: str, password: str) -> None:
    """Give somebody a new password."""
    now = clock_of(settings).now()
    with opened(settings) as database, database.write() as session:
        reset_password(session, SYSTEM, sign_in=sign_in, password=password, now=now)


def import_devices(settings: Settings, file: Path) -> str:
    """Import or update devices from a catalogue file; returns one line that says what came of it."""
    catalogue = load_catalogue(file)
    now = clock_of(settings).now()
    with opened(settings, make=True) as database:
        result = database.transact(lambda session: import_catalogue(session, SYSTEM, catalogue, now=now))
    return describe_import(result)


def describe_import(result: ImportResult) -> str:
    """One line for people."""
    return f"devices: {len(result.created)} new, {len(result.updated)} updated, {len(result.unchanged)} unchanged"


def issue_device_password(settings: Settings, device_id: str) -> str:
    """Make a new broker password for a device; only its hash is kept."""
    password = new_password()
    with opened(settings) as database:
        database.transact(lambda session: issue_credentials(session, SYSTEM, device_id, password=password))
    return password


def write_broker_files(settings: Settings, folder: Path) -> list[Path]:
    """Write `passwords` and `acl` for a Mosquitto that runs elsewhere.

    Raises:
        SetupError: if the product's own password at that broker is not set, or the folder cannot be written.
    """
    if settings.broker_password is None:
        raise SetupError("broker-files: set PILOTLAB_BROKER_PASSWORD, the product's own password at that broker")
    with opened(settings) as database, database.read() as session:
        accounts = BrokerAccounts(
            settings.lab,
            hash_mqtt_password(settings.broker_password.get_secret_value()),
            broker_passwords(session),
        )
    try:
        return write_mosquitto_files(folder, accounts, mode=0o640)
    except OSError as error:
        raise SetupError(f"broker-files: {folder} cannot be written ({error.strerror})") from error


def check_device(settings: Settings, device: str, *, seconds: float) -> list[Finding]:
    """Every line about the connection of one device (see `lab.checking`).

    Raises:
        DeviceUnknownError: if the lab owns none of this name, and nothing was heard of one.
    """
    with opened(settings) as database, _readable_store(settings) as store:
        return examine_device(settings, database, clock_of(settings), device, store=store, seconds=seconds)


@contextmanager
def _readable_store(settings: Settings) -> Iterator[SampleStore | None]:
    """The store of samples; `None` while another process has it open, or where there is none yet."""
    if settings.store == "duckdb":
        if not settings.duckdb_path.exists():
            yield None
            return
        try:
            hold_folder(settings.data_dir).close()
        except FolderInUseError:
            yield None
            return
    store = open_store(settings)
    try:
        yield store
    finally:
        store.close()
