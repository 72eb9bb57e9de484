"""Errors as pages: what happened, and what to do now."""

from fastapi.responses import Response
from starlette.requests import Request

from lab.web.rendering import page
from lab.web.wording import sentence

_WAYS_OUT = {
    401: "Sign in and try again.",
    403: "If you think you should be able to do this, ask the lab's staff.",
    404: "It may have been removed, or it belongs to somebody else. Start again from the overview.",
    405: "Start again from the overview.",
    409: "Go back, look at what has changed, and try again.",
    412: "Go back, reload the page and decide again.",
    413: "Send less at once.",
    422: "Go back, correct it and try again.",
    429: "Wait a little, then try again.",
    503: "Try again in a minute. If it stays like this, tell the lab's staff.",
}


def error_page(request: Request, status: int, title: str, detail: str) -> Response:
    """A page that says what happened and what to do.

    Args:
        request: what went wrong.
        status: of HTTP.
        title: in a few words.
        detail: one sentence with the fact.
    """
    return page(
        request,
        "error.html",
        title=title,
        principal=getattr(request.state, "principal", None),
        status=status,
        detail=sentence(detail, request.app.state.settings.time_zone),
        way_out=_WAYS_OUT.get(status, "Try again. If it happens again, tell the lab's staff what you did."),
    )
