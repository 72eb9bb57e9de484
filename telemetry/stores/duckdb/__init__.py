"""The embedded store: one DuckDB file, opened by one process."""

from telemetry.stores.duckdb.store import DuckDBStore

__all__ = ["DuckDBStore"]
