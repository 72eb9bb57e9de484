"""For whom a rule is set: the lab, a device class, or a device."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """How far a rule reaches; the narrower wins."""

    LAB = "lab"
    CLASS = "class"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Target:
    """For whom a rule is set."""

    scope: Scope
    name: str = ""
    """Empty for the lab, the device's `kind`, or its id."""

    @property
    def id(self) -> str:
        """In the audit log, and in addresses."""
        return f"{self.scope}/{self.name}" if self.name else self.scope.value

    def __str__(self) -> str:
        return {"lab": "the lab", "class": f"the class {self.name}", "device": self.name}[self.scope]


LAB = Target(Scope.LAB)
