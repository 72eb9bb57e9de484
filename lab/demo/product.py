"""The product as a process of its own, watched: a demonstration goes on when it is killed."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import structlog

from lab.core.errors import UnavailableError

log = structlog.get_logger(__name__)

_START_TIMEOUT_SECONDS = 30.0
_MOST_RESTARTS = 20


class ProductProcess:
    """`pilotlab up` on a folder; started again when it dies unasked.

    Args:
        data_dir: data folder.
        environment: settings `PILOTLAB_…`.
        port: of the pages.
        log_path: where what it says goes.
    """

    def __init__(self, data_dir: Path, environment: dict[str, str], *, port: int, log_path: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.restarts = 0
        self._command = [sys.executable, "-m", "lab.cli", "up", "--data", str(data_dir), "--port", str(port)]
        self._environment = {**os.environ, **environment}
        self._log_path = log_path
        self._pid_file = data_dir / "product.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()

    def start(self) -> float:
        """Start and wait for the first page.

        Returns:
            Seconds from the start to the first answer.

        Raises:
            UnavailableError: with the last line it said.
        """
        begin = time.monotonic()
        self._launch()
        while time.monotonic() - begin < _START_TIMEOUT_SECONDS:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == httpx.codes.OK:
                    threading.Thread(target=self._watch, name="product-watch", daemon=True).start()
                    return time.monotonic() - begin
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop()
        raise UnavailableError(f"the product did not start: {self._last_line()}")

    def stop(self) -> None:
        """Stop in good order; it drains what it received."""
        self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)

    def _launch(self) -> None:
        with self._log_path.open("ab") as out:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the demonstration: it stops the product in order
            )
        self._pid_file.write_text(f"{self._process.pid}\n")

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            if self._process is not None and self._process.poll() is not None and self.restarts < _MOST_RESTARTS:
                self.restarts += 1
                log.warning("the product stopped; starting it again", exit_code=self._process.returncode)
                self._launch()

    def _last_line(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
