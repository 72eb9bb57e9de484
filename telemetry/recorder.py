"""The recorder: broker → spool → store, nothing lost and nothing doubled (design.md §6).

Three threads. *Intake* reads from the broker and acknowledges; *commit* makes what has arrived safe on disk; *drain*
gives it a meaning and stores it. Whatever is down in one stage, the stage before goes on until its queue is full. Two
more look after these: one keeps the lease, so that only one recorder of a lab listens, one starts again what has died.
A recorder without the lease drains its own spool all the same.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import structlog

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from telemetry import repository
from telemetry.committing import Committer, known_entry
from telemetry.deadlines import Deadline
from telemetry.discovery.hearing import Hearing
from telemetry.discovery.writing import HeardWriter
from telemetry.draining import Drain, Observer
from telemetry.errors import SpoolUnavailableError
from telemetry.incidents.noting import IncidentBox, incident
from telemetry.intake import Intake
from telemetry.interpreting import Interpreter
from telemetry.known_signals import Catalogue
from telemetry.lease import Lease, take_lease
from telemetry.leases import lease_name
from telemetry.letters.box import Kept, Kind, LetterBox
from telemetry.letters.replaying import Replayer
from telemetry.letters.repository import kept_of
from telemetry.sequences import completeness
from telemetry.settling import TOLERANCE_NS, KnownClock
from telemetry.sparkplug.addresses import Addresses
from telemetry.sparkplug.host import SparkplugHost, SparkplugNames
from telemetry.spool import Spool
from telemetry.spool_retention import SpoolLimits
from telemetry.stores.interface import SampleStore
from telemetry.supervising import Part, Supervisor
from telemetry.times.applying import Applier

log = structlog.get_logger(__name__)

READY_SECONDS = 5.0
_AWAY_SINCE = "broker-away-since"
"""Note in the spool: nanoseconds, 0 while it is not away."""
CLOCK_TOLERANCE = timedelta(microseconds=TOLERANCE_NS // 1000)
COUNTED = (
    "received",
    "acknowledged",
    "spooled",
    "stored",
    "dead_letters",
    "duplicates",
    "conflicts",
    "connections",
    "faults",
    "restarts",
    "repairs",
)
"""Figures of `RecorderHealth` that only grow, from the start of the process."""


@dataclass(frozen=True, slots=True)
class RecorderHealth:
    """How the recorder is doing; counts are since its start."""

    running: bool
    """Whether all of its threads live."""
    connected: bool
    """Whether it listens to the devices."""
    received: int
    """Messages from the broker, repeated ones included."""
    acknowledged: int
    behind: int
    """Messages that are safe in the spool and not in the store yet."""
    stored: int
    """Samples."""
    duplicates: int
    """Samples that came again and were there already."""
    dead_letters: int
    connections: int
    faults: int
    """Exceptions in the network loop, each survived."""
    problems: tuple[str, ...]
    """What is wrong now, for a person; empty when all is well."""
    lease_held: bool = False
    """Whether this is the recorder that records; another one of the same lab may."""
    spooled: int = 0
    """Messages made safe."""
    conflicts: int = 0
    """Samples whose identity another value has."""
    restarts: int = 0
    """Threads that had died and were started again."""
    repairs: int = 0
    """How often a damaged spool was begun anew."""
    lag_seconds: float = 0.0
    """How long the oldest message that is not stored yet has been in the spool."""
    spool_rows: int = 0
    """Messages that the spool holds, stored ones included."""
    spool_bytes: int = 0
    disk_free_bytes: int = 0
    """Where the spool is."""

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.running and self.connected and not self.problems


class Recorder:
    """Records what the devices of one lab say.

    Args:
        address: the broker.
        lab: short name of the lab, second level of every topic.
        database: for offsets, sequences, events, births and dead letters.
        store: for samples.
        spool_path: the spool's file; a lock file beside it keeps a second recorder away.
        clock: the lab's clock.
        client_id: names the session that the broker keeps for this recorder; must stay the same.
        max_payload_bytes: a longer message becomes a dead letter.
        clock_tolerance: within this a device's clock counts as right.
        observers: are shown each batch when it is stored.
        letters_per_device: how many dead letters of a device are kept; the others are counted.
        sparkplug: whose edge nodes are heard, and by which name; `None`: Sparkplug is not spoken.
    """

    def __init__(
        self,
        *,
        address: BrokerAddress,
        lab: str,
        database: Database,
        store: SampleStore,
        spool_path: Path,
        clock: Clock,
        client_id: str,
        max_payload_bytes: int = 262_144,
        clock_tolerance: timedelta = CLOCK_TOLERANCE,
        spool_limits: SpoolLimits | None = None,
        observers: Sequence[Observer] = (),
        letters_per_device: int = 1000,
        sparkplug: SparkplugNames | None = None,
    ) -> None:
        self._address = address
        self._lab = lab
        self._database = database
        self._store = store
        self._spool_path = spool_path
        self._clock = clock
        self._client_id = client_id
        self._max_payload_bytes = max_payload_bytes
        self._tolerance_ns = clock_tolerance // timedelta(microseconds=1) * 1000
        self._spool_limits = spool_limits
        self._observers = tuple(observers)
        self._letters_per_device = letters_per_device
        self._sparkplug = sparkplug
        self._host: SparkplugHost | None = None
        self._lock: IO[str] | None = None
        self._lease: Lease | None = None
        self._supervisor: Supervisor | None = None
        self._incidents = IncidentBox()
        self._refused_since_ns = 0
        self._parts: tuple[Spool, Intake, Committer, Drain] | None = None
        self.failed = threading.Event()
        """Set when its threads keep dying: the process should end, and be started anew."""

    def start(self) -> None:
        """Take the spool, start the threads, and wait a little for the broker; without it they keep trying.

        Raises:
            RecorderRunningError: if another recorder works on this spool.
            SpoolUnavailableError: if the spool cannot be opened.
        """
        spool, entered_after_ns, away_since_ns = self._open_spool()
        drain = self._new_drain(spool)
        lease = Lease(self._database, lease_name(self._lab), spool.id, self._clock, self.told_health)
        committer = Committer(
            spool,
            lambda connection, ids: intake.acknowledge(connection, ids),
            drain.notice,
            lambda: intake.entered_after_ns,
            self._note_refusal,
        )
        intake = Intake(
            self._address,
            self._lab,
            self._client_id,
            self._clock,
            self._max_payload_bytes,
            committer.put,
            committer.has_room,
            entered_after_ns,
            may_connect=lease.confirm,
            must_leave=lambda: lease.lost,
            session_lost=self._note_lost_session,
            broker_away=lambda from_ns, to_ns: self._note_absence(spool, intake, from_ns, to_ns),
            away_since_ns=away_since_ns,
        )
        self._parts = (spool, intake, committer, drain)
        self._lease = lease
        parts: dict[str, Part] = {"drain": drain, "commit": committer, "lease": lease, "intake": intake}
        if self._sparkplug is not None:
            self._host = parts["sparkplug"] = self._new_host(self._sparkplug, committer, lease)
        self._supervisor = Supervisor(parts, self.failed.set)
        for part in parts.values():
            part.start()
        self._supervisor.start()
        if not intake.ready.wait(READY_SECONDS):
            log.warning("the recorder is not connected yet", problem=intake.counts.last_error or "no answer")

    def _open_spool(self) -> tuple[Spool, int, int]:
        """The spool, locked; after which instant its next messages came in, and since when the broker is away."""
        self._spool_path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = take_lease(self._spool_path)
        try:
            # Numbers of a new spool begin above whatever an earlier one can have used: no more than one a microsecond.
            spool = Spool(self._spool_path, begin_at=self._clock.now_ns() // 1000)
            return spool, known_entry(spool), spool.note(_AWAY_SINCE)
        except BaseException:
            self._lock.close()
            raise

    def _new_drain(self, spool: Spool) -> Drain:
        """What gives messages a meaning and stores them, with its chores."""
        catalogue, hearing = Catalogue(self._database), Hearing()
        interpreter = Interpreter(
            self._lab,
            catalogue.signals,
            self._load_clock,
            max_payload_bytes=self._max_payload_bytes,
            tolerance_ns=self._tolerance_ns,
            device_at=Addresses(self._database).device_at,
            letters=LetterBox(self._kept_letters, per_device=self._letters_per_device),
            spool_id=spool.id,
            aliases=catalogue.aliases,
            hearing=hearing,
        )
        replayer = Replayer(
            self._lab,
            self._database,
            self._store,
            spool,
            self._clock,
            interpreter.forget_stored,
            catalogue.forget,
            max_payload_bytes=self._max_payload_bytes,
            tolerance_ns=self._tolerance_ns,
        )
        return Drain(
            spool,
            self._database,
            self._store,
            interpreter,
            self._clock,
            limits=self._spool_limits,
            incidents=self._incidents,
            observers=self._observers,
            chores=[
                Applier(self._database, self._store, self._clock, interpreter.forget_clock),
                replayer,
                HeardWriter(self._database, hearing),
            ],
        )

    def stop(self, timeout: float = 8.0) -> None:
        """Acknowledge what is safe, store what is in the spool, and stop, all within `timeout` seconds."""
        if self._parts is None:
            return
        assert self._supervisor is not None
        assert self._lease is not None
        spool, intake, committer, drain = self._parts
        deadline = Deadline(timeout)
        self._supervisor.stop(timeout=deadline.left(share=0.1))
        if self._host is not None:
            self._host.stop(timeout=deadline.left(share=0.3))
        intake.stop(timeout=deadline.left(share=0.4))
        self._lease.stop(timeout=0)  # gives back while the others end: nothing is read any more
        committer.stop(timeout=deadline.left(keep=1.0, share=0.5))
        drain.stop(timeout=deadline.left(keep=1.0))
        self._lease.stop(timeout=deadline.left())
        if not (committer.running or drain.running):
            spool.close()
        self._parts = None
        if self._lock is not None:
            self._lock.close()
        log.info("recorder stopped", left_in_spool=drain.behind)

    def _new_host(self, names: SparkplugNames, committer: Committer, lease: Lease) -> SparkplugHost:
        return SparkplugHost(
            self._address,
            self._lab,
            names,
            self._clock,
            self._max_payload_bytes,
            committer.put,
            committer.has_room,
            Addresses(self._database).device_at,
            may_connect=lease.confirm,
            must_leave=lambda: lease.lost,
        )

    def wait_until_stored(self, device: str, boot: str, last_seq: int, timeout: float) -> bool:
        """Wait until the message `last_seq` of a boot, and whatever came before it, is stored.

        Args:
            device: the device.
            boot: its boot.
            last_seq: number of the last message that matters.
            timeout: seconds to wait at most.

        Returns:
            Whether it is; a gap before it is no obstacle, `sequences.completeness` tells of it.
        """
        deadline = time.monotonic() + timeout
        while True:
            remaining = deadline - time.monotonic()
            if self._is_stored(device, boot, last_seq, remaining):
                return True
            if remaining <= 0 or self._parts is None:
                return False
            self._parts[3].wait_for_progress(min(remaining, 0.5))

    def health(self) -> RecorderHealth:
        """How it is doing now."""
        if self._parts is None or self._lease is None:
            return RecorderHealth(False, False, 0, 0, 0, 0, 0, 0, 0, 0, ("the recorder is stopped",))
        spool, intake, committer, drain = self._parts
        connected = intake.ready.is_set()
        lag, rows, size, sick = _looked_at(spool, drain)
        problems = [
            None if connected else f"broker: {intake.counts.last_error or 'no connection'}",
            self._lease.problem and f"lease: {self._lease.problem}",
            *(f"spool: {said}" for said in (committer.problem or sick, drain.spool_problem) if said),
            drain.problem and f"store: {drain.problem}",
            self._host and self._host.problem and f"sparkplug: {self._host.problem}",
        ]
        return RecorderHealth(
            running=intake.running
            and committer.running
            and drain.running
            and self._lease.running
            and (self._host is None or self._host.running),
            connected=connected,
            received=intake.counts.received,
            acknowledged=intake.counts.acknowledged,
            behind=drain.behind,
            stored=drain.counts.stored,
            duplicates=drain.counts.duplicates,
            dead_letters=drain.counts.dead_letters,
            connections=intake.counts.connections,
            faults=intake.counts.faults,
            problems=tuple(problem for problem in problems if problem),
            lease_held=self._lease.held,
            spooled=committer.spooled,
            conflicts=drain.counts.conflicts,
            restarts=self._supervisor.restarts if self._supervisor else 0,
            repairs=spool.repairs,
            lag_seconds=lag,
            spool_rows=rows,
            spool_bytes=size,
            disk_free_bytes=shutil.disk_usage(self._spool_path.parent).free,
        )

    def told_health(self) -> dict[str, Any]:
        """The same as `RecorderLease.health` has it: for other processes, and for alarms."""
        health = self.health()
        return {
            "connected": health.connected,
            "lag_seconds": round(health.lag_seconds, 3),
            "spool_rows": health.spool_rows,
            "spool_bytes": health.spool_bytes,
            "disk_free_bytes": health.disk_free_bytes,
            "behind": health.behind,
            "problem": "; ".join(health.problems) or None,
            "sampled_at": self._clock.now().isoformat(),
            "running": health.running,
            "lease_held": health.lease_held,
            "counts": {name: getattr(health, name) for name in COUNTED},
        }

    def _note_refusal(self, problem: str | None) -> None:
        now, now_ns = self._clock.now(), self._clock.now_ns()
        if problem is not None:
            self._refused_since_ns = now_ns
        self._incidents.put(
            incident(
                "disk-full",
                "the spool took no messages, so none was acknowledged; they waited in the broker and in the devices. "
                + (problem or ""),
                now=now,
                key=f"{self._lab}/{self._refused_since_ns}",
                span_ns=(self._refused_since_ns, now_ns if problem is None else None),
                messages=0,
                ended_at=now if problem is None else None,
            )
        )

    def _note_lost_session(self, from_ns: int, to_ns: int) -> None:
        now = self._clock.now()
        self._incidents.put(
            incident(
                "session-lost",
                "the broker had forgotten the recorder's session: what it held for the recorder, and what devices sent "
                "before the recorder was back, is missing unless they send it again",
                now=now,
                key=f"{self._lab}/{from_ns}/{to_ns}",
                span_ns=(from_ns, to_ns),
                ended_at=now,
            )
        )

    def _note_absence(self, spool: Spool, intake: Intake, from_ns: int, to_ns: int | None) -> None:
        now = self._clock.now()
        with contextlib.suppress(SpoolUnavailableError):  # then the next process does not know that it lasts
            spool.remember(_AWAY_SINCE, from_ns if to_ns is None else 0)
        self._incidents.put(
            incident(
                "broker-away",
                "the recorder had no connection to the broker"
                + (f" ({intake.counts.last_error})" if to_ns is None and intake.counts.last_error else "")
                + "; what devices sent meanwhile waited in the broker if that ran, else in the devices",
                now=now,
                key=f"{self._lab}/{from_ns}",
                span_ns=(from_ns, to_ns),
                ended_at=None if to_ns is None else now,
            )
        )

    def _is_stored(self, device: str, boot: str, seq: int, remaining: float) -> bool:
        if self._parts is None:
            return False
        drain = self._parts[3]
        with self._database.read() as session:
            received = completeness(session, device, boot, seq, seq).complete
        if not received:
            return False
        # The facts of a batch are there before its samples: all that were there when we looked must be stored.
        needed = drain.facts_through
        deadline = time.monotonic() + max(0.0, remaining)
        while drain.stored_through < needed and time.monotonic() < deadline:
            drain.wait_for_progress(0.1)
        return drain.stored_through >= needed

    def _kept_letters(self, device: str) -> dict[Kind, Kept]:
        with self._database.read() as session:
            return kept_of(session, device)

    def _load_clock(self, device: str, boot: str) -> KnownClock | None:
        with self._database.read() as session:
            return repository.known_clock(session, device, boot)


def _looked_at(spool: Spool, drain: Drain) -> tuple[float, int, int, str | None]:
    """Lag, messages and bytes of the spool, and why they are not known."""
    try:
        return drain.lag_seconds, spool.depth, spool.size_bytes, None
    except SpoolUnavailableError as error:
        return 0.0, 0, 0, error.message
