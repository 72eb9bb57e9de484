"""A simulated device as the broker sees it: birth, numbered messages, death; and its faults."""

import contextlib
import json
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from devices.messages.native import (
    Birth,
    Command,
    Data,
    Death,
    Event,
    Message,
    MessageError,
    Reply,
    State,
    decode,
    encode,
)
from devices.messages.times import TimeFormatError, format_time, parse_time
from devices.messages.topics import topic
from simulators.activities import Burst, Value
from simulators.connection import Broker, Connection
from simulators.errors import SimulatorError
from simulators.faults import Fault
from simulators.lab_time import LabTime

FIRMWARE = "simulated 1.0"
MILLISECOND_NS = 1_000_000
LEAVE_SECONDS = 3.0
_REPLIES_REMEMBERED = 1000
NOBODY = "nobody"
"""As the boot of a retained death: it replaces the last will after a reconnection and is stale for everybody."""


@dataclass(slots=True)
class Sent:
    """What a device has sent since `Device.begin_count`."""

    first_seq: int
    last_seq: int
    messages: int = 0
    """Different messages that were published."""
    dropped: int = 0
    """Numbered, but never published: the fault `dropout`."""
    duplicates: int = 0
    """Published a second time: the fault `duplicates`."""


class Device:
    """One device, connected.

    Args:
        name: its id.
        lab: the lab's short name.
        broker: where.
        lab_time: the lab's clock.
        signals: names of what it measures.
        password: for the broker; `None`: anonymous.
        username: sign-in name, as a rule the device's id.
    """

    def __init__(
        self,
        name: str,
        *,
        lab: str,
        broker: Broker,
        lab_time: LabTime,
        signals: tuple[str, ...],
        password: str | None,
        username: str | None = None,
    ) -> None:
        self.name = name
        self.signals = signals
        self.boot = secrets.token_hex(4)
        self.faults: list[Fault] = []
        self.busy = threading.RLock()
        """Held while the device works; who only shows idle values waits or goes on."""
        self.last_ns = -(2**62)
        """Stamp of the latest message, without the fault clock_skew."""
        self.stop_asked = threading.Event()
        """The lab has sent the command `stop` since the last run began."""
        self._answered: dict[str, Reply] = {}
        self._lab = lab
        self._lab_time = lab_time
        self._born_ns = -(2**62)
        self._seq = 0
        self._sent = Sent(1, 0)
        self._ended: threading.Event | None = None
        self._connection = Connection(
            broker,
            f"pilotlab-{lab}-{name}",
            username=(username or name) if password is not None else username,
            password=password,
            will=(topic(lab, name, "death"), encode(Death(self.boot))),
        )
        self._connection.answer(topic(lab, name, "command"), self._obey)

    def start(self) -> None:
        """Connect and say so.

        Raises:
            BrokerError: if the broker does not answer or refuses the device.
        """
        self._connection.open()
        self._connection.announce_on_reconnect(self._back_again)
        self._connection.publish(*self._birth(), retain=True)
        self._connection.confirm()

    def stop(self, *, ended: threading.Event | None = None) -> None:
        """Say good-bye and disconnect.

        Raises:
            BrokerError: if the broker does not confirm it.
        """
        try:
            self._connection.publish(
                topic(self._lab, self.name, "death"), encode(Death(self.boot)), retain=True, ended=ended
            )
            self._connection.confirm(ended=ended)
        finally:
            self._connection.close()

    def leave(self) -> None:
        """Say good-bye if the broker takes it within `LEAVE_SECONDS`, and disconnect in any case."""
        with contextlib.suppress(SimulatorError):
            self._connection.be_patient(LEAVE_SECONDS)
            self.stop()

    def begin_count(self, *, ended: threading.Event) -> None:
        """Count from here on what is sent; a wait for the broker ends when `ended` is set."""
        self._sent = Sent(self._seq + 1, self._seq)
        self._ended = ended

    def finish_count(self) -> Sent:
        """Wait for the last confirmation and tell what was sent.

        Raises:
            BrokerError: if the broker does not confirm everything.
        """
        self._connection.confirm(ended=self._ended)
        return self._sent

    def next_stamp(self, wish_ns: int) -> int:
        """The wished stamp in whole milliseconds, or the next after the latest message."""
        return -(-max(wish_ns, self.last_ns + MILLISECOND_NS) // MILLISECOND_NS) * MILLISECOND_NS

    def send_values(self, values: dict[str, Value], *, stamp_ns: int, t: float) -> None:
        """One sample of several signals; `t` seconds into the activity, for the faults."""
        for fault in self.faults:
            if fault.kind == "stuck_sensor" and fault.holds(t):
                fault.stick(values)
        time = format_time(self._stamp(stamp_ns, t))
        self._send("data", lambda seq: Data(self.boot, seq, time=time, values=dict(values)), t)

    def send_burst(self, burst: Burst, *, stamp_ns: int, t: float) -> None:
        """A burst that has just ended."""
        samples = max(len(wave) for wave in burst.waves.values())
        start = format_time(self._stamp(stamp_ns, t) - round(samples / burst.rate_hz * 1e9))
        waves: dict[str, list[Any]] = dict(burst.waves)
        self._send("data", lambda seq: Data(self.boot, seq, start=start, rate_hz=burst.rate_hz, waves=waves), t)

    def send_samples(self, samples: dict[str, list[tuple[int, Any]]], *, last_ns: int, t: float) -> None:
        """Samples recorded earlier, each with its own time."""
        self.last_ns = max(self.last_ns, last_ns)
        shape: dict[str, list[tuple[str | int, Any]]] = {name: list(pairs) for name, pairs in samples.items()}
        self._send("data", lambda seq: Data(self.boot, seq, buffered=True, samples=shape), t)

    def send_event(self, name: str, fields: dict[str, Any], *, stamp_ns: int, t: float, buffered: bool = False) -> None:
        """Something happened."""
        time = format_time(self._stamp(stamp_ns, t))
        self._send("event", lambda seq: Event(self.boot, seq, time, name, fields, buffered), t)

    def send_state(self, item_state: str, mode: str, *, stamp_ns: int, t: float, program: str | None = None) -> None:
        """What the machine is doing from now on (OPC 40001-1)."""
        time = format_time(self._stamp(stamp_ns, t))
        self._send("state", lambda seq: State(self.boot, seq, time, item_state, mode, program), t, retain=True)

    def _obey(self, payload: bytes) -> tuple[str, bytes] | None:
        """Do what the lab asks, each command once, and answer; nothing if nobody can say what was asked."""
        try:
            command = decode("command", payload)
        except MessageError:
            return None
        if not isinstance(command, Command):
            return None
        reply = self._answered.get(command.id)
        if reply is None:
            if len(self._answered) >= _REPLIES_REMEMBERED:
                self._answered.clear()
            reply = self._answered[command.id] = self._reply_to(command)
        return topic(self._lab, self.name, "reply"), encode(reply)

    def _reply_to(self, command: Command) -> Reply:
        try:
            expired = command.expires is not None and parse_time(command.expires) <= self._lab_time.now_ns()
        except TimeFormatError:
            expired = True
        if expired:
            return Reply(command.id, "refused", "the command has expired")
        if command.command == "report_seq":
            return Reply(command.id, "done", json.dumps({"boot": self.boot, "seq": self._seq}))
        if command.command == "stop":
            self.stop_asked.set()
            return Reply(command.id, "done", "stopped")
        return Reply(command.id, "refused", f"{command.command[:40]} is no command of this machine")

    def _stamp(self, stamp_ns: int, t: float) -> int:
        self.last_ns = max(self.last_ns, stamp_ns)
        ahead_s = sum(fault.offset_s for fault in self.faults if fault.kind == "clock_skew" and fault.holds(t))
        return stamp_ns + round(ahead_s * 1e9)

    def _send(self, kind: str, message: Any, t: float, *, retain: bool = False) -> None:
        self._seq += 1
        self._sent.last_seq = self._seq
        if any(fault.kind == "dropout" and fault.holds(t) for fault in self.faults):
            self._sent.dropped += 1
            return
        payload = encode(message(self._seq))
        self._publish(kind, payload, retain)
        self._sent.messages += 1
        if any(f.kind == "duplicates" and f.holds(t) and self._seq % f.every == 0 for f in self.faults):
            self._publish(kind, payload, retain)
            self._sent.duplicates += 1

    def _publish(self, kind: str, payload: bytes, retain: bool) -> None:
        self._connection.publish(topic(self._lab, self.name, kind), payload, retain=retain, ended=self._ended)

    def _birth(self) -> tuple[str, bytes]:
        self._born_ns = max(self._lab_time.now_ns(), self._born_ns + MILLISECOND_NS)
        birth: Message = Birth(self.boot, format_time(self._born_ns), FIRMWARE, list(self.signals))
        return topic(self._lab, self.name, "birth"), encode(birth)

    def _back_again(self) -> list[tuple[str, bytes]]:
        return [self._birth(), (topic(self._lab, self.name, "death"), encode(Death(NOBODY)))]
