"""What stands between the network and the application: headers, the origin of changes, the size of bodies, mishaps.

Plain ASGI, so that streams pass through untouched.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.core.errors import ForbiddenError, InvalidError
from lab.people.endpoints import SESSION_COOKIE, bearer_token
from lab.people.rules import SAFE_METHODS

log = structlog.get_logger(__name__)

LARGEST_BODY_BYTES = 1_000_000
_FORM_AROUND_FILE_BYTES = 100_000
_FILES = re.compile(r"(?:/api/v1)?/pilots/[^/]+/documents|/manage/devices/[^/]+/photo")
"""Where files are sent to."""
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make browsers send `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_LARGE_ANSWERS = ("/history", "/calendar")
_SECRET_PLACES = ("/calendars/", "/shared/")
"""Below these an address is a key."""

Answer = Callable[[Request, int, str, Exception | None], Response]
"""Makes the response for a refusal: request, status, one sentence, and the error if there is one."""


class OtherOriginError(ForbiddenError):
    """A change that another site asked a signed-in browser to make."""


class NulInQueryError(InvalidError):
    """A query with the character NUL. Facts: `field`, `rule`."""


class SecurityHeaders:
    """Says to browsers, with every response, what a page of ours may do: only what comes from here.

    Args:
        app: what is guarded.
        https: whether people reach it by https; then browsers are told to stay with it.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        if https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding headers to the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", _caching(scope, message["status"]))
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Compression:
    """Sends pages, our own files and the two large answers that pages draw compressed; streams and files as they are.

    Nothing secret of ours stands in a page beside what somebody else can put there, so its length tells nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=1000, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        app = self._compressed if scope["type"] == "http" and _compressible(scope["path"]) else self._plain
        await app(scope, receive, send)


def _compressible(path: str) -> bool:
    if path.startswith("/api/"):
        return path.endswith(_LARGE_ANSWERS)
    return path.startswith("/static/") or "." not in path


def _caching(scope: Scope, status: int) -> str:
    """Our own files are named by their content and may be kept; everything else is somebody's own."""
    if not scope["path"].startswith("/static/"):
        return "no-store"
    named_by_content = status in {200, 304} and scope["query_string"].startswith(b"v=")
    return "public, max-age=31536000, immutable" if named_by_content else "no-cache"


def _told(path: str) -> str:
    """A path for the log: of a secret link without its secret."""
    return next((f"{place}(secret)" for place in _SECRET_PLACES if path.startswith(place)), path)


class UnexpectedErrors:
    """Answers an error that nobody foresaw with a 500 that tells nothing of the inside, and logs it in full."""

    def __init__(self, app: ASGIApp, *, answer: Answer) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; catch what comes out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception:
            log.exception("request failed unexpectedly", method=scope["method"], path=_told(scope["path"]))
            if started:
                raise  # the server cuts the connection, so that half an answer is not taken for a whole one
            response = self._answer(
                Request(scope), 500, "Something went wrong on our side; it has been noted. Please try again.", None
            )
            await response(scope, receive, send)


class SameOriginChanges:
    """Refuses changes that another site makes a signed-in browser ask for (CSRF).

    A browser says where a request comes from in `Sec-Fetch-Site`, or, older and over plain http, in `Origin`. A change
    that carries our cookie must have one of them, and it must be ours. Programs send an API token and no cookie.

    Args:
        app: what is guarded.
        answer: makes the refusal.
        public_url: the address by which people reach the pages; `None`: the one in the request's Host header.
    """

    def __init__(self, app: ASGIApp, *, answer: Answer, public_url: str | None) -> None:
        self._app = app
        self._answer = answer
        self._origin = _origin_of(public_url) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no change or comes from our own pages."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            request = Request(scope)
            if not self._is_ours(request):
                error = OtherOriginError(
                    "this change was not asked for by one of our own pages; open the page here and try again",
                    rule="same-origin",
                )
                response = self._answer(request, 403, error.message, error)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_ours(self, request: Request) -> bool:
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if bearer_token(request) is not None:
            return True  # no site can make a browser send this header for it
        if site is not None:
            return site in {"same-origin", "none"}
        if origin is not None:
            if self._origin is not None:
                return _origin_of(origin) == self._origin
            return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
        return SESSION_COOKIE not in request.cookies


def _origin_of(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    default_port = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.scheme.lower(), parts.netloc.lower().removesuffix(default_port)


class PlainQueries:
    """Refuses a query with the character NUL: nothing here has it in its name, and PostgreSQL cannot even look for it.

    Args:
        app: what is guarded.
        answer: makes the refusal.
    """

    def __init__(self, app: ASGIApp, *, answer: Answer) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what people can have written."""
        if scope["type"] == "http" and b"%00" in scope["query_string"]:
            request = Request(scope)
            error = NulInQueryError(
                "the address contains the character NUL (%00), which no name has; leave it out",
                field=next((name for name, value in request.query_params.multi_items() if "\0" in value), "query"),
                rule="no-nul",
            )
            await self._answer(request, 422, error.message, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class BodyLimit:
    """Takes in the body of a change, up to a limit, before anybody works on it; refuses a larger one.

    Args:
        app: what is guarded.
        answer: makes the refusal.
        largest_file: bytes of a document, where documents are sent to.
    """

    def __init__(self, app: ASGIApp, *, answer: Answer, largest_file: int) -> None:
        self._app = app
        self._answer = answer
        self._largest_form = max(LARGEST_BODY_BYTES, largest_file + _FORM_AROUND_FILE_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the whole body in hand."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        limit = self._largest_form if _FILES.fullmatch(scope["path"]) else LARGEST_BODY_BYTES
        announced = Headers(scope=scope).get("content-length", "0")
        body = None if announced.isdigit() and int(announced) > limit else await self._taken_in(receive, limit)
        if body is None:
            text = f"The request is larger than {limit // 1_000_000} MB, the most that is taken here."
            await self._answer(Request(scope), 413, text, None)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _taken_in(self, receive: Receive, limit: int) -> bytes | None:
        chunks, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                return None
            chunks.append(chunk)
            more = message.get("more_body", False)
        return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()  # what remains is the disconnect
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
