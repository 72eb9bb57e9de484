"""The deployment of `compose.yaml` as processes on this computer: its commands, its settings, its order of start.

What compose gives a container is read from the file itself; only addresses and folders are those of this computer.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from paho.mqtt.client import Client

from devices.messages.times import format_time
from lab.core.clock import SystemClock
from lab.core.mqtt import connect, new_client
from tests.services import InfluxDB, Mosquitto, free_port, wait_until
from tests.services.programs import Program

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SECRETS = {"POSTGRES_PASSWORD": "pg", "BROKER_PASSWORD": "broker-secret", "INFLUXDB_PASSWORD": "influx"}
MANAGER, PASSWORD = "manager@example.org", "a long enough password"
LAB = "gliwice"
CLOCK = SystemClock()


@dataclass
class Part:
    """One running service."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def end(self, how: signal.Signals = signal.SIGTERM, *, within: float = 20.0) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(how)
        return self.process.wait(within)

    def wait_until_healthy(self, port: int) -> None:
        """Until this web process answers."""
        wait_until(lambda: self.process.poll() is not None or healthy(port), timeout=120, what="a healthy web process")
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def saw(self, event: str) -> list[dict[str, Any]]:
        """The JSON log lines of one event."""
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


@dataclass
class Deployment:
    """The services, by their names in `compose.yaml`."""

    folder: Path
    database_url: str
    influxdb: InfluxDB
    mosquitto_program: Path
    broker_port: int = field(default_factory=free_port)
    web_ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])
    parts: list[Part] = field(default_factory=list)
    cookie: str = ""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    device_passwords: dict[str, str] = field(default_factory=dict)

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.web_ports[0]}"

    def environment(self, service: str, **changes: str) -> dict[str, str]:
        """What the service's container has in its environment, with the addresses of this computer."""
        values = SECRETS | {"INFLUXDB_TOKEN": self.influxdb.token, "PILOTLAB_PUBLIC_URL": self.public_url}
        given = {
            name: re.sub(r"\$\{(\w+)[^}]*?(?::-([^}]*))?\}", lambda found: values.get(found[1], found[2] or ""), value)
            for name, value in COMPOSE["services"][service]["environment"].items()
            if value is not None  # taken from .env, which names none here
        }
        here = {
            "PILOTLAB_DATABASE_URL": self.database_url,
            "PILOTLAB_BROKER_HOST": "127.0.0.1",
            "PILOTLAB_BROKER_PORT": str(self.broker_port),
            "PILOTLAB_INFLUXDB_URL": self.influxdb.url,
            "PILOTLAB_INFLUXDB_ORG": self.influxdb.org,
            "PILOTLAB_INFLUXDB_BUCKET": self.influxdb.bucket,
            "PILOTLAB_HOST": "127.0.0.1",
            "PILOTLAB_RECORDER_HTTP_PORT": str(free_port()),
        }
        volumes = [volume.split(":") for volume in COMPOSE["services"][service].get("volumes", [])]
        data = next((self.folder / name for name, inside, *_ in volumes if inside == "/data"), self.folder / "tmp")
        given |= {name: value for name, value in here.items() if name in given}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PILOTLAB_DATA_DIR": str(data),
            "PILOTLAB_SEAL_SETTLING_MINUTES": "0",  # as .env may say: its machines have said how much they sent
            **given,
            **changes,
        }

    def run(self, service: str, *command: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """`docker compose run --rm <service> <command>`; without a command its own."""
        arguments = command or tuple(self.command_of(service))
        return subprocess.run(
            [sys.executable, "-m", "lab.cli", *arguments],
            cwd=self.folder,
            env=self.environment(service),
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def command_of(self, service: str) -> list[str]:
        return [
            part.replace("/broker", str(self.folder / "broker")) for part in COMPOSE["services"][service]["command"]
        ]

    def start(self, service: str, **changes: str) -> Part:
        """Start a service that stays."""
        log = self.folder / f"{service}-{next(self._numbers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab.cli", *self.command_of(service)],
                cwd=self.folder,
                env=self.environment(service, **changes),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.parts.append(Part(service, log, process))
        return self.parts[-1]

    def start_web(self, number: int) -> Part:
        """Start the first or second web process, and wait until it is healthy."""
        port = self.web_ports[number]
        part = self.start("web", PILOTLAB_PORT=str(port))
        part.wait_until_healthy(port)
        return part

    def start_recorder(self) -> Part:
        """Start the recorder and wait until it records."""
        part = self.start("recorder")
        wait_until(
            lambda: part.process.poll() is not None or bool(part.saw("recording")), timeout=120, what="recording"
        )
        assert part.process.poll() is None, part.said()
        return part

    def broker(self) -> Mosquitto:
        """Mosquitto with the files of deploy/; not started."""
        places = {
            "listener 1883": f"listener {self.broker_port} 127.0.0.1",
            "/broker/": f"{self.folder / 'broker'}/",
            "/mosquitto/data/": f"{self.folder / 'mosquitto'}/",
            "/mosquitto/config/": f"{ROOT / 'deploy' / 'mosquitto'}/",
        }
        text = (ROOT / "deploy" / "mosquitto" / "mosquitto.conf").read_text()
        for inside, here in places.items():
            assert inside in text, inside
            text = text.replace(inside, here)
        (self.folder / "mosquitto").mkdir(exist_ok=True)
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
        program = Program([self.mosquitto_program, "-c", configuration], folder=self.folder)
        return Mosquitto("127.0.0.1", self.broker_port, program)

    def close(self) -> None:
        """End what still runs."""
        for part in self.parts:
            if part.process.poll() is None:
                part.process.kill()
                part.process.wait(10)

    # What people and machines do

    def sign_in(self, number: int = 0) -> None:
        """The manager signs in at one of the web processes."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.web_ports[number]}/api/v1/session",
            json={"sign_in": MANAGER, "password": PASSWORD},
            headers={"Origin": self.public_url},
        )
        assert answer.status_code == 204, answer.text
        self.cookie = answer.cookies["pilotlab_session"]

    def api(self, method: str, path: str, *, web: int = 0, **options: Any) -> httpx.Response:
        """Call `/api/v1` + path at one of the web processes, as the manager's browser behind the public address."""
        with httpx.Client(timeout=30, cookies={"pilotlab_session": self.cookie}) as client:
            answer = client.request(
                method,
                f"http://127.0.0.1:{self.web_ports[web]}/api/v1{path}",
                headers={"Origin": self.public_url},
                **options,
            )
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer

    def values(self, device: str, signal_name: str, boot: str, *, web: int = 0) -> list[float]:
        """Every stored value of a boot, doubled ones included."""
        now = CLOCK.now_ns()
        span = {"start": format_time(now - 600 * 10**9), "end": format_time(now + 60 * 10**9), "signal": signal_name}
        found = self.api("GET", f"/devices/{device}/samples", web=web, params=span).json()["signals"].get(signal_name)
        if found is None:
            return []
        return [value for value, of in zip(found["value"], found["boot"], strict=True) if of == boot]

    def complete(self, device: str, boot: str, last_seq: int, *, web: int = 0) -> bool:
        """Whether all messages of a boot are received and stored."""
        claim: dict[str, str | int] = {"boot": boot, "first_seq": 0, "last_seq": last_seq}
        return bool(self.api("GET", f"/devices/{device}/completeness", web=web, params=claim).json()["complete"])

    def watch(self, device: str, *, web: int = 0) -> "Stream":
        """Open the live stream of a device at one of the web processes."""
        return Stream(self, device, web=web)

    def machine(self, device: str, boot: str) -> "Machine":
        """A machine that signs in at the broker with its own password."""
        return Machine(self, device, boot)


class Machine:
    """Publishes values under its own name; `confirmed` counts what the broker has answered for."""

    def __init__(self, deployment: Deployment, device: str, boot: str) -> None:
        address = deployment.broker().address(username=device, password=deployment.device_passwords[device])
        self.refused: bool | None = None
        self.confirmed = 0
        self.connections = 0
        self._topic, self._boot, self._seq = f"pilotlab/{LAB}/{device}/data", boot, 0
        self.client: Client = new_client(address, f"machine-{device}-{boot}")
        self.client.on_connect = self._connected
        self.client.on_publish = self._published
        connect(self.client, address)
        self.client.loop_start()
        wait_until(lambda: self.refused is not None, what="the broker's answer")

    def _connected(self, client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        self.refused = bool(reason.is_failure)
        self.connections += 1
        if self.refused:
            client.disconnect()

    def _published(self, *_: object) -> None:
        self.confirmed += 1

    def say(self, **values: float) -> None:
        """Publish one message."""
        message = {"boot": self._boot, "seq": self._seq, "time": format_time(CLOCK.now_ns()), "values": values}
        self._seq += 1
        self.client.publish(self._topic, json.dumps(message).encode(), qos=1)

    def wait_for_confirmation(self, timeout: float = 20.0) -> None:
        """Until the broker has answered for everything."""
        wait_until(lambda: self.confirmed == self._seq, timeout=timeout, what="every message confirmed")

    @property
    def next_seq(self) -> int:
        return self._seq

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Stream:
    """A live stream that somebody watches, in a thread."""

    def __init__(self, deployment: Deployment, device: str, *, web: int = 0) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        url = f"http://127.0.0.1:{deployment.web_ports[web]}/api/v1/devices/{device}/live"
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(url, deployment.cookie), daemon=True)
        self._thread.start()

    def _watch(self, url: str, cookie: str) -> None:
        with (
            httpx.Client(timeout=20, cookies={"pilotlab_session": cookie}) as client,
            client.stream("GET", url) as answer,
        ):
            for name, data in _server_sent(answer.iter_lines()):
                self.events.append((name, data))
                if self._left.is_set():
                    return

    def seen(self, signal_name: str) -> list[float]:
        """The values that have come."""
        frames = [data["values"].get(signal_name, []) for name, data in list(self.events) if name == "values"]
        return [value for frame in frames for _, value in frame]

    def leave(self) -> None:
        """Go away at the next event."""
        self._left.set()

    def wait_for_end(self, timeout: float = 10.0) -> None:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the stream goes on"


def _server_sent(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            yield name, json.loads(line.removeprefix("data:"))


def healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).is_success
    except httpx.TransportError:
        return False
