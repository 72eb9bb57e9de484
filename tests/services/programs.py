"""Programs on this computer: found, started in a folder of their own, stopped by their process."""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PORTS = range(15_000, 32_000)
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class ServiceMissingError(Exception):
    """A server that a test needs can be had in no way; the message says which ways were tried."""


def free_port() -> int:
    """A TCP port of the loopback address that was free a moment ago, below those that connections take by themselves.

    One that the system proposes may be taken by some connection before the server that it is meant for starts.
    """
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def find_program(name: str, *more_folders: str) -> Path | None:
    """The program's path; `sbin` is looked into as well, which ordinary users often do not have in PATH."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS, *more_folders])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def installed_program(name: str) -> Path:
    """The program's path.

    Raises:
        ServiceMissingError: when it is not installed.
    """
    found = find_program(name)
    if found is None:
        raise ServiceMissingError(f"{name} is not installed")
    return found


def answers(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(true: Callable[[], bool], *, timeout: float = 10.0, what: str = "it") -> None:
    """Look again and again, 10 ms apart, until `true()`.

    Raises:
        TimeoutError: naming `what`, when it is not so after `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not so after {timeout:g} s")
        time.sleep(0.01)


def ordinary_user() -> str | None:
    """Whom a server that refuses to run as root runs as; `None` when we are an ordinary user ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Program:
    """One running server program, and its log.

    Args:
        command: program and arguments.
        folder: where its log goes, and its home.
        user: run as this user (root only).
    """

    def __init__(self, command: Sequence[str | Path], *, folder: Path, user: str | None = None) -> None:
        self.command = [str(part) for part in command]
        self.log = folder / f"{Path(self.command[0]).name}.log"
        self._folder = folder
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, ready: Callable[[], bool], *, timeout: float = 30.0) -> None:
        """Start it and wait until it is ready.

        Raises:
            ServiceMissingError: with the end of its log, when it stops or does not get ready.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, "HOME": str(self._folder)},
                **({"user": self._user, "extra_groups": []} if self._user else {}),
            )
        try:
            wait_until(lambda: not self.running or ready(), timeout=timeout, what=self.command[0])
        except TimeoutError as error:
            self.kill()
            raise self._refusal("does not answer") from error
        if not self.running:
            raise self._refusal("stopped at its start")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and wait; whoever does not listen is killed."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without a chance to tidy up (`kill -9`)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def _refusal(self, fact: str) -> ServiceMissingError:
        end = self.log.read_text(errors="replace")[-800:]
        return ServiceMissingError(f"{self.command[0]} {fact}: {end}")
