"""Addresses inside the pages."""

from urllib.parse import quote, urlsplit

from starlette.requests import Request


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, so that refusals are pages too."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def on_this_site(address: str | None) -> str:
    """A path on this site; anything else becomes the first page.

    Browsers read a backslash as a slash and skip tabs and line ends, so these are refused outright.
    """
    if not address or not address.startswith("/") or address.startswith("//"):
        return "/"
    if "\\" in address or not address.isprintable():
        return "/"
    parts = urlsplit(address)
    return "/" if parts.scheme or parts.netloc else address


def safe_next(address: str | None) -> str:
    """Where to go after signing in: a path on this site that is not the sign-in page itself."""
    found = on_this_site(address)
    return "/" if urlsplit(found).path == "/sign-in" else found


def sign_in_address(request: Request) -> str:
    """The sign-in page that leads back to what was asked for."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = path if request.method == "GET" else "/"
    return "/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='/')}"
