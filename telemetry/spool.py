"""The spool: every message is here, on disk, before the broker is told that it has arrived (I2).

One SQLite file in WAL mode with `synchronous=FULL`: when `append` returns, the messages survive a power cut. A batch is
one row, compressed and with a checksum, because a row per message costs more than everything else the recorder does.
Messages are numbered in order, and a number is never used twice, not even by a new file (`start_after`, `begin_at`). A
file that turns out damaged, at the start or later, is begun anew with what it still holds; what is lost is noted.
"""

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import structlog

from lab.core.ids import new_id
from telemetry.errors import SpoolUnavailableError
from telemetry.spool_file import NUMBERS_LEFT_FREE, Loss, Mark, begin_anew, connect, is_damage, open_or_salvage

log = structlog.get_logger(__name__)

_COMPRESS_ABOVE_BYTES = 1024


class SpooledMessage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A message as it came."""

    topic: str
    payload: bytes
    """The first bytes only, if it was longer than the recorder takes."""
    payload_bytes: int
    """How long it was."""
    received_ns: int
    entered_after_ns: int
    """The broker had it not before this instant; it may have waited there since."""
    retained: bool
    """The broker repeated what it keeps for new subscribers: nobody knows how old it is."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[SpooledMessage])


class Spool:
    """A queue of messages on disk. One process; `append` from one thread, the rest from another.

    Args:
        path: the file; made at need, with its folder. A damaged one is set aside and what it still holds is kept.
        start_after: the highest number that was ever used, as far as the sample store knows.
        begin_at: a new file numbers its messages from above this.

    Raises:
        SpoolUnavailableError: if it cannot be opened.
    """

    def __init__(self, path: Path, *, start_after: int = 0, begin_at: int = 0) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._mark = Mark(path)
        self._cached: tuple[int, list[SpooledMessage]] = (0, [])
        self._losses = 0
        self._id = ""
        self._head = 0
        self._drained = 0
        self._broken = False
        self.repairs = 0
        """How often a damaged file was begun anew."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mark = self._mark.read()
            self._writer = open_or_salvage(path, stored_through=start_after or None, mark=mark)
            self._reader = connect(path)
            self._number_on(start_after, begin_at, mark)
        except (sqlite3.Error, OSError) as error:
            raise SpoolUnavailableError(f"the spool {path} cannot be opened: {error}") from error

    @property
    def id(self) -> str:
        """Names this spool among those that write to one store."""
        return self._id

    @property
    def head(self) -> int:
        """The number of the newest message; what it began after, in a spool that never had one."""
        return self._head

    @property
    def oldest(self) -> int:
        """The number of the oldest message it holds; 0 if it holds none."""
        with self._reads() as reader:
            row = reader.execute("SELECT first FROM batches ORDER BY last LIMIT 1").fetchone()
        return int(row[0]) if row else 0

    @property
    def begins_at(self) -> int:
        """The first number it ever gave, if no other spool was here before it; 0 if that is not known."""
        with self._reads() as reader:
            row = reader.execute("SELECT after, first FROM jumps ORDER BY first LIMIT 1").fetchone()
        return int(row[1]) if row and row[0] == 0 else 0

    @property
    def depth(self) -> int:
        """How many messages it holds."""
        with self._reads() as reader:
            row = reader.execute("SELECT first FROM batches ORDER BY last LIMIT 1").fetchone()
            newest = reader.execute("SELECT max(last) FROM batches").fetchone()[0]
            jumps = reader.execute("SELECT after, first FROM jumps").fetchall()
        if row is None:
            return 0
        return int(newest - row[0] + 1) - sum(int(b) - int(a) - 1 for a, b in jumps if a >= row[0] and b <= newest)

    @property
    def size_bytes(self) -> int:
        """How much of the file is in use."""
        with self._reads() as reader:
            pages, free, size = (
                int(reader.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * size

    def append(self, batch: list[SpooledMessage]) -> int:
        """Keep messages; they are on disk when this returns.

        Returns:
            The number of the last one; they are numbered in order.

        Raises:
            SpoolUnavailableError: nothing is kept; the same call may succeed later.
        """
        if not batch:
            return self._head
        body = _ENCODER.encode(batch)
        size = len(body)
        if size > _COMPRESS_ABOVE_BYTES:
            body = pa.compress(body, codec="zstd", asbytes=True)
        first, last = self._head + 1, self._head + len(batch)
        row = (last, first, batch[-1].received_ns, size, zlib.crc32(body), body)
        with self._writes() as writer:
            writer.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
        self._head = last
        self._mark.write(last, batch[-1].received_ns)
        return last

    def following(self, after: int) -> Iterator[tuple[int, SpooledMessage]]:
        """The messages above a number, in order; only one batch of the spool is in memory at a time.

        Args:
            after: the last number that is not wanted.

        Returns:
            Number and message. A batch whose checksum is wrong is left out and noted as lost.

        Raises:
            SpoolUnavailableError: at any step, if the disk does not answer.
        """
        while True:
            last, messages = self._cached
            if not last - len(messages) <= after < last:
                found = self._load_batch_after(after)
                if found is None:
                    return
                last, messages = self._cached = found
            first = last - len(messages) + 1
            start = max(first, after + 1)
            yield from enumerate(messages[start - first :], start)
            after = last

    def read(self, after: int, limit: int) -> list[tuple[int, SpooledMessage]]:
        """The oldest messages above a number, at most so many (see `following`)."""
        return list(islice(self.following(after), limit))

    def delete_through(self, number: int, *, received_before_ns: int | None = None) -> int:
        """Forget batches that end at or below a number (and were received before an instant), never the newest one.

        Returns:
            How many messages were forgotten.
        """
        before = received_before_ns if received_before_ns is not None else 2**63 - 1
        where = "last <= ? AND received_ns < ? AND last < (SELECT max(last) FROM batches)"
        with self._writes() as writer:
            row = writer.execute(
                f"SELECT coalesce(sum(last - first + 1), 0) FROM batches WHERE {where}",  # noqa: S608 - constant
                (number, before),
            ).fetchone()
            if row[0]:
                writer.execute(f"DELETE FROM batches WHERE {where}", (number, before))  # noqa: S608 - constant
        return int(row[0])

    def note(self, name: str) -> int:
        """A number remembered beside the messages; 0 if there is none."""
        with self._reads() as reader:
            row = reader.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def remember(self, name: str, value: int) -> None:
        """Remember a number beside the messages."""
        if name == "drained":
            self._drained = value
        with self._writes() as writer:
            writer.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def received_after(self, number: int) -> int | None:
        """When the oldest message above a number was received; `None` if there is none."""
        with self._reads() as reader:
            query = "SELECT received_ns FROM batches WHERE last > ? ORDER BY last LIMIT 1"
            row = reader.execute(query, (number,)).fetchone()
        return int(row[0]) if row else None

    def note_checkpoint(self, number: int, at_ns: int) -> None:
        """Remember that messages up to a number were read back from the store's main file at an instant."""
        with self._writes() as writer:
            writer.execute("INSERT OR IGNORE INTO checkpoints VALUES (?, ?)", (number, at_ns))

    def checkpoint_before(self, instant_ns: int) -> int:
        """The highest number that a checkpoint at or before an instant has verified; 0 if none has."""
        with self._reads() as reader:
            query = "SELECT coalesce(max(number), 0) FROM checkpoints WHERE at_ns <= ?"
            row = reader.execute(query, (instant_ns,)).fetchone()
        return int(row[0])

    def forget_checkpoints(self, below: int) -> None:
        """Forget checkpoints below a number: nothing depends on them any more."""
        with self._writes() as writer:
            writer.execute("DELETE FROM checkpoints WHERE number < ?", (below,))

    def losses(self) -> list[Loss]:
        """What was lost by damage and is not told yet."""
        if not self._losses:
            return []
        with self._reads() as reader:
            return [Loss(*row) for row in reader.execute("SELECT * FROM losses ORDER BY first")]

    def forget_losses(self, told: Sequence[Loss]) -> None:
        """These losses have been told."""
        with self._writes() as writer:
            writer.executemany("DELETE FROM losses WHERE first = ?", [(loss.first,) for loss in told])
            self._losses = writer.execute("SELECT count(*) FROM losses").fetchone()[0]

    def close(self) -> None:
        """Let go of the file."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()
            self._mark.close()

    def _number_on(self, start_after: int, begin_at: int, mark: tuple[int, int]) -> None:
        """Find the number to go on after, and note what is missing at the end of the file."""
        writer = self._writer
        row = writer.execute("SELECT last, received_ns FROM batches ORDER BY last DESC LIMIT 1").fetchone()
        last, received_ns = row or (0, None)
        found = writer.execute("SELECT value FROM identity WHERE name = 'spool_id'").fetchone()
        noted = writer.execute("SELECT coalesce(max(value), 0) FROM notes WHERE name = 'head'").fetchone()[0]
        drained = writer.execute("SELECT coalesce(max(value), 0) FROM notes WHERE name = 'drained'").fetchone()[0]
        self._id = str(found[0]) if found else new_id("spl")
        head = max(last, noted, start_after, 0 if found else begin_at)
        self._head = int(max(head, mark[0] + NUMBERS_LEFT_FREE if mark[0] > max(last, noted) else 0))
        self._drained = int(drained)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT OR IGNORE INTO identity VALUES ('spool_id', ?)", (self._id,))
        if not found and not last:
            writer.execute("INSERT OR IGNORE INTO notes VALUES ('drained', ?)", (self._head,))
        first_lost = max(last, noted, drained, start_after) + 1 if last or drained or start_after else mark[0]
        if mark[0] and first_lost <= mark[0]:
            detail = "the end of the spool's file was damaged"
            lost = (first_lost, mark[0], received_ns, mark[1], detail)
            writer.execute("INSERT OR IGNORE INTO losses VALUES (?, ?, ?, ?, ?)", lost)
        if self._head > max(last, noted):
            after = max(last, mark[0])
            writer.execute("INSERT OR IGNORE INTO jumps VALUES (?, ?)", (after, self._head + 1))
            writer.execute("INSERT OR REPLACE INTO notes VALUES ('head', ?)", (self._head,))
        self._losses = writer.execute("SELECT count(*) FROM losses").fetchone()[0]
        writer.execute("COMMIT")
        if not found:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # who it is does not hang on the write-ahead file

    def _load_batch_after(self, after: int) -> tuple[int, list[SpooledMessage]] | None:
        query = "SELECT last, first, size, crc, body FROM batches WHERE last > ? ORDER BY last LIMIT 1"
        while True:
            with self._reads() as reader:
                row = reader.execute(query, (after,)).fetchone()
            if row is None:
                return None
            messages = _unpack(*row)
            if messages is not None:
                return row[0], messages
            after = row[0]
            self._note_loss(row[1], row[0])

    def _note_loss(self, first: int, last: int) -> None:
        with self._reads() as reader:
            query = "SELECT max(received_ns) FROM batches WHERE last = (SELECT max(last) FROM batches WHERE last < ?)"
            from_ns = reader.execute(query, (last,)).fetchone()[0]
            to_ns = reader.execute("SELECT received_ns FROM batches WHERE last = ?", (last,)).fetchone()[0]
        with self._writes() as writer:
            lost = Loss(first, last, from_ns, to_ns, "a batch in the spool does not match its checksum")
            writer.execute("INSERT OR IGNORE INTO losses VALUES (?, ?, ?, ?, ?)", lost)
        self._losses += 1

    @contextmanager
    def _writes(self) -> Iterator[sqlite3.Connection]:
        repairs = self.repairs
        try:
            with self._writing:
                try:
                    self._writer.execute("BEGIN IMMEDIATE")
                    yield self._writer
                    self._writer.execute("COMMIT")
                finally:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
        except (sqlite3.Error, OSError) as error:
            self._repair(error, repairs)
            raise SpoolUnavailableError(f"the spool {self._path.name} cannot be written: {error}") from error

    @contextmanager
    def _reads(self) -> Iterator[sqlite3.Connection]:
        repairs = self.repairs
        try:
            with self._reading:
                yield self._reader
        except (sqlite3.Error, OSError) as error:
            self._repair(error, repairs)
            raise SpoolUnavailableError(f"the spool {self._path.name} cannot be read: {error}") from error

    def _repair(self, error: Exception, repairs: int) -> None:
        """Begin a damaged file anew, unless that has happened since; a full disk or a busy one is left as it is."""
        if not is_damage(error) and not self._broken:
            return
        with self._writing, self._reading:
            if self.repairs != repairs:
                return
            self._broken = True
            self._writer.close()
            self._reader.close()
            try:
                mark = self._mark.read()
                self._writer = begin_anew(self._path, str(error), stored_through=self._drained, mark=mark)
                self._reader = connect(self._path)
                self._number_on(0, self._head, mark)
            except (sqlite3.Error, OSError) as failed:
                raise SpoolUnavailableError(
                    f"the spool {self._path.name} is damaged and cannot be begun anew: {failed}"
                ) from failed
            self._broken = False
            self.repairs += 1
            self._cached = (0, [])


def _unpack(last: int, first: int, size: int, crc: int, body: bytes) -> list[SpooledMessage] | None:
    """The messages of a batch; `None` if it is damaged."""
    try:
        if zlib.crc32(body) != crc:
            raise ValueError("its checksum is wrong")
        plain = pa.decompress(body, size, codec="zstd", asbytes=True) if size > _COMPRESS_ABOVE_BYTES else body
        messages = _DECODER.decode(plain)
        if len(messages) != last - first + 1:
            raise ValueError("messages are missing")
    except (ValueError, OSError, msgspec.DecodeError, pa.ArrowException) as error:
        log.warning("a batch in the spool is damaged", first=first, last=last, error=str(error))
        return None
    return messages
