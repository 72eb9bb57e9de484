"""From the broker to the commit thread: the recorder's own network loop around a paho client.

paho's thread is not used. Its loop waits once per message, wakes itself once per acknowledgement, and dies of an
exception in a callback while the client still says "connected". Here one thread of ours owns a client from its connect
to its loss and does everything on it, acknowledging included. A new connection gets a new client, so an acknowledgement
that comes too late has nothing left to be sent on and can never meet a message id that the broker uses again.
"""

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.subscribeoptions import SubscribeOptions

from lab.core.clock import Clock
from lab.core.mqtt import KEEP_ALIVE_SECONDS, BrokerAddress, connect, new_client
from telemetry.absence import Absence
from telemetry.dead_letters import KEPT_BYTES
from telemetry.echo import Echo
from telemetry.silence import Silence
from telemetry.spool import SpooledMessage
from telemetry.wire import Publish, Wire

log = structlog.get_logger(__name__)

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 5.0
RECEIVE_MAXIMUM = 10_000
"""Messages that a broker of MQTT 5 sends ahead of acknowledgements: more than one commit takes, and bounded."""
_TICK_SECONDS = 0.25


class ConnectionLostError(Exception):
    """The connection ended, or was refused; another one is tried."""


class Connection:
    """One client from its connect to its loss: the epoch that acknowledgements belong to."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.wire: Wire | None = None
        """The socket, once it is connected."""
        self.alive = True
        self.arrived: list[tuple[str, bytes, int, int, bool, int]] = []
        """Topic, first bytes of the payload, its length, entered after, retained, message id (0: none)."""
        self.refusal: str | None = None
        self.subscribed = False
        self.outstanding = 0
        """Handed over and not acknowledged."""
        self.silence = Silence(KEEP_ALIVE_SECONDS, now=time.monotonic())


@dataclass(frozen=True, slots=True)
class Arrived:
    """Messages that came over one connection, in order."""

    connection: Connection
    messages: list[SpooledMessage]
    ids: list[int]
    """What to acknowledge."""
    bytes: int = field(init=False)
    """Of all payloads together."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", sum(len(message.payload) for message in self.messages))


@dataclass(slots=True)
class IntakeCounts:
    """What has happened since the start."""

    received: int = 0
    acknowledged: int = 0
    connections: int = 0
    faults: int = 0
    """Exceptions in callbacks or in the network loop, each survived."""
    restarts: int = 0
    """How often its thread had to be started again."""
    last_error: str | None = None


@dataclass(slots=True)
class Intake:
    """Reads messages, hands them over, and acknowledges them when it is told that they are safe.

    Args:
        address: the broker.
        lab: whose devices are listened to.
        client_id: names the session that the broker keeps.
        clock: tells when messages are received.
        max_payload_bytes: of a longer payload only the first bytes are kept.
        hand_over: takes what has arrived; must not block.
        may_read: whether more may be handed over now; if not, messages wait in the broker.
        entered_after_ns: what is known from the last time: messages in the broker's queue came after this instant.
        may_connect: asked before each connect; whether this is the recorder that records.
        must_leave: whether another one does; a connection is given up then.
        broker_away: told, with the instant since when and, when it is over, the instant until when, that there was no
            connection for longer than `AWAY_SECONDS`.
        away_since_ns: there was none when the last process ended, and that was told.
        session_lost: told, with the instants between which messages may be missing, that the broker has forgotten us.
    """

    address: BrokerAddress
    lab: str
    client_id: str
    clock: Clock
    max_payload_bytes: int
    hand_over: Callable[[Arrived], None]
    may_read: Callable[[], bool]
    entered_after_ns: int = 0
    may_connect: Callable[[], bool] = lambda: True
    must_leave: Callable[[], bool] = lambda: False
    session_lost: Callable[[int, int], None] = lambda _from_ns, _to_ns: None
    broker_away: Callable[[int, int | None], None] = lambda _from_ns, _to_ns: None
    away_since_ns: int = 0
    counts: IntakeCounts = field(default_factory=IntakeCounts)
    ready: threading.Event = field(default_factory=threading.Event)
    """Set while connected and subscribed."""
    _absence: Absence = field(init=False)
    _done: deque[tuple[Connection, list[int]]] = field(default_factory=deque)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _deadline: float = 0.0
    _thread: threading.Thread | None = None
    _echo: Echo = field(init=False)
    _wake: tuple[int, int] = (-1, -1)

    def start(self) -> None:
        """Connect and stay connected, in a thread; also again after that has died."""
        if self._thread is None:
            self._wake = os.pipe()
            for end in self._wake:
                os.set_blocking(end, False)
        else:
            self.counts.restarts += 1
            self.away_since_ns = self._absence.told_since_ns
        self._absence = Absence(self.broker_away, self.away_since_ns)
        self._echo = Echo(self.lab, self.client_id, self.entered_after_ns)
        self._thread = threading.Thread(target=self._run, name="recorder-intake", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def acknowledge(self, connection: Connection, ids: list[int]) -> None:
        """Tell the broker that messages are safe; nothing happens if their connection is gone (they come again)."""
        self._done.append((connection, ids))
        self._wake_up()

    def stop(self, *, timeout: float) -> None:
        """Read no more, wait for what was handed over, acknowledge it, and leave in good order."""
        self._deadline = time.monotonic() + timeout
        self._stopping.set()
        self._wake_up()
        if self._thread is not None:
            self._thread.join(timeout + 0.5)
            if not self._thread.is_alive():
                for end in self._wake:
                    os.close(end)
                self._wake = (-1, -1)

    def _wake_up(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it has ended
            os.write(self._wake[1], b"w")

    def _run(self) -> None:
        delay = FIRST_DELAY_SECONDS
        while not self._stopping.is_set():
            if not self.may_connect():
                self._note("another recorder records, or the database cannot say that none does")
                if self.must_leave():
                    self._absence.end(self.clock.now_ns())  # the other one has to say from now on
                else:
                    self._absence.look(self.clock.now_ns())
                self._stopping.wait(_TICK_SECONDS)
                continue
            started = time.monotonic()
            try:
                self._serve()
            except (OSError, ConnectionLostError) as error:
                self._note(str(error) or type(error).__name__)
            except Exception as error:
                self.counts.faults += 1
                self._note(f"{type(error).__name__}: {error}")
                log.exception("the recorder's network loop stumbled; it connects anew")
            if not self._stopping.is_set():
                self._absence.look(self.clock.now_ns())
            delay = FIRST_DELAY_SECONDS if time.monotonic() - started > LONGEST_DELAY_SECONDS else delay * 2
            self._stopping.wait(min(delay, LONGEST_DELAY_SECONDS))

    def _note(self, problem: str) -> None:
        if not self._stopping.is_set() and problem != self.counts.last_error:
            log.warning("recorder not connected to the broker", problem=problem)
        self.counts.last_error = problem

    def _serve(self) -> None:
        """One connection, until it is lost or the recorder stops."""
        client = new_client(self.address, self.client_id, persistent=True, manual_ack=True)
        connection = Connection(client)
        client.on_connect = lambda *said: self._connected(connection, said[2], said[3])
        client.on_subscribe = lambda *said: self._subscribed(connection, said[3])
        client.on_disconnect = lambda *said: self._disconnected(connection, said[3])
        client.on_message = lambda _client, _userdata, message: self._arrived(connection, _published(message))
        client.on_socket_register_write = lambda *_: None  # we ask want_write(); paho must not write on its own
        try:
            connect(client, self.address, persistent=True, receive_maximum=RECEIVE_MAXIMUM)
            connection.wire = Wire(client.socket(), self.address.version)
            client._sock = connection.wire  # type: ignore[assignment]  # paho has no public way
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake[0], selectors.EVENT_READ)
                selector.register(connection.wire, selectors.EVENT_READ | selectors.EVENT_WRITE)
                while not self._finished(connection):
                    self._turn(connection, connection.wire, selector)
            client.disconnect()
            client.loop_write()
        finally:
            connection.alive = False
            self.ready.clear()
            _close_socket(client)

    def _finished(self, connection: Connection) -> bool:
        if not self._stopping.is_set():
            return False
        safe = connection.outstanding == 0 and not connection.arrived and not _has_to_send(connection)
        return safe or time.monotonic() > self._deadline

    def _turn(self, connection: Connection, wire: Wire, selector: selectors.BaseSelector) -> None:
        """Wait for something to do, and do it."""
        client = connection.client
        if client.socket() is None:
            raise ConnectionLostError(connection.refusal or "the broker ended the connection")
        if self.must_leave():
            raise ConnectionLostError("another recorder has taken over")
        # Until the subscription is confirmed all is read: what else would tell that we are connected?
        reading = not self._stopping.is_set() and (not connection.subscribed or self.may_read())
        wanted = (selectors.EVENT_READ if reading else 0) | (selectors.EVENT_WRITE if _has_to_send(connection) else 0)
        key = selector.get_map().get(wire)
        if wanted and key is None:
            selector.register(wire, wanted)
        elif wanted and key is not None and key.events != wanted:
            selector.modify(wire, wanted)
        elif not wanted and key is not None:
            selector.unregister(wire)
        undelivered = wire.pending() > 0  # TLS may hold what select does not see
        for key, events in selector.select(0 if undelivered and reading else _TICK_SECONDS):
            if key.fd == self._wake[0]:
                os.read(self._wake[0], 65_536)
            elif events & selectors.EVENT_READ:
                undelivered = True
        if undelivered and reading:
            self._read_burst(connection, wire)
        self._send_acknowledgements(connection)
        if client.want_write():
            _check(client.loop_write(), connection)
        wire.flush()
        self._keep_alive(connection, listening=reading, heard=undelivered and reading)
        if connection.subscribed and reading:
            self._echo.send(client, now_ns=self.clock.now_ns())

    def _keep_alive(self, connection: Connection, *, listening: bool, heard: bool) -> None:
        """In the place of paho's own way, which takes a pause in our reading for a dead connection."""
        now, silence = time.monotonic(), connection.silence
        answered = connection.client._ping_t == 0  # paho has no public way; what it does itself would be more than this
        silence.look(now=now, listening=listening, heard=heard, answered=answered)
        if silence.dead:
            waited = max(silence.seconds, silence.unanswered_seconds)
            raise ConnectionLostError(f"the broker has said nothing for {waited:.0f} s")
        if connection.subscribed and silence.ping_is_due(now=now):
            connection.client._send_pingreq()

    def _read_burst(self, connection: Connection, wire: Wire) -> None:
        """Read what has arrived, as much as one call gives, and hand it over; never a wait for more."""
        arrived, failed = connection.arrived, 0
        wire.fill()
        while not failed:
            for published in wire.take_published():
                self._arrived(connection, published)
            if not wire.has_packet:
                break
            failed = connection.client.loop_read()
        if wire.ended and not failed:
            failed = connection.client.loop_read()  # paho says that the connection is lost
        if arrived:
            # The time is taken after reading: a message is never received before it was sent.
            received_ns = self.clock.now_ns()
            messages = [
                SpooledMessage(topic, payload, size, received_ns, entered, retained)
                for topic, payload, size, entered, retained, _ in arrived
            ]
            ids = [message[5] for message in arrived if message[5]]
            connection.arrived = []
            connection.outstanding += len(ids)
            self.counts.received += len(messages)
            self.hand_over(Arrived(connection, messages, ids))
        _check(failed, connection)

    def _send_acknowledgements(self, connection: Connection) -> None:
        while self._done:
            of, ids = self._done.popleft()
            if of is not connection or connection.wire is None:
                continue  # it was lost: the broker sends these messages again
            connection.wire.acknowledge(ids)
            connection.outstanding -= len(ids)
            self.counts.acknowledged += len(ids)

    def _connected(self, connection: Connection, flags: Any, reason: Any) -> None:
        if reason.is_failure:
            connection.refusal = f"the broker refuses the recorder: {reason}"
            return
        self.counts.connections += 1
        if not flags.session_present:
            now_ns = self.clock.now_ns()
            if self._echo.entered_after_ns:
                log.warning("the broker has forgotten the recorder's session; what it kept for the recorder is lost")
                self.session_lost(self._echo.entered_after_ns, now_ns)
            self._echo.nothing_waits(now_ns)
        topic = f"pilotlab/{self.lab}/+/#"
        if self.address.version == 5:
            kept_only_for_new = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            connection.client.subscribe(topic, options=kept_only_for_new)
        else:
            connection.client.subscribe(topic, 1)

    def _disconnected(self, connection: Connection, reason: Any) -> None:
        if reason.is_failure and connection.refusal is None:
            connection.refusal = f"the connection to the broker was lost: {reason}"

    def _subscribed(self, connection: Connection, reasons: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._note(f"the broker refuses the recorder's subscription: {reasons[0]}")
            return
        connection.subscribed = True
        self._absence.end(self.clock.now_ns())
        self.counts.last_error = None
        self.ready.set()
        log.info("recorder listens", broker=f"{self.address.host}:{self.address.port}", lab=self.lab)

    def _arrived(self, connection: Connection, message: Publish) -> None:
        try:
            topic = message.topic.decode()
            if topic == self._echo.topic:
                self.entered_after_ns = self._echo.returned(message.payload)
                if message.id and connection.wire is not None:
                    connection.wire.acknowledge([message.id])
                return
            self._keep(connection, topic, message)
        except Exception:
            self.counts.faults += 1
            log.exception("a message could not be taken as it is")
            self._keep(connection, "(unreadable topic)", message)

    def _keep(self, connection: Connection, topic: str, message: Publish) -> None:
        payload = message.payload
        size = len(payload)
        kept = payload if size <= self.max_payload_bytes else payload[:KEPT_BYTES]
        connection.arrived.append((topic, kept, size, self._echo.entered_after_ns, message.retained, message.id))


def _published(message: MQTTMessage) -> Publish:
    """A message that paho has read itself."""
    return Publish(message._topic, bytes(message.payload), message.mid if message.qos else 0, message.retain)


def _has_to_send(connection: Connection) -> bool:
    waits = connection.wire is not None and connection.wire.wants_to_send
    return waits or connection.client.want_write()


def _check(code: int, connection: Connection) -> None:
    if code:
        raise ConnectionLostError(connection.refusal or f"the connection to the broker was lost ({code})")


def _close_socket(client: Client) -> None:
    socket: Any = client.socket()
    if socket is not None:
        socket.close()
