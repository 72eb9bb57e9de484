"""The recorder: broker → spool → store, nothing lost and nothing doubled (design.md §6).

Three threads. *Intake* reads from the broker and acknowledges; *commit* makes what has arrived safe on disk; *drain*
gives it a meaning and stores it. Whatever is down in one stage, the stage before goes on until its queue is full.
"""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import structlog

from devices.service import known_signals
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import UnavailableError
from lab.core.mqtt import BrokerAddress
from telemetry import repository
from telemetry.committing import Committer, known_entry
from telemetry.draining import Drain
from telemetry.intake import Intake
from telemetry.interpreting import Interpreter, Signals
from telemetry.lease import take_lease
from telemetry.sequences import completeness
from telemetry.settling import TOLERANCE_NS, ChangePoint
from telemetry.spool import Spool
from telemetry.stores.interface import SampleStore

log = structlog.get_logger(__name__)

READY_SECONDS = 5.0
CATALOGUE_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 1.0


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
        clock_tolerance: timedelta = timedelta(microseconds=TOLERANCE_NS // 1000),
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
        self._lease: IO[str] | None = None
        self._parts: tuple[Spool, Intake, Committer, Drain] | None = None

    def start(self) -> None:
        """Take the lease, start the threads, and wait a little for the broker; without it they keep trying.

        Raises:
            RecorderRunningError: if another recorder works on this spool.
            SpoolUnavailableError: if the spool cannot be opened.
        """
        self._spool_path.parent.mkdir(parents=True, exist_ok=True)
        self._lease = take_lease(self._spool_path)
        try:
            spool = Spool(self._spool_path, start_after=self._watermark())
        except BaseException:
            self._lease.close()
            raise
        catalogue = Catalogue(self._database)
        interpreter = Interpreter(
            self._lab,
            catalogue.signals,
            self._load_points,
            max_payload_bytes=self._max_payload_bytes,
            tolerance_ns=self._tolerance_ns,
        )
        drain = Drain(spool, self._database, self._store, interpreter, self._clock)
        committer = Committer(
            spool,
            lambda connection, ids: intake.acknowledge(connection, ids),
            drain.notice,
            lambda: intake.entered_after_ns,
        )
        intake = Intake(
            self._address,
            self._lab,
            self._client_id,
            self._clock,
            self._max_payload_bytes,
            committer.put,
            committer.has_room,
            known_entry(spool),
        )
        self._parts = (spool, intake, committer, drain)
        drain.start()
        committer.start()
        intake.start()
        if not intake.ready.wait(READY_SECONDS):
            log.warning("the recorder is not connected yet", problem=intake.counts.last_error or "no answer")

    def stop(self, timeout: float = 10.0) -> None:
        """Acknowledge what is safe, store what is in the spool, and stop, all within `timeout` seconds."""
        if self._parts is None:
            return
        spool, intake, committer, drain = self._parts
        deadline = time.monotonic() + timeout
        intake.stop(timeout=timeout * 0.4)
        committer.stop(timeout=max(0.1, (deadline - time.monotonic()) * 0.5))
        drain.stop(timeout=max(0.1, deadline - time.monotonic() - 1))
        if not (committer.running or drain.running):
            spool.close()
        self._parts = None
        if self._lease is not None:
            self._lease.close()
        log.info("recorder stopped", left_in_spool=drain.behind)

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
        if self._parts is None:
            return RecorderHealth(False, False, 0, 0, 0, 0, 0, 0, 0, 0, ("the recorder is stopped",))
        _, intake, committer, drain = self._parts
        connected = intake.ready.is_set()
        problems = [
            None if connected else f"broker: {intake.counts.last_error or 'no connection'}",
            committer.problem and f"spool: {committer.problem}",
            drain.problem and f"store: {drain.problem}",
        ]
        return RecorderHealth(
            running=intake.running and committer.running and drain.running,
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

    def _watermark(self) -> int:
        try:
            return self._store.watermark()
        except UnavailableError as error:
            log.warning("the sample store does not answer; messages wait in the spool", problem=error.message)
            return 0

    def _load_points(self, device: str, boot: str) -> list[ChangePoint]:
        with self._database.read() as session:
            return repository.change_points(session, device, boot)


class Catalogue:
    """What is known of devices and signals, read again now and then.

    Args:
        database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Signals = {}
        self._read_at: float | None = None
        self._lock = threading.Lock()

    def signals(self, look_again: bool) -> Signals:
        """Device → signal → facts.

        Args:
            look_again: something is unknown: read again unless that was done within a second (a flood of unknown
                devices must not become a flood of queries).
        """
        with self._lock:
            age = CATALOGUE_SECONDS if self._read_at is None else time.monotonic() - self._read_at
            if age >= (LOOK_AGAIN_SECONDS if look_again else CATALOGUE_SECONDS):
                with self._database.read() as session:
                    self._known = known_signals(session)
                self._read_at = time.monotonic()
            return self._known
