"""Words of another language: catalogues as translators edit them, and what is written for somebody far from any page.

English stands in the code. A variable of the context holds the language of what is being written, a report or a mail,
so that not every function has to be told. What people have typed is never translated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

Language = Literal["en", "pl"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_DEFAULT: Language = "en"
_language: ContextVar[Language] = ContextVar("written_language", default=_DEFAULT)


@contextmanager
def writing_in(language: Language) -> Iterator[None]:
    """Everything written within is written in this language."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def present_language() -> Language:
    """The language of the report or mail at hand."""
    return _language.get()


def language_named(code: str | None) -> Language | None:
    """The language with this code, if it is one of ours."""
    return next((one for one in LANGUAGES if one == code), None)


def marked(message: str) -> str:
    """The message itself: marks what is listed here and said elsewhere."""
    return message


class Tongue:
    """What one part of the product says.

    Args:
        locales: folder with a `.po` file for each language but English.
    """

    def __init__(self, locales: Path) -> None:
        self.locales = locales

    def say(self, message: str, **facts: object) -> str:
        """What is said in the present language.

        Args:
            message: in English, `{name}` where a fact belongs.
            facts: by name; braces inside them stay as they are.
        """
        said = _words(self.locales, present_language()).gettext(message)
        return said.format(**facts) if facts else said

    def say_word(self, key: str, message: str, language: Language) -> str:
        """A word of a layout: `key` tells apart what is one word in English and several in another language."""
        return _words(self.locales, language).pgettext(key, message)


@cache
def _words(locales: Path, language: Language) -> NullTranslations:
    return NullTranslations() if language == _DEFAULT else read_catalogue(locales / f"{language}.po", language)


def read_catalogue(path: Path, language: str) -> GNUTranslations:
    """A catalogue, ready to translate.

    Args:
        path: of the `.po` file.
        language: its code.
    """
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)
