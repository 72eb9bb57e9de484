"""Is the broker good enough: what it really does (`telemetry.broker_probe`), and what its configuration says."""

import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lab.core.broker import find_mosquitto
from lab.core.findings import Finding
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from telemetry.broker_probe import TRIED_QUEUE, BrokerLimits, BrokerProbeError, probe

PART = "broker"
GOOD_IN_FLIGHT = 100
"""With a window smaller than this, how fast messages are recorded depends on how fast the disk is."""
SHORT_MINUTES = 10.0
"""A recorder that is updated or restarted should find everything; less than this is too little."""
_TRIED_FOR_SECONDS = 300.0
_HEAD_BYTES, _BYTES_A_VALUE = 220, 32
"""Of a message in the broker's queue: topic, boot, time and bookkeeping, and each value with its name."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is known of how a broker keeps messages."""

    persistence: bool | None
    """Across its own restarts; None: nobody has said."""
    queue_bytes: int | None = None
    """Most bytes that it keeps for a client that is away; None: not known."""
    kind: Literal["mosquitto", "amqtt", "external"] = "external"


class BrokerTrial:
    """Tries the broker, and remembers for some minutes what came of it.

    Args:
        address: the broker.
    """

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._found: BrokerLimits | None = None
        self._at = 0.0

    def limits(self) -> BrokerLimits:
        """What it does.

        Raises:
            BrokerProbeError: if it does not answer.
        """
        with self._lock:
            if self._found is None or time.monotonic() - self._at > _TRIED_FOR_SECONDS:
                self._found, self._at = probe(self._address), time.monotonic()
            return self._found


def keeping_of(settings: Settings) -> Keeping:
    """What the configuration says: of the own broker the generated one, of another one what was declared."""
    if settings.broker == "external":
        return Keeping(settings.broker_persistence)
    if settings.broker == "amqtt" or find_mosquitto() is None:
        return Keeping(False, None, "amqtt")
    try:
        text = (settings.data_dir / "broker" / "mosquitto.conf").read_text()
    except OSError:
        return Keeping(None, None, "mosquitto")
    bytes_line = re.search(r"^max_queued_bytes (\d+)$", text, re.MULTILINE)
    persistent = re.search(r"^persistence true$", text, re.MULTILINE) is not None
    return Keeping(persistent, int(bytes_line[1]) if bytes_line else None, "mosquitto")


def message_rate(devices: Iterable[Iterable[float | None]]) -> tuple[float, float]:
    """Messages and bytes a second that machines send, by the expected intervals (ms) of their signals.

    A machine sends its signals together: as often as the most frequent one.
    """
    messages, size = 0.0, 0.0
    for intervals in devices:
        known = [interval for interval in intervals if interval is not None and interval > 0]
        if known:
            rate = 1000 / min(known)
            messages += rate
            size += rate * _HEAD_BYTES + sum(1000 / interval * _BYTES_A_VALUE for interval in known)
    return messages, size


def broker_lines(
    trial: BrokerTrial | None, keeping: Keeping, *, rate: tuple[float, float], max_payload_bytes: int
) -> list[Finding]:
    """Window, queue, session, persistence, and how long the broker can wait for a recorder.

    Args:
        trial: of the broker; `None`: this program knows none.
        keeping: what its configuration says.
        rate: messages and bytes a second that all machines send.
        max_payload_bytes: largest message that the recorder takes.
    """
    if trial is None:
        return [Finding("wrong", PART, "this program knows no broker", "see `pilotlab doctor`")]
    try:
        limits = trial.limits()
    except BrokerProbeError as error:
        return [Finding("wrong", PART, error.message, "see that the broker runs and that its address is right")]
    return [
        *_window_lines(limits, max_payload_bytes),
        _session_line(limits),
        _persistence_line(keeping),
        _waiting_line(limits, keeping, rate),
    ]


def _window_lines(limits: BrokerLimits, max_payload_bytes: int) -> list[Finding]:
    lines = [Finding("good", PART, "passes on enough messages at once")]
    if limits.in_flight is not None and limits.in_flight < GOOD_IN_FLIGHT:
        fact = f"passes on only {limits.in_flight} messages at once (in-flight window)"
        lines = [Finding("mind", PART, fact, "set its window to 2000 (Mosquitto: max_inflight_messages 2000)")]
    if limits.receive_maximum is not None and limits.receive_maximum < 20:
        fact = f"takes only {limits.receive_maximum} messages at once"
        lines.append(Finding("mind", PART, fact, "raise its receive maximum: machines wait for it"))
    if limits.largest_packet is not None and limits.largest_packet < max_payload_bytes:
        fact = f"takes packets of {limits.largest_packet} bytes at most, messages may have {max_payload_bytes}"
        lines.append(Finding("wrong", PART, fact, "raise its largest packet size"))
    return lines


def _session_line(limits: BrokerLimits) -> Finding:
    if limits.keeps_session:
        return Finding("good", PART, "keeps messages for the recorder while it is away")
    fact = "forgets a client that is away: what machines send while the recorder restarts is lost"
    return Finding("wrong", PART, fact, "let it keep sessions (MQTT 5: session expiry; Mosquitto does by itself)")


def _persistence_line(keeping: Keeping) -> Finding:
    if keeping.kind == "amqtt":
        return Finding("wrong", PART, "is amqtt inside this program, for demonstrations only", "install Mosquitto")
    if keeping.persistence:
        return Finding("good", PART, "keeps messages across its own restarts")
    if keeping.persistence is None:
        todo = "look into its configuration and set PILOTLAB_BROKER_PERSISTENCE to true or false"
        return Finding("mind", PART, "nobody has said whether it keeps messages across its own restarts", todo)
    todo = "switch persistence on (Mosquitto: persistence true, autosave_interval 5)"
    return Finding("wrong", PART, "loses what it holds when it restarts", todo)


def _waiting_line(limits: BrokerLimits, keeping: Keeping, rate: tuple[float, float]) -> Finding:
    """How long the recorder may be away."""
    messages_s, bytes_s = rate
    todo = "give it room (Mosquitto: max_queued_messages 0 and max_queued_bytes 1073741824)"
    if limits.queued is not None:
        minutes = limits.queued / messages_s / 60 if messages_s else None
        fact = f"keeps only {limits.queued} messages while the recorder is away{_lasting(minutes)}"
        short = minutes is None or minutes < SHORT_MINUTES
        return Finding("wrong" if short else "mind", PART, fact, todo)
    if keeping.queue_bytes is None:
        fact = f"keeps more than {TRIED_QUEUE} messages while the recorder is away; how many more is not known"
        return Finding("good", PART, fact)
    minutes = keeping.queue_bytes / bytes_s / 60 if bytes_s else None
    fact = f"keeps {keeping.queue_bytes / 1024**2:.0f} MiB of messages while the recorder is away{_lasting(minutes)}"
    short = minutes is not None and minutes < SHORT_MINUTES
    return Finding("mind" if short else "good", PART, fact, todo if short else "")


def _lasting(minutes: float | None) -> str:
    if minutes is None:
        return ""
    if minutes < 2:
        return f", which lasts {minutes * 60:.0f} s"
    return f", which lasts about {minutes:.0f} minutes" if minutes < 180 else f", which lasts {minutes / 60:.0f} hours"
