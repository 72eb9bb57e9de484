"""From a spooled message to a device and what it said, or to the reason why not."""

from dataclasses import dataclass

from devices.messages.native import Message, MessageError
from devices.messages.topics import parse_topic
from telemetry.formats import DATA_KINDS, decode
from telemetry.spool import SpooledMessage
from telemetry.validation import Fault

LISTENED_KINDS = DATA_KINDS | {"birth", "death", "event", "state"}
IGNORED_KINDS = frozenset({"command", "reply"})
"""Between the lab and a device; nothing to record."""
_TOPICS_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent a message, and of what kind it is, as its topic says."""

    device: str
    kind: str


class Topics:
    """Reads topics, remembering a bounded number of them.

    Args:
        lab: the lab whose devices are recorded.
    """

    def __init__(self, lab: str) -> None:
        self._lab = lab
        self._known: dict[str, Origin | None] = {}

    def origin(self, topic: str) -> Origin | None:
        """Who speaks on a topic; `None` if it is none of this lab's."""
        try:
            return self._known[topic]
        except KeyError:
            pass
        address = parse_topic(topic)
        origin = Origin(address.device, address.kind) if address is not None and address.lab == self._lab else None
        if len(self._known) >= _TOPICS_REMEMBERED:  # somebody invents topics: memory must not grow with them
            self._known.clear()
        self._known[topic] = origin
        return origin


def read_message(message: SpooledMessage, kind: str, *, max_payload_bytes: int) -> Message | Fault:
    """Read a payload.

    Args:
        message: as it came.
        kind: as its topic says.
        max_payload_bytes: a longer one is refused.
    """
    if message.payload_bytes > max_payload_bytes:
        return Fault("too-large", f"{message.payload_bytes} bytes; {max_payload_bytes} are the most")
    if kind not in LISTENED_KINDS:
        return Fault("unknown-kind", f"'{kind[:60]}' is none of {', '.join(sorted(LISTENED_KINDS))}")
    try:
        return decode(kind, message.payload)
    except MessageError as error:
        return Fault(error.reason, error.detail)
