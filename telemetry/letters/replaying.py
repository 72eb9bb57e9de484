"""Dead letters are read again by the recorder, as the messages they were: same spool row, same receipt, same echo.

So they settle to the times they would have had. Letters of a device that was unknown when they came are the first that
its clocks hear: they are read with clocks of their own, and what these learn is stored, under the numbers it came with.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from devices.adopting import known_aliases
from devices.errors import DeviceUnknownError
from devices.messages.native import Birth
from devices.service import get_birth, known_signals, record_birth, record_death
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.time import to_nanoseconds
from telemetry import repository as recording
from telemetry.batches import Batch
from telemetry.dead_letters import letters_of_conflicts, letters_of_events
from telemetry.interpreting import Interpreter
from telemetry.letters import repository
from telemetry.letters.box import LetterBox
from telemetry.models import DeadLetter, ReplayRequest
from telemetry.sequences import note_received
from telemetry.settling import KnownClock
from telemetry.sparkplug.addresses import Addresses
from telemetry.spool import Spool, SpooledMessage
from telemetry.stores.interface import SampleStore

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
LETTERS_AT_ONCE = 200
_EVERYTHING = 10**9


@dataclass(slots=True)
class _Progress:
    stored: int = 0
    dead: int = 0
    after: tuple[object, str] | None = None


class Replayer:
    """Reads dead letters again when somebody has asked for it.

    Args:
        lab: the lab whose devices are recorded.
        database: where letters and facts are.
        store: for the samples.
        spool: may still hold a message of which the letter keeps only a part.
        clock: the lab's clock.
        forget: called with (device, boot) when its clock has learned something, and with room for letters.
        refresh: called before, so that messages that come meanwhile are read with the new catalogue.
        max_payload_bytes: as of the recorder.
        tolerance_ns: as of the recorder.
    """

    def __init__(
        self,
        lab: str,
        database: Database,
        store: SampleStore,
        spool: Spool,
        clock: Clock,
        forget: Callable[[str, str], None],
        refresh: Callable[[], None],
        *,
        max_payload_bytes: int,
        tolerance_ns: int,
    ) -> None:
        self._lab = lab
        self._database = database
        self._store = store
        self._spool = spool
        self._clock = clock
        self._forget = forget
        self._refresh = refresh
        self._max_payload_bytes = max_payload_bytes
        self._tolerance_ns = tolerance_ns
        self._looked_at: float | None = None
        self._strange = False
        """Whether letters of a device that was unknown are being read."""

    def __call__(self, *, at_once: bool = False) -> None:
        """Do what was asked for, looking at most once a second; a part of it at a time, so that messages go first.

        Raises:
            UnavailableError: if the store does not answer; it is done later.
        """
        now = time.monotonic()
        if not at_once and self._looked_at is not None and now - self._looked_at < EVERY_SECONDS:
            return
        with self._database.read() as session:
            unfinished = sa.select(ReplayRequest).where(ReplayRequest.finished_at.is_(None))
            request = session.scalars(unfinished.order_by(ReplayRequest.asked_at, ReplayRequest.id).limit(1)).first()
            if request is not None:
                session.expunge(request)
        self._looked_at = now
        if request is not None:
            self._do(request)

    def _do(self, request: ReplayRequest) -> None:
        self._refresh()
        interpreter = self._interpreter()
        progress = _Progress()
        while self._read_some(request, interpreter, progress):
            pass
        outcome = {"stored": progress.stored, "still_dead": progress.dead}
        with self._database.write() as session:
            done = sa.update(ReplayRequest).where(ReplayRequest.id == request.id)
            session.execute(done.values(finished_at=self._clock.now(), outcome=outcome))
        log.info("dead letters were read again", device=request.device_id, signal=request.signal, **outcome)

    def _interpreter(self) -> Interpreter:
        with self._database.read() as session:
            signals, aliases = known_signals(session), known_aliases(session)
        return Interpreter(
            self._lab,
            lambda _: signals,
            self._load_clock,
            max_payload_bytes=self._max_payload_bytes,
            tolerance_ns=self._tolerance_ns,
            letters=LetterBox(per_device=_EVERYTHING),
            spool_id=self._spool.id,
            aliases=lambda: aliases,
            device_at=Addresses(self._database).device_at,
        )

    def _load_clock(self, device: str, boot: str) -> KnownClock | None:
        if self._strange:
            return None
        with self._database.read() as session:
            return recording.known_clock(session, device, boot)

    def _read_some(self, request: ReplayRequest, interpreter: Interpreter, progress: _Progress) -> bool:
        """Read the next letters; whether there are more."""
        with self._database.read() as session:
            letters = repository.unread_letters(
                session,
                request.device_id,
                request.signal,
                after=progress.after,  # type: ignore[arg-type]
                limit=LETTERS_AT_ONCE,
            )
            messages: dict[tuple[str, int], list[DeadLetter]] = {}
            for letter in letters:
                if letter.spool_id is not None and letter.number is not None:
                    messages[letter.spool_id, letter.number] = []
            for spool_id in {spool_id for spool_id, _ in messages}:
                numbers = [number for known, number in messages if known == spool_id]
                for letter in repository.letters_of_messages(session, spool_id, numbers):
                    if letter.number is not None and (spool_id, letter.number) in messages:
                        messages[spool_id, letter.number].append(letter)
            session.expunge_all()
        if not letters:
            return False
        progress.after = (letters[-1].received_at, letters[-1].key)
        progress.dead += sum(letter.spool_id is None for letter in letters)
        for strange in (True, False):
            part = {key: row for key, row in messages.items() if _was_strange(row) is strange}
            self._strange = strange
            self._store_again(part, interpreter, progress)
        return len(letters) == LETTERS_AT_ONCE

    def _store_again(
        self, messages: dict[tuple[str, int], list[DeadLetter]], interpreter: Interpreter, progress: _Progress
    ) -> None:
        batch, read = Batch(), []
        for (spool_id, number), letters in sorted(messages.items(), key=lambda item: item[1][0].received_at):
            message = self._message_of(spool_id, number, letters)
            if message is None:
                progress.dead += len(letters)
                continue
            interpreter.spool_id = spool_id
            interpreter.read(number, message, batch)
            read.append(letters)
        if not read:
            return
        dead = {letter["key"] for letter in batch.letters}
        waiting = [letter.key for letters in read for letter in letters if letter.replayed_at is None]
        mended = [key for key in waiting if key not in dead]
        progress.stored += len(mended)
        progress.dead += len(waiting) - len(mended)
        self._database.transact(lambda session: self._write_facts(session, batch))
        written = self._store.write(batch.samples.build(), watermark=0, spool=self._spool.id)
        self._database.transact(
            lambda session: self._write_receipts(session, batch, letters_of_conflicts(written.conflicts), mended)
        )
        for device, boot in batch.clocks:
            self._forget(device, boot)

    def _message_of(self, spool_id: str, number: int, letters: list[DeadLetter]) -> SpooledMessage | None:
        whole = next((row for row in letters if len(row.payload) == row.payload_bytes), None)
        if whole is not None and whole.entered_after_ns is not None:
            return SpooledMessage(
                whole.topic,
                whole.payload,
                whole.payload_bytes,
                to_nanoseconds(whole.received_at),
                whole.entered_after_ns,
                whole.retained,
            )
        if spool_id != self._spool.id:
            return None
        return next((message for found, message in self._spool.read(number - 1, 1) if found == number), None)

    def _write_facts(self, session: Session, batch: Batch) -> None:
        now = self._clock.now()
        recording.add_change_points(session, batch.change_points, now=now)
        recording.add_assignments(session, batch.assignments, now=now)
        recording.note_boots(session, {key: clock.last for key, clock in batch.clocks.items()}, now=now)
        others = letters_of_events(recording.add_events(session, batch.events))
        for life in batch.lives:
            try:
                known = get_birth(session, life.device)
                if known is not None and known.born_at > life.received_at:
                    continue
                if isinstance(life.message, Birth):
                    record_birth(session, life.device, life.message, now=life.received_at)
                else:
                    record_death(session, life.device, life.message, now=life.received_at)
            except DeviceUnknownError:
                log.warning("a device was taken out of the catalogue meanwhile", device=life.device)
        recording.add_dead_letters(session, [*batch.letters, *others])

    def _write_receipts(
        self, session: Session, batch: Batch, conflicts: list[dict[str, object]], mended: Iterable[str]
    ) -> None:
        for (device, boot), numbers in batch.sequences.items():
            note_received(session, device, boot, numbers)
        recording.add_dead_letters(session, conflicts)
        repository.note_replayed(session, list(mended), now=self._clock.now())


def _was_strange(letters: list[DeadLetter]) -> bool:
    return any(letter.reason == "unknown-device" for letter in letters)
