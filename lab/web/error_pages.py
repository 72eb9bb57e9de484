"""Errors as pages: what happened, and what to do now."""

from contextlib import suppress

from fastapi.responses import Response
from starlette.requests import Request

from lab.core.errors import PilotLabError
from lab.people.endpoints import principal_of
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import sentence

_WAYS_OUT = {
    401: N_("Sign in and try again."),
    403: N_("If you think you should be able to do this, ask the lab's staff."),
    404: N_("It may have been removed, or it belongs to somebody else."),
    405: N_("Go back and try again."),
    409: N_("Go back, look at what has changed, and try again."),
    412: N_("Go back, reload the page and decide again."),
    413: N_("Send less at once."),
    422: N_("Go back, correct it and try again."),
    429: N_("Wait a little, then try again."),
    503: N_("Try again in a minute. If it stays like this, tell the lab's staff."),
}
_WAY_OUT = N_("Try again. If it happens again, tell the lab's staff what you did.")


def recognise(request: Request) -> None:
    """Note who reads a page about a mishap that came before anybody asked, so that it keeps their navigation.

    Asks the database: not to be called on the event loop, nor when something is wrong on our side.
    """
    state = request.app.state
    if not hasattr(request.state, "principal"):
        with suppress(PilotLabError):  # nobody is signed in, or may not do this
            principal_of(request, state.database, state.clock)


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
        title=_(title),
        principal=getattr(request.state, "principal", None),
        status=status,
        detail=sentence(detail, request.app.state.settings.time_zone),
        way_out=_(_WAYS_OUT.get(status, _WAY_OUT)),
    )
