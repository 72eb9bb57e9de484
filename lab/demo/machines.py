"""The simulated machines: one process of their own, led by JSON lines."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from lab.core.clock import ClockAnchor
from lab.core.errors import UnavailableError
from lab.core.mqtt import BrokerAddress


class MachineRefusedError(UnavailableError):
    """The simulators refused an order, or they are gone."""


class Machines:
    """Orders to the simulators.

    Args:
        address: of the broker; each machine signs in as itself.
        lab: the lab's short name.
        seed: of everything that is random.
        log_path: where their complaints go.
    """

    def __init__(self, address: BrokerAddress, *, lab: str, seed: int, log_path: Path) -> None:
        command = [sys.executable, "-m", "simulators.cli", "--host", address.host, "--port", str(address.port)]
        command += ["--lab", lab, "--mqtt-version", str(address.version), "--seed", str(seed)]
        self._work: threading.Thread | None = None
        with log_path.open("ab") as log_file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                env=dict(os.environ),
                start_new_session=True,
                text=True,
            )

    def order(self, do: str, **details: Any) -> dict[str, Any]:
        """Give one order and wait until it is carried out and everything published is confirmed.

        Raises:
            MachineRefusedError: with the machine's own words.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError as error:
            raise MachineRefusedError(f"the simulated machines are gone: {error}") from error
        if not line:
            raise MachineRefusedError("the simulated machines stopped")
        reply: dict[str, Any] = json.loads(line)
        if not reply.get("ok"):
            raise MachineRefusedError(f"machines: {do}: {reply.get('error', 'refused')}")
        return reply

    def set_clock(self, anchor: ClockAnchor) -> None:
        """Tell the machines what time it is in the lab."""
        self.order("clock", real_ns=anchor.real_ns, lab_ns=anchor.lab_ns, rate=anchor.rate)

    def keep_working(self, *, devices: list[str], settings: dict[str, Any]) -> None:
        """Make part after part from now on, in the background, until `stop`; no other order may be given meanwhile."""

        def work() -> None:
            number = 1000
            with contextlib.suppress(MachineRefusedError):
                while True:
                    number += 1
                    self.order("run", run=number, settings=settings, devices=devices)

        self._work = threading.Thread(target=work, name="keep-working", daemon=True)
        self._work.start()

    def stop(self) -> None:
        """Let the machines say goodbye and end, whatever they are doing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        if self._work is not None:
            self._work.join(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
