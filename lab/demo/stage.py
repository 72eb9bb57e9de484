"""The stage of a demonstration: its folder, its clock, the product and the people, set up and cleared away."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lab.core.broker import find_mosquitto, free_port
from lab.core.clock import ClockAnchor, LabClock
from lab.core.errors import SetupError
from lab.core.folder import prepare_folder
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings, load_settings
from lab.demo.client import ApiClient
from lab.demo.product import ProductProcess
from lab.demo.world import World, make_world
from lab.people.principals import Role
from lab.system import open_database

MARKER = ".pilotlab-demo"


@dataclass(slots=True)
class Stage:
    """Everything a story needs."""

    settings: Settings
    folder: Path
    clock: LabClock
    world: World
    product: ProductProcess
    broker_address: BrokerAddress
    broker_kind: str
    start_seconds: float
    clients: dict[Role, ApiClient] = field(default_factory=dict)

    def client(self, role: Role) -> ApiClient:
        """Calls of the first person of a role."""
        if role not in self.clients:
            self.clients[role] = ApiClient(self.product.url, self.world.person(role).token)
        return self.clients[role]

    def close_clients(self) -> None:
        """Let the connections go."""
        for client in self.clients.values():
            client.close()

    def steer(self, anchor: ClockAnchor) -> ClockAnchor:
        """Show the product the lab clock's new setting."""
        anchor.write_to(_clock_file(self.folder))
        return anchor


def demo_settings(folder: Path, *, port: int | None, broker: str | None) -> Settings:
    """Settings of a demonstration: everything embedded, in its own folder, on free ports unless told otherwise."""
    settings = load_settings(
        data_dir=folder,
        port=port,
        broker=broker,
        broker_port=free_port("127.0.0.1"),
        broker_host="127.0.0.1",
        steered_clock=_clock_file(folder),
        seal_settling_minutes=0,  # the machines of a demonstration have said how much they sent
    )
    if not settings.lab_address:
        settings = settings.model_copy(update={"lab_address": "None: this lab is a demonstration."})
    if settings.broker == "external" or settings.database_url or settings.store != "duckdb":
        raise SetupError(
            "the demonstration runs on the embedded parts only: unset PILOTLAB_BROKER=external, PILOTLAB_DATABASE_URL "
            "and PILOTLAB_STORE for it",
            field="broker",
        )
    return settings


def clear_folder(folder: Path) -> None:
    """Empty the folder of an earlier demonstration, ending its product if that is still there.

    Raises:
        SetupError: if the folder holds something else; nothing is touched.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise SetupError(
                f"folder {folder} is not empty and not of an earlier demonstration; choose another one with --data",
                field="data_dir",
            )
        _end_leftover(folder)
        shutil.rmtree(folder)
    prepare_folder(folder)
    (folder / MARKER).touch()


@contextmanager
def staged(settings: Settings, catalogues: list[Path], *, starts: datetime) -> Iterator[Stage]:
    """Set the stage and clear it away.

    Args:
        settings: of the demonstration.
        catalogues: files of devices.
        starts: what the lab clock shows first.
    """
    folder = settings.data_dir
    clear_folder(folder)
    clock = LabClock(starts, rate=1.0)
    clock.anchor.write_to(_clock_file(folder))
    database = open_database(settings)
    try:
        world = make_world(settings, database, catalogues, now=clock.now())
    finally:
        database.close()
    kind = "mosquitto" if settings.broker != "amqtt" and find_mosquitto() else "amqtt"
    environment = {
        "PILOTLAB_BROKER": settings.broker,
        "PILOTLAB_BROKER_HOST": settings.broker_host,
        "PILOTLAB_BROKER_PORT": str(settings.broker_port),
        "PILOTLAB_STEERED_CLOCK": str(_clock_file(folder)),
        "PILOTLAB_SEAL_SETTLING_MINUTES": str(settings.seal_settling_minutes),
    }
    port = settings.port or free_port("127.0.0.1")
    with ExitStack() as stack:
        product = ProductProcess(folder, environment, port=port, log_path=folder / "product.log")
        stack.callback(product.stop)
        seconds = product.start()
        address = BrokerAddress(settings.broker_host, settings.broker_port, version=5 if kind == "mosquitto" else 4)
        stage = Stage(settings, folder, clock, world, product, address, kind, seconds)
        stack.callback(stage.close_clients)
        yield stage


def _clock_file(folder: Path) -> Path:
    return (folder / "clock.json").resolve()


def _end_leftover(folder: Path) -> None:
    """End the product of a demonstration that was itself killed; only if that process really works on this folder."""
    try:
        pid = int((folder / "product.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if b"lab.cli" not in command or str(folder).encode() not in command:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
