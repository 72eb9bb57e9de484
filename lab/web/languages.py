"""The languages of the pages: which one a request is answered in, and what its words are there.

English words stand in the code; `locales/*.po` hold the others. Python code marks them with `_("…")` where they are
said and with `N_("…")` where they are only listed; templates use `_` and `{% trans %}`. One variable of the context
holds the language, so that one Jinja environment serves all. A test keeps the catalogues complete.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from gettext import NullTranslations
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.core.catalogues import Language, language_named, read_catalogue

LANGUAGES: Mapping[Language, str] = {"en": "English", "pl": "Polski"}
"""By code, as they call themselves; the first is what the code is written in."""
LANGUAGE_COOKIE = "pilotlab_language"
_YEAR_SECONDS = 365 * 24 * 3600
LOCALES = Path(__file__).parent / "locales"
_DEFAULT = next(iter(LANGUAGES))
_language: ContextVar[Language] = ContextVar("language", default=_DEFAULT)


def present_language() -> Language:
    """The code of the language that the request at hand is answered in."""
    return _language.get()


def gettext(message: str, **facts: object) -> str:
    """What is said in the present language.

    Args:
        message: in English, `%(name)s` where a fact belongs.
        facts: by name.
    """
    said = plain(message)
    return said % facts if facts else said


def plain(message: str) -> str:
    """For templates, which put in the facts themselves: the words alone."""
    return _words(_language.get()).gettext(message)


def plain_plural(one: str, many: str, number: int) -> str:
    """The same for a number of things."""
    return _words(_language.get()).ngettext(one, many, number)


def ngettext(one: str, many: str, number: int, **facts: object) -> str:
    """What is said of a number of things in the present language; `%(num)s` is the number."""
    return plain_plural(one, many, number) % {"num": number, **facts}


def marked(message: str) -> str:
    """The message itself: marks what is listed here and said elsewhere."""
    return message


def choose_language(cookies: Mapping[str, str], accepted: str) -> Language:
    """The language that somebody wishes, else English.

    Args:
        cookies: of the request.
        accepted: its `Accept-Language`.
    """
    return wished_language(cookies, accepted) or _DEFAULT


def wished_language(cookies: Mapping[str, str], accepted: str) -> Language | None:
    """The language that somebody has chosen, else the first of their browser's that there is."""
    wishes = [wish.partition(";")[0].strip().lower().partition("-")[0] for wish in accepted.split(",")[:20]]
    found = map(language_named, [cookies.get(LANGUAGE_COOKIE, ""), *wishes])
    return next((language for language in found if language is not None), None)


def set_language_cookie(response: Response, language: Language) -> None:
    """Have the browser keep a language."""
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")


class PageLanguage:
    """Sets the language of each request before anything is said."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            cookies = cookie_parser(headers.get("cookie", ""))
            _language.set(choose_language(cookies, headers.get("accept-language", "")))
        await self._app(scope, receive, send)


@cache
def _words(code: Language) -> NullTranslations:
    if code == _DEFAULT:
        return NullTranslations()
    return read_catalogue(LOCALES / f"{code}.po", code)
