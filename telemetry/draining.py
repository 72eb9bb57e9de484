"""The drain thread: spool → messages → facts in the database → samples in the store → forget what is old and safe.

Order makes a crash at any point harmless. The facts of a batch (clock offsets, events, lives, dead letters) are
committed first, then its samples with the watermark, then which message numbers have arrived and which values were
refused, then the note that all is told. After a restart, and after anything that went wrong, it asks the store again
how much it has and goes on at whichever of watermark and note is lower; everything it writes again is there already.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from devices.errors import DeviceUnknownError
from devices.messages.native import Birth
from devices.service import record_birth, record_death
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import UnavailableError
from telemetry import repository
from telemetry.batches import Batch
from telemetry.building import Samples
from telemetry.dead_letters import letter_of_message, letters_of_conflicts, letters_of_events
from telemetry.incidents.noting import IncidentBox, incident_of_loss, write_incidents
from telemetry.interpreting import Interpreter
from telemetry.letters.box import LetterBox
from telemetry.letters.repository import add_counts
from telemetry.repairs import incident_of_repair
from telemetry.sequences import note_received
from telemetry.spool import Spool
from telemetry.spool_retention import SpoolLimits, SpoolRetention
from telemetry.stores.interface import SampleStore, Written
from telemetry.validation import Fault

log = structlog.get_logger(__name__)

MOST_MESSAGES_A_BATCH = 10_000
MOST_BYTES_A_BATCH = 8 * 1024 * 1024
MOST_SAMPLES_A_BATCH = 2 * 122_880
"""Two row groups of DuckDB: whole ones go compressed into its main file at once, and 41 bytes a sample in each of the
four forms that a batch takes on its way are 40 MB."""
FEW_MESSAGES = 2_000
COALESCE_SECONDS = 0.1
"""Waited while only few messages are there: three commits for a handful cost more than the handful itself."""
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 5.0
ATTEMPTS_AT_A_MESSAGE = 3

Observer = Callable[[Batch], None]
"""Is shown each batch after its samples are stored; what it raises is logged and harms nothing."""

_AWAY = (UnavailableError, OperationalError, InterfaceError, OSError)
"""A part is down, and the same call may succeed later."""


@dataclass(slots=True)
class DrainCounts:
    """What has happened since the start."""

    drained: int = 0
    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: int = 0
    restarts: int = 0
    """How often its thread had to be started again."""


class Drain:
    """Empties the spool into the database and the store.

    Args:
        spool: from where.
        database: for the facts.
        store: for the samples.
        interpreter: reads messages.
        clock: tells what is old.
        limits: how long and how much the spool keeps.
        incidents: what other parts have noticed and this one writes down.
        observers: are shown each batch when it is stored.
        chores: what else is to be done with what is stored; called between batches, now and then.
    """

    def __init__(
        self,
        spool: Spool,
        database: Database,
        store: SampleStore,
        interpreter: Interpreter,
        clock: Clock,
        *,
        limits: SpoolLimits | None = None,
        incidents: IncidentBox | None = None,
        observers: Sequence[Observer] = (),
        chores: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._spool = spool
        self._database = database
        self._store = store
        self._interpreter = interpreter
        self._clock = clock
        self._incidents = incidents or IncidentBox()
        self._observers = tuple(observers)
        self._chores = tuple(chores)
        self._retention = SpoolRetention(spool, store, clock, limits or SpoolLimits(), self._incidents)
        self._generation: int | None = None
        self._position: int | None = None
        self._head = spool.head
        # Apart: a commit wakes a drain that waits for it, not one that gathers, nor whoever waits for progress.
        self._arrived = threading.Condition()
        self._progressed = threading.Condition()
        self._stopping = threading.Event()
        self._stop_at: float | None = None
        self._noted = 0
        self._noted_at = 0.0
        self._one_by_one_through = 0
        self._failures = 0
        self._thread: threading.Thread | None = None
        self.counts = DrainCounts()
        self.problem: str | None = None
        """Why nothing can be stored just now."""
        self.facts_through = self._head
        """The last spool row whose facts may be in the database; at the start, that is all of them."""
        self.stored_through = spool.note("drained")
        """The last spool row whose samples are in the store."""

    def start(self) -> None:
        """Start the thread, also again after it has died."""
        self.counts.restarts += self._thread is not None
        self._thread = threading.Thread(target=self._run, name="recorder-drain", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def behind(self) -> int:
        """How many messages are in the spool and not in the store yet."""
        return max(0, self._head - self.stored_through)

    @property
    def spool_problem(self) -> str | None:
        """Why the spool is larger than it should be."""
        return self._retention.problem

    @property
    def lag_seconds(self) -> float:
        """How long the oldest message that is not in the store yet has been in the spool."""
        if not self.behind:
            return 0.0
        received_ns = self._spool.received_after(self.stored_through)
        return 0.0 if received_ns is None else max(0, self._clock.now_ns() - received_ns) / 1e9

    def notice(self, head: int) -> None:
        """There are messages up to this number."""
        with self._arrived:
            self._head = max(self._head, head)
            self._arrived.notify_all()

    def wait_for_progress(self, timeout: float) -> None:
        """Return when something more is stored, or after `timeout` seconds."""
        with self._progressed:
            self._progressed.wait(timeout)

    def stop(self, *, timeout: float) -> None:
        """Empty the spool and stop; what is not done in time stays in the spool for the next start."""
        with self._arrived:
            self._stop_at = time.monotonic() + timeout
            self._arrived.notify_all()
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout + 0.5)

    def _run(self) -> None:
        Samples().table()  # makes pyarrow load what it loads at the first use, before messages wait for it
        delay = FIRST_DELAY_SECONDS
        while not self._ended():
            try:
                self._drain()
                delay, self._failures, self.problem = FIRST_DELAY_SECONDS, 0, None
                continue
            except _AWAY as error:
                self._say(f"{type(error).__name__}: {error}".partition("\n")[0])
            except Exception as error:
                self._failures += 1
                self._say(f"{type(error).__name__}: {error}".partition("\n")[0])
                log.exception("the drain stumbled; it goes on message by message")
                self._put_aside()
            # What the failed batch learned may not be stored, and the store may have less than it had.
            self._interpreter.forget_clocks()
            self._position = None
            self._pause(delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)

    def _ended(self) -> bool:
        if self._stop_at is None:
            return False
        done = self._position is not None and self._position >= self._head
        return done or self.problem is not None or time.monotonic() > self._stop_at

    def _say(self, problem: str) -> None:
        if self.problem is None:
            log.warning("samples cannot be stored; they stay in the spool", problem=problem)
        self.problem = problem

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _put_aside(self) -> None:
        """After an unexpected failure; what fails here too is tried again with the next failure."""
        try:
            self._isolate()
            self._note_position(every=0)  # else all since the last note would have to fail in between again
        except Exception:
            log.exception("a message that cannot be stored cannot be put aside either")

    def _isolate(self) -> None:
        """One message at a time from now on, and the one that fails again and again becomes a dead letter."""
        if self._position is None:
            return
        position = self._position
        alone = self._one_by_one_through > position
        self._one_by_one_through = max(self._one_by_one_through, position + MOST_MESSAGES_A_BATCH)
        if alone and self._failures >= ATTEMPTS_AT_A_MESSAGE:
            for number, message in self._spool.read(position, 1):
                fault = Fault("recorder-fault", f"the recorder failed to store it: {self.problem}")
                letter = letter_of_message(number, message, None, fault, spool_id=self._spool.id)
                with self._database.write() as session:
                    repository.add_dead_letters(session, [letter])
                self._store.write(Samples().table(), watermark=number, spool=self._spool.id)
                self._position = number
                self._failures = 0

    def _drain(self) -> None:
        if self._position is None or self._generation != self._store.generation:
            self._position = self._stored_so_far()
            self.stored_through = self._noted = self._position
        self._tell_incidents()
        for chore in self._chores:
            chore()
        limit = 1 if self._position < self._one_by_one_through else MOST_MESSAGES_A_BATCH
        batch = self._next_batch(limit)
        if batch is None:
            self._note_position(every=0)
            self._retention.apply(self._position)
            with self._arrived:
                self._arrived.wait_for(lambda: self._head > (self._position or 0) or self._stop_at is not None, 5.0)
            return
        self._write(batch)
        self._retention.apply(self._position)
        if self._head - self._position < FEW_MESSAGES and not self._one_by_one_through > self._position:
            self._pause(COALESCE_SECONDS)

    def _stored_so_far(self) -> int:
        """The last message that is surely stored and told; all below the oldest one that is left are."""
        while True:
            generation = self._store.generation
            stored = min(self._store.watermark(self._spool.id), self._spool.note("drained"))
            if self._store.generation == generation:
                break
        if self._position is not None:
            # It was opened anew by somebody else, perhaps before our last write: that has raised the watermark over
            # whatever was lost, and only what was read back is sure.
            stored = min(stored, self._spool.checkpoint_before(2**63 - 1))
        self._generation = generation
        head, oldest = self._spool.head, self._spool.oldest  # in this order: a first batch may come in between
        return max(stored, oldest - 1 if oldest else head)

    def _tell_incidents(self) -> None:
        losses = self._spool.losses()
        now = self._clock.now()
        for repair in self._store.take_repairs():
            self._incidents.put(incident_of_repair(repair, self._spool, now=now))
        with self._incidents.taken() as rows:
            rows = [*rows, *(incident_of_loss(self._spool.id, loss, now=now) for loss in losses)]
            if rows:
                self._database.transact(lambda session: write_incidents(session, rows))
        if losses:
            self._spool.forget_losses(losses)

    def _next_batch(self, limit: int) -> Batch | None:
        known = self._head  # before reading: what is committed meanwhile has not been looked for
        batch = Batch()
        size = 0
        for number, message in islice(self._spool.following(self._position or 0), limit):
            self._interpreter.read(number, message, batch)
            size += len(message.payload)
            if size + batch.letter_bytes > MOST_BYTES_A_BATCH or len(batch.samples) >= MOST_SAMPLES_A_BATCH:
                break
        if not batch.messages:
            if known > (self._position or 0):  # damaged batches at the end hold nothing to wait for
                self._position = self.stored_through = known
            return None
        return batch

    def _write(self, batch: Batch) -> None:
        letters = self._interpreter.letters
        self._database.transact(lambda session: self._write_facts(session, batch))
        self._count_letters(letters)
        self.facts_through = max(self.facts_through, batch.last_number)
        written = self._store.write(batch.samples.build(), watermark=batch.last_number, spool=self._spool.id)
        self._database.transact(lambda session: self._write_receipts(session, batch, written))
        self._count_letters(letters)
        self._position = batch.last_number
        self._note_position(every=1.0)
        counts = self.counts
        counts.drained += batch.messages
        counts.stored += written.stored
        counts.duplicates += written.duplicates
        counts.conflicts += written.conflicts.num_rows
        self.problem = None
        with self._progressed:
            self.stored_through = batch.last_number
            self._progressed.notify_all()
        for observer in self._observers:
            try:
                observer(batch)
            except Exception:
                log.exception("whoever looks at what is stored stumbled")

    def _write_receipts(self, session: Session, batch: Batch, written: Written) -> None:
        """What may be said only when the samples are stored: who looks whether a run is complete reads them next."""
        for (device, boot), numbers in batch.sequences.items():
            note_received(session, device, boot, numbers)
        if written.conflicts.num_rows:
            self._add_letters(session, letters_of_conflicts(written.conflicts, written.rejected))

    def _note_position(self, *, every: float) -> None:
        """Remember how far all is done, conflicts told; a note that is too old only costs work at the next start."""
        position = self._position or 0
        if position > self._noted and time.monotonic() - self._noted_at >= every:
            self._spool.remember("drained", position)
            self._noted, self._noted_at = position, time.monotonic()

    def _write_facts(self, session: Session, batch: Batch) -> None:
        now = self._clock.now()
        repository.add_change_points(session, batch.change_points, now=now)
        repository.add_assignments(session, batch.assignments, now=now)
        repository.note_boots(session, {key: clock.last for key, clock in batch.clocks.items()}, now=now)
        others = repository.add_events(session, batch.events)
        for life in batch.lives:
            try:
                if isinstance(life.message, Birth):
                    record_birth(session, life.device, life.message, now=life.received_at)
                else:
                    record_death(session, life.device, life.message, now=life.received_at)
            except DeviceUnknownError:
                log.warning("a device was taken out of the catalogue meanwhile", device=life.device)
        repository.add_dead_letters(session, batch.letters)
        self._add_letters(session, letters_of_events(others))

    def _add_letters(self, session: Session, letters: list[dict[str, Any]]) -> None:
        """Add letters, as far as the device has room for them, and what was counted of all."""
        box = self._interpreter.letters
        repository.add_dead_letters(session, box.take(letters))
        add_counts(session, box.counts)

    def _count_letters(self, box: LetterBox) -> None:
        self.counts.dead_letters += sum(count.kept + count.beyond for count in box.counts)
        box.saved()
