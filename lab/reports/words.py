"""The words of the layout: in English in `templates/words.en.json`, in other languages from their catalogue."""

import functools
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from lab.reports.language import Language, say_word

GLOSSARY = "glossary"


class Words(Mapping[str, str]):
    """The words of one language by key; `say` fills in the gaps of a sentence."""

    def __init__(self, language: Language, words: Mapping[str, str], glossary: Mapping[str, str]) -> None:
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
def words_of(language: Language) -> Words:
    """The words of a language."""
    words = english_words()
    glossary = words.pop(GLOSSARY)
    return Words(
        language,
        {key: say_word(key, text, language) for key, text in words.items()},
        {say_word(GLOSSARY, term, language): say_word(GLOSSARY, text, language) for term, text in glossary.items()},
    )


def english_words() -> dict[str, Any]:
    """Words by key, and under `glossary` what terms mean."""
    file = resources.files("lab.reports") / "templates" / "words.en.json"
    words: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return words
