"""The language that a report is written in: one for everything that it says, numbers and dates included.

English stands in the code and in `templates/words.en.json`; `locales/*.po` hold the other languages. A test keeps the
catalogues complete.
"""

from pathlib import Path

from lab.core.catalogues import LANGUAGES, Language, Tongue, marked, present_language, writing_in

__all__ = ["LANGUAGES", "LOCALES", "Language", "marked", "present_language", "say", "say_word", "writing_in"]

LOCALES = Path(__file__).parent / "locales"
_TONGUE = Tongue(LOCALES)
say = _TONGUE.say
say_word = _TONGUE.say_word
