"""How often simulated pilots come to the right verdict: `python -m benchmarks.calibration [--quick] [--json FILE]`.

Every pilot goes through the product's own functions: its plan is sized by `lab.pilots.power` and laid out by
`lab.pilots.designs`; every run is a series of samples of a signal, reduced by `lab.reports.kpis`, compared and judged
by `lab.reports.assembly.decide`. Only the sealed files are left out: samples come from memory instead of Parquet.

The machine is unkind on purpose. Samples follow their predecessors (AR(1), ρ = 0.9); the level drifts by one standard
deviation from the first run to the last; the treatment spreads 1.5 times as much as the baseline; the noise of runs is
skewed (shifted gamma, skewness 1.4), and, in blocks, shifts differ by twice the spread of runs. True effects are 0,
break-even Δ0 and the effect hoped for Δ1; the number of runs is the one that the product asks for, at 80 % power, when
told the spread that such a machine has.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.measurement import Measurement, run_alone
from lab.core.time import to_nanoseconds
from lab.pilots.designs import PlannedRun, planned_runs_of
from lab.pilots.plans import AnalysisPlan, Arm, Design, Kpi, MeanOfSignal, SignalReference
from lab.pilots.power import Layout, runs_for
from lab.reports.assembly import decide
from lab.reports.results import Verdict
from lab.reports.sealed import SealedDevice, SealedManifest, SealedPilot, SealedRun, SealedSignal
from lab.reports.sealing import SealedData

SEED = 20261128
BREAK_EVEN, EXPECTED, LEVEL_KW = 1.0, 2.0, 20.0
RUN_SD = 0.95
"""Of runs by themselves, in the mean of the arms."""
SPREAD_RATIO, DRIFT, SKEW_SHAPE, BLOCK_SD = 1.5, 1.0, 2.0, 2.0
SAMPLES_A_RUN, SAMPLE_SD, RHO = 120, 1.0, 0.9
_T0 = datetime(2026, 11, 23, 7, tzinfo=UTC)
_DEVICE, _SIGNAL = "machine-1", "power_kw"


@dataclass(frozen=True, slots=True)
class Setting:
    """A design and its blocks."""

    name: str
    design: Design
    blocks: int = 0
    """−1: every block is a pair."""


SETTINGS = (
    Setting("completely randomised", "completely_randomised"),
    Setting("blocked, 6 shifts", "blocked", 6),
    Setting("blocked, pairs", "blocked", -1),
    Setting("ABBA", "abba"),
)


@dataclass(frozen=True, slots=True)
class _Counts:
    covered: int
    verdicts: Counter[Verdict]
    pilots: int
    power: float
    runs: int


class _InMemory(SealedData):
    """Sealed data whose samples were never written."""

    def portions(
        self, run: SealedRun, *, device: str, signal: str | None = None, columns: Sequence[str]
    ) -> Iterator[tuple[str, pa.Table]]:
        yield _SIGNAL, _TABLES[run.number].select(columns)


_TABLES: dict[int, pa.Table] = {}


def spread_of_runs(setting: Setting) -> float:
    """The standard deviation of runs that a former pilot on this machine would have shown."""
    within = SAMPLE_SD**2 * _variance_of_mean(SAMPLES_A_RUN, RHO)
    steps = {0: 1, -1: 12}.get(setting.blocks, setting.blocks)  # the drift of a block is its share
    drift = 0.0 if setting.design == "abba" else (DRIFT / steps) ** 2 / 12
    return math.sqrt(RUN_SD**2 + within + drift)


def plan_of(setting: Setting) -> tuple[AnalysisPlan, float]:
    """The plan of a pilot, with as many runs as the product asks for, and the power that they have."""
    size = runs_for(
        gain=EXPECTED - BREAK_EVEN,
        sd=spread_of_runs(setting),
        layout=Layout(setting.design, blocks=max(0, setting.blocks), pairs=setting.blocks < 0),
    )
    assert size.runs_per_arm is not None
    blocks = size.runs_per_arm if setting.blocks < 0 else setting.blocks
    arms = (
        Arm(name="as-today", label="as today", role="baseline"),
        Arm(name="new", label="new", role="treatment"),
    )
    kpi = Kpi(
        key="power",
        label="Power",
        unit="kW",
        direction="lower",
        role="primary",
        measure=MeanOfSignal(signal=SignalReference(device=_DEVICE, signal=_SIGNAL)),
    )
    plan = AnalysisPlan(
        objective="How often is the verdict right?",
        hypothesis="As often as it says.",
        arms=arms,
        kpis=(kpi,),
        break_even=BREAK_EVEN,
        expected=EXPECTED,
        design=setting.design,
        runs_per_arm=size.runs_per_arm,
        blocks=tuple(f"shift-{number}" for number in range(1, blocks + 1)) or None,
        seed=0,
    )
    return plan, size.power


def simulate(setting: Setting, effect: float, seed: int, frame: SealedData) -> tuple[bool, Verdict]:
    """One pilot: whether the interval covers the true effect, and the verdict."""
    plan, _ = sized_plan(setting)
    plan = plan.model_copy(update={"seed": seed})
    rng = np.random.default_rng([SEED, seed])
    planned = planned_runs_of(plan)
    shifts = {block: rng.normal(0, BLOCK_SD) for block in dict.fromkeys(run.block for run in planned)}
    runs = []
    for place, run in enumerate(planned):
        level = LEVEL_KW - effect * (run.arm == "new") + _disturbance(rng, run, place / max(1, len(planned) - 1))
        if plan.design == "blocked":
            level += shifts[run.block]
        sealed, _TABLES[place + 1] = _run(rng, place + 1, run, level)
        runs.append(sealed)
    data = _InMemory(
        **{name: getattr(frame, name) for name in SealedData.__slots__} | {"plan": plan, "runs": tuple(runs)}
    )
    found = decide(data)
    comparison = found.kpis[0].comparison
    assert comparison is not None
    interval = comparison.improvement_interval
    return interval.low <= effect <= interval.high, found.verdict


def _disturbance(rng: np.random.Generator, run: PlannedRun, place: float) -> float:
    ratio = 2 / (1 + SPREAD_RATIO**2)
    sd = RUN_SD * math.sqrt(ratio) * (SPREAD_RATIO if run.arm == "new" else 1.0)
    skewed = (rng.gamma(SKEW_SHAPE) - SKEW_SHAPE) / math.sqrt(SKEW_SHAPE)
    return sd * skewed + DRIFT * (place - 0.5)


def _run(rng: np.random.Generator, number: int, planned: PlannedRun, level: float) -> tuple[SealedRun, pa.Table]:
    start = _T0 + timedelta(minutes=5 * number)
    end = start + timedelta(seconds=SAMPLES_A_RUN - 1)
    noise = _autocorrelated(rng, SAMPLES_A_RUN)
    times = pa.array(to_nanoseconds(start) + np.arange(SAMPLES_A_RUN) * 1_000_000_000)
    table = pa.table({"settled_ns": times, "value": pa.array(level + SAMPLE_SD * noise)})
    run = SealedRun(
        number=number,
        arm=planned.arm,
        block=planned.block,
        executed_order=number,
        booking_id=None,
        started_at=start,
        ended_at=end,
        excluded=None,
        result={},
        messages=(),
        data=None,
    )
    return run, table


def _autocorrelated(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    from scipy.signal import lfilter

    fresh = rng.normal(0, math.sqrt(1 - RHO**2), n)
    fresh[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -RHO], fresh), float)


def _variance_of_mean(n: int, rho: float) -> float:
    """Of the mean of n samples that follow their predecessors, as a share of the variance of one."""
    steps = np.arange(1, n)
    return float(1 + 2 * ((1 - steps / n) * rho**steps).sum()) / n


_PLANS: dict[str, tuple[AnalysisPlan, float]] = {}


def sized_plan(setting: Setting) -> tuple[AnalysisPlan, float]:
    """The same, reckoned once."""
    if setting.name not in _PLANS:
        _PLANS[setting.name] = plan_of(setting)
    return _PLANS[setting.name]


def _frame(plan: AnalysisPlan) -> SealedData:
    signal = SealedSignal(
        name=_SIGNAL, label=_SIGNAL, type="number", unit="kW", low=None, high=None, expected_interval_ms=1000.0,
        sensor=None, uncertainty=None, calibration_due=None,
    )  # fmt: skip
    device = SealedDevice(id=_DEVICE, name=_DEVICE, kind="mill", location="", software_version=None, signals=(signal,))
    pilot = SealedPilot(
        pilot_id="plt_1", number="PL-2026-001", title="Calibration", question="How often?", customer="Company",
        lab_name="Lab", time_zone="Europe/Warsaw", sealed_at=_T0, data_set_version=1, plan_version=1,
        plan_locked_at=_T0, plan_locked_by="Anna Nowak", plan_sha256="",
    )  # fmt: skip
    return SealedData(Path(), pilot, plan, (), (), (device,), SealedManifest(files=()), "")


def _portion(task: tuple[Setting, float, int, int]) -> tuple[int, Counter[Verdict]]:
    setting, effect, first, last = task
    frame = _frame(sized_plan(setting)[0])
    covered, verdicts = 0, Counter[Verdict]()
    for seed in range(first, last):
        inside, verdict = simulate(setting, effect, seed, frame)
        covered += inside
        verdicts[verdict] += 1
    return covered, verdicts


def count(setting: Setting, effect: float, pilots: int, pool: ProcessPoolExecutor) -> _Counts:
    """Simulate many pilots."""
    step = math.ceil(pilots / (4 * (os.cpu_count() or 1)))
    tasks = [(setting, effect, first, min(pilots, first + step)) for first in range(0, pilots, step)]
    found = list(pool.map(_portion, tasks))
    plan, power = sized_plan(setting)
    verdicts = sum((part for _, part in found), Counter[Verdict]())
    return _Counts(sum(covered for covered, _ in found), verdicts, pilots, power, plan.runs_per_arm or 0)


def measure(quick: bool) -> list[Measurement]:
    """Coverage of the interval and frequency of verdicts."""
    pilots = 100 if quick else 1000
    found: list[Measurement] = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for setting in SETTINGS:
            for name, effect in (("0", 0.0), ("Δ0", BREAK_EVEN), ("Δ1", EXPECTED)):
                counts = count(setting, effect, pilots, pool)
                said = ", ".join(f"{verdict} {number}" for verdict, number in counts.verdicts.most_common())
                print(
                    f"{setting.name}, true effect {name}: {counts.covered} of {pilots} covered; {said}; "
                    f"seeds [{SEED}, 0 … {pilots - 1}]",
                    flush=True,
                )
                found += _measurements(setting, name, counts)
    return found


def _measurements(setting: Setting, effect: str, counts: _Counts) -> list[Measurement]:
    label = f"{setting.name} ({counts.runs} runs an arm), true effect {effect}"
    invest = 100 * counts.verdicts[Verdict.INVEST] / counts.pilots
    against = 100 * counts.verdicts[Verdict.DO_NOT_INVEST] / counts.pilots
    found = [_within(f"{label}: interval covers it", 100 * counts.covered / counts.pilots, 95, 93, 97)]
    match effect:
        case "0":
            found.append(_at_most(f"{label}: Invest", invest, 1))
        case "Δ0":
            found.append(_at_most(f"{label}: Invest", invest, 5))
        case _:
            planned = 100 * counts.power
            found.append(_within(f"{label}: Invest", invest, planned, planned - 4, planned + 4))
            found.append(_at_most(f"{label}: Do not invest", against, 1))
    return found


def _within(name: str, value: float, reference: float, low: float, high: float) -> Measurement:
    return Measurement(
        name, value, "%", reference, value / reference, f"{low:.3g} to {high:.3g} %", low <= value <= high
    )


def _at_most(name: str, value: float, limit: float) -> Measurement:
    return Measurement(name, value, "%", limit, value / limit, f"≤ {limit:g} %", value <= limit)


if __name__ == "__main__":
    run_alone(measure, __doc__.splitlines()[0])
