"""`pilotlab up`, `pilotlab worker` and `pilotlab recorder`: run until somebody says stop."""

import os
import signal
import sys
import threading
from pathlib import Path

import structlog
from rich.console import Console

from devices.catalogue import Catalogue, load_catalogue
from devices.service import import_catalogue
from lab.administration import ask_password, describe_import, has_manager, lab_organisation
from lab.core.settings import Settings
from lab.core.stopping import StopAsked, stop_signals
from lab.people.principals import SYSTEM, Role
from lab.people.service import create_account
from lab.system import System, running
from telemetry.lean import do_without_pandas

log = structlog.get_logger(__name__)

FIRST_MANAGER = "manager"
RECORDER_FAILED = 70
"""Exit code when threads of the recorder keep dying: whoever started the process should start it again."""
_LOOK_SECONDS = 0.5
_NICENESS = 15


def run_embedded(settings: Settings, *, catalogue: Path | None, console: Console) -> None:
    """Start everything in one process and keep running until Ctrl-C or SIGTERM.

    Args:
        settings: the installation's settings.
        catalogue: devices to import first.
        console: where people read the address and, once, the first manager's sign-in.

    Raises:
        SetupError: if a part cannot start.
    """
    from lab.serving import listen, serve  # a recorder or worker loads nothing of it

    stop = threading.Event()
    starting, asked_by = True, 0

    def end(number: int, _: object) -> None:
        nonlocal asked_by
        again = stop.is_set()
        if again and not starting:
            return  # it is on the way out already
        stop.set()  # the exception gets lost where Python ignores exceptions, as in the callback of a weak reference
        asked_by = number
        if again or not starting:  # a library that is just being loaded would abort; the start takes a few seconds
            raise SystemExit(128 + number)

    for asked in stop_signals():
        signal.signal(asked, end)
    wanted = load_catalogue(catalogue) if catalogue else None
    with (
        listen(settings.host, settings.port) as listener,
        running(settings, recorder=True, web=True, jobs=True) as system,
    ):
        starting = False
        if stop.is_set():
            raise SystemExit(128 + asked_by)
        # Only now, when every part has started: a start that is refused changes nothing and makes no account.
        _first_manager(system, console)
        if wanted is not None:
            _import(system, wanted, console)
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        if system.broker is not None:
            console.print(f"Broker: {system.broker.kind} on {system.address.host}:{system.address.port}")
        console.print(f"Pages: {settings.public_url or f'http://{host}:{port}'}   (Ctrl-C stops)", soft_wrap=True)
        sys.stdout.flush()
        assert system.recorder is not None
        failed = system.recorder.failed
        threading.Thread(target=_end_when, args=(failed,), name="recorder-failed", daemon=True).start()
        serve(system, listener, stop=stop)
    if failed.is_set():
        raise SystemExit(RECORDER_FAILED)
    console.print("Stopped; everything received is stored.")


def _end_when(failed: threading.Event) -> None:
    failed.wait()
    os.kill(os.getpid(), signal.SIGTERM)


def _import(system: System, catalogue: Catalogue, console: Console) -> None:
    now = system.clock.now()
    result = system.database.transact(lambda session: import_catalogue(session, SYSTEM, catalogue, now=now))
    console.print(describe_import(result))


def _first_manager(system: System, console: Console) -> None:
    settings, database, now = system.settings, system.database, system.clock.now()
    with database.read() as session:
        if has_manager(session):
            return
    console.print(f"First start: making the lab manager's account, sign-in name [bold]{FIRST_MANAGER}[/bold].")
    password, generated = ask_password(None)
    with database.write() as session:
        organisation = lab_organisation(session, settings, now=now)
        create_account(
            session,
            SYSTEM,
            organisation_id=organisation.id,
            sign_in=FIRST_MANAGER,
            name="Lab manager",
            role=Role.MANAGER,
            password=password,
            now=now,
        )
    if generated:
        console.print(f"Password (shown only now): {password}", markup=False)


def run_recorder(settings: Settings) -> None:
    """Record until SIGTERM or Ctrl-C, then drain and stop; where another one records, wait to take over.

    Raises:
        SystemExit: with `RECORDER_FAILED` when its threads keep dying.
    """
    stop = _asked_to_stop()
    do_without_pandas()
    with running(settings, recorder=True) as system:
        assert system.recorder is not None
        failed = system.recorder.failed
        log.info("recording", lab=settings.lab)
        while not (stop.wait(_LOOK_SECONDS) or failed.is_set()):
            pass
        log.info("stopping")
    if failed.is_set():
        raise SystemExit(RECORDER_FAILED)


def run_worker(settings: Settings) -> None:
    """Do jobs until SIGTERM or Ctrl-C, then finish those at hand and stop.

    Behind whoever else wants the processor: people wait for pages, and for jobs nobody does.
    """
    stop = _asked_to_stop()
    if hasattr(os, "nice"):  # Windows has none
        os.nice(_NICENESS)
    with running(settings, jobs=True):
        log.info("working", lab=settings.lab)
        stop.wait()
        log.info("stopping")


def _asked_to_stop() -> StopAsked:
    stop = StopAsked()
    for number in stop_signals():
        signal.signal(number, stop.ask)
    return stop
