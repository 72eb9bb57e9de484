"""Samples as files, in pieces: memory does not grow with their length."""

import io
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import structlog
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lab.core.errors import UnavailableError
from telemetry.history.errors import TooManyDownloadsError

if TYPE_CHECKING:
    from typing_extensions import Buffer

log = structlog.get_logger(__name__)

MOST_A_PERSON = 2
"""Downloads at once of one person from one process."""
ROW_GROUP = 4 * 65_536
"""Rows of a Parquet row group: what a writer holds in memory."""
_INSTANT = pa.timestamp("ns", "UTC")

FILE = pa.schema(
    [
        pa.field("device", pa.string(), nullable=False),
        pa.field("signal", pa.string(), nullable=False),
        pa.field("time", _INSTANT, nullable=False),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("boot", pa.string(), nullable=False),
        pa.field("device_time", _INSTANT, nullable=False),
        pa.field("received", _INSTANT, nullable=False),
        pa.field("flags", pa.uint8(), nullable=False),
    ]
)
"""Columns of a file: `time` is the settled one; numbers (booleans as 0 and 1) are in `value`, texts in `text`."""

Format: TypeAlias = Literal["csv", "parquet", "arrow"]


@dataclass(frozen=True, slots=True)
class FileKind:
    """How samples are written."""

    media_type: str
    ending: str
    write: Callable[[Iterator[pa.RecordBatch]], Iterator[bytes]]
    """From batches of schema FILE to the pieces of a file."""


def begun(samples: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, the first of them read: a store that does not answer is found out before a file begins.

    Raises:
        StoreUnavailableError: nothing can be read.
    """
    return _resumed(next(samples, None), samples)


def _resumed(first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
        yield from rest


def as_rows_of_a_file(samples: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """From batches of schema SAMPLES to such of schema FILE."""
    for batch in samples:
        times = {
            name: batch.column(column).cast(_INSTANT)
            for name, column in (("time", "settled_ns"), ("device_time", "device_ns"), ("received", "received_ns"))
        }
        columns = [times[name] if name in times else batch.column(name) for name in FILE.names]
        yield pa.RecordBatch.from_arrays(columns, schema=FILE)


def write_csv(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """CSV with a header, times in RFC 3339 with nine digits; a last line tells if the store went away."""
    yield (",".join(FILE.names) + "\n").encode()
    options = pacsv.WriteOptions(include_header=False)
    try:
        for batch in batches:
            sink = io.BytesIO()
            pacsv.write_csv(_with_written_times(batch), sink, options)
            yield sink.getvalue()
    except UnavailableError:
        yield b"# not complete: the store of samples went away; please download again\n"
        raise


def write_arrow(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """An Arrow IPC stream."""
    sink = _Taken()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), FILE) as writer:
        yield sink.take()
        for batch in batches:
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


def write_parquet(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """A Parquet file, row group by row group; one that breaks off has no footer and cannot be mistaken for a whole."""
    sink = _Taken()
    texts = [field.name for field in FILE if field.type == pa.string()]
    with pq.ParquetWriter(pa.PythonFile(sink, "w"), FILE, compression="zstd", use_dictionary=texts) as writer:
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for batch in batches:
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= ROW_GROUP:
                writer.write_table(pa.Table.from_batches(waiting, FILE), row_group_size=ROW_GROUP)
                waiting, rows = [], 0
                yield sink.take()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, FILE), row_group_size=ROW_GROUP)
    yield sink.take()


FILES: dict[Format, FileKind] = {
    "csv": FileKind("text/csv; charset=utf-8", "csv", write_csv),
    "parquet": FileKind("application/vnd.apache.parquet", "parquet", write_parquet),
    "arrow": FileKind("application/vnd.apache.arrow.stream", "arrows", write_arrow),
}


class DownloadPlaces:
    """How much everybody downloads from this process at present."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, account_id: str) -> None:
        """Take a place.

        Raises:
            TooManyDownloadsError: if this person has all that one person may.
        """
        with self._lock:
            if self._taken[account_id] >= MOST_A_PERSON:
                raise TooManyDownloadsError(
                    f"you are downloading {MOST_A_PERSON} files already; wait until one of them is there",
                    rule="downloads-at-once",
                    limit=MOST_A_PERSON,
                    retry_after_seconds=10,
                )
            self._taken[account_id] += 1

    def give_back(self, account_id: str) -> None:
        """Let somebody else have it."""
        with self._lock:
            self._taken[account_id] -= 1
            if not self._taken[account_id]:
                del self._taken[account_id]


class DownloadResponse(StreamingResponse):
    """A file whose pieces are made in threads while it is sent; whatever happens, `done` is called at its end.

    Args:
        pieces: of the file; closed at the end, so that the store's cursor is let go.
        kind: of file.
        name: of the file, without its ending.
        done: called once.
    """

    def __init__(self, pieces: Iterator[bytes], kind: FileKind, name: str, *, done: Callable[[], None]) -> None:
        self._pieces = _in_threads(pieces)
        self._done = done
        headers = {
            "Content-Disposition": f'attachment; filename="{name}.{kind.ending}"',
            "Cache-Control": "no-store",
        }
        super().__init__(self._pieces, media_type=kind.media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            async with aclosing(self._pieces):
                await super().__call__(scope, receive, send)
        finally:
            self._done()

    async def stream_response(self, send: Send) -> None:
        """Send the pieces.

        If the store goes away, the end is not sent: the server cuts the connection, so that half a file is not taken
        for a whole one.
        """
        try:
            await super().stream_response(send)
        except UnavailableError as error:
            log.warning("a download broke off", reason=error.message)


async def _in_threads(pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
    try:
        while (piece := await run_in_threadpool(next, pieces, None)) is not None:
            if piece:
                yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def _with_written_times(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        pc.binary_replace_slice(column.cast(pa.string()), 10, 11, "T") if column.type == _INSTANT else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


class _Taken(io.RawIOBase):
    """A file that is taken away as it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, part: "Buffer") -> int:
        data = bytes(part)
        self._parts.append(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
