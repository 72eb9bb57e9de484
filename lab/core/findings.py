"""What is found out about a part of an installation: one line, with what to do."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "mind", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how it stands with one part."""

    level: Level
    part: str
    fact: str
    what_to_do: str = ""
