"""Data quality of every run, from the sealed data alone."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.reports.kpis import NOT_COMPARED, UNFINISHED, Limits, cover, limits_of
from lab.reports.language import say as _
from lab.reports.results import DeviceQuality, Missing, RunQuality, SignalCoverage
from lab.reports.sealed import SealedMessages, SealedRun
from lab.reports.sealing import SealedData
from telemetry.stores.interface import Flag


def run_quality(data: SealedData, run: SealedRun) -> RunQuality:
    """What came, what is missing, and what is known against it, for one run."""
    samples = data.flags(run)
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
        devices=tuple(_device(samples, messages) for messages in run.messages),
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


def _device(samples: pa.Table, messages: SealedMessages) -> DeviceQuality:
    own = samples.filter(pc.equal(samples.column("device"), messages.device))
    flags = own.column("flags").to_numpy()
    offsets = own.column("settled_ns").to_numpy() - own.column("device_ns").to_numpy()
    return DeviceQuality(
        device=messages.device,
        boot=messages.boot,
        first_seq=messages.first_seq,
        last_seq=messages.last_seq,
        expected_messages=messages.expected,
        received_messages=messages.received,
        missing=tuple(Missing(first=first, last=last) for first, last in messages.missing),
        samples=own.num_rows,
        duplicates=_twins(own),
        late=_count(flags, Flag.LATE),
        buffered=_count(flags, Flag.BUFFERED),
        skewed=_count(flags, Flag.SKEWED),
        out_of_range=_count(flags, Flag.OUT_OF_RANGE),
        clock_offset_ms=float(offsets[np.abs(offsets).argmax()]) / 1e6 if len(offsets) else None,
    )


def _twins(samples: pa.Table) -> int:
    """Samples with the identity of their neighbour (I3): twins settle to one time, so that sorting joins them."""
    times = samples.column("device_ns").to_numpy()
    suspects = np.flatnonzero(np.diff(times) == 0) if len(times) else np.array([], int)
    names = [samples.column(name) for name in ("signal", "boot")]
    return sum(all(name[int(at)] == name[int(at) + 1] for name in names) for at in suspects)


def _count(flags: np.ndarray[tuple[int], np.dtype[np.uint8]], flag: Flag) -> int:
    return int(((flags & int(flag)) != 0).sum())
