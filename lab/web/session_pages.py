"""Signing in and out."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from lab.core.catalogues import Language
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people import service
from lab.people.endpoints import SESSION_COOKIE, set_session_cookie, sign_in_guarded
from lab.people.errors import SignInRefusedError, TooManyAttemptsError
from lab.web.languages import LANGUAGE_COOKIE, set_language_cookie, wished_language
from lab.web.languages import gettext as _
from lab.web.links import safe_next
from lab.web.rendering import page
from lab.web.wording import sentence

router = APIRouter()


@router.get("/sign-in")
def show_sign_in(request: Request, next: str = "/", done: str = "") -> Response:
    """The form."""
    return _form(request, next=safe_next(next), done=done == "password")


@router.post("/sign-in")
def submit_sign_in(
    request: Request,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    sign_in: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Sign in and go on to where one wanted to go."""
    try:
        token = sign_in_guarded(request, database, clock, sign_in=sign_in, password=password)
    except SignInRefusedError as error:
        return _form(request, next=safe_next(next), sign_in=sign_in, problem=error.message, status=401)
    except TooManyAttemptsError as error:
        return _form(request, next=safe_next(next), sign_in=sign_in, problem=error.message, status=429)
    response = RedirectResponse(safe_next(next), 303)
    set_session_cookie(response, request, settings, token)
    if own := _own_language(request, database, clock, token):
        set_language_cookie(response, own)
    return response


def _own_language(request: Request, database: DatabaseDep, clock: ClockDep, token: str) -> Language | None:
    """The language of somebody who signs in; known from now on for mails, if it was not yet.

    None: the browser knows it already, or nobody does.
    """
    wished = wished_language(request.cookies, request.headers.get("accept-language", ""))

    def look(session: Session) -> Language | None:
        principal = service.principal_of_session(session, token, clock.now())
        kept = service.language_of(session, principal)
        if kept is None and wished is not None:
            service.choose_language(session, principal, wished)
        return kept

    kept = database.transact(look)
    return None if LANGUAGE_COOKIE in request.cookies else kept


@router.post("/sign-out")
def submit_sign_out(request: Request, database: DatabaseDep) -> Response:
    """Sign out; the session is over for every copy of the cookie."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is not None:
        database.transact(lambda session: service.sign_out(session, cookie))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _form(
    request: Request, *, next: str, sign_in: str = "", problem: str = "", status: int = 200, done: bool = False
) -> Response:
    written = sentence(problem, request.app.state.settings.time_zone) if problem else ""
    facts = {"next": next, "sign_in": sign_in, "problem": written, "done": done, "here": f"/sign-in?next={quote(next)}"}
    return page(request, "sign-in.html", title=_("Sign in"), principal=None, status=status, **facts)
