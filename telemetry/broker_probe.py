"""What a broker really does: how much it sends ahead, how much it keeps for somebody who is away, and for how long.

A broker does not tell its limits, and some do not keep the ones they are set to. So they are tried, with small messages
on a topic of the product's own that the recorder does not listen to, by two clients that are gone afterwards.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from lab.core.errors import UnavailableError
from lab.core.ids import new_id
from lab.core.mqtt import BrokerAddress, connect, new_client

TRIED_IN_FLIGHT = 200
"""A larger window than this is as good as any: a commit takes what has come."""
TRIED_QUEUE = 2_500
"""Messages that are sent while nobody listens; Mosquitto's own limit, if nothing is set, is 1,000."""
QUIET_SECONDS = 0.5
"""Silence after which nothing more is expected."""


class BrokerProbeError(UnavailableError):
    """The broker did not answer, or not to the end."""


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """What was found out about a broker."""

    in_flight: int | None
    """Messages that it sends ahead of an acknowledgement; `None`: more than `TRIED_IN_FLIGHT`."""
    queued: int | None
    """Messages that it keeps for a client that is away; `None`: more than `TRIED_QUEUE`."""
    receive_maximum: int | None
    """Messages that it takes ahead of its own acknowledgement, as it says itself (MQTT 5); `None`: it says nothing."""
    largest_packet: int | None
    """Bytes of the largest packet that it takes, as it says itself (MQTT 5); `None`: it says nothing."""
    keeps_session: bool
    """Whether a client that comes back finds its subscriptions and what came meanwhile."""


def probe(address: BrokerAddress, *, timeout_s: float = 20.0) -> BrokerLimits:
    """Try a broker's limits; takes a second or two.

    Raises:
        BrokerProbeError: if it does not answer, or stops answering.
    """
    number = new_id("probe")
    topic = f"pilotlab/-probe/{number}"
    deadline = time.monotonic() + timeout_s
    listener, speaker = _Probe(address, number, persistent=True), _Probe(address, f"{number}-s", persistent=False)
    try:
        listener.open(deadline)
        listener.subscribe(topic, deadline)
        speaker.open(deadline)
        speaker.publish(topic, TRIED_IN_FLIGHT, deadline)
        in_flight = listener.count(TRIED_IN_FLIGHT, deadline)
        listener.close()
        speaker.publish(topic, TRIED_QUEUE, deadline)
        again = _Probe(address, number, persistent=True, acknowledges=True)
        try:
            again.open(deadline)
            wanted = TRIED_IN_FLIGHT + TRIED_QUEUE
            kept = again.count(wanted, deadline) if again.session_present else 0
        finally:
            again.close()
        return BrokerLimits(
            in_flight=None if in_flight >= TRIED_IN_FLIGHT else in_flight,
            queued=None if kept >= wanted else kept,
            receive_maximum=listener.said("ReceiveMaximum"),
            largest_packet=listener.said("MaximumPacketSize"),
            keeps_session=again.session_present,
        )
    except OSError as error:
        raise BrokerProbeError(f"the broker at {address.host}:{address.port} does not answer: {error}") from error
    finally:
        listener.close()
        speaker.close()
        _forget(address, number)


class _Probe:
    """One connection."""

    def __init__(self, address: BrokerAddress, client_id: str, *, persistent: bool, acknowledges: bool = False) -> None:
        self._address = address
        self._persistent = persistent
        self._acknowledges = acknowledges
        self._client = new_client(address, client_id, persistent=persistent, manual_ack=True)
        self._client.max_inflight_messages_set(100)
        self._client.max_queued_messages_set(0)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._note("subscribed")
        self._client.on_publish = lambda *_: self._note("published")
        self._changed = threading.Condition()
        self._counts = {"connected": 0, "subscribed": 0, "published": 0}
        self._seen: set[bytes] = set()
        self._heard_at = 0.0
        self._refusal: str | None = None
        self._properties: Properties | None = None
        self._open = False
        self.session_present = False

    def open(self, deadline: float) -> None:
        connect(self._client, self._address, persistent=self._persistent)
        self._open = True
        self._client.loop_start()
        self._wait(lambda: self._counts["connected"] > 0, deadline)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._client.disconnect()
            self._client.loop_stop()

    def subscribe(self, topic: str, deadline: float) -> None:
        self._client.subscribe(topic, 1)
        self._wait(lambda: self._counts["subscribed"] > 0, deadline)

    def publish(self, topic: str, count: int, deadline: float) -> None:
        before = self._counts["published"]
        for number in range(before, before + count):
            self._client.publish(topic, str(number).encode(), qos=1)
        self._wait(lambda: self._counts["published"] >= before + count, deadline)

    def count(self, most: int, deadline: float) -> int:
        """How many different messages come, until there are `most` of them or it has become quiet."""
        self._heard_at = time.monotonic()
        with self._changed:
            while len(self._seen) < most and time.monotonic() < min(deadline, self._heard_at + QUIET_SECONDS):
                self._changed.wait(0.05)
            return len(self._seen)

    def said(self, name: str) -> int | None:
        found = getattr(self._properties, name, None)
        return found if isinstance(found, int) else None

    def _wait(self, done: Callable[[], bool], deadline: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: done() or self._refusal, max(0.0, deadline - time.monotonic()))
            if not done():
                where = f"{self._address.host}:{self._address.port}"
                raise BrokerProbeError(f"the broker at {where} {self._refusal or 'stopped answering'}")

    def _note(self, what: str) -> None:
        with self._changed:
            self._counts[what] += 1
            self._changed.notify_all()

    def _on_connect(
        self, _: Client, __: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            with self._changed:
                self._refusal = f"refused the probe: {reason}"
                self._changed.notify_all()
            return
        self.session_present, self._properties = flags.session_present, properties
        self._note("connected")

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        if self._acknowledges:
            client.ack(message.mid, message.qos)
        with self._changed:
            self._seen.add(bytes(message.payload))
            self._heard_at = time.monotonic()
            self._changed.notify_all()


def _forget(address: BrokerAddress, client_id: str) -> None:
    """Have the broker throw the session away."""
    with contextlib.suppress(OSError, BrokerProbeError):
        last = _Probe(address, client_id, persistent=False)
        try:
            last.open(time.monotonic() + 5)
        finally:
            last.close()
