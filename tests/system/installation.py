"""An installation as a person runs it: `pilotlab up` as a process, used through command line, HTTP and MQTT."""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt

PROGRAM = [sys.executable, "-m", "lab.cli"]
ALWAYS_OPEN = json.dumps(dict.fromkeys(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "00:00-24:00"))
TOPICS = "pilotlab/gliwice"
_CHECKOUT = str(Path(__file__).resolve().parents[2])


def environment(**settings: object) -> dict[str, str]:
    """The surroundings of a newcomer's shell, with these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PILOTLAB_")}
    python_path = os.pathsep.join(filter(None, [_CHECKOUT, os.environ.get("PYTHONPATH")]))
    given = {f"PILOTLAB_{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, "PYTHONPATH": python_path, "COLUMNS": "200", **given}


def pilotlab(*words: str, cwd: Path, timeout: float = 60, **settings: object) -> subprocess.CompletedProcess[str]:
    """One command, to its end, with nobody at the keyboard."""
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=cwd,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def at_once(call: Callable[[Any], None], cases: Iterable[Any]) -> None:
    """`call` for every case, two at a time: most of a refusal is the start of Python."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(call, cases))


def assert_refused(done: subprocess.CompletedProcess[str], *facts: str) -> None:
    """One line on stderr that says so, nothing on stdout, exit code 2."""
    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("pilotlab: "), done.stderr
    assert done.stdout == "", done.stdout
    for fact in facts:
        assert fact in done.stderr, done.stderr


def brokers_on(data: Path) -> list[int]:
    """Process ids of every Mosquitto that runs on a data folder's configuration."""
    configuration = str(data.resolve() / "broker" / "mosquitto.conf").encode()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and configuration in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def wait_until(condition: Any, what: str, *, seconds: float = 10) -> Any:
    """The first truth that `condition` gives, asked again and again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what}")


class Installation:
    """`pilotlab up` on a folder.

    Args:
        folder: for the data folder and for what the program says.
        settings: of the environment, without prefix.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.settings = {"broker": "mosquitto", "broker_port": 0, "opening_hours": ALWAYS_OPEN, **settings}
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.manager_password = ""

    def start(self, *options: str, seconds: float = 120) -> "Installation":
        """Start it and wait for the first page."""
        self.launch(*options)
        wait_until(self._answers, "the first page", seconds=seconds)
        found = re.search(r"Password \(shown only now\): (\S+)", self.said)
        self.manager_password = found.group(1) if found else self.manager_password
        return self

    def launch(self, *options: str) -> None:
        """Start it."""
        self.starts += 1
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*PROGRAM, "up", "--data", str(self.data), "--port", "0", *options],
                cwd=self.folder,
                env=environment(**self.settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def _out(self) -> Path:
        return self.folder / f"out-{self.starts}"

    @property
    def _err(self) -> Path:
        return self.folder / f"err-{self.starts}"

    @property
    def said(self) -> str:
        """What the last start said on stdout."""
        return self._out.read_text(errors="replace")

    @property
    def logged(self) -> str:
        """What the last start said on stderr."""
        return self._err.read_text(errors="replace")

    @property
    def url(self) -> str:
        """Of the pages, as they are printed."""
        found = re.search(r"^Pages: (\S+)", self.said, re.MULTILINE)
        return found.group(1) if found else ""

    @property
    def broker_port(self) -> int:
        """As it is printed."""
        found = re.search(r"^Broker: mosquitto on 127\.0\.0\.1:(\d+)", self.said, re.MULTILINE)
        assert found is not None, self.said
        return int(found.group(1))

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said + self.logged
        if not self.url:
            return False
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 30) -> int:
        """Send a signal and wait for the end.

        Returns:
            The exit code.
        """
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def clean_up(self) -> None:
        """Leave nothing running, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in brokers_on(self.data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def pilotlab(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command on this installation, perhaps while it runs."""
        return pilotlab(*words, "--data", str(self.data), cwd=self.folder, **self.settings)

    def device_password(self, device: str) -> str:
        """New credentials by the command line; taken by the running broker within seconds."""
        done = self.pilotlab("devices", "credentials", device)
        assert done.returncode == 0, done.stderr
        found = re.search(r"password (\S+)", done.stdout)
        assert found is not None, done.stdout
        return found.group(1)

    def browser(self, sign_in: str, password: str) -> httpx.Client:
        """Somebody signed in at a browser, as our own pages are."""
        client = httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=30)
        answer = client.post("/api/v1/session", json={"sign_in": sign_in, "password": password})
        assert answer.status_code == 204, answer.text
        return client


@contextlib.contextmanager
def installation(folder: Path, **settings: object) -> Iterator[Installation]:
    """An installation that is not started yet; nothing of it runs any more afterwards."""
    found = Installation(folder, **settings)
    try:
        yield found
    finally:
        found.clean_up()


@dataclass(frozen=True)
class People:
    """Clients with API tokens, and the companies' ids."""

    manager: httpx.Client
    """At a browser: what a token may not do."""
    engineer: httpx.Client
    reader: httpx.Client
    """The engineer's token that may only read."""
    alfa: httpx.Client
    beta: httpx.Client
    recipient: httpx.Client
    nobody: httpx.Client
    organisations: dict[str, str]

    def close(self) -> None:
        """Let all connections go."""
        for client in vars(self).values():
            if isinstance(client, httpx.Client):
                client.close()


def make_people(product: Installation) -> People:
    """Two companies with a member each, an engineer, and a recipient of the first company's reports."""
    manager = product.browser("manager", product.manager_password)
    organisations = {"lab": manager.get("/api/v1/me").json()["organisation"]["id"]}
    for name in ("alfa", "beta"):
        made = manager.post("/api/v1/organisations", json={"name": f"{name.title()} sp. z o.o."})
        assert made.status_code == 201, made.text
        organisations[name] = made.json()["id"]
    clients = {}
    accounts = [("engineer", "lab", "engineer"), ("alfa", "alfa", "member"), ("beta", "beta", "member")]
    for name, organisation, role in [*accounts, ("recipient", "alfa", "recipient")]:
        password = secrets.token_urlsafe(12)
        account = {"sign_in": name, "name": name.title(), "role": role, "password": password}
        made = manager.post("/api/v1/accounts", json={**account, "organisation_id": organisations[organisation]})
        assert made.status_code == 201, made.text
        with contextlib.closing(product.browser(name, password)) as browser:
            clients[name] = _client(product, _token(browser, ["read", "write"]))
            if name == "engineer":
                clients["reader"] = _client(product, _token(browser, ["read"]))
    nobody = httpx.Client(base_url=product.url, timeout=30)
    return People(manager=manager, nobody=nobody, organisations=organisations, **clients)


def _token(browser: httpx.Client, scopes: list[str]) -> str:
    made = browser.post("/api/v1/tokens", json={"name": "test", "scopes": scopes})
    assert made.status_code == 201, made.text
    return str(made.json()["secret"])


def _client(product: Installation, token: str) -> httpx.Client:
    return httpx.Client(base_url=product.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


class Machine:
    """A device at the broker, under its own credentials.

    Args:
        port: of the broker.
        device: its name.
        password: its own; `None`: it does not sign in.
    """

    def __init__(self, port: int, device: str, password: str | None) -> None:
        self.device = device
        self.refusal: str | None = None
        self._answered = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"test-{device}-{secrets.token_hex(4)}")
        if password is not None:
            self._client.username_pw_set(device, password)
        self._client.on_connect = self._note_answer
        self._client.connect("127.0.0.1", port, keepalive=30)
        self._client.loop_start()
        assert self._answered.wait(10), "the broker did not answer"

    def _note_answer(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.refusal = str(reason)
            client.disconnect()
        self._answered.set()

    def post(self, payload: bytes | str, *, kind: str = "data", topic: str | None = None) -> mqtt.MQTTMessageInfo:
        """Publish, after what was published before."""
        return self._client.publish(topic or f"{TOPICS}/{self.device}/{kind}", payload, qos=1)

    def send(self, payload: bytes | str, *, kind: str = "data", topic: str | None = None) -> None:
        """Publish and wait until the broker has confirmed it."""
        message = self.post(payload, kind=kind, topic=topic)
        message.wait_for_publish(10)
        assert message.is_published()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


def connected(product: Installation, device: str, password: str) -> Machine:
    """A machine whose new credentials the broker takes, as it does within seconds."""
    begin = time.monotonic()
    while True:
        machine = Machine(product.broker_port, device, password)
        if machine.refusal is None:
            return machine
        machine.close()
        assert time.monotonic() - begin < 8, f"new credentials were not taken: {machine.refusal}"
        time.sleep(0.2)


def now() -> datetime:
    """The present instant, as the product under test sees it."""
    return datetime.now(UTC)  # noqa: TID251 - from outside there is no other clock


def rfc3339(instant: datetime) -> str:
    """As people and machines write it."""
    return instant.isoformat().replace("+00:00", "Z")


def book_now(client: httpx.Client, devices: list[str], *, hours: float = 1) -> str:
    """A slot that begins in a moment; returns its id when it has begun."""
    start = now() + timedelta(seconds=1)
    wish = {"device_ids": devices, "title": "Now", "start": rfc3339(start)}
    made = client.post("/api/v1/bookings", json={**wish, "end": rfc3339(start + timedelta(hours=hours))})
    assert made.status_code == 201, made.text
    time.sleep(max(0.0, (start - now()).total_seconds()) + 0.01)
    return str(made.json()["id"])
