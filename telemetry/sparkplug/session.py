"""What the messages of one edge node mean, from birth to death: pure, no network, no clock.

Sparkplug numbers a node's messages 0 … 255 and again; a birth starts anew and says what the aliases stand for. A
message that comes too early waits a little for those before it. When they do not come, one of them may have been a
birth: from then on no alias is believed, names still are, and the node is asked, once, to be born again. So a value is
never stored under another name than its own. (Numbers cannot show that a birth is lost together with just as many
messages as make them fit. MQTT loses only with its connection, and then every session here begins anew.)
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from telemetry.sparkplug.payload import Payload, RawMetric, value_of

REORDER_NS = 2_000_000_000
"""How long a message waits for those before it."""
ASK_AGAIN_NS = 30_000_000_000
"""A node that speaks on and was not born again may have missed the question."""
MOST_HELD = 100
MOST_METRICS = 100_000
"""Of a node with all its devices; what is born beyond has no alias here."""
_CONTROLS = ("Node Control/", "Device Control/")
_BD_SEQ = "bdSeq"
_SEQ_RANGE = 256
_REPETITIONS_REMEMBERED = 32


class Heard(NamedTuple):
    """A message of an edge node."""

    kind: str
    device: str | None
    payload: Payload
    received_ns: int
    topic: str
    content: bytes


class Reading(NamedTuple):
    """One value that is known to be this metric's."""

    name: str
    time_ms: int
    value: Any
    historical: bool


class Emit(NamedTuple):
    """Values of a node (`device` is `None`) or of one of its devices, numbered within the boot."""

    device: str | None
    boot: str
    seq: int
    readings: tuple[Reading, ...]
    sent_ms: int
    received_ns: int


class Born(NamedTuple):
    """A node or device says that it is there and which metrics it has."""

    device: str | None
    boot: str
    time_ms: int
    names: tuple[str, ...]
    received_ns: int


class Died(NamedTuple):
    """A node or device has gone."""

    device: str | None
    boot: str
    received_ns: int


class AskRebirth(NamedTuple):
    """Ask the node to be born again."""

    reason: str


class Refused(NamedTuple):
    """A message of which something cannot be told."""

    heard: Heard


Outcome = Emit | Born | Died | AskRebirth | Refused


@dataclass(slots=True)
class _Metric:
    device: str | None
    name: str
    datatype: int | None


@dataclass(slots=True)
class NodeSession:
    """One edge node, as this host has heard it since it connected.

    Args:
        started_ns: tells apart what is heard before the first birth from what an earlier connection heard.
    """

    started_ns: int
    boot: str = ""
    alive: bool = False
    """Born, and not known to be dead."""
    trusted: bool = False
    """Nothing is missing since the birth: aliases mean what it said."""
    bd_seq: int | None = None
    _expected: int = 0
    _aliases: dict[int, _Metric] = field(default_factory=dict)
    _types: dict[tuple[str | None, str], int | None] = field(default_factory=dict)
    _devices: set[str] = field(default_factory=set)
    _numbers: dict[str | None, int] = field(default_factory=dict)
    _skipped: int = 0
    _held: dict[int, Heard] = field(default_factory=dict)
    _held_until_ns: int | None = None
    _asked_ns: int | None = None
    _done: dict[int, bytes] = field(default_factory=dict)
    _dead_bd_seq: int | None = None
    _doubted_bd_seq: int | None = None

    def __post_init__(self) -> None:
        self.boot = f"sp-{self.started_ns // 1_000_000}-unborn"

    def take(self, heard: Heard, now_ns: int) -> list[Outcome]:
        """What a message means, and what to do; nothing if it has to wait or came twice."""
        if heard.kind == "NBIRTH":
            return self._born(heard, now_ns)
        if heard.kind == "NDEATH":
            return self._node_died(heard)
        seq = heard.payload.seq
        if seq is None or not 0 <= seq < _SEQ_RANGE:
            return [Refused(heard)]
        if not self.trusted:
            return [*self._ask("it speaks and was not heard to be born", now_ns), *self._understand(heard, now_ns)]
        if seq == self._expected:
            return [*self._understand_next(heard, now_ns), *self._release_ready(now_ns)]
        if heard.content in (self._done.get(seq), getattr(self._held.get(seq), "content", None)):
            return []  # delivered twice
        if seq in self._held or len(self._held) >= MOST_HELD:  # numbers begin to come again: no use in waiting
            lost = self._ask("messages are missing", now_ns) + self._give_up_waiting(now_ns)
            return lost + self._understand(heard, now_ns)
        self._held[seq] = heard
        if self._held_until_ns is None:
            self._held_until_ns = now_ns + REORDER_NS
        return []

    def tick(self, now_ns: int) -> list[Outcome]:
        """What time alone brings: those that were waited for have not come."""
        if self._held_until_ns is None or now_ns < self._held_until_ns:
            return []
        return [*self._ask("messages are missing", now_ns), *self._give_up_waiting(now_ns)]

    def close(self, now_ns: int) -> list[Outcome]:
        """The connection has ended: what waited for others before it waits no longer."""
        return self._give_up_waiting(now_ns) if self._held else []

    def _give_up_waiting(self, now_ns: int) -> list[Outcome]:
        """Understand what was held without those before it, counting what is missing."""
        held = sorted(self._held.items(), key=lambda item: (item[0] - self._expected) % _SEQ_RANGE)
        self._forget_held()
        self.trusted = False
        self._aliases.clear()
        outcomes: list[Outcome] = []
        for seq, heard in held:
            self._skipped += (seq - self._expected) % _SEQ_RANGE
            outcomes += self._understand_next(heard, now_ns)
        return outcomes

    def _forget_held(self) -> None:
        self._held.clear()
        self._held_until_ns = None

    def _release_ready(self, now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while self._expected in self._held and self.trusted:
            outcomes += self._understand_next(self._held.pop(self._expected), now_ns)
        if not self._held:
            self._held_until_ns = None
        elif outcomes and self._held_until_ns is not None:
            self._held_until_ns = now_ns + REORDER_NS  # another gap: its own patience
        return outcomes

    def _understand_next(self, heard: Heard, now_ns: int) -> list[Outcome]:
        seq = heard.payload.seq or 0
        self._expected = (seq + 1) % _SEQ_RANGE
        self._done[seq] = heard.content
        if len(self._done) > _REPETITIONS_REMEMBERED:
            self._done.pop(next(iter(self._done)))
        return self._understand(heard, now_ns)

    def _understand(self, heard: Heard, now_ns: int) -> list[Outcome]:
        if heard.kind == "DDEATH":
            return self._device_died(heard)
        if heard.kind == "DBIRTH":
            return self._device_born(heard)
        outcomes: list[Outcome] = []
        if heard.kind == "DDATA" and heard.device not in self._devices and self.trusted:
            outcomes += self._ask("a device speaks that was not heard to be born", now_ns)
        return outcomes + self._emit(heard)

    def _born(self, heard: Heard, now_ns: int) -> list[Outcome]:
        outcomes = self._give_up_waiting(now_ns) if self._held else []
        bd_seq = _number_of(heard.payload.metric(_BD_SEQ))
        doubtful = bd_seq is not None and bd_seq == self._dead_bd_seq and bd_seq != self._doubted_bd_seq
        time_ms = _sent_ms(heard)
        self._begin(f"sp-{time_ms}-{'x' if bd_seq is None else bd_seq}"[:64])
        self.bd_seq, self.alive, self.trusted = bd_seq, True, True
        seq = heard.payload.seq or 0
        self._expected = (seq + 1) % _SEQ_RANGE
        self._done[seq] = heard.content
        self._learn(None, heard.payload)
        outcomes.append(Born(None, self.boot, time_ms, self._names(None), heard.received_ns))
        outcomes += self._emit(heard)
        if doubtful:  # the last will of this very connection was heard before: which of the two is the newer?
            self._doubted_bd_seq = bd_seq
            outcomes += self._ask("its death was heard before its birth", now_ns)
        return outcomes

    def _node_died(self, heard: Heard) -> list[Outcome]:
        bd_seq = _number_of(heard.payload.metric(_BD_SEQ))
        if bd_seq is None:
            return [Refused(heard)]
        self._dead_bd_seq = bd_seq
        if not self.alive or bd_seq != self.bd_seq:
            return []  # the death of an earlier connection: it is born again since
        outcomes: list[Outcome] = [Died(device, self.boot, heard.received_ns) for device in sorted(self._devices)]
        outcomes.append(Died(None, self.boot, heard.received_ns))
        outcomes = (self._give_up_waiting(heard.received_ns) if self._held else []) + outcomes
        self._begin(f"sp-{heard.received_ns // 1_000_000}-unborn")
        self.alive = self.trusted = False
        return outcomes

    def _begin(self, boot: str) -> None:
        """Nothing of what was known of the boot before holds for this one."""
        self.boot = boot
        self._skipped = 0
        self._asked_ns = None
        self._forget_held()
        for known in (self._done, self._aliases, self._types, self._devices, self._numbers):
            known.clear()

    def _device_born(self, heard: Heard) -> list[Outcome]:
        device = heard.device
        if device is not None and self.trusted:
            self._aliases = {alias: known for alias, known in self._aliases.items() if known.device != device}
            self._learn(device, heard.payload)
            self._devices.add(device)
            born = Born(device, self.boot, _sent_ms(heard), self._names(device), heard.received_ns)
            return [born, *self._emit(heard)]
        return self._emit(heard)

    def _device_died(self, heard: Heard) -> list[Outcome]:
        self._number(heard.device)
        if heard.device in self._devices:
            self._devices.discard(heard.device)
            self._aliases = {alias: known for alias, known in self._aliases.items() if known.device != heard.device}
            return [Died(heard.device, self.boot, heard.received_ns)]
        return []

    def _learn(self, device: str | None, payload: Payload) -> None:
        for metric in payload.metrics:
            if metric.name is None or len(self._types) >= MOST_METRICS:
                continue
            self._types[device, metric.name] = metric.datatype
            if metric.alias is not None:
                self._aliases[metric.alias] = _Metric(device, metric.name, metric.datatype)

    def _names(self, device: str | None) -> tuple[str, ...]:
        return tuple(name for of, name in self._types if of == device and not _is_control(name))

    def _emit(self, heard: Heard) -> list[Outcome]:
        readings: list[Reading] = []
        unknown = False
        for metric in heard.payload.metrics:
            name, datatype = self._identify(heard.device, metric)
            time_ms = metric.timestamp_ms if metric.timestamp_ms is not None else heard.payload.timestamp_ms
            if name is None or time_ms is None:
                unknown = True
            elif not _is_control(name):
                value = value_of(metric, datatype)
                if value is not None:
                    readings.append(Reading(name, time_ms, value, metric.historical))
        seq = self._number(heard.device)
        emitted = Emit(heard.device, self.boot, seq, tuple(readings), _sent_ms(heard), heard.received_ns)
        return [emitted, Refused(heard)] if unknown else [emitted]

    def _identify(self, device: str | None, metric: RawMetric) -> tuple[str | None, int | None]:
        """Name and type of a metric; no name: it cannot be told."""
        if not metric.named:
            return None, None
        if metric.name is not None:
            datatype = metric.datatype if metric.datatype is not None else self._types.get((device, metric.name))
            return metric.name, datatype
        known = self._aliases.get(metric.alias) if metric.alias is not None else None
        if known is None or known.device != device:
            return None, None
        return known.name, metric.datatype if metric.datatype is not None else known.datatype

    def _number(self, device: str | None) -> int:
        """The message's number among those of its device; what is missing of the node may have been any device's."""
        number = self._numbers.get(device, 0)
        self._numbers[device] = number + 1
        return number + self._skipped

    def _ask(self, reason: str, now_ns: int) -> list[Outcome]:
        if self._asked_ns is not None and now_ns - self._asked_ns < ASK_AGAIN_NS:
            return []
        self._asked_ns = now_ns
        return [AskRebirth(reason)]


def _number_of(metric: RawMetric | None) -> int | None:
    return metric.value if metric is not None and metric.field in {"int_value", "long_value"} else None


def _sent_ms(heard: Heard) -> int:
    sent = heard.payload.timestamp_ms
    return sent if sent is not None else heard.received_ns // 1_000_000


def _is_control(name: str) -> bool:
    return name == _BD_SEQ or name.startswith(_CONTROLS)
