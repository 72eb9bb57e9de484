"""A device's connection to the broker: everything published is confirmed in the end, with bounded memory."""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from simulators.errors import BrokerError, StoppedError

AT_A_TIME = 20
"""What Mosquitto takes at a time; it cuts off who has more on the way. paho repeats everything unconfirmed at once
after a reconnection, so no more than this may ever be unconfirmed."""
WINDOW = AT_A_TIME - 2
"""Messages of the device on the way and not confirmed; the rest is for what is announced on a reconnection."""
KEEP_ALIVE_SECONDS = 10
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker answers."""

    host: str
    port: int
    version: Literal[4, 5] = 5
    """4: MQTT 3.1.1; 5: MQTT 5."""
    tls_ca: str | None = None
    patience_s: float = 60.0
    """How long a publisher waits without a single confirmation, reconnections included, before it gives up."""


class Connection:
    """One device at the broker. Unconfirmed messages are kept and sent again after every reconnection (QoS 1).

    Args:
        broker: where.
        client_id: names the client.
        username: sign-in name; `None`: anonymous.
        password: for it.
        will: topic and payload that the broker publishes, retained, when the device is lost.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        username: str | None,
        password: str | None,
        will: tuple[str, bytes],
    ) -> None:
        self._broker = broker
        self._patience_s = broker.patience_s
        self._window = WINDOW
        self._changed = threading.Condition()
        self._pending = 0
        self._confirmed = 0
        self._connects = 0
        self._refusal: str | None = None
        self._announce: Callable[[], list[tuple[str, bytes]]] | None = None
        self._announcements: set[int] = set()
        self._question: str | None = None
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion(broker.version))
        self._client.max_inflight_messages_set(AT_A_TIME)
        self._client.max_queued_messages_set(0)  # bounded by WINDOW, which waits where paho would refuse
        self._client.reconnect_delay_set(min_delay=1, max_delay=5)
        self._client.will_set(will[0], will[1], qos=1, retain=True)
        if username is not None:
            self._client.username_pw_set(username, password)
        if broker.tls_ca is not None:
            self._client.tls_set(ca_certs=broker.tls_ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self._client.on_connect = self._connected
        self._client.on_publish = self._acknowledged

    def answer(self, question: str, answer: Callable[[bytes], tuple[str, bytes] | None]) -> None:
        """From the next connection on, listen to a topic and publish what `answer` makes of each message there.

        It is called in the connection's own thread; what the broker had kept is left alone.
        """

        def answer_message(client: Client, _: Any, message: MQTTMessage) -> None:
            said = None if message.retain else answer(bytes(message.payload))
            if said is not None:
                with self._changed:
                    self._pending += 1
                client.publish(*said, qos=1)

        self._question, self._client.on_message = question, answer_message

    @property
    def connects(self) -> int:
        """How often the broker has accepted the connection."""
        return self._connects

    def open(self) -> None:
        """Connect and stay connected.

        Raises:
            BrokerError: if nobody answers, or the sign-in is refused.
        """
        where = f"{self._broker.host}:{self._broker.port}"
        try:
            self._client.connect(self._broker.host, self._broker.port, KEEP_ALIVE_SECONDS)
        except (OSError, ValueError) as error:
            raise BrokerError(f"no broker answers at {where}: {error}") from error
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._connects or self._refusal, CONNECT_SECONDS)
            problem = self._refusal if not self._connects else None
            silent = not self._connects and problem is None
        if problem or silent:
            self.close()
            raise BrokerError(
                f"the broker at {where} refused the device: {problem}" if problem else f"{where} speaks no MQTT"
            )

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, ended: threading.Event | None = None
    ) -> None:
        """Send with QoS 1; waits while the window is full.

        Raises:
            BrokerError: if nothing was confirmed for the broker's `patience_s`, or the broker refuses.
            StoppedError: if `ended` is set while it waits.
        """
        self._wait(lambda: self._pending < self._window, ended)
        with self._changed:
            self._pending += 1
        self._client.publish(topic, payload, qos=1, retain=retain)

    def confirm(self, *, ended: threading.Event | None = None) -> int:
        """Wait until everything published is confirmed; returns how many messages that were so far.

        Raises:
            BrokerError: if nothing was confirmed for the broker's `patience_s`, or the broker refuses.
            StoppedError: if `ended` is set while it waits.
        """
        self._wait(lambda: self._pending == 0, ended)
        return self._confirmed

    def announce_on_reconnect(self, announce: Callable[[], list[tuple[str, bytes]]]) -> None:
        """Publish what `announce` gives (two messages at most), retained, after every reconnection.

        It is called in the connection's own thread.
        """
        self._announce = announce

    def be_patient(self, seconds: float) -> None:
        """Wait no longer than this without a confirmation, from now on."""
        self._patience_s = seconds

    def close(self) -> None:
        """Sign off properly: the last will is not published. What is not confirmed is given up."""
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, condition: Callable[[], bool], ended: threading.Event | None) -> None:
        with self._changed:
            seen, since = self._confirmed, time.monotonic()
            while not condition():
                if self._refusal is not None:
                    raise BrokerError(f"the broker refused the device: {self._refusal}")
                if ended is not None and ended.is_set():
                    raise StoppedError("the run was cut off: the program is ending")
                if self._confirmed != seen:
                    seen, since = self._confirmed, time.monotonic()
                if time.monotonic() - since > self._patience_s:
                    raise BrokerError(
                        f"the broker has not confirmed {self._pending} messages for {self._patience_s:g} s"
                    )
                self._changed.wait(0.2)

    def _connected(self, client: Client, _: Any, __: Any, reason: Any, properties: Any) -> None:
        again = False
        if self._question is not None and not reason.is_failure:
            client.subscribe(self._question, qos=1)
        with self._changed:
            if reason.is_failure:
                self._refusal = str(reason)
            else:
                again = self._connects > 0
                self._connects += 1
                self._refusal = None
                limit = getattr(properties, "ReceiveMaximum", AT_A_TIME)
                self._window = max(1, min(WINDOW, limit - 2))
            self._changed.notify_all()
        if again and self._announce is not None and not self._announcements:  # else paho repeats them by itself
            for topic, payload in self._announce():
                with self._changed:
                    self._pending += 1
                self._announcements.add(client.publish(topic, payload, qos=1, retain=True).mid)

    def _acknowledged(self, _: Client, __: Any, mid: int, reason: Any, ___: Any) -> None:
        with self._changed:
            if reason.is_failure:
                self._refusal = str(reason)
            self._announcements.discard(mid)
            self._pending -= 1
            self._confirmed += 1
            self._changed.notify_all()
