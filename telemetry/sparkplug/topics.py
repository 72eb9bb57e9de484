"""Topics of Sparkplug B: `spBv1.0/{group}/{kind}/{node}[/{device}]`, and the names that edge nodes have here."""

from dataclasses import dataclass

ROOT = "spBv1.0"
HEARD_KINDS = frozenset({"NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"})
"""From edge nodes to hosts; NCMD and DCMD go the other way."""
_SCHEME = "sparkplug:"
_SEPARATOR = "|"
"""Stands for `/` where an address is one level of a topic."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message of an edge node belongs."""

    group: str
    kind: str
    node: str
    device: str | None
    """`None`: the node itself."""


def parse_sparkplug_topic(topic: str) -> Place | None:
    """Read a topic; `None` if it is none of an edge node's."""
    parts = topic.split("/")
    if parts[0] != ROOT or len(parts) not in {4, 5} or not all(parts) or _SEPARATOR in topic:
        return None
    if parts[2] not in HEARD_KINDS:
        return None
    if (parts[2][0] == "D") != (len(parts) == 5):
        return None
    return Place(parts[1], parts[2], parts[3], parts[4] if len(parts) == 5 else None)


def state_topic(host_id: str) -> str:
    """Where a host application says whether it is there."""
    return f"{ROOT}/STATE/{host_id}"


def command_topic(group: str, node: str) -> str:
    """Where an edge node takes commands."""
    return f"{ROOT}/{group}/NCMD/{node}"


def address_of(group: str, node: str, device: str | None) -> str:
    """The name under which `device_addresses` knows it: `sparkplug:group/node[/device]`."""
    return _SCHEME + "/".join([group, node, device] if device is not None else [group, node])


def level_of(address: str) -> str:
    """The address as the device level of a native topic."""
    return address.replace("/", _SEPARATOR)


def address_on(level: str) -> str | None:
    """The address that a device level stands for; `None`: it is an ordinary device."""
    return level.replace(_SEPARATOR, "/") if level.startswith(_SCHEME) else None
