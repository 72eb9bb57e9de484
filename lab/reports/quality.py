"""Data quality of every run, from the sealed data alone."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lab.reports.kpis import NOT_COMPARED, UNFINISHED, Limits, cover, limits_of
from lab.reports.language import say as _
from lab.reports.results import DeviceQuality, Missing, RunQuality, SignalCoverage
from lab.reports.sealed import SealedMessages, SealedRun
from lab.reports.sealing import SealedData
from telemetry.stores.interface import Flag

_JUDGED = ("boot", "device_ns", "settled_ns", "flags")


def run_quality(data: SealedData, run: SealedRun) -> RunQuality:
    """What came, what is missing, and what is known against it, for one run."""
    limits = limits_of(data, run)
    needed = [] if limits is None else sorted(data.plan.signals())
    coverage = tuple(_coverage(data, run, limits, device, signal) for device, signal in needed if limits is not None)
    return RunQuality(
        run=run.number,
        arm=run.arm,
        executed_order=run.executed_order,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration_s=None if limits is None else limits.length_s,
        devices=tuple(_device(data, run, messages) for messages in run.messages),
        coverage=coverage,
        coverage_percent=min((part.coverage_percent for part in coverage), default=None),
        excluded=exclusion(data, run),
        result=run.result,
    )


def exclusion(data: SealedData, run: SealedRun) -> str | None:
    """Why a run is left out as a whole: by a person's reason, or by the plan's rule on unfinished parts."""
    if run.excluded is not None or run.ended_at is None:
        return run.excluded or _("never made")
    if data.plan.arm(run.arm).role == "other":
        return _(NOT_COMPARED)
    if data.plan.finished_only and run.result.get("finished") is False:
        everywhere = [kpi.label for kpi in data.plan.kpis if kpi.population == "all"]
        unfinished = _(UNFINISHED)
        if not everywhere:
            return unfinished
        return _("{reason} (counts only for: {kpis})", reason=unfinished, kpis=", ".join(everywhere))
    return None


def _coverage(data: SealedData, run: SealedRun, limits: Limits, device: str, signal: str) -> SignalCoverage:
    covered = cover(data, run, limits, device, signal)
    return SignalCoverage(
        device=device,
        signal=signal,
        samples=covered.samples,
        longest_gap_s=covered.longest_gap_s,
        coverage_percent=covered.percent(limits.length_s),
    )


@dataclass(slots=True)
class _Tally:
    """What is counted of a device's samples, one portion after the other."""

    samples: int = 0
    duplicates: int = 0
    offset_ns: int = 0
    """The greatest, settled minus device time."""
    flags: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    """How often each value of the flags."""
    last: tuple[str, str, int] | None = None
    """Signal, boot and device time of the last sample."""

    def add(self, signal: str, portion: pa.Table) -> None:
        """Count a portion (not empty) of one signal."""
        times, boots = portion.column("device_ns").to_numpy(), portion.column("boot")
        offsets = portion.column("settled_ns").to_numpy() - times
        self.offset_ns = max(self.offset_ns, int(offsets.max()), int(offsets.min()), key=abs)
        self.samples += len(times)
        self.flags += np.bincount(portion.column("flags").to_numpy(), minlength=256)
        twins = np.flatnonzero(np.diff(times) == 0)  # twins settle to one time, so that sorting joins them (I3)
        self.duplicates += sum(boots[int(at)] == boots[int(at) + 1] for at in twins)
        self.duplicates += self.last == (signal, boots[0].as_py(), int(times[0]))
        self.last = (signal, boots[-1].as_py(), int(times[-1]))

    def flagged(self, flag: Flag) -> int:
        """How many samples have a flag."""
        return int(self.flags[(np.arange(256) & int(flag)) != 0].sum())


def _device(data: SealedData, run: SealedRun, messages: SealedMessages) -> DeviceQuality:
    tally = _Tally()
    for signal, portion in data.portions(run, device=messages.device, columns=_JUDGED):
        tally.add(signal, portion)
    return DeviceQuality(
        device=messages.device,
        boot=messages.boot,
        first_seq=messages.first_seq,
        last_seq=messages.last_seq,
        expected_messages=messages.expected,
        received_messages=messages.received,
        missing=tuple(Missing(first=first, last=last) for first, last in messages.missing),
        samples=tally.samples,
        duplicates=tally.duplicates,
        late=tally.flagged(Flag.LATE),
        buffered=tally.flagged(Flag.BUFFERED),
        skewed=tally.flagged(Flag.SKEWED),
        out_of_range=tally.flagged(Flag.OUT_OF_RANGE),
        clock_offset_ms=tally.offset_ns / 1e6 if tally.samples else None,
    )
