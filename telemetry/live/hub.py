"""The live streams of one web process: one connection to the broker, any number of viewers."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence

import anyio.to_thread
import structlog
from fastapi.concurrency import run_in_threadpool
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.messages.native import Data, MessageError
from devices.messages.topics import live_topic, parse_live_topic, topic
from lab.core.clock import Clock
from lab.core.ids import new_id
from lab.core.mqtt import KEEP_ALIVE_SECONDS, BrokerAddress, new_client
from telemetry.formats import DATA_KINDS, decode
from telemetry.live.frames import FIRST_FRAME_POINTS, Edition, Frames, Shown, event, joined, values_event
from telemetry.live.rings import MOST_BOOTS, DeviceFacts, DeviceRings, Point, stamp
from telemetry.live.viewing import Viewer, Viewing

log = structlog.get_logger(__name__)

EDITION_SECONDS = 0.1
"""Shortest time between two editions of a device."""
TICK_SECONDS = 0.02
"""How soon after a message it is seen that there is something new."""
BEAT_SECONDS = 0.2
"""Longest time for which a viewer sleeps: then it looks whether it may still see."""
LEARN_SECONDS = 5.0
SUBSCRIBED_SECONDS = 1.0
"""How long a new viewer waits for the broker; the stream then begins with the news that it is away."""
PING_SECONDS = 15.0
PAST_SECONDS = 4.0
"""How long a viewer waits for what is stored; then it begins without, before its right to see is asked for again."""
LINGER_SECONDS = 60.0
"""How long a device stays subscribed after its last viewer, so that a page that is loaded again has values at once."""
RETRY_MS = 2000
MOST_PAYLOAD_BYTES = 262_144
_GREETING = b"retry: %d\n: live\n\n" % RETRY_MS
_PING = b": ping\n\n"


class _Watched:
    """One device that somebody watches, or has watched a moment ago."""

    def __init__(self, asks: Viewing) -> None:
        self.lock = threading.Lock()
        """Held by paho's thread and the event loop, by both only while points go into the rings or out."""
        self.rings = DeviceRings()
        self.facts = DeviceFacts()
        self.boots: set[str] = set()
        self.frames = Frames(self._between)
        self.edition = Edition(0, 0, 0)
        self.viewers = 0
        self.left_at = 0.0
        """Monotonic time at which the last viewer left."""
        self.asks = asks
        """Whom to ask about the device."""
        self.learned_at = -LEARN_SECONDS
        self.question: asyncio.Task[DeviceFacts] | None = None
        self.known = asyncio.Event()
        """Set once it has been read, or could not be."""
        self.woken_at = 0.0
        self.edited_at = 0.0
        self.news = asyncio.Event()
        self.subscribed = False
        """Whether the broker has said that it sends what comes."""

    def _between(self, after: int, through: int, signals: frozenset[str]) -> Mapping[str, Sequence[Point]]:
        with self.lock:
            return self.rings.between(after, through, signals)

    def take(self, data: Data, *, now_ns: int) -> None:
        """Put a message into the rings; called by paho's thread."""
        if data.boot not in self.boots and len(self.boots) < MOST_BOOTS:
            self.boots = self.boots | {data.boot}
        stamped = stamp(data, self.facts, now_ns=now_ns)
        if stamped:
            with self.lock:
                self.rings.put(stamped)

    def make_edition(self, now_ns: int) -> Edition:
        """Let viewers see what has come; called by the event loop."""
        with self.lock:
            through = self.rings.last_number
        if through > self.edition.through:
            self.edition = Edition(self.edition.number + 1, through, now_ns)
        return self.edition

    def wake(self, now_ns: int) -> None:
        """Wake the viewers if there is something new, or if they have slept for long enough."""
        now = time.monotonic()
        has_news = self.rings.last_number > self.edition.through and now - self.edited_at >= EDITION_SECONDS
        if has_news:
            self.make_edition(now_ns)
            self.edited_at = now
        if has_news or now - self.woken_at >= BEAT_SECONDS:
            self.woken_at = now
            news, self.news = self.news, asyncio.Event()
            news.set()

    def refresh(self) -> None:
        """Read again what is known of the device, in a thread, once for all its viewers."""
        if self.question is None:
            if time.monotonic() - self.learned_at >= LEARN_SECONDS:
                self.question = asyncio.create_task(run_in_threadpool(self.asks.learn, frozenset(self.boots)))
        elif self.question.done():
            question, self.question = self.question, None
            self.learned_at = time.monotonic()
            try:
                self.facts = question.result()
            except Exception:
                log.exception("cannot read what is known of a device", device=self.asks.device)
            self.known.set()


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
        self._subscribing: dict[int, str] = {}
        """By the number of the request: the device whose subscription the broker has not answered yet."""
        self._client: Client | None = None
        self._connected = False
        self._closing = False
        self._pulse: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker answers; false while nobody has watched anything yet."""
        return self._connected

    @property
    def viewer_count(self) -> int:
        """Streams that are running."""
        with self._lock:
            return sum(watched.viewers for watched in self._watched.values())

    @property
    def frames_encoded(self) -> int:
        """How many frames were made so far, however many viewers got them."""
        with self._lock:
            return sum(watched.frames.encoded for watched in self._watched.values())

    async def stream(self, viewing: Viewing) -> AsyncGenerator[bytes]:
        """What one viewer of a device gets (see the package's docstring), as it goes over the wire."""
        watched = self._watch(viewing)
        viewer = Viewer(viewing)
        connected: bool | None = None
        try:
            await self._subscribed(watched)
            await watched.known.wait()
            yield _GREETING
            yield await self._first_frame(watched, viewer, viewing)
            sent_at = time.monotonic()
            while True:
                if connected is not self._connected:
                    connected = self._connected
                    yield event("status", {"broker": connected})
                await watched.news.wait()
                if self._closing:
                    yield event("end", {"reason": "closing"})
                    return
                await viewer.come_round()
                if not viewer.may_see(self._clock.now_ns()):
                    yield event("end", {"reason": "access"})
                    return
                frame = viewer.take(watched.frames, watched.edition)
                if frame is None and time.monotonic() - sent_at > PING_SECONDS:
                    frame = _PING
                if frame is not None:
                    yield frame
                    sent_at = time.monotonic()
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

    async def _subscribed(self, watched: _Watched) -> None:
        """Wait until nothing can be missed any more, but not long for a broker that is away."""
        end = time.monotonic() + SUBSCRIBED_SECONDS
        while not (watched.subscribed or self._closing) and time.monotonic() < end:
            await asyncio.sleep(TICK_SECONDS)

    async def _first_frame(self, watched: _Watched, viewer: Viewer, viewing: Viewing) -> bytes:
        past: Mapping[str, Sequence[Shown]] = {}
        if viewing.past is not None:
            try:
                async with asyncio.timeout(PAST_SECONDS):
                    past = await anyio.to_thread.run_sync(viewing.past, abandon_on_cancel=True)
            except Exception:
                log.exception("cannot read what is stored of the last minutes", device=viewing.device)
        edition = watched.make_edition(self._clock.now_ns())
        frame = watched.frames.frame(viewer.view, 0, edition, most=FIRST_FRAME_POINTS)
        present = frame.values if frame is not None else {}
        viewer.begin_after(edition, past)
        if frame is not None and not past:
            return frame.body
        return values_event(joined(past, present), self._clock.now_ns())

    async def _beat(self) -> None:
        """Wake viewers as long as there are any."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            with self._lock:
                watched = [device for device in self._watched.values() if device.viewers]
            if not watched:
                self._pulse = None
                return
            try:
                now_ns = self._clock.now_ns()
                for device in watched:
                    device.refresh()
                    device.wake(now_ns)
            except Exception:
                log.exception("live streams stumbled")

    def _watch(self, viewing: Viewing) -> _Watched:
        with self._lock:
            watched = self._watched.get(viewing.device)
            if watched is None:
                watched = self._watched[viewing.device] = _Watched(viewing)
                if self._client is not None:
                    self._subscribe(self._client, viewing.device)
            watched.viewers += 1
            watched.asks = viewing
            if self._client is None and not self._closing:
                self._client = self._start_client()
        if self._pulse is None or self._pulse.done():
            self._pulse = asyncio.create_task(self._beat())
        return watched

    def _unwatch(self, watched: _Watched) -> None:
        with self._lock:
            watched.viewers -= 1
            watched.left_at = time.monotonic()

    def _start_client(self) -> Client:
        client = new_client(self._address, new_id("pilotlab-live"))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.connect_async(self._address.host, self._address.port, KEEP_ALIVE_SECONDS)
        client.loop_start()  # connects, and connects again whenever it must
        return client

    def _subscribe(self, client: Client, device: str) -> None:
        """With the lock held, so that the answer finds its number."""
        _, number = client.subscribe([(one, 0) for one in self._filters(device)])
        if number is not None:
            self._subscribing[number] = device

    def _filters(self, device: str) -> list[str]:
        """What is sent on `data` itself is meant too; the other one is where the Sparkplug host repeats edge nodes."""
        return [topic(self._lab, device, "data/#"), live_topic(self._lab, device, "data")]

    # The following run in paho's thread, where an exception would end the thread while the client still claims to be
    # connected.

    def _on_connect(
        self, client: Client, _: object, __: ConnectFlags, reason: ReasonCode, ___: Properties | None
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refuses the live client", reason=str(reason))
            return
        with self._lock:
            for device in self._watched:
                self._subscribe(client, device)
            self._connected = True

    def _on_subscribe(
        self, _: Client, __: object, number: int, reasons: list[ReasonCode], ___: Properties | None
    ) -> None:
        with self._lock:
            watched = self._watched.get(self._subscribing.pop(number, ""))
            if watched is not None:
                watched.subscribed = True
        if any(reason.is_failure for reason in reasons):
            log.warning("the broker refuses what live streams subscribe to", reasons=[str(one) for one in reasons])

    def _on_disconnect(
        self, _: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None
    ) -> None:
        self._connected = False
        with self._lock:
            self._subscribing.clear()
        if reason.is_failure:
            log.warning("live client lost the broker", reason=str(reason))

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        try:
            self._take(client, message)
        except Exception:
            log.exception("a message could not be shown live", topic=message.topic[:200])

    def _take(self, client: Client, message: MQTTMessage) -> None:
        place = parse_live_topic(message.topic)
        if place is None or place.kind not in DATA_KINDS or message.retain:
            return
        if len(message.payload) > MOST_PAYLOAD_BYTES:
            return
        watched = self._watched.get(place.device)
        if watched is None or self._is_left(client, place.device, watched):
            return
        try:
            data = decode(place.kind, bytes(message.payload))
        except MessageError:
            return  # the recorder notes it as a dead letter
        assert isinstance(data, Data)
        watched.take(data, now_ns=self._clock.now_ns())

    def _is_left(self, client: Client, device: str, watched: _Watched) -> bool:
        """Whether nobody has watched this device for a while; it is let go then."""
        if watched.viewers or time.monotonic() - watched.left_at <= LINGER_SECONDS:
            return False
        with self._lock:
            if not watched.viewers:
                del self._watched[device]
                client.unsubscribe(self._filters(device))
        return True
