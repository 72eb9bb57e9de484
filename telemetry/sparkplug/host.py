"""The host application: hears edge nodes on a connection of its own and hands native messages to the committer.

As the specification asks, it says on `spBv1.0/STATE/{host_id}` whether it is there: online when it has subscribed,
offline by its last will or before it leaves, birth and will with one timestamp. Its session is clean: the broker keeps
nothing for it, an edge node that minds keeps its data while the host is offline. So it makes no difference when its
messages are acknowledged to the broker, and they are at once; what it heard is safe when it is in the spool, as
everything else. While the spool takes nothing more it does not read, until the broker drops it and nodes see it
offline.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessage
from sqlalchemy.exc import SQLAlchemyError

from devices.messages.topics import live_topic
from lab.core.clock import Clock
from lab.core.mqtt import BrokerAddress, connect, new_client
from telemetry.dead_letters import KEPT_BYTES
from telemetry.intake import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, Arrived, Connection, ConnectionLostError
from telemetry.sparkplug.payload import BOOLEAN, PayloadError, RawMetric, decode_payload, encode_payload
from telemetry.sparkplug.session import AskRebirth, Emit, Heard, NodeSession, Outcome, Refused
from telemetry.sparkplug.topics import ROOT, Place, address_of, command_topic, parse_sparkplug_topic, state_topic
from telemetry.sparkplug.translating import native_messages
from telemetry.spool import SpooledMessage

log = structlog.get_logger(__name__)

BURST = 500
MOST_NODES = 1000
"""Edge nodes that are told apart; somebody who invents more gets dead letters."""
_TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class SparkplugNames:
    """Whose edge nodes are heard, and the name of this host application."""

    group: str
    host_id: str


@dataclass(slots=True)
class HostCounts:
    """What has happened since the start."""

    received: int = 0
    connections: int = 0
    rebirths_asked: int = 0
    refused: int = 0
    """Messages of which something could not be told; dead letters."""
    faults: int = 0
    last_error: str | None = None


@dataclass(slots=True)
class SparkplugHost:
    """Hears the edge nodes of one group.

    Args:
        address: the broker.
        lab: under which native topics their messages are spooled.
        names: whose edge nodes are heard, and by which name.
        clock: tells when messages are received.
        max_payload_bytes: of a longer payload only the first bytes are kept.
        hand_over: takes native messages; must not block.
        may_read: whether more may be handed over now.
        device_at: gives the device at an address, so that its data are shown live.
        may_connect: asked before each connect; whether this is the recorder that records.
        must_leave: whether another one does; a connection is given up then.
    """

    address: BrokerAddress
    lab: str
    names: SparkplugNames
    clock: Clock
    max_payload_bytes: int
    hand_over: Callable[[Arrived], None]
    may_read: Callable[[], bool]
    device_at: Callable[[str], str | None] = lambda _address: None
    may_connect: Callable[[], bool] = lambda: True
    must_leave: Callable[[], bool] = lambda: False
    counts: HostCounts = field(default_factory=HostCounts)
    ready: threading.Event = field(default_factory=threading.Event)
    """Set while connected, subscribed and said to be online."""
    _sessions: dict[str, NodeSession] = field(default_factory=dict)
    _arrived: list[tuple[str, bytes, bool]] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _born_ms: int = 0
    _listens_from_ns: int = 0

    def start(self) -> None:
        """Connect and stay connected, in a thread."""
        self._thread = threading.Thread(target=self._run, name="sparkplug-host", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def problem(self) -> str | None:
        """Why edge nodes are not heard just now."""
        return None if self.ready.is_set() else self.counts.last_error or "no connection"

    def stop(self, *, timeout: float) -> None:
        """Say that the host is offline, and leave."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        delay = FIRST_DELAY_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            if self.may_connect():
                try:
                    self._serve()
                except (OSError, ConnectionLostError) as error:
                    self._note(str(error) or type(error).__name__)
                except Exception as error:
                    self.counts.faults += 1
                    self._note(f"{type(error).__name__}: {error}")
                    log.exception("the Sparkplug host stumbled; it connects anew")
            delay = FIRST_DELAY_SECONDS if time.monotonic() - started > LONGEST_DELAY_SECONDS else delay * 2
            self._stopping.wait(min(delay, LONGEST_DELAY_SECONDS))

    def _note(self, problem: str) -> None:
        if not self._stopping.is_set() and problem != self.counts.last_error:
            log.warning("the Sparkplug host is not connected to the broker", problem=problem)
        self.counts.last_error = problem

    def _serve(self) -> None:
        """One connection, until it is lost or the recorder stops."""
        client = new_client(self.address, f"pilotlab-sparkplug-{self.names.host_id}")
        connection = Connection(client)
        self._sessions.clear()  # what was said meanwhile was not heard: every node has to be born again
        self._arrived.clear()
        self._born_ms = self.clock.now_ns() // 1_000_000
        client.will_set(state_topic(self.names.host_id), self._state(online=False), qos=1, retain=True)
        client.on_connect = lambda *said: self._connected(client, connection, said[3])
        client.on_subscribe = lambda *said: self._subscribed(client, connection, said[3])
        client.on_message = lambda _client, _userdata, message: self._keep(message)
        try:
            connect(client, self.address)
            while not self._stopping.is_set() and not self.must_leave():
                self._turn(client, connection)
            self._leave(client)
        finally:
            self._take_the_rest(client, connection)
            connection.alive = False
            self.ready.clear()
            socket: Any = client.socket()
            if socket is not None:
                socket.close()

    def _turn(self, client: Client, connection: Connection) -> None:
        if connection.subscribed and not self.may_read():
            self._stopping.wait(_TICK_SECONDS)
            return
        failed = client.loop(_TICK_SECONDS)
        while not failed and 0 < len(self._arrived) < BURST:
            before = len(self._arrived)
            failed = client.loop(0)
            if len(self._arrived) == before:
                break
        arrived, self._arrived = self._arrived, []
        self._take(client, connection, arrived)
        if failed:
            raise ConnectionLostError(connection.refusal or f"the connection to the broker was lost ({failed})")

    def _leave(self, client: Client) -> None:
        if client.is_connected():
            self._born_ms = max(self._born_ms, self.clock.now_ns() // 1_000_000)
            said = client.publish(state_topic(self.names.host_id), self._state(online=False), qos=1, retain=True)
            until = time.monotonic() + 1
            while not said.is_published() and time.monotonic() < until and not client.loop(0.05):
                pass
            client.disconnect()
            client.loop_write()

    def _state(self, *, online: bool) -> bytes:
        return json.dumps({"online": online, "timestamp": self._born_ms}).encode()

    def _connected(self, client: Client, connection: Connection, reason: Any) -> None:
        if reason.is_failure:
            connection.refusal = f"the broker refuses the Sparkplug host: {reason}"
            return
        self.counts.connections += 1
        client.subscribe([(f"{ROOT}/{self.names.group}/#", 1), (state_topic(self.names.host_id), 1)])

    def _subscribed(self, client: Client, connection: Connection, reasons: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            connection.refusal = f"the broker refuses the Sparkplug host's subscription: {reasons[0]}"
            self._note(connection.refusal)
            return
        connection.subscribed = True
        self.counts.last_error = None
        self._listens_from_ns = self.clock.now_ns()
        client.publish(state_topic(self.names.host_id), self._state(online=True), qos=1, retain=True)
        self.ready.set()
        log.info("the Sparkplug host listens", group=self.names.group, host=self.names.host_id)

    def _keep(self, message: MQTTMessage) -> None:
        try:
            self._arrived.append((message.topic, bytes(message.payload), message.retain))
        except UnicodeDecodeError:
            self.counts.faults += 1  # a topic that is no text is none of an edge node's

    def _take(self, client: Client, connection: Connection, arrived: list[tuple[str, bytes, bool]]) -> None:
        received_ns = self.clock.now_ns()
        messages: list[SpooledMessage] = []
        for topic, content, retained in arrived:
            if topic == state_topic(self.names.host_id):
                self._answer_state(client, content, retained=retained)
                continue
            place = parse_sparkplug_topic(topic)
            if place is None or retained:  # commands of others; no message of a node may be retained
                continue
            self.counts.received += 1
            outcomes = self._understand(place, topic, content, received_ns)
            self._carry_out(client, place.node, outcomes, received_ns, messages)
        for node, session in self._sessions.items():
            self._carry_out(client, node, session.tick(received_ns), received_ns, messages)
        if messages:
            self.hand_over(Arrived(connection, messages, []))

    def _take_the_rest(self, client: Client, connection: Connection) -> None:
        """The connection ends: hand over what has arrived, and what waited for messages before it."""
        arrived, self._arrived = self._arrived, []
        self._take(client, connection, arrived)
        messages: list[SpooledMessage] = []
        now_ns = self.clock.now_ns()
        for node, session in self._sessions.items():
            self._carry_out(client, node, session.close(now_ns), now_ns, messages)
        if messages:
            self.hand_over(Arrived(connection, messages, []))

    def _understand(self, place: Place, topic: str, content: bytes, received_ns: int) -> list[Outcome]:
        try:
            if len(content) > self.max_payload_bytes:
                raise PayloadError("too large")
            heard = Heard(place.kind, place.device, decode_payload(content), received_ns, topic, content)
        except PayloadError:
            return [Refused(Heard(place.kind, place.device, decode_payload(b""), received_ns, topic, content))]
        session = self._sessions.get(place.node)
        if session is None:
            if len(self._sessions) >= MOST_NODES:
                return [Refused(heard)]
            session = self._sessions[place.node] = NodeSession(self._listens_from_ns)
        return session.take(heard, received_ns)

    def _carry_out(
        self, client: Client, node: str, outcomes: list[Outcome], received_ns: int, messages: list[SpooledMessage]
    ) -> None:
        for outcome in outcomes:
            if isinstance(outcome, AskRebirth):
                self.counts.rebirths_asked += 1
                log.info("asked an edge node to be born again", node=node, reason=outcome.reason)
                client.publish(command_topic(self.names.group, node), _rebirth(received_ns // 1_000_000), qos=0)
            elif isinstance(outcome, Refused):
                self.counts.refused += 1
                heard = outcome.heard
                kept = heard.content if len(heard.content) <= self.max_payload_bytes else heard.content[:KEPT_BYTES]
                messages.append(self._spooled(heard.topic, kept, len(heard.content), heard.received_ns))
            else:
                native = native_messages(self.lab, self.names.group, node, outcome)
                messages += [self._spooled(topic, one, len(one), outcome.received_ns) for topic, one in native]
                if isinstance(outcome, Emit):
                    self._show(client, address_of(self.names.group, node, outcome.device), [one for _, one in native])

    def _show(self, client: Client, address: str, payloads: list[bytes]) -> None:
        """Repeat data for the live streams, which know neither aliases nor addresses; nothing depends on it."""
        try:
            device = self.device_at(address)
        except SQLAlchemyError:
            return  # the database is away
        if device is not None:
            for payload in payloads:
                client.publish(live_topic(self.lab, device, "data"), payload, qos=0)

    def _spooled(self, topic: str, payload: bytes, size: int, received_ns: int) -> SpooledMessage:
        # The session is clean: nothing can have entered the broker for us before we listened.
        return SpooledMessage(topic, payload, size, received_ns, self._listens_from_ns, retained=False)

    def _answer_state(self, client: Client, content: bytes, *, retained: bool) -> None:
        """Somebody, or an old last will, says that we are offline: say it again."""
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            said = None
        if not retained and (not isinstance(said, dict) or said.get("online") is not True):
            client.publish(state_topic(self.names.host_id), self._state(online=True), qos=1, retain=True)


def _rebirth(now_ms: int) -> bytes:
    asked = RawMetric("Node Control/Rebirth", None, now_ms, BOOLEAN, False, "boolean_value", True)
    return encode_payload([asked], timestamp_ms=now_ms)
