"""The words of the layout: in English in `templates/words.en.json`, in other languages from their catalogue."""

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from lab.reports.language import Language, say_word

GLOSSARY, SIGNS = "glossary", "glossary_signs"


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the field, and what it means."""

    name: str
    meaning: str
    signs: str
    """How words begin that tell that a text uses it, parted by `|`; capitals count where a sign has some."""

    def is_used(self, text: str) -> bool:
        """Whether a text has one of its signs."""
        begins = (
            re.escape(sign) if sign != sign.lower() else f"(?i:{re.escape(sign)})" for sign in self.signs.split("|")
        )
        return re.search(rf"\b(?:{'|'.join(begins)})", text) is not None


def _plain(name: str) -> str:
    """A name as it is sorted: without the marks of its letters."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name.casefold()) if letter.isalnum())


class Words(Mapping[str, str]):
    """The words of one language by key; `say` fills in the gaps of a sentence."""

    def __init__(self, language: Language, words: Mapping[str, str], glossary: Iterable[Term]) -> None:
        self.language = language
        self.glossary = tuple(sorted(glossary, key=lambda term: _plain(term.name)))
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
    glossary, signs = words.pop(GLOSSARY), words.pop(SIGNS)
    return Words(
        language,
        {key: say_word(key, text, language) for key, text in words.items()},
        [
            Term(
                say_word(GLOSSARY, term, language),
                say_word(GLOSSARY, meaning, language),
                say_word(SIGNS, signs[term], language),
            )
            for term, meaning in glossary.items()
        ],
    )


def english_words() -> dict[str, Any]:
    """Words by key, under `glossary` what terms mean, and under `glossary_signs` how one sees that they are used."""
    file = resources.files("lab.reports") / "templates" / "words.en.json"
    words: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return words
