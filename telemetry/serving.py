"""The recorder's own small HTTP port, for whoever watches over the installation: /healthz, /readyz, /metrics.

`/healthz` fails when the process should be started anew. `/readyz` fails, with the reasons, when what devices say is
not recorded just now; a recorder that waits for another one's lease is healthy and not ready.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from lab.core.errors import SetupError
from telemetry.metrics import CONTENT_TYPE, exposition

log = structlog.get_logger(__name__)

_SLOWEST_SECONDS = 10


class HealthServer:
    """Answers in a thread of its own until it is closed.

    Args:
        host: address to listen on.
        port: of it; 0: any free one.
        told: as `Recorder.told_health`.
        failed: whether the process has to be started anew.

    Raises:
        SetupError: if the port is in use, naming the setting.
    """

    def __init__(self, host: str, port: int, told: Callable[[], Mapping[str, Any]], failed: Callable[[], bool]) -> None:
        handler = type("Handler", (_Handler,), {"told": staticmethod(told), "failed": staticmethod(failed)})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise SetupError(
                f"recorder: port {port} on {host} cannot be used ({error.strerror}); stop what uses it or set "
                "PILOTLAB_RECORDER_HTTP_PORT to another one, or to 0 for none",
                field="recorder_http_port",
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="recorder-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)


class _Handler(BaseHTTPRequestHandler):
    told: Callable[[], Mapping[str, Any]]
    failed: Callable[[], bool]
    timeout = _SLOWEST_SECONDS
    server_version = "PilotLab"
    sys_version = ""

    def do_GET(self) -> None:
        try:
            status, kind, body = self._answer(self.path.partition("?")[0])
        except Exception:
            log.exception("the recorder cannot say how it is doing")
            status, kind, body = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"see the log\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/healthz":
            failed = self.failed()
            word = "failed" if failed else "ok"
            return _status(not failed), "application/json", json.dumps({"status": word}).encode()
        if path == "/readyz":
            told = self.told()
            ready = bool(told["running"] and told["connected"] and not told["problem"])
            said = {"status": "ready" if ready else "not ready", **told}
            return _status(ready), "application/json", json.dumps(said).encode()
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE, exposition(self.told())
        return HTTPStatus.NOT_FOUND, "text/plain", b"there are /healthz, /readyz and /metrics\n"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: it is asked every few seconds."""


def _status(well: bool) -> HTTPStatus:
    return HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
