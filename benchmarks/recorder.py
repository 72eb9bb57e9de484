"""All figures of the recorder and of what it records, in one run: `python -m benchmarks.recorder [--quick]`.

Each part measures ours beside its limit and runs alone too; `python -m benchmarks` runs the parts.
"""

from benchmarks import (
    telemetry_disk,
    telemetry_history,
    telemetry_influx,
    telemetry_live,
    telemetry_signals,
    telemetry_single,
    telemetry_waves,
)
from benchmarks.measurement import Measurement, run_alone

PARTS = (
    telemetry_single,
    telemetry_signals,
    telemetry_waves,
    telemetry_influx,
    telemetry_history,
    telemetry_disk,
    telemetry_live,
)


def measure_all(quick: bool) -> list[Measurement]:
    """What every part measures, one part after the other."""
    return [one for part in PARTS for one in part.measure(quick)]


if __name__ == "__main__":
    run_alone(measure_all, "the recorder's figures")
