"""How somebody wants the pages: colours, kept in the browser; language, also with the account; the own password."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from lab.core.catalogues import Language, language_named
from lab.core.errors import InvalidError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people import service
from lab.people.endpoints import SESSION_COOKIE, PrincipalDep
from lab.people.errors import NotSignedInError, SignInRefusedError
from lab.web.languages import gettext as _
from lab.web.languages import set_language_cookie
from lab.web.links import on_this_site
from lab.web.rendering import THEME_COOKIE, THEMES, page
from lab.web.wording import sentence

router = APIRouter()

_YEAR_SECONDS = 365 * 24 * 3600
Password = Annotated[str, Form(max_length=1000)]


@router.post("/preferences")
def submit_preferences(
    request: Request,
    database: DatabaseDep,
    clock: ClockDep,
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Keep what was chosen, the language with the account too, and go back; whoever is not signed in may choose too."""
    response = RedirectResponse(on_this_site(next), 303)
    if chosen := language_named(language):
        set_language_cookie(response, chosen)
        _keep_language(request, database, clock, chosen)
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    elif theme:
        response.delete_cookie(THEME_COOKIE)
    return response


def _keep_language(request: Request, database: DatabaseDep, clock: ClockDep, language: Language) -> None:
    """Mails come in it too; whoever is not signed in has none."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        return
    with database.read() as session:
        try:
            principal = service.principal_of_session(session, cookie, clock.now())
        except NotSignedInError:
            return
    database.transact(lambda session: service.choose_language(session, principal, language))


@router.get("/password")
def show_password_form(request: Request, principal: PrincipalDep) -> Response:
    """The form to change one's own password."""
    return page(request, "password.html", title=_("Change password"), principal=principal, problem="")


@router.post("/password")
def submit_password(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    old: Password = "",
    new: Password = "",
) -> Response:
    """Change it; one is signed out everywhere, here too."""
    try:
        database.transact(lambda session: service.change_password(session, principal, old=old, new=new))
    except (InvalidError, SignInRefusedError) as error:
        problem = sentence(error.message, settings.time_zone)
        return page(
            request, "password.html", title=_("Change password"), principal=principal, status=422, problem=problem
        )
    return RedirectResponse("/sign-in?done=password", 303)
