"""One message, whatever it was written in."""

from devices.messages import native
from devices.messages.cbor import decode_cbor
from devices.messages.native import Message
from devices.messages.senml import decode_senml

DATA_KINDS = frozenset({"data", "data/cbor", "data/senml"})
"""Kinds of topics on which measured values come."""
_FORMATS = {"data/cbor": decode_cbor, "data/senml": decode_senml}


def decode(kind: str, payload: bytes) -> Message:
    """Read a payload that came on a topic ending in `kind`: `data`, `data/cbor`, `data/senml`, `event`, ….

    Raises:
        MessageError: if the message as a whole cannot be used; nothing else is raised, whatever the bytes.
    """
    other = _FORMATS.get(kind)
    return other(payload) if other is not None else native.decode(kind, payload)
