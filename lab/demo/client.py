"""The demonstration uses the product as anybody would: over HTTP, with an API token for each person."""

import time
from typing import Any

import httpx

from lab.core.errors import ConflictError, PilotLabError, UnavailableError

_PATIENCE_SECONDS = 60.0


class RefusedError(PilotLabError):
    """The product refused a call that the demonstration relies on."""


class ApiClient:
    """One person's calls.

    A lost connection is tried again: the product may be restarting. A change that was carried out before its answer got
    lost then meets its own effect, which is why every call of the demonstration may be repeated.

    Args:
        url: of the pages.
        token: API token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(60, connect=5)
        )

    def get(self, path: str, **query: Any) -> Any:
        """GET `/api/v1` + path as JSON."""
        return self._call("GET", path, params=query).json()

    def post(self, path: str, body: Any = None) -> Any:
        """POST JSON, or nothing at all, to `/api/v1` + path; returns the JSON answer."""
        answer = self._call("POST", path, json=body)
        return answer.json() if answer.content else None

    def put(self, path: str, body: Any) -> Any:
        """PUT JSON to `/api/v1` + path."""
        return self._call("PUT", path, json=body).json()

    def download(self, path: str) -> bytes:
        """GET `/api/v1` + path as bytes."""
        return self._call("GET", path).content

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                answer = self._http.request(method, f"/api/v1{path}", **arguments)
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError(f"the product does not answer {method} {path}: {error}") from error
                time.sleep(0.2)
                continue
            if answer.is_success:
                return answer
            detail = answer.json().get("detail", answer.text) if _is_json(answer) else answer.text
            kind = ConflictError if answer.status_code == httpx.codes.CONFLICT else RefusedError
            raise kind(f"{method} {path}: {detail}", status=answer.status_code)


def _is_json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "")
