"""Topics: `pilotlab/{lab}/{device}/{kind}`."""

from dataclasses import dataclass

ROOT = "pilotlab"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message belongs."""

    lab: str
    device: str
    kind: str
    """birth, death, data, event, state, command or reply; with a slash where the format is named: `data/cbor`."""


def topic(lab: str, device: str, kind: str) -> str:
    """The topic of one kind of message of one device."""
    return f"{ROOT}/{lab}/{device}/{kind}"


def parse_topic(text: str) -> Address | None:
    """Read a topic; `None` if it is none of ours."""
    parts = text.split("/", 3)
    if len(parts) != 4 or parts[0] != ROOT or not all(parts):
        return None
    return Address(parts[1], parts[2], parts[3])
