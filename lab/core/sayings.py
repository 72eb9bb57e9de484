"""Sentences of the lower floors in another language, by templates: English around, facts in between."""

import re
from collections.abc import Callable, Collection, Sequence


class Sayings:
    """Finds the template that a sentence was made from, and says it in the present language.

    Args:
        templates: with `%(name)s` where a fact belongs.
        words: gives a template in the present language.
        numbers: names of facts that hold a number, which is written with the sign of the language.
    """

    def __init__(self, templates: Sequence[str], words: Callable[[str], str], *, numbers: Collection[str] = ()) -> None:
        ordered = sorted(templates, key=lambda template: -len(re.sub(r"%\(\w+\)s", "", template)))
        self._patterns = [(re.compile(_pattern(template), re.DOTALL), template) for template in ordered]
        self._words = words
        self._numbers = frozenset(numbers)

    def find(self, text: str) -> str | None:
        """What is said; `None`: no template fits."""
        for pattern, template in self._patterns:
            if found := pattern.fullmatch(text):
                facts = {name: self._fact(name, value) for name, value in found.groupdict().items()}
                said = self._words(template)
                return said % facts if facts else said
        return None

    def _fact(self, name: str, value: str) -> str:
        return re.sub(r"(?<=\d)\.(?=\d)", ",", value) if name in self._numbers else value


def _pattern(template: str) -> str:
    pieces = re.split(r"%\((\w+)\)s", template)
    return "".join(
        f"(?P<{piece}>(?:(?!; ).)+?)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
    )
