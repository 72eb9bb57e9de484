"""The language that a report is written in: one for everything that it says, numbers and dates included.

English stands in the code and in `templates/words.en.json`; `locales/*.po` hold the other languages. A variable of the
context holds the language while a report is computed, drawn and laid out, so that not every function has to be told.
What people have typed is never translated. A test keeps the catalogues complete.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from typing import Literal, get_args

from lab.core.catalogues import read_catalogue

Language = Literal["en", "pl"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOCALES = Path(__file__).parent / "locales"
_DEFAULT: Language = "en"
_language: ContextVar[Language] = ContextVar("report_language", default=_DEFAULT)


@contextmanager
def writing_in(language: Language) -> Iterator[None]:
    """Everything said within is said in this language."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def present_language() -> Language:
    """The language of the report at hand."""
    return _language.get()


def say(message: str, **facts: object) -> str:
    """What is said in the present language.

    Args:
        message: in English, `{name}` where a fact belongs.
        facts: by name; braces inside them stay as they are.
    """
    said = _words(_language.get()).gettext(message)
    return said.format(**facts) if facts else said


def say_word(key: str, message: str, language: Language) -> str:
    """A word of the layout: `key` tells apart what is one word in English and several in another language."""
    return _words(language).pgettext(key, message)


def marked(message: str) -> str:
    """The message itself: marks what is listed here and said elsewhere."""
    return message


@cache
def _words(language: Language) -> NullTranslations:
    return NullTranslations() if language == _DEFAULT else read_catalogue(LOCALES / f"{language}.po", language)
