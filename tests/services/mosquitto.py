"""Mosquitto, set up so that it loses nothing: no queue limit, a large window, sessions kept on disk."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from lab.core.mqtt import BrokerAddress
from tests.services.containers import Container, docker_answers
from tests.services.programs import Program, ServiceMissingError, answers, find_program, free_port

IMAGE = "eclipse-mosquitto:2"

_CONFIGURATION = """\
listener {port} {bind}
persistence true
persistence_location {folder}/
autosave_interval 5
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
log_dest stderr
"""


class Mosquitto:
    """A running broker.

    Attributes:
        host: where it answers.
        port: where it answers; a restart keeps it.
        username: to sign in with, or `None`.
        password: to sign in with, or `None`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        runner: "Program | Container | None",
        *,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.username = username
        self.password = password
        self._runner = runner

    def address(
        self, *, version: Literal[4, 5] = 5, username: str | None = None, password: str | None = None
    ) -> BrokerAddress:
        """Where it is, for the product's own client."""
        return BrokerAddress(
            self.host, self.port, username or self.username, password or self.password, version=version
        )

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._runner.running if self._runner is not None else answers(self.host, self.port)

    def start(self) -> None:
        """Start it (again), with what it has kept on disk."""
        runner = self._own()
        if isinstance(runner, Program):
            runner.start(lambda: answers(self.host, self.port))
        else:
            runner.start()

    def stop(self) -> None:
        """Ask it to end (SIGTERM); it writes its sessions down."""
        self._own().stop()

    def kill(self) -> None:
        """`kill -9`."""
        self._own().kill()

    def reload(self) -> None:
        """Have one of our own, as a program, read its password and access files again (SIGHUP)."""
        runner = self._own()
        assert isinstance(runner, Program), "in a container"
        os.kill(runner.pid, signal.SIGHUP)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """End it for good; a broker from the environment stays."""
        if isinstance(self._runner, Container):
            self._runner.remove()
        elif self._runner is not None:
            self._runner.stop()

    def _own(self) -> "Program | Container":
        if self._runner is None:
            raise RuntimeError("this broker comes from TEST_MQTT_URL; a test that stops one uses own_mosquitto")
        return self._runner


def given_mosquitto() -> Mosquitto | None:
    """The broker that `TEST_MQTT_URL` (`mqtt://user:password@host:port`) names, if it is set."""
    given = os.environ.get("TEST_MQTT_URL")
    if not given:
        return None
    url = urlsplit(given)
    return Mosquitto(url.hostname or "127.0.0.1", url.port or 1883, None, username=url.username, password=url.password)


def start_mosquitto(folder: Path, lines: Sequence[str] = (), *, files: dict[str, str] | None = None) -> Mosquitto:
    """Start a broker of our own.

    Args:
        folder: for what it writes.
        lines: more lines of its configuration, in which `{folder}` is where `files` are; without `allow_anonymous`
            among them, everybody may do everything.
        files: name → text, e.g. a password file.

    Raises:
        ServiceMissingError: when neither a container nor an installed program can be had.
    """
    if not any(line.startswith("allow_anonymous") for line in lines):
        lines = ["allow_anonymous true", *lines]
    reasons = ["Docker does not answer"]
    if docker_answers():
        try:
            return _in_container(lines, files or {})
        except ServiceMissingError as error:
            reasons = [str(error)]
    program = find_program("mosquitto")
    if program is None:
        raise ServiceMissingError(f"Mosquitto: {'; '.join(reasons)}; the program mosquitto is not installed")
    return _installed(program, folder, lines, files or {})


def _installed(program: Path, folder: Path, lines: Sequence[str], files: dict[str, str]) -> Mosquitto:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)
    port = free_port()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        _CONFIGURATION.format(port=port, bind="127.0.0.1", folder=folder)
        + ("user root\n" if os.geteuid() == 0 else "")
        + "".join(line.replace("{folder}", str(folder)) + "\n" for line in lines)
    )
    broker = Mosquitto("127.0.0.1", port, Program([program, "-c", configuration], folder=folder))
    broker.start()
    return broker


def _in_container(lines: Sequence[str], files: dict[str, str]) -> Mosquitto:
    port = free_port()
    inside = "/mosquitto/data"
    configuration = _CONFIGURATION.format(port=1883, bind="0.0.0.0", folder=inside) + "".join(
        line.replace("{folder}", inside) + "\n" for line in lines
    )
    container = Container(
        IMAGE,
        ready_line=r"mosquitto version \S+ running",
        ports={1883: port},
        files={"/mosquitto/config/mosquitto.conf": configuration}
        | {f"{inside}/{name}": text for name, text in files.items()},
    )
    container.start()
    return Mosquitto(container.host, port, container)
