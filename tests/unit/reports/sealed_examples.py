"""Sealed data sets for tests: a synthetic pilot of any size, and the recording of the real mill."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lab.core.time import to_nanoseconds
from lab.pilots.examples import RECORDED_FEEDS, RECORDING_DEVICE, recording_plan
from lab.pilots.plans import AnalysisPlan, plan_sha256
from lab.reports.sealed import (
    SealedDevice,
    SealedEvent,
    SealedMessages,
    SealedPilot,
    SealedPlanVersion,
    SealedRun,
    SealedSignal,
)
from lab.reports.sealing import DataSetContent, write_data_set
from telemetry.stores.interface import SAMPLES
from tests.factories import MONDAY_MORNING

"""Where the recording lies beside a checkout; not part of the project."""

SECOND = 1_000_000_000


def sealed_pilot(plan: AnalysisPlan, **facts: Any) -> SealedPilot:
    """pilot.json of a made-up pilot."""
    given: dict[str, Any] = {
        "pilot_id": "plt_1",
        "number": "PL-2026-001",
        "title": "Faster feed",
        "question": "Does the higher feed rate cut energy per part?",
        "customer": "Company 1",
        "lab_name": "Lab",
        "time_zone": "Europe/Warsaw",
        "sealed_at": MONDAY_MORNING + timedelta(hours=5),
        "data_set_version": 1,
        "plan_version": 1,
        "plan_locked_at": MONDAY_MORNING,
        "plan_locked_by": "Anna Nowak",
        "plan_sha256": plan_sha256(plan.model_dump(mode="json")),
    }
    return SealedPilot(**{**given, **facts})


def sealed_run(number: int, arm: str, *, seconds: float, start: datetime | None = None, **facts: Any) -> SealedRun:
    """A run that was made, ten minutes after the one before."""
    started = start or MONDAY_MORNING + timedelta(minutes=10 * number)
    given: dict[str, Any] = {
        "number": number,
        "arm": arm,
        "executed_order": number,
        "booking_id": "bkg_1",
        "started_at": started,
        "ended_at": started + timedelta(seconds=seconds),
        "excluded": None,
        "result": {"finished": True},
        "messages": (),
        "data": f"data/run-{number:02d}.parquet",
    }
    return SealedRun(**{**given, **facts})


def sealed_device(id: str, units: Mapping[str, str]) -> SealedDevice:
    """A device with number signals at 1 Hz."""
    return SealedDevice(
        id=id,
        name=id,
        kind="machine",
        location="Hall A",
        software_version="1.0",
        signals=tuple(
            SealedSignal(
                name=name,
                label=name,
                type="number",
                unit=unit,
                low=None,
                high=None,
                expected_interval_ms=1000.0,
                sensor=None,
                uncertainty=None,
                calibration_due=None,
            )
            for name, unit in sorted(units.items())
        ),
    )


def samples(
    device: str, signal: str, times_ns: Sequence[int], values: Sequence[float], *, boot: str = "b1"
) -> pa.Table:
    """Samples whose three times agree."""
    n = len(times_ns)
    times = pa.array(times_ns, pa.int64())
    return pa.table(
        [
            pa.array([device] * n),
            pa.array([signal] * n),
            pa.array([boot] * n),
            times,
            times,
            times,
            pa.array(values, pa.float64()),
            pa.nulls(n, pa.string()),
            pa.array([0] * n, pa.uint8()),
        ],
        schema=SAMPLES,
    )


def constant_power(
    run: SealedRun, level: float, *, device: str = "meter-1", signal: str = "active_power_kw"
) -> pa.Table:
    """One sample a second at the same level, from the start to the end of a run."""
    assert run.started_at is not None
    assert run.ended_at is not None
    start, end = to_nanoseconds(run.started_at), to_nanoseconds(run.ended_at)
    times = [*range(start, end, SECOND), end]
    return samples(device, signal, times, [level] * len(times))


def write_pilot(
    folder: Path,
    plan: AnalysisPlan,
    runs: Sequence[SealedRun],
    devices: Sequence[SealedDevice],
    samples_of: Callable[[SealedRun], Iterable[pa.Table]],
    events: Sequence[SealedEvent] = (),
    former: Sequence[tuple[SealedPlanVersion, Mapping[str, Any]]] = (),
    **facts: Any,
) -> str:
    """Seal a made-up pilot, whose machine reports when its runs begin and end; gives the manifest's SHA-256."""
    content = DataSetContent(
        pilot=sealed_pilot(plan, **facts),
        plan_document=json.loads(plan.model_dump_json()),
        runs=tuple(runs),
        events=(*(event for run in runs for event in limit_events(plan, run)), *events),
        devices=tuple(devices),
        former=tuple(former),
    )
    return write_data_set(folder, content, samples_of)


def machine_event(run: SealedRun, device: str, at_s: float, kind: str, **fields: Any) -> SealedEvent:
    """What a machine reported so many seconds after the start of a run."""
    assert run.started_at is not None
    at = to_nanoseconds(run.started_at) + round(at_s * SECOND)
    seq = 1000 * run.number + max(0, round(at_s))
    return SealedEvent(
        run=run.number,
        device=device,
        boot="b1",
        seq=seq,
        kind=kind,
        device_ns=at,
        settled_ns=at,
        received_ns=at,
        flags=0,
        fields=fields,
    )


def limit_events(plan: AnalysisPlan, run: SealedRun) -> list[SealedEvent]:
    """Events that say when a run began and ended."""
    if plan.limits is None or run.started_at is None or run.ended_at is None:
        return []
    kinds = [(plan.limits.start_event, run.started_at), (plan.limits.end_events[0], run.ended_at)]
    return [
        SealedEvent(
            run=run.number,
            device=plan.limits.device,
            boot="b1",
            seq=10 * run.number + place,
            kind=kind,
            device_ns=to_nanoseconds(at),
            settled_ns=to_nanoseconds(at),
            received_ns=to_nanoseconds(at),
            flags=0,
            fields={},
        )
        for place, (kind, at) in enumerate(kinds)
    ]


def write_recording(folder: Path, recording: Path) -> str:
    """Seal the recording as its replay would bring it in: 18 runs, three drive powers."""
    frame = pd.read_parquet(recording / "all_18_experiments.parquet")
    table = pd.read_csv(recording / "train.csv").set_index("No")
    channels = {"x_power_kw": "X1_OutputPower", "y_power_kw": "Y1_OutputPower", "spindle_power_kw": "S1_OutputPower"}
    runs = []
    for number, feed in enumerate(RECORDED_FEEDS, start=1):
        rows, facts = frame[frame.experiment == number], table.loc[number]
        result: dict[str, Any] = {"finished": facts.machining_finalized == "yes"}
        if isinstance(facts.passed_visual_inspection, str):
            result["passed"] = facts.passed_visual_inspection == "yes"
        messages = SealedMessages(
            device=RECORDING_DEVICE, boot="b1", first_seq=1, last_seq=2, expected=2, received=2, missing=()
        )
        runs.append(
            sealed_run(number, f"feed-{feed}", seconds=float(rows.t_s.max()), result=result, messages=(messages,))
        )

    def samples_of(run: SealedRun) -> Iterable[pa.Table]:
        assert run.started_at is not None
        rows = frame[frame.experiment == run.number]
        times = to_nanoseconds(run.started_at) + (np.rint(rows.t_s * 1e6) * 1000).astype("int64")
        for signal, column in sorted(channels.items()):
            yield samples(RECORDING_DEVICE, signal, times.tolist(), rows[column].tolist())

    devices = [sealed_device(RECORDING_DEVICE, dict.fromkeys(channels, "kW"))]
    return write_pilot(folder, recording_plan(), runs, devices, samples_of)
