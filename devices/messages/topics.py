"""Topics: `pilotlab/{lab}/{device}/{kind}`."""

from dataclasses import dataclass

ROOT = "pilotlab"
_LIVE = f"{ROOT}/-live/"


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


def live_topic(lab: str, device: str, kind: str) -> str:
    """Where what a device says in words that browsers do not get is repeated in ours; no recorder listens there."""
    return f"{_LIVE}{lab}/{device}/{kind}"


def parse_live_topic(text: str) -> Address | None:
    """Read a topic of `live_topic`, or an ordinary one."""
    return parse_topic(f"{ROOT}/{text.removeprefix(_LIVE)}" if text.startswith(_LIVE) else text)
