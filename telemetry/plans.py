"""What a machine says again and again in one form is read in one step.

A machine names the same signals in each of its messages. After two such messages the form is known: a type with one
field for each signal, which msgspec fills without a text or a dictionary, at a quarter of the cost. What does not fit,
however little, is read with care as if there were no plan, so the form never decides what a message means.
"""

from array import array
from typing import Any

import msgspec

from devices.messages.native import Boot, Seq, Time
from telemetry.building import Samples, Shape, exact_numbers

_MOST_PLANS = 256
_MOST_FAILURES = 20
"""After which a topic is left alone: what comes on it has no one form."""


class Said(msgspec.Struct, frozen=True):
    """A message whose form was known: `Data` with `time` and `values`, all of them numbers."""

    boot: Boot
    seq: Seq
    time: Time
    values: Any
    """A structure with a number for each signal."""


class Plan:
    """The form of the messages on one topic.

    Args:
        names: the signals, in order.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        fields = {f"v{place}": name for place, name in enumerate(names)}
        values = msgspec.defstruct(
            "Values", [(field, float) for field in fields], rename=fields, forbid_unknown_fields=True, gc=False
        )
        said = msgspec.defstruct("SaidSo", [("values", values)], bases=(Said,), forbid_unknown_fields=True, gc=False)
        self._decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(said)
        self._shape: tuple[Samples, str, Shape | None] | None = None

    def read(self, payload: bytes) -> "tuple[Said, array[float]] | None":
        """The message and its numbers in order; `None`: it has to be read with care."""
        if b"\\" in payload:
            return None
        try:
            said = self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        numbers = exact_numbers(msgspec.structs.astuple(said.values))
        return None if numbers is None else (said, numbers)

    def shape(self, samples: Samples, device: str, boot: str, signals: Any) -> Shape | None:
        """The shape of its messages in a batch; `None` if one of the signals is unknown or no number."""
        found = self._shape
        if found is None or found[0] is not samples or found[1] != boot or found[2] is None:
            shape = samples.shape_of(device, boot, self.names, signals)
            if shape is not None and shape.others:
                shape = None
            found = self._shape = (samples, boot, shape)
        return found[2]


class Plans:
    """The plans of a bounded number of topics."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._seen: dict[str, tuple[str, ...]] = {}
        self._failures: dict[str, int] = {}

    def of(self, topic: str) -> Plan | None:
        """The plan of a topic, if it has one."""
        return self._plans.get(topic)

    def note(self, topic: str, names: tuple[str, ...]) -> None:
        """A message of these signals, all of them numbers, had to be read with care."""
        if self._failures.get(topic, 0) >= _MOST_FAILURES:
            return
        if len(self._seen) >= _MOST_PLANS and topic not in self._seen:
            self._plans.clear()
            self._seen.clear()
            self._failures.clear()
        if self._plans.pop(topic, None) is not None:
            self._failures[topic] = self._failures.get(topic, 0) + 1
        elif self._seen.get(topic) == names:
            self._plans[topic] = Plan(names)
        self._seen[topic] = names
