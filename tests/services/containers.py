"""Servers in containers, where Docker answers."""

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services.programs import ServiceMissingError, wait_until

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_unobtainable: set[str] = set()
"""Images that could not be started; asked for once only, because a refused download takes its time."""


@functools.cache
def docker_answers() -> bool:
    """Whether containers can be started here; asked once."""
    if "DOCKER_HOST" not in os.environ and not Path("/var/run/docker.sock").exists():
        return False
    import docker

    try:
        client = docker.from_env(timeout=3)
        try:
            client.ping()
        finally:
            client.close()
    except Exception:  # noqa: BLE001 - whatever is wrong with Docker, the installed program is the next choice
        return False
    return True


class Container:
    """One server in a container, with the manners of a `Program`.

    Args:
        image: its name and tag.
        ready_line: regular expression that the log matches once more at every start.
        ports: inside → outside; fixed, so that a restart keeps them.
        environment: variables.
        files: path inside → text.
        command: instead of the image's own.
    """

    def __init__(
        self,
        image: str,
        *,
        ready_line: str,
        ports: dict[int, int],
        environment: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        command: str | None = None,
    ) -> None:
        self._image = image
        self._ready_line = re.compile(ready_line)
        self._ports = ports
        self._environment = environment or {}
        self._files = files or {}
        self._command = command
        self._container: DockerContainer | None = None

    @property
    def host(self) -> str:
        """Where the outside ports are."""
        assert self._container is not None, "not started"
        return self._container.get_container_host_ip()

    @property
    def running(self) -> bool:
        """Whether its program runs."""
        if self._container is None:
            return False
        self._container.reload()
        return self._container.status == "running"

    def start(self) -> None:
        """Start it, or start it again, and wait until it is ready.

        Raises:
            ServiceMissingError: when Docker cannot.
        """
        if self._image in _unobtainable:
            raise ServiceMissingError(f"the image {self._image} cannot be had here")
        seen = self._ready_lines()
        try:
            if self._container is None:
                self._container = self._prepared()
                self._container.start()
            else:
                self._container.get_wrapped_container().start()
            wait_until(lambda: self._ready_lines() > seen, timeout=60, what=self._image)
        except Exception as error:
            self.remove()
            _unobtainable.add(self._image)
            raise ServiceMissingError(f"the container {self._image} does not start: {error}") from error

    def stop(self) -> None:
        """Ask the program to end, and wait; the container stays and can be started again."""
        if self._container is not None:
            self._container.get_wrapped_container().stop(timeout=10)

    def kill(self) -> None:
        """End it without a chance to tidy up (`kill -9`)."""
        if self._container is not None and self.running:
            self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        """End it for good."""
        if self._container is not None:
            self._container.stop()
            self._container = None

    def _prepared(self) -> "DockerContainer":
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # every container has a fixture that removes it
        container = DockerContainer(self._image)
        for inside, outside in self._ports.items():
            container = container.with_bind_ports(inside, outside)
        for name, value in self._environment.items():
            container = container.with_env(name, value)
        for path, text in self._files.items():
            container = container.with_copy_into_container(text.encode(), path)
        if self._command is not None:
            container = container.with_command(self._command)
        return container

    def _ready_lines(self) -> int:
        if self._container is None:
            return 0
        stdout, stderr = self._container.get_logs()
        return len(self._ready_line.findall((stdout + stderr).decode(errors="replace")))
