"""The store of a deployment: InfluxDB 2, and what speaks its `/api/v2/write` and InfluxQL's `/query` (1.8, 3)."""

from telemetry.stores.influxdb.store import InfluxDBStore

__all__ = ["InfluxDBStore"]
