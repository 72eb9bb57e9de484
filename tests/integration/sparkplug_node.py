"""An edge node for tests, which does what it is told to, right or wrong."""

import json
import threading
from typing import Any

from lab.core.mqtt import BrokerAddress, connect, new_client
from telemetry.sparkplug.payload import RawMetric, decode_payload, encode_payload
from tests.integration.recording import now_ns

GROUP, HOST_ID = "plant", "lab-host"
STATE = f"spBv1.0/STATE/{HOST_ID}"
_FIELDS: dict[type, tuple[int, str]] = {
    int: (4, "long_value"),
    float: (10, "double_value"),
    str: (12, "string_value"),
    bool: (11, "boolean_value"),
}


def metric(
    name: str | None, value: Any, *, alias: int | None = None, at_ms: int | None = None, **more: Any
) -> RawMetric:
    datatype, field = _FIELDS[type(value)]
    at_ms = next_ms() if at_ms is None else at_ms
    wire = value & (2**64 - 1) if type(value) is int else value
    return RawMetric(name, alias, at_ms, more.get("datatype", datatype), more.get("historical", False), field, wire)


_last_ms = [0]


def next_ms() -> int:
    """The present, and never twice: two values of one metric in one millisecond are one too many."""
    _last_ms[0] = max(_last_ms[0] + 1, now_ns() // 1_000_000)
    return _last_ms[0]


class EdgeNode:
    """A node at the broker.

    Attributes:
        asked: how often it was asked to be born again.
        states: what the host said of itself.
    """

    def __init__(self, address: BrokerAddress, name: str = "press", *, bd_seq: int = 0) -> None:
        self.name, self.bd_seq, self.seq = name, bd_seq, 0
        self.asked = 0
        self.states: list[dict[str, Any]] = []
        self._client = new_client(address, f"edge-{name}-{bd_seq}")
        self._client.will_set(f"spBv1.0/{GROUP}/NDEATH/{name}", self.death(), qos=1)
        self._client.on_message = lambda _client, _data, message: self._heard(message.topic, message.payload)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        connect(self._client, address)
        self._client.loop_start()
        self._client.subscribe([(f"spBv1.0/{GROUP}/NCMD/{name}", 1), (STATE, 1)])
        assert ready.wait(10)

    def _heard(self, topic: str, content: bytes) -> None:
        if topic == STATE:
            self.states.append(json.loads(content))
            return
        rebirth = decode_payload(content).metric("Node Control/Rebirth")
        self.asked += rebirth is not None and rebirth.value is True

    def death(self, bd_seq: int | None = None) -> bytes:
        number = self.bd_seq if bd_seq is None else bd_seq
        return encode_payload([metric("bdSeq", number)], timestamp_ms=now_ns() // 1_000_000)

    def birth(self, *metrics: RawMetric) -> None:
        self.seq = 0
        self.say("NBIRTH", metric("bdSeq", self.bd_seq), metric("Node Control/Rebirth", False), *metrics)

    def say(self, kind: str, *metrics: RawMetric, device: str | None = None, lost: bool = False) -> None:
        """Publish with the next number; a lost message only takes one."""
        content = encode_payload(metrics, timestamp_ms=now_ns() // 1_000_000, seq=self.seq)
        self.seq = (self.seq + 1) % 256
        if not lost:
            self.publish(kind, content, device=device)

    def publish(self, kind: str, content: bytes, *, device: str | None = None) -> None:
        topic = f"spBv1.0/{GROUP}/{kind}/{self.name}" + (f"/{device}" if device else "")
        self._client.publish(topic, content, qos=1).wait_for_publish(10)

    def vanish(self) -> None:
        """Drop the connection without a word: the broker speaks the last will."""
        self._client.loop_stop()
        self._client.socket().close()  # type: ignore[union-attr]

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
