"""The recorder's figures in Prometheus' text format.

No label names a device, an organisation or a person: whoever reads figures of the installation learns nothing of those.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_COUNTERS = {
    "received": "Messages from the broker, repeated ones included",
    "acknowledged": "Messages that the broker was told are safe",
    "spooled": "Messages made safe in the spool",
    "stored": "Samples stored",
    "dead_letters": "Messages and values that could not be stored",
    "duplicates": "Samples that came again and were there already",
    "conflicts": "Samples whose identity another value has",
    "connections": "Connections made to the broker",
    "faults": "Exceptions in the network loop, each survived",
    "restarts": "Threads that had died and were started again",
    "repairs": "Damaged spools that were begun anew",
}
_GAUGES = {
    "connected": "1 while it listens to the devices",
    "running": "1 while all of its threads live",
    "lease_held": "1 while this is the recorder that records",
    "behind": "Messages in the spool that are not in the store yet",
    "lag_seconds": "How long the oldest of these has been in the spool",
    "spool_rows": "Messages in the spool, stored ones included",
    "spool_bytes": "Size of the spool",
    "disk_free_bytes": "Free space where the spool is",
}


class _Told:
    """A collector of what a recorder has told of itself."""

    def __init__(self, told: Mapping[str, Any] | None, age_seconds: float | None) -> None:
        self._told = told
        self._age_seconds = age_seconds

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        yield GaugeMetricFamily("pilotlab_recorder_up", "1 while a recorder tells of itself", float(bool(self._told)))
        told = self._told or {}
        if self._age_seconds is not None:
            help_text = "How long ago the recorder told of itself"
            yield GaugeMetricFamily("pilotlab_recorder_told_age_seconds", help_text, self._age_seconds)
        for name, help_text in _GAUGES.items():
            if name in told:
                yield GaugeMetricFamily(f"pilotlab_recorder_{name}", help_text, float(told[name]))
        for name, help_text in _COUNTERS.items():
            if name in told.get("counts", {}):
                yield CounterMetricFamily(f"pilotlab_recorder_{name}", help_text, float(told["counts"][name]))


def exposition(told: Mapping[str, Any] | None, *, age_seconds: float | None = None) -> bytes:
    """The page that Prometheus reads.

    Args:
        told: as `Recorder.told_health` gives it; `None`: no recorder has told anything.
        age_seconds: how long ago that was; `None`: it is asked for now.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(told, age_seconds))
    return generate_latest(registry)
