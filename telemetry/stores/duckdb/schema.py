"""The file: its tables, and how it is opened."""

from pathlib import Path

import duckdb

from telemetry.stores.interface import Series

COLUMNS = "series, device_ns, settled_ns, received_ns, value, text, flags"
_TABLES = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER NOT NULL, device VARCHAR NOT NULL, signal VARCHAR NOT NULL, boot VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS samples (
    series INTEGER NOT NULL, device_ns BIGINT NOT NULL, settled_ns BIGINT NOT NULL, received_ns BIGINT NOT NULL,
    value DOUBLE, text VARCHAR, flags UTINYINT NOT NULL
);
CREATE TABLE IF NOT EXISTS watermarks (spool VARCHAR NOT NULL, watermark BIGINT NOT NULL, received_ns BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name VARCHAR NOT NULL, value BIGINT NOT NULL);
"""
_OF_BEFORE = """
INSERT INTO watermarks SELECT '', max(watermark), 0 FROM progress;
DROP TABLE progress;
"""
_CHECKPOINT_ABOVE = "512MB"
"""Of write-ahead file: a bound, should nobody ask for checkpoints."""


def open_file(path: Path, *, memory_limit: str, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a file; nothing is looked at yet.

    Raises:
        duckdb.Error: it is held by another process, or is no sound file.
    """
    return duckdb.connect(
        path,
        read_only=read_only,
        config={
            "memory_limit": memory_limit,
            "autoinstall_known_extensions": "false",  # nothing is fetched from the network
            "autoload_known_extensions": "false",
        },
    )


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what is not there, and take over a file of before."""
    connection.execute(f"SET wal_autocheckpoint = '{_CHECKPOINT_ABOVE}'")
    connection.execute(_TABLES)
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'progress'").fetchall():
        connection.execute("BEGIN")
        connection.execute(_OF_BEFORE)
        connection.execute("COMMIT")


def hold_checkpoints(connection: duckdb.DuckDBPyConnection, *, held: bool) -> None:
    """Whether DuckDB leaves the main file alone however long the write-ahead file gets."""
    connection.execute(f"SET wal_autocheckpoint = '{'1TB' if held else _CHECKPOINT_ABOVE}'")


def load_series(connection: duckdb.DuckDBPyConnection) -> dict[Series, int]:
    """The numbers of all series."""
    rows = connection.execute("SELECT device, signal, boot, id FROM series").fetchall()
    return {(device, signal, boot): number for device, signal, boot, number in rows}


def load_watermarks(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Spool → the last row of it that is stored."""
    return dict(connection.execute("SELECT spool, max(watermark) FROM watermarks GROUP BY spool").fetchall())


def first_line(error: Exception) -> str:
    """What DuckDB says, without its pictures."""
    return str(error).partition("\n")[0][:300]
