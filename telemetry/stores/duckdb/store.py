"""The store: samples in one DuckDB file.

No primary key: it would cost four times the speed and eight times the space. What is new is told from what is stored
by a high-water mark per series (device, signal, boot): rows above it are new, and only a batch that reaches behind it
is compared with the rows that are stored.
"""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from telemetry.stores.batches import as_batch, numbers_of
from telemetry.stores.duckdb import schema
from telemetry.stores.duckdb.backups import Backup, backup_name, note_backup
from telemetry.stores.duckdb.checkpoints import Tally, lower_proved, require_sums, sums_of, verified_checkpoint
from telemetry.stores.duckdb.compaction import move_rows, rows_at_the_end, sort_piece, unsorted_pieces
from telemetry.stores.duckdb.damage import copy_apart, look_at
from telemetry.stores.duckdb.file import Opening, StoreFile
from telemetry.stores.duckdb.marks import Mark, listed, load_marks, raise_marks
from telemetry.stores.duckdb.questions import around, surely, within
from telemetry.stores.duckdb.reading import SampleReader
from telemetry.stores.duckdb.writing import news_of
from telemetry.stores.errors import StoreDamagedError, StoreUnavailableError
from telemetry.stores.interface import Checkpoint, Compaction, Flag, Repair, SampleBatch, StoreLimits, Written
from telemetry.stores.limits import within_limits
from telemetry.stores.spans import merged

LIMITS = StoreLimits(
    longest_text_bytes=2**24,
    longest_name_bytes=2**16,
    earliest_ns=-(2**63) + 1,
    latest_ns=2**63 - 2,
    transactional=True,
    own_backups=True,
)
_LATE_NS = 60 * 1_000_000_000
_NEIGHBOURS_NS = 3600 * 1_000_000_000
"""Of settled time around a deletion: what lies beside deleted rows is written anew, and read back."""
_FRUITLESS_MOVES = 3


class DuckDBStore(SampleReader):
    """Samples in a DuckDB file. Safe for threads; another process cannot open the file at the same time.

    Args:
        path: the file; made, with its folder, at the first use.
        memory_limit: most memory DuckDB takes for buffers and sorting, as DuckDB writes it.
        backups: folder whose newest backup takes the place of a damaged file; `None`: there are none.
    """

    def __init__(self, path: Path, *, memory_limit: str = "128MB", backups: Path | None = None) -> None:
        super().__init__(StoreFile(path, memory_limit=memory_limit, backups=backups))
        self._verified: dict[str, int] = {}

    @property
    def limits(self) -> StoreLimits:
        """What it can hold."""
        return LIMITS

    @property
    def generation(self) -> int:
        """How often the file has been opened."""
        return self._file.generation

    def write(self, samples: pa.Table | SampleBatch, *, watermark: int, spool: str = "") -> Written:
        """Store a batch and its watermark in one transaction (see `SampleStore.write`).

        Raises:
            StoreUnavailableError: nothing of the batch is stored.
        """
        given, refused = within_limits(as_batch(samples), LIMITS)
        with self._file.writing, self._file.cursor(writes=True) as (cursor, known):
            cursor.begin()
            marks = _marks(cursor, known)
            news, added = news_of(cursor, given, known.ids, marks)
            new = news.rows
            tally = known.tally
            if new.num_rows:
                cursor.register("batch", new)
                cursor.execute(f"INSERT INTO samples SELECT {schema.COLUMNS} FROM batch")  # noqa: S608 - constant
                tally = tally.add(cursor, "batch")
            raised = _note_watermark(cursor, known, spool, watermark, new)
            cursor.commit()
            known.add_series(added)
            known.tally = tally
            known.spools[spool] = raised
            raise_marks(marks, news.reached)
        return Written(
            stored=new.num_rows,
            duplicates=news.duplicates,
            conflicts=pa.concat_tables([*news.conflicts, refused]),
            rejected=refused,
        )

    def watermark(self, spool: str = "") -> int:
        """The last row of a spool that is surely stored; 0 if nothing of it is."""
        return self._file.known().spools.get(spool, 0)

    def checkpoint(self, spool: str = "") -> Checkpoint:
        """Write everything into the main file and read back what is new (see `SampleStore.checkpoint`).

        While a backup is copied the main file stays as it is, and so does what is verified.
        """
        if not self._file.keeping.acquire(blocking=False):
            return Checkpoint(self._verified.get(spool, 0), 0)
        try:
            with self._file.writing, self._file.cursor(writes=True) as (cursor, known):
                rows = self._verify(cursor, known)
                return Checkpoint(known.spools.get(spool, 0), rows)
        finally:
            self._file.keeping.release()

    def back_up(self, folder: Path, *, now: datetime) -> Backup:
        """Copy the file, as it is after a checkpoint, while writing goes on; the copy is read whole before it counts.

        Args:
            folder: where backups are; made at need.
            now: names the backup.

        Raises:
            StoreDamagedError: the file, or its copy, cannot be read whole.
            StoreUnavailableError: it cannot be copied just now.
        """
        with self._file.keeping:
            with self._file.writing, self._file.cursor(writes=True) as (cursor, known):
                self._verify(cursor, known)
                rows, watermarks, generation = known.tally.all_rows, dict(known.spools), self._file.generation
                schema.hold_checkpoints(cursor, held=True)
            path = folder / backup_name(now)
            try:
                copied = copy_apart(self._file.path, path)
                if self._file.generation != generation:
                    path.unlink(missing_ok=True)
                    raise StoreUnavailableError("the sample store was opened anew while it was copied; try again")
            finally:
                with self._file.cursor() as (cursor, _):
                    schema.hold_checkpoints(cursor, held=False)
        found = look_at(path)
        if found.fault is not None or (found.rows, found.watermarks) != (rows, watermarks):
            path.unlink(missing_ok=True)
            self._file.distrust()
            raise StoreDamagedError(
                f"the copy of the sample store cannot be read whole: {found.fault or 'rows are missing'}"
            )
        backup = Backup(path, now, copied.bytes, copied.sha256, rows, watermarks, found.received_ns)
        note_backup(backup)
        return backup

    def resettle(
        self, device: str, boot: str, device_span: tuple[int, int], *, offset_ns: int, uncertain_only: bool = False
    ) -> int:
        """Give samples another settled time (see `SampleStore.resettle`)."""
        with self._file.keeping, self._file.writing, self._file.cursor(writes=True) as (cursor, known):
            ids = [number for number, (_, name) in known.names(device, []).items() if name == boot]
            self._verify(cursor, known)
            settled = "least(device_ns::HUGEINT + $offset, received_ns)::BIGINT"
            which = f"AND flags & {int(Flag.UNCERTAIN)} <> 0" if uncertain_only else ""
            late = f"(flags & {int(Flag.BUFFERED)} = 0 AND received_ns - {settled} > {_LATE_NS})"
            kept = ~int(Flag.UNCERTAIN | Flag.SKEWED | Flag.LATE) & 0xFF
            where = f"series IN ({listed(ids)}) AND device_ns >= {device_span[0]:d} AND device_ns < {device_span[1]:d}"
            cursor.begin()
            [(changed,)] = cursor.execute(
                f"""UPDATE samples SET settled_ns = {settled},
                        flags = (flags & {kept}) | $skewed | CASE WHEN {late} THEN {int(Flag.LATE)} ELSE 0 END
                    WHERE {where} {which}""",  # noqa: S608
                {"offset": offset_ns, "skewed": int(Flag.SKEWED) if offset_ns else 0},
            ).fetchall()
            self._commit(cursor, known, known.tally, where)
            self._renew_marks(cursor, known, ids)
        return int(changed)

    def delete(self, device: str, spans: list[tuple[int, int]], *, doubtful_before_ns: int | None = None) -> int:
        """Delete a device's samples in spans of settled time (see `SampleStore.delete`)."""
        wanted = merged(spans)
        with self._file.keeping, self._file.writing, self._file.cursor(writes=True) as (cursor, known):
            ids = list(known.names(device, []))
            if not wanted or not ids:
                return 0
            self._verify(cursor, known)
            cursor.begin()
            where = f"{within(ids, wanted, uncertain=True)} AND {surely(doubtful_before_ns)}"
            [(deleted,)] = cursor.execute(f"DELETE FROM samples WHERE {where}").fetchall()  # noqa: S608
            lower_proved(cursor, deleted)
            self._commit(cursor, known, Tally(known.tally.all_rows - deleted), around(wanted, _NEIGHBOURS_NS))
            self._renew_marks(cursor, known, ids)
        return int(deleted)

    def compact(self, *, before_ns: int) -> Compaction:
        """Sort what was settled before an instant, and shrink the file (see `SampleStore.compact`).

        Between pieces others may write.
        """
        with self._file.keeping:
            before = self.size_bytes()
            with self._file.cursor() as (cursor, _):
                pieces = unsorted_pieces(cursor, before_ns=before_ns)
            rows = doubles = 0
            for start, end in pieces:
                with self._file.writing, self._file.cursor(writes=True) as (cursor, known):
                    self._verify(cursor, known)
                    written, double = sort_piece(cursor, self._file.gate, start, end)
                    known.tally = Tally(known.tally.all_rows - double, *written)
                    self._verify(cursor, known)
                rows, doubles = rows + written[0] + double, doubles + double
            self._move_to_the_front()
        return Compaction(rows, before, self.size_bytes(), doubles)

    def _move_to_the_front(self) -> None:
        """Have the file end where its content does; stops where nothing is gained any more."""
        smallest, attempts = self.size_bytes(), _FRUITLESS_MOVES
        while attempts:
            with self._file.writing, self._file.cursor(writes=True) as (cursor, known):
                self._verify(cursor, known)
                rows = rows_at_the_end(cursor)
                if not rows:
                    return
                known.tally = Tally(known.tally.all_rows, *move_rows(cursor, self._file.gate, rows))
                self._verify(cursor, known)
            size = self.size_bytes()
            attempts = _FRUITLESS_MOVES if size < smallest else attempts - 1
            smallest = min(size, smallest)

    def size_bytes(self) -> int:
        """How much disk its file and write-ahead file take."""
        return self._file.size_bytes()

    def take_repairs(self) -> list[Repair]:
        """What had to be repaired at an opening since this was asked last."""
        return self._file.take_repairs()

    def close(self) -> None:
        """Write everything into the main file and let it go."""
        with self._file.keeping, self._file.writing:
            self._file.close()

    def _verify(self, cursor: duckdb.DuckDBPyConnection, known: Opening) -> int:
        """Take a checkpoint and read back what is new; before rows change, because then it cannot be compared."""
        rows = known.tally.rows
        known.tally = verified_checkpoint(cursor, known.tally, self._file.gate, memory_limit=self._file.memory_limit)
        self._verified = dict(known.spools)
        return rows

    def _commit(self, cursor: duckdb.DuckDBPyConnection, known: Opening, tally: Tally, changed: str) -> None:
        """End a transaction that has changed proved rows, and read back those that may have been written anew."""
        expected = sums_of(cursor, changed)
        cursor.commit()
        known.tally = tally
        self._verify(cursor, known)
        require_sums(cursor, changed, expected)

    def _renew_marks(self, cursor: duckdb.DuckDBPyConnection, known: Opening, ids: list[int]) -> None:
        if known.marks is not None:
            others = {number: mark for number, mark in known.marks.items() if number not in set(ids)}
            known.marks = others | load_marks(cursor, ids)


def _marks(cursor: duckdb.DuckDBPyConnection, known: Opening) -> dict[int, Mark]:
    if known.marks is None:
        known.marks = load_marks(cursor)
    return known.marks


def _note_watermark(
    cursor: duckdb.DuckDBPyConnection, known: Opening, spool: str, watermark: int, rows: pa.Table
) -> int:
    """Raise the watermark of a spool, and say how far it is now."""
    raised = max(known.spools.get(spool, 0), watermark)
    received = int(numbers_of(rows, "received_ns").max()) if rows.num_rows else -(2**63)
    if spool in known.spools:
        cursor.execute(
            "UPDATE watermarks SET watermark = ?, received_ns = greatest(received_ns, ?) WHERE spool = ?",
            [raised, received, spool],
        )
    else:
        cursor.execute("INSERT INTO watermarks VALUES (?, ?, ?)", [spool, raised, received])
    return raised
