"""A piece of network between a client and a server that a test can cut, stall and mend."""

import contextlib
import selectors
import socket
import threading
from typing import Literal

Way = Literal["both", "to-server", "to-client"]


class Wire:
    """Forwards one port to another, until it is told not to.

    Args:
        target: port of the server on this computer.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._flowing = threading.Event()
        self._flowing.set()
        self._stalled: Way = "both"
        self._closing = False
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.connections = 0
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def stall(self, way: Way = "both") -> None:
        """Forward nothing more, and let both ends believe that the other is there; new connections get no answer.

        Args:
            way: in which direction.
        """
        self._stalled = way
        self._flowing.clear()

    def mend(self) -> None:
        """Forward again; what was stalled is cut, as a network that comes back has forgotten it."""
        self.cut()
        self._flowing.set()

    def cut(self) -> None:
        """Close every connection."""
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._open.clear()

    def close(self) -> None:
        """Be gone."""
        self._closing = True
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with self._lock:
            self._open.append(client)
        self._flowing.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        with self._lock:
            self._open.append(server)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ, server)
                selector.register(server, selectors.EVENT_READ, client)
                while self._pass_on(selector, client):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            client.close()
            server.close()

    def _pass_on(self, selector: selectors.BaseSelector, client: socket.socket) -> bool:
        for key, _ in selector.select(0.2):
            source: socket.socket = key.fileobj  # type: ignore[assignment]
            if not self._flowing.is_set() and self._stalled in (
                "both",
                "to-server" if source is client else "to-client",
            ):
                self._flowing.wait(0.05)
                continue
            data = source.recv(65_536)
            if not data:
                return False
            key.data.sendall(data)
        return not self._closing
