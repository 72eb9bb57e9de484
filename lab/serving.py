"""The pages' own socket and server; apart, since a recorder needs none of it."""

import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from lab.core.errors import SetupError
from lab.core.stopping import stop_signals
from lab.system import System
from lab.web.wire import BoundedHttpProtocol

if TYPE_CHECKING:
    from telemetry.live.hub import LiveHub


def listen(host: str, port: int) -> socket.socket:
    """A bound socket for the pages, taken before anything is started.

    Raises:
        SetupError: if the port is in use, naming the setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends answers at once; else their second half waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SetupError(
            f"pages: port {port} on {host} cannot be used ({error.strerror}); stop what uses it or set PILOTLAB_PORT "
            "(or --port) to another one",
            field="port",
        ) from error
    return listener


class _Server(uvicorn.Server):
    """Ends live streams as soon as the stop is asked for, so that nobody waits for them."""

    def __init__(self, config: uvicorn.Config, live: "LiveHub | None") -> None:
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGINT or SIGTERM came."""
        if self._live is not None:
            self._live.end_streams()
        super().handle_exit(sig, frame)


def serve(system: System, listener: socket.socket, *, stop: threading.Event | None = None) -> None:
    """Serve the pages until SIGINT or SIGTERM, or until the terminal is closed.

    Args:
        system: with `app`.
        listener: where.
        stop: set if the end was asked for before; then nothing is served.
    """
    assert system.app is not None
    config = uvicorn.Config(
        system.app,
        http=BoundedHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
        server_header=False,
    )
    server = _Server(config, system.live)
    for number in stop_signals():
        # uvicorn raises the signal again when it has finished; what is left to do then is to drain and stop in order
        signal.signal(number, server.handle_exit)
    if stop is None or not stop.is_set():
        server.run(sockets=[listener])
