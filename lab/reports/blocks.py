"""What a report is made of, before it is laid out: PDF and HTML are two layouts of the same blocks.

Every text is ready to print and never markup: numbers are written, times are in the lab's zone.
"""

import dataclasses
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from lab.reports.numbers import SPACE

_LOOSE_PERCENT = re.compile(r"(?<=\d) (?=%)")
REPLACEMENT = "\ufffd"
# Kinds of characters that PDF/A refuses or that turn other text round: control, format, surrogate, private, unassigned.
_REFUSED = {"Cc", "Cf", "Cs", "Co", "Cn"}
_KEPT = {"\n", "\t", "\u00ad"}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below the section's own."""

    text: str
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True)
class Notice:
    """A statement nobody may miss."""

    text: str
    kind: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, in order of weight."""

    items: tuple[str, ...]
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what it is."""

    name: str
    text: str
    code: bool = False
    """A hash or the like: monospaced, never hyphenated."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are, one a line."""

    facts: tuple[Fact, ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    align: Literal["left", "right", "center"] = "left"
    share: float = 0
    """Part of the free width; 0: as wide as its content."""
    code: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of written cells under named columns."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    small: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its caption, its text for who cannot see it, and the same numbers as a table."""

    chart: str
    """File name among the charts."""
    caption: str
    alt: str
    table: Table
    floats: bool = False
    """Whether it may stand at the top or bottom of its page while the text goes on."""
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo with its caption and its text for who cannot see it."""

    path: str
    """Within the data set."""
    caption: str
    alt: str
    kind: Literal["photo"] = "photo"


Block = Heading | Paragraph | Notice | Bullets | Facts | Table | Figure | Photo


@dataclass(frozen=True, slots=True)
class Section:
    """A numbered part of the report."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """What a director needs to decide, on one page."""

    kicker: str
    title: str
    customer: str
    question: str
    answer: str
    verdict: str
    tone: Literal["invest", "conditions", "extend", "no"]
    grade: str
    grade_label: str
    notice: str | None
    numbers: Table
    chart: str
    """File name of the chart of the primary KPI."""
    chart_caption: str
    chart_alt: str
    chart_table: Table
    """The numbers of the chart, for a page that has them ready."""
    reasons: tuple[str, ...]
    risks: tuple[str, ...]
    not_tested: tuple[str, ...]
    next_step: str
    """By the verdict."""
    first_step: str
    """As people have said, with owner and date."""
    locked: str
    locked_hash: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report, ready to be laid out."""

    language: str
    title: str
    author: str
    description: str
    footer_left: str
    footer_right: str
    page_of: str
    """`Page {page} of {pages}`, filled in by the layout."""
    labels: dict[str, str] = field(repr=False)
    """Words that stand in the layout itself."""
    decision: DecisionPage
    sections: tuple[Section, ...]


Plain = dict[str, "Plain"] | list["Plain"] | str | float | bool | None


def printable(document: Document) -> Plain:
    """A document as plain values for a layout; a character that cannot be printed becomes U+FFFD, for all to see."""
    return _printable(dataclasses.asdict(document))


def _printable(value: object) -> Plain:
    if isinstance(value, dict):
        return {str(key): _printable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(part) for part in value]
    if isinstance(value, str):
        return printable_text(value)
    assert value is None or isinstance(value, (bool, int, float))
    return value


def printable_text(text: str) -> str:
    """A text whose characters can all be printed; the others become U+FFFD. No line breaks between number and %."""
    return "".join(map(_letter, _LOOSE_PERCENT.sub(SPACE, text)))


def _letter(letter: str) -> str:
    return REPLACEMENT if unicodedata.category(letter) in _REFUSED and letter not in _KEPT else letter
