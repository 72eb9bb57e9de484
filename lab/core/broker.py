"""The embedded broker: Mosquitto as a supervised child, or amqtt inside this process for demonstrations.

Mosquitto's defaults lose messages when a subscriber falls behind, so the configuration is generated: no limit on the
number of queued messages but one on their bytes, a large window in flight, and a persistent store that is saved every
few seconds. A child outlives its parent's `kill -9`: machines stay connected and their messages queue up; the next
start ends the orphan in good order (it saves its store) before it starts a new one.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import structlog

from lab.core.errors import SetupError
from lab.core.mqtt import PRODUCT_USER, BrokerAddress

log = structlog.get_logger(__name__)

DEMO_ONLY = "amqtt runs inside this process: for demo only, it forgets messages when it stops or falls behind"
_START_TIMEOUT_SECONDS = 10.0
_SAID_BY_DEVICES = ("birth", "data", "data/#", "event", "state", "reply", "death")
"""Commands are the lab's: a device that could write its own would seem to have been told."""
_SPARKPLUG_NODE = (
    "write spBv1.0/+/NBIRTH/%u",
    "write spBv1.0/+/NDATA/%u",
    "write spBv1.0/+/NDEATH/%u",
    "write spBv1.0/+/DBIRTH/%u/+",
    "write spBv1.0/+/DDATA/%u/+",
    "write spBv1.0/+/DDEATH/%u/+",
    "read spBv1.0/+/NCMD/%u",
    "read spBv1.0/+/DCMD/%u/+",
    "read spBv1.0/STATE/+",
)
_MOSQUITTO_PLACES = ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto")


class BrokerStartError(SetupError):
    """The broker did not start."""


@dataclass(frozen=True, slots=True)
class BrokerAccounts:
    """Who may sign in: name → password hash in Mosquitto's format; devices may use their own topics only."""

    lab: str
    product_hash: str
    devices: Mapping[str, str]


class EmbeddedBroker(Protocol):
    """A broker that this program starts and stops."""

    @property
    def kind(self) -> Literal["mosquitto", "amqtt"]:
        """Which program it is."""
        ...

    @property
    def address(self) -> BrokerAddress:
        """Where it answers, as the product signs in."""
        ...

    def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            BrokerStartError: if it does not.
        """
        ...

    def set_devices(self, devices: Mapping[str, str]) -> None:
        """Let exactly these devices sign in: name → password hash."""
        ...

    def stop(self) -> None:
        """Stop in good order."""
        ...


def find_mosquitto() -> str | None:
    """Path of the installed Mosquitto; Debian keeps it where ordinary users do not look."""
    return shutil.which("mosquitto") or next((place for place in _MOSQUITTO_PLACES if Path(place).exists()), None)


def free_port(host: str) -> int:
    """A TCP port that nobody uses now.

    Raises:
        BrokerStartError: if the address is none of this computer's.
    """
    try:
        with socket.socket() as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise BrokerStartError(
            f"MQTT broker: address {host} cannot be used ({error.strerror}); correct PILOTLAB_BROKER_HOST",
            field="broker_host",
        ) from error


def require_free_broker_port(address: BrokerAddress) -> None:
    """Refuse to start the broker on a port that somebody uses.

    Raises:
        BrokerStartError: naming the port and the setting that chooses another one.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise BrokerStartError(
                f"MQTT broker: port {address.port} on {address.host} cannot be used ({error.strerror}); "
                "stop what uses it or set PILOTLAB_BROKER_PORT to another port",
                field="broker_port",
            ) from error


def mosquitto_files(accounts: BrokerAccounts) -> dict[str, str]:
    """Password and access-control files for any Mosquitto that serves the product.

    Returns:
        File name → content. A device says what devices say, below its own name only, and hears its own commands; as a
        Sparkplug edge node its name is that of the node. The product may do everything.
    """
    users = {**accounts.devices, PRODUCT_USER: accounts.product_hash}
    return {
        "passwords": "".join(f"{name}:{password_hash}\n" for name, password_hash in sorted(users.items())),
        "acl": (
            f"user {PRODUCT_USER}\n"
            "topic readwrite pilotlab/#\n"
            "topic readwrite spBv1.0/#\n"
            "topic read $SYS/#\n\n"
            + "".join(f"pattern write pilotlab/{accounts.lab}/%u/{kind}\n" for kind in _SAID_BY_DEVICES)
            + f"pattern read pilotlab/{accounts.lab}/%u/command\n"
            + "".join(f"pattern {line}\n" for line in _SPARKPLUG_NODE)
        ),
    }


def write_mosquitto_files(folder: Path, accounts: BrokerAccounts, *, mode: int) -> list[Path]:
    """Write these files, each in one step: a broker that reads them at that moment, or a full disk, leaves no half.

    Args:
        folder: is made if need be.
        accounts: who may sign in.
        mode: of new files; one that is there keeps its mode and, if this user may say so, its owner.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in mosquitto_files(accounts).items():
        path, fresh = folder / name, folder / f"{name}.new"
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=mode)
        fresh.write_text(content)
        if path.exists():
            present = path.stat()
            with contextlib.suppress(PermissionError):
                shutil.chown(fresh, present.st_uid, present.st_gid)
            fresh.chmod(present.st_mode & 0o777)
        fresh.replace(path)
        written.append(path)
    return written


def mosquitto_configuration(folder: Path, *, host: str, port: int) -> str:
    """The generated `mosquitto.conf`."""
    lines = [
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {folder / 'passwords'}",
        f"acl_file {folder / 'acl'}",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 5",
        # As good as none, which would be 0: with 0, Mosquitto 2.0.11 cuts whoever publishes where it may not.
        "max_queued_messages 100000000",
        "max_queued_bytes 1073741824",
        "max_inflight_messages 2000",
        "message_size_limit 4194304",
        "max_keepalive 600",
        "set_tcp_nodelay true",
        f"pid_file {folder / 'mosquitto.pid'}",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "connection_messages false",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        lines.append("user root")  # else it gives up the right to its own folder
    return "\n".join(lines) + "\n"


class MosquittoBroker:
    """Mosquitto as a child of this process, restarted when it dies.

    Args:
        program: path of mosquitto.
        folder: for its configuration, its store and its log.
        host: address to listen on.
        port: port to listen on.
        lab: the lab's short name.
        product_hash: hash of `password` in Mosquitto's format.
        password: with which the product signs in.
    """

    kind: Literal["mosquitto"] = "mosquitto"

    def __init__(self, program: str, folder: Path, *, host: str, port: int, lab: str, product_hash: str, password: str):
        self._program = program
        self._folder = folder.resolve()
        self._accounts = BrokerAccounts(lab, product_hash, {})
        self._address = BrokerAddress(host, port, PRODUCT_USER, password, version=5)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._making = threading.Lock()

    @property
    def address(self) -> BrokerAddress:
        """Where it answers, as the product signs in."""
        return self._address

    def start(self) -> None:
        """Start and wait until it answers; end an orphan of an earlier start first."""
        self._folder.mkdir(parents=True, exist_ok=True)
        end_orphan(self._folder)
        require_free_broker_port(self._address)
        self._write_files()
        configuration = mosquitto_configuration(self._folder, host=self._address.host, port=self._address.port)
        (self._folder / "mosquitto.conf").write_text(configuration)
        self._launch()
        threading.Thread(target=self._watch, name="mosquitto-watch", daemon=True).start()

    def set_devices(self, devices: Mapping[str, str]) -> None:
        """Let exactly these devices sign in; connected ones stay connected."""
        if dict(devices) == dict(self._accounts.devices):
            return
        self._accounts = BrokerAccounts(self._accounts.lab, self._accounts.product_hash, dict(devices))
        self._write_files()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Stop in good order: it saves its store."""
        self._stopping.set()
        with self._making:  # none is made any more, and one that was just being made is known
            pass
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)

    def _write_files(self) -> None:
        write_mosquitto_files(self._folder, self._accounts, mode=0o600)

    def _launch(self) -> None:
        with self._making, (self._folder / "mosquitto.log").open("ab") as log_file:
            if self._stopping.is_set():
                return
            process = self._process = subprocess.Popen(
                [self._program, "-c", str(self._folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                start_new_session=True,  # Ctrl-C is for us: we stop it after the recorder
            )
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                last = (self._folder / "mosquitto.log").read_text(errors="replace").strip().splitlines()[-1:]
                raise BrokerStartError(f"Mosquitto stopped at once: {' '.join(last) or 'it wrote no reason'}")
            with contextlib.suppress(OSError), socket.create_connection((self._address.host, self._address.port), 1):
                return
            time.sleep(0.02)
        raise BrokerStartError(f"Mosquitto did not answer on port {self._address.port} within 10 s")

    def _watch(self) -> None:
        delay = 0.5
        while not self._stopping.is_set():
            process = self._process
            if process is not None and process.poll() is not None:
                log.error("the broker stopped; starting it again", exit_code=process.returncode)
                try:
                    self._launch()
                    delay = 0.5
                except (BrokerStartError, OSError):
                    log.exception("the broker did not come back")
                    delay = min(30.0, delay * 2)
            self._stopping.wait(delay)


def find_orphan(folder: Path) -> int | None:
    """Process id of a Mosquitto that an earlier, killed start left behind on a folder.

    It is believed only if that process really is a Mosquitto on this folder's configuration.
    """
    folder = folder.resolve()
    try:
        pid = int((folder / "mosquitto.pid").read_text().strip())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(folder / "mosquitto.conf").encode() in command else None


def end_orphan(folder: Path) -> None:
    """End a Mosquitto that an earlier, killed start left behind on a folder; it saves its store."""
    pid = find_orphan(folder)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


class AmqttBroker:
    """amqtt in a thread of this process: MQTT 3.1.1, no memory across restarts, no access control per device.

    Args:
        host: address to listen on.
        port: port to listen on.
    """

    kind: Literal["amqtt"] = "amqtt"

    def __init__(self, *, host: str, port: int) -> None:
        self._address = BrokerAddress(host, port, version=4)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._stop_requested: asyncio.Event | None = None

    @property
    def address(self) -> BrokerAddress:
        """Where it answers; nobody needs to sign in."""
        return self._address

    def start(self) -> None:
        """Start and wait until it answers."""
        require_free_broker_port(self._address)
        self._thread = threading.Thread(target=self._run, name="amqtt", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT_SECONDS) or self._failure is not None:
            raise BrokerStartError(f"amqtt did not start: {self._failure or 'no answer within 10 s'}")

    def set_devices(self, devices: Mapping[str, str]) -> None:
        """Everybody on this computer may connect to it; there is nothing to set."""

    def stop(self) -> None:
        """Stop; what it still holds is lost."""
        if self._loop is not None and self._stop_requested is not None:
            self._loop.call_soon_threadsafe(self._stop_requested.set)
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._failure = error
            self._ready.set()
            log.exception("amqtt stopped")

    async def _serve(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # amqtt names parts of itself that it deprecates
            from amqtt.broker import Broker  # here: it takes a third of a second and few need it

            broker = Broker(
                {
                    "listeners": {
                        "default": {"type": "tcp", "bind": f"{self._address.host}:{self._address.port}"},
                    },
                    "plugins": {
                        "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
                    },
                }
            )
        self._loop = asyncio.get_running_loop()
        self._stop_requested = asyncio.Event()
        await broker.start()
        self._ready.set()
        await self._stop_requested.wait()
        await broker.shutdown()


def choose_broker(
    choice: Literal["auto", "mosquitto", "amqtt"],
    *,
    folder: Path,
    host: str,
    port: int,
    lab: str,
    product_hash: str,
    password: str,
) -> EmbeddedBroker:
    """The embedded broker of a setting: Mosquitto where it is installed, else amqtt.

    Args:
        choice: the setting.
        folder: for Mosquitto's files.
        host: address to listen on.
        port: port to listen on; 0: a free one.
        lab: the lab's short name.
        product_hash: hash of `password` in Mosquitto's format.
        password: the product's own password, new at every start.

    Raises:
        BrokerStartError: if Mosquitto is asked for and not installed.
    """
    port = port or free_port(host)
    program = None if choice == "amqtt" else find_mosquitto()
    if program is not None:
        return MosquittoBroker(
            program, folder, host=host, port=port, lab=lab, product_hash=product_hash, password=password
        )
    if choice == "mosquitto":
        raise BrokerStartError(
            "setting broker: Mosquitto is not installed; install it (Debian: apt-get install mosquitto) or set "
            "PILOTLAB_BROKER=amqtt for a demonstration",
            field="broker",
        )
    return AmqttBroker(host=host, port=port)


def new_password() -> str:
    """A password nobody has to remember."""
    return secrets.token_urlsafe(24)
