"""The open file: cursors, DuckDB's errors as ours, and opening anew after a failure."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import structlog

from telemetry.stores.duckdb import schema
from telemetry.stores.duckdb.checkpoints import Tally
from telemetry.stores.duckdb.damage import mend
from telemetry.stores.duckdb.marks import Mark
from telemetry.stores.duckdb.questions import Names
from telemetry.stores.duckdb.reading_gate import ReadingGate
from telemetry.stores.errors import StoreDamagedError, StoreUnavailableError
from telemetry.stores.interface import Repair, Series

log = structlog.get_logger(__name__)

_ATTEMPTS = 3
"""At a question that finds no memory: the look at a checkpoint takes it away for an instant."""
_DAMAGE = ("checksum", "corrupt", "deserialize", "serialization", "not a valid duckdb", "replaying wal", "replay wal")


@dataclass(slots=True)
class Opening:
    """What is known while the file is open; gone when it is opened anew."""

    connection: duckdb.DuckDBPyConnection
    ids: dict[Series, int]
    spools: dict[str, int]
    """Spool → watermark."""
    tally: Tally
    marks: dict[int, Mark] | None = None
    devices: dict[str, Names] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for (device, signal, boot), number in self.ids.items():
            self.devices.setdefault(device, {})[number] = (signal, boot)

    def add_series(self, added: dict[Series, int]) -> None:
        """Take note of series that are in the file now."""
        for (device, signal, boot), number in added.items():
            # a new dictionary, because readers go through the one that is there
            self.devices[device] = {**self.devices.get(device, {}), number: (signal, boot)}
        self.ids.update(added)

    def names(self, device: str, signals: list[str]) -> Names:
        """The series of a device; of all its signals if none is named."""
        known = self.devices.get(device, {})
        if not signals:
            return known
        wanted = set(signals)
        return {number: names for number, names in known.items() if names[0] in wanted}


class StoreFile:
    """A DuckDB file, opened when it is first needed. Safe for threads.

    Args:
        path: the file; made, with its folder, at the first use.
        memory_limit: most memory DuckDB takes for buffers and sorting, as DuckDB writes it.
        backups: folder whose newest backup takes the place of a damaged file; `None`: there are none.
    """

    def __init__(self, path: Path, *, memory_limit: str, backups: Path | None = None) -> None:
        self.path = path
        self.backups = backups
        self.memory_limit = memory_limit
        self.generation = 0
        self.writing = threading.Lock()
        """Held by whoever changes something."""
        self.keeping = threading.RLock()
        """Held, before `writing`, by whoever changes the main file or needs it unchanged."""
        self.gate = ReadingGate()
        """Closed for the commit that moves rows."""
        self._flag = path.with_name(path.name + ".open")
        self._is_ours = False
        """Whether the flag is of this process."""
        self._suspect = False
        self._repairs: list[Repair] = []
        self._lock = threading.Lock()
        self._opening: Opening | None = None

    @contextmanager
    def cursor(self, *, writes: bool = False) -> Iterator[tuple[duckdb.DuckDBPyConnection, Opening]]:
        """A cursor of the calling thread (5 µs), and what is known of the file.

        After a failed write, which may be committed all the same, everything is read anew from a fresh opening.
        """
        opening = self._opened()
        cursor = opening.connection.cursor()
        try:
            yield cursor, opening
        except duckdb.Error as error:
            with suppress(duckdb.Error):
                cursor.rollback()
            raise self._failed(error, writes=writes) from error
        except StoreDamagedError:
            self.distrust()
            raise
        except BaseException:
            with suppress(duckdb.Error):
                cursor.rollback()
            raise
        finally:
            with suppress(duckdb.Error):
                cursor.close()

    def answer(self, query: str, parameters: dict[str, object] | None = None) -> pa.Table:
        """The answer to a question."""
        for attempt in range(_ATTEMPTS):
            with self.gate.reading(), self.cursor() as (cursor, _):
                try:
                    return cursor.sql(query, params=parameters or {}).to_arrow_table()
                except duckdb.OutOfMemoryException:
                    if attempt == _ATTEMPTS - 1:
                        raise
        raise AssertionError  # the last attempt answers or raises

    def known(self) -> Opening:
        """What is known of the file; opens it."""
        return self._opened()

    def size_bytes(self) -> int:
        """How much disk it takes, with its write-ahead file."""
        parts = (self.path, self.path.with_name(self.path.name + ".wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def close(self) -> None:
        """Write everything into the main file and let it go."""
        with self._lock:
            if self._opening is not None:
                self._opening.connection.close()
                self._opening = None
                self._flag.unlink(missing_ok=True)
                self._is_ours = False

    def distrust(self) -> None:
        """Have the file looked at before it is opened again."""
        self._suspect = True
        self.open_anew()

    def take_repairs(self) -> list[Repair]:
        """What had to be repaired at an opening since this was asked last."""
        with self._lock:
            found, self._repairs = self._repairs, []
        return found

    def open_anew(self) -> None:
        """Forget what is known; the next use opens the file again."""
        log.warning("sample store failed and will be opened anew", file=self.path.name)
        with self._lock:
            if self._opening is not None:
                with suppress(duckdb.Error):
                    self._opening.connection.close()
                self._opening = None

    def _failed(self, error: duckdb.Error, *, writes: bool) -> StoreUnavailableError:
        fatal = isinstance(error, duckdb.FatalException | duckdb.InternalException)
        damaged = is_damage(error)
        if damaged or fatal:
            self.distrust()
        elif writes:
            self.open_anew()
        kind = StoreDamagedError if damaged else StoreUnavailableError
        return kind(f"the sample store {self.path.name} failed: {schema.first_line(error)}")

    def _opened(self) -> Opening:
        with self._lock:
            if self._opening is None:
                self._opening = self._open()
                self.generation += 1
            return self._opening

    def _open(self) -> Opening:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._suspect or (self._flag.exists() and not self._is_ours):
                self._repairs += mend(self.path, self.backups)
                self._suspect = False
            connection = schema.open_file(self.path, memory_limit=self.memory_limit)
        except (duckdb.Error, OSError) as error:
            self._suspect = isinstance(error, duckdb.Error)  # if another process holds it, the look will say so
            raise StoreUnavailableError(
                f"the sample store {self.path.name} cannot be opened: {schema.first_line(error)}"
            ) from error
        try:
            self._flag.touch()
            self._is_ours = True
            schema.make_tables(connection)
            return Opening(
                connection, schema.load_series(connection), schema.load_watermarks(connection), Tally.begin(connection)
            )
        except (duckdb.Error, OSError) as error:
            with suppress(duckdb.Error):
                connection.close()
            self._suspect = isinstance(error, duckdb.Error)
            raise StoreUnavailableError(
                f"the sample store {self.path.name} failed: {schema.first_line(error)}"
            ) from error
        except StoreDamagedError:
            connection.close()
            self._suspect = True
            raise


def is_damage(error: Exception) -> bool:
    """Whether DuckDB says that what it finds on the disk is not what it wrote."""
    text = str(error).lower()
    return any(word in text for word in _DAMAGE)
