"""The words of a report, one file per language beside the templates: `templates/words.en.json`."""

import functools
import json
from collections.abc import Iterator, Mapping
from importlib import resources

from lab.core.errors import InvalidError


class LanguageUnknownError(InvalidError):
    """There are no words for this language."""


class Words(Mapping[str, str]):
    """The words of one language by key; `say` fills in the gaps of a sentence."""

    def __init__(self, language: str, words: Mapping[str, str], glossary: Mapping[str, str]) -> None:
        self.language = language
        self.glossary = dict(glossary)
        self._words = dict(words)

    def __getitem__(self, key: str) -> str:
        return self._words[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def say(self, key: str, **facts: object) -> str:
        """The sentence of `key` with `{names}` replaced; braces inside the facts stay as they are."""
        return self._words[key].format(**facts)


@functools.cache
def words_of(language: str) -> Words:
    """The words of a language, e.g. `en`.

    Raises:
        LanguageUnknownError: if there is no file for it.
    """
    file = resources.files("lab.reports") / "templates" / f"words.{language}.json"
    if not language.isalpha() or not file.is_file():
        raise LanguageUnknownError(f"reports are not written in {language!r} yet; 'en' is there", field="language")
    words = json.loads(file.read_text(encoding="utf-8"))
    glossary = words.pop("glossary")
    return Words(language, words, glossary)
