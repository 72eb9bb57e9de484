"""Live streams: from the broker to browsers, past the recorder and the store.

One MQTT client per web process, connected when somebody first watches a device and subscribed to watched devices only.
A ring per signal keeps the last values; every viewer is an async generator that looks into the rings ten times a
second, so a slow viewer misses frames and holds up nobody.

What a viewer gets, as Server-Sent Events:

* `values`: at most ten a second, when there is something new; the first one at once, with what the rings hold:
  `{"t": 1795417200125.0, "values": {"spindle_power_kw": [[1795417200000.5, 1.82], …], "door_open": [[…, true]]}}`.
  `t` is the lab's present, times are settled times, all in milliseconds since 1970; a value is a number, a boolean or a
  text. The times of a signal increase, from event to event too.
* `status`: at once and at every change, `{"broker": true}`; false: this process has lost the broker.
* `end`: the last one. `{"reason": "access"}`: the right to see has ended; do not come back.
  `{"reason": "closing"}`: the server stops; a browser reconnects by itself.

Who may see is asked again every 5 seconds; between that, points and the present itself are held against the granted
spans. A stream ends when the answer is no, when there was none for 9 seconds, and at the end of the granted span.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby

import msgspec
import structlog
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy.orm import Session

from devices.messages.native import Data, MessageError, decode
from devices.messages.topics import parse_topic, topic
from devices.service import known_signals
from lab.core.clock import Clock
from lab.core.ids import new_id
from lab.core.mqtt import KEEP_ALIVE_SECONDS, BrokerAddress, new_client
from telemetry.grants import Grant
from telemetry.queries import clock_offsets
from telemetry.rings import DeviceRings, Point, reduced
from telemetry.settling import BootClock, ChangePoint

log = structlog.get_logger(__name__)

FRAME_SECONDS = 0.1
LOOK_AGAIN_SECONDS = 5.0
BLIND_SECONDS = 9.0
LINGER_SECONDS = 60.0
"""How long a device stays subscribed after its last viewer, so that a page that is loaded again has values at once."""
FRAME_POINTS = 100
"""Most points of a signal in one frame."""
FIRST_FRAME_POINTS = 600
RETRY_MS = 2000
MOST_PAYLOAD_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Sight:
    """What a viewer may see of a device, and what is known of the device meanwhile."""

    grant: Grant
    signals: frozenset[str]
    """Names of the device's signals."""
    clocks: Mapping[str, BootClock]


def sight_of(session: Session, grant: Grant, device: str) -> Sight:
    """Read what a live stream needs to know of a device."""
    offsets = groupby(clock_offsets(session, device), key=lambda offset: offset.boot)
    return Sight(
        grant,
        frozenset(known_signals(session).get(device, {})),
        {
            boot: BootClock([ChangePoint(row.from_device_ns, row.offset_ns, row.uncertain) for row in rows])
            for boot, rows in offsets
        },
    )


@dataclass(slots=True)
class _Watched:
    rings: DeviceRings = field(default_factory=DeviceRings)
    viewers: int = 0
    left_at: float = 0.0
    """Monotonic time at which the last viewer left."""


class LiveHub:
    """The live streams of one web process.

    Args:
        address: the broker.
        lab: second level of the topics.
        clock: tells the present.
    """

    def __init__(self, address: BrokerAddress, lab: str, *, clock: Clock) -> None:
        self._address = address
        self._lab = lab
        self._clock = clock
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._client: Client | None = None
        self._connected = False
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether the broker answers; false while nobody has watched anything yet."""
        return self._connected

    @property
    def viewer_count(self) -> int:
        """Streams that are running."""
        with self._lock:
            return sum(watched.viewers for watched in self._watched.values())

    async def stream(
        self,
        device: str,
        sight: Sight,
        look_again: Callable[[], Sight | None],
        *,
        signals: Collection[str] = (),
    ) -> AsyncGenerator[ServerSentEvent]:
        """What one viewer of a device gets (see the module's docstring).

        Args:
            device: whose values.
            sight: what the viewer may see now.
            look_again: asked every 5 s, in a thread; `None`: the right to see has ended.
            signals: only these; none: all.
        """
        watched = self._watch(device, sight)
        viewer = _Viewer(device, sight, look_again)
        connected: bool | None = None
        try:
            yield ServerSentEvent(retry=RETRY_MS, comment="live")
            yield self._frame(watched, viewer, signals, FIRST_FRAME_POINTS) or _event("values", self._frame_of({}))
            while True:
                if connected is not self._connected:
                    connected = self._connected
                    yield _event("status", {"broker": connected})
                await asyncio.sleep(FRAME_SECONDS)
                if viewer.refresh():
                    self._learn(watched, viewer.sight)
                if self._closing:
                    yield _event("end", {"reason": "closing"})
                    return
                if not viewer.may_see(self._clock.now_ns()):
                    yield _event("end", {"reason": "access"})
                    return
                frame = self._frame(watched, viewer, signals, FRAME_POINTS)
                if frame is not None:
                    yield frame
        finally:
            viewer.leave()
            self._unwatch(watched)

    def end_streams(self) -> None:
        """Ask every stream to end; returns at once, new ones end immediately. Safe in a signal handler."""
        self._closing = True

    def stop(self) -> None:
        """End every stream and leave the broker."""
        self._closing = True
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _frame(
        self, watched: _Watched, viewer: "_Viewer", signals: Collection[str], most: int
    ) -> ServerSentEvent | None:
        with self._lock:
            fresh = watched.rings.newer_than(viewer.read_through, signals)
            viewer.read_through = watched.rings.last_number
        values = {}
        for signal, points in fresh.items():
            seen = [(point.time_ns, point.value, point.uncertain) for point in points if viewer.may_see_point(point)]
            if seen:
                values[signal] = [(time_ns / 1e6, value) for time_ns, value, _ in reduced(seen, most)]
        return _event("values", self._frame_of(values)) if values else None

    def _frame_of(self, values: Mapping[str, object]) -> dict[str, object]:
        return {"t": self._clock.now_ns() / 1e6, "values": values}

    def _watch(self, device: str, sight: Sight) -> _Watched:
        with self._lock:
            watched = self._watched.get(device)
            if watched is None:
                watched = self._watched[device] = _Watched()
                if self._client is not None:
                    self._client.subscribe(self._topic(device), qos=0)
            watched.viewers += 1
            watched.rings.known, watched.rings.clocks = sight.signals, sight.clocks
            if self._client is None and not self._closing:
                self._client = self._start_client()
            return watched

    def _unwatch(self, watched: _Watched) -> None:
        with self._lock:
            watched.viewers -= 1
            watched.left_at = time.monotonic()

    def _learn(self, watched: _Watched, sight: Sight) -> None:
        with self._lock:
            watched.rings.known, watched.rings.clocks = sight.signals, sight.clocks

    def _start_client(self) -> Client:
        client = new_client(self._address, new_id("pilotlab-live"))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.connect_async(self._address.host, self._address.port, KEEP_ALIVE_SECONDS)
        client.loop_start()  # connects, and connects again whenever it must
        return client

    def _topic(self, device: str) -> str:
        return topic(self._lab, device, "data")

    # The following three run in paho's thread, where an exception would end the thread while the client still
    # claims to be connected.

    def _on_connect(
        self, client: Client, _: object, __: ConnectFlags, reason: ReasonCode, ___: Properties | None
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses the live client", reason=str(reason))
            return
        with self._lock:
            for device in self._watched:
                client.subscribe(self._topic(device), qos=0)
            self._connected = True

    def _on_disconnect(
        self, _: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        self._connected = False
        if reason.is_failure:
            log.warning("live client lost the broker", reason=str(reason))

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        try:
            self._take(client, message)
        except Exception:
            log.exception("a message could not be shown live", topic=message.topic[:200])

    def _take(self, client: Client, message: MQTTMessage) -> None:
        place = parse_topic(message.topic)
        if place is None or message.retain or len(message.payload) > MOST_PAYLOAD_BYTES:
            return
        try:
            data = decode("data", bytes(message.payload))
        except MessageError:
            return  # the recorder notes it as a dead letter
        assert isinstance(data, Data)
        now_ns = self._clock.now_ns()
        with self._lock:
            watched = self._watched.get(place.device)
            if watched is None:
                return
            if not watched.viewers and time.monotonic() - watched.left_at > LINGER_SECONDS:
                del self._watched[place.device]
                client.unsubscribe(message.topic)
                return
            watched.rings.take(data, now_ns=now_ns)


class _Viewer:
    """What one stream knows of the right to see; asks again beside the frames, so that a slow answer stops none."""

    def __init__(self, device: str, sight: Sight, look_again: Callable[[], Sight | None]) -> None:
        self.sight = sight
        self.read_through = 0
        self._device = device
        self._look_again = look_again
        self._asked_at = self._answered_at = time.monotonic()
        self._question: asyncio.Task[Sight | None] | None = None
        self._refused = False

    def refresh(self) -> bool:
        """Ask when it is time; whether a new answer is there."""
        now = time.monotonic()
        if self._question is None:
            if now - self._asked_at >= LOOK_AGAIN_SECONDS:
                self._asked_at = now
                self._question = asyncio.create_task(run_in_threadpool(self._look_again))
            return False
        if not self._question.done():
            return False
        question, self._question = self._question, None
        try:
            answer = question.result()
        except Exception:
            log.exception("cannot tell whether a live stream may go on", device=self._device)
            return False
        self._answered_at = now
        if answer is None:
            self._refused = True
            return False
        self.sight = answer
        return True

    def may_see(self, now_ns: int) -> bool:
        """Whether the stream may go on at this instant."""
        blind = time.monotonic() - self._answered_at > BLIND_SECONDS
        return not self._refused and not blind and self.sight.grant.covers(self._device, now_ns)

    def may_see_point(self, point: Point) -> bool:
        """Whether this point may be shown."""
        grant = self.sight.grant
        return grant.covers(self._device, point.time_ns) and (grant.uncertain or not point.uncertain)

    def leave(self) -> None:
        """The viewer has gone."""
        if self._question is not None:
            self._question.cancel()


def _event(name: str, data: Mapping[str, object]) -> ServerSentEvent:
    return ServerSentEvent(event=name, raw_data=msgspec.json.encode(data).decode())
