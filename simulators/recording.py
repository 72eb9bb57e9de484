"""A recording of a real mill: the data set "CNC mill tool wear" (University of Michigan, SMART lab, 2018, CC0).

Two files in a folder: `all_18_experiments.parquet`, 10 samples a second of 48 channels with `experiment` and `t_s`, and
`train.csv`, one row an experiment. Known defects of the channels are left in: the analysis decides.
"""

import csv
import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.errors import RecordingError, RefusedLineError

SAMPLES_FILE = "all_18_experiments.parquet"
RUNS_FILE = "train.csv"

CHANNELS: dict[str, str] = {
    "x_power_kw": "X1_OutputPower",
    "y_power_kw": "Y1_OutputPower",
    "spindle_power_kw": "S1_OutputPower",
    "feed_mm_s": "M1_CURRENT_FEEDRATE",
    "x_position_mm": "X1_ActualPosition",
    "y_position_mm": "Y1_ActualPosition",
    "z_position_mm": "Z1_ActualPosition",
    "x_velocity_mm_s": "X1_ActualVelocity",
    "y_velocity_mm_s": "Y1_ActualVelocity",
    "z_velocity_mm_s": "Z1_ActualVelocity",
    "spindle_speed_per_s": "S1_ActualVelocity",
    "spindle_current_a": "S1_CurrentFeedback",
    "program_number": "M1_CURRENT_PROGRAM_NUMBER",
    "program_line": "M1_sequence_number",
    "machining_process": "Machining_Process",
}
"""Signal → column of the recording."""

_RUN_COLUMNS = (
    "No",
    "feedrate",
    "clamp_pressure",
    "tool_condition",
    "machining_finalized",
    "passed_visual_inspection",
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One run of the recording."""

    number: int
    feed_mm_s: float
    clamp_pressure_bar: float
    tool: str
    """`unworn` or `worn`."""
    finished: bool
    """Whether the part was cut to the end."""
    passed: bool | None
    """Whether it passed visual inspection; `None` for a part that was not finished."""
    times_ns: list[int]
    """Since the run's start, rising."""
    channels: dict[str, list[Any]]
    """Signal → value at each time; `None` where the recording has none."""

    def settings(self) -> dict[str, Any]:
        """How the run was made."""
        return {
            "experiment": self.number,
            "feed_mm_s": self.feed_mm_s,
            "clamp_pressure_bar": self.clamp_pressure_bar,
            "tool": self.tool,
        }

    def result(self) -> dict[str, Any]:
        """What became of the part, and how it was made."""
        return {"finished": self.finished, "passed": self.passed, **self.settings()}


@dataclass(frozen=True, slots=True)
class Recording:
    """All runs of a recording, by number."""

    experiments: dict[int, Experiment]

    def experiment(self, number: int) -> Experiment:
        """One run.

        Raises:
            RefusedLineError: if the recording has none of this number.
        """
        if number not in self.experiments:
            raise RefusedLineError(f"the recording has no experiment {number}; it has {sorted(self.experiments)}")
        return self.experiments[number]


def load_recording(folder: Path) -> Recording:
    """Read a recording.

    Raises:
        RecordingError: one line: what is missing or broken, and where.
    """
    if not folder.is_dir():
        raise RecordingError(f"there is no recording in {folder}: no such folder")
    for name in (SAMPLES_FILE, RUNS_FILE):
        if not (folder / name).is_file():
            raise RecordingError(f"there is no recording in {folder}: {name} is missing")
    rows = _read_runs(folder / RUNS_FILE)
    samples = _read_samples(folder / SAMPLES_FILE)
    missing = sorted(set(rows) - set(samples))
    if missing:
        raise RecordingError(f"{folder / SAMPLES_FILE} has no samples of experiment {missing[0]}")
    return Recording({number: _experiment(number, rows[number], *samples[number]) for number in sorted(rows)})


def _experiment(number: int, row: dict[str, str], times_ns: list[int], channels: dict[str, list[Any]]) -> Experiment:
    where = f"{RUNS_FILE}, experiment {number}"
    finished = _yes(row["machining_finalized"], where, "machining_finalized")
    return Experiment(
        number=number,
        feed_mm_s=_positive(row["feedrate"], where, "feedrate"),
        clamp_pressure_bar=_positive(row["clamp_pressure"], where, "clamp_pressure"),
        tool=row["tool_condition"],
        finished=finished,
        passed=_yes(row["passed_visual_inspection"], where, "passed_visual_inspection") if finished else None,
        times_ns=times_ns,
        channels=channels,
    )


def _read_runs(path: Path) -> dict[int, dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            absent = [column for column in _RUN_COLUMNS if column not in (table.fieldnames or ())]
            rows = [] if absent else list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path} cannot be read: {_one_line(error)}") from error
    if absent:
        raise RecordingError(f"{path} is no run table of this recording: column {absent[0]} is missing")
    if not rows:
        raise RecordingError(f"{path} has no runs")
    numbered: dict[int, dict[str, str]] = {}
    for line, row in enumerate(rows, start=2):
        text = {column: (row[column] or "").strip() for column in _RUN_COLUMNS}
        if not text["No"].isdecimal() or int(text["No"]) in numbered:
            raise RecordingError(f"{path}, line {line}: '{text['No'][:20]}' is no new number of an experiment")
        numbered[int(text["No"])] = text
    return numbered


def _read_samples(path: Path) -> dict[int, tuple[list[int], dict[str, list[Any]]]]:
    import pyarrow as pa  # only a replay pays for loading it
    import pyarrow.parquet as pq

    columns = ["experiment", "t_s", *CHANNELS.values()]
    try:
        file = pq.ParquetFile(path)
        absent = [column for column in columns if column not in file.schema_arrow.names]
        table = None if absent else file.read(columns=columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RecordingError(f"{path} is broken or no parquet file: {_one_line(error)}") from error
    if table is None:
        raise RecordingError(f"{path} is of another layout: column {absent[0]} is missing")
    if not table.num_rows:
        raise RecordingError(f"{path} has no samples")
    _require_types(table, path)
    plain = {name: table.column(name).to_pylist() for name in columns}
    return _by_experiment(plain, path)


def _require_types(table: Any, path: Path) -> None:
    import pyarrow.types as types

    for name in table.column_names:
        kind = table.schema.field(name).type
        if name == CHANNELS["machining_process"]:
            right = types.is_string(kind) or types.is_large_string(kind)
        else:
            right = types.is_integer(kind) or types.is_floating(kind)
        if not right:
            raise RecordingError(f"{path} is of another layout: column {name} is of type {kind}")


def _by_experiment(plain: dict[str, list[Any]], path: Path) -> dict[int, tuple[list[int], dict[str, list[Any]]]]:
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(plain["experiment"]):
        rows.setdefault(number, []).append(row)
    found = {}
    for number, chosen in rows.items():
        seconds = [plain["t_s"][row] for row in chosen]
        if any(second is None or not 0 <= second < 1e6 for second in seconds):
            raise RecordingError(f"{path}: experiment {number} has a sample without a time")
        times_ns = [round(second * 1e6) * 1000 for second in seconds]
        if any(later <= earlier for earlier, later in itertools.pairwise(times_ns)):
            raise RecordingError(f"{path}: the time of experiment {number} stands still or goes back")
        channels = {signal: [_known(plain[column][row]) for row in chosen] for signal, column in CHANNELS.items()}
        found[int(number)] = (times_ns, channels)
    return found


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _yes(text: str, where: str, column: str) -> bool:
    if text.lower() not in {"yes", "no"}:
        raise RecordingError(f"{where}: {column} is '{text[:20]}', not yes or no")
    return text.lower() == "yes"


def _positive(text: str, where: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        raise RecordingError(f"{where}: {column} is '{text[:20]}', not a number above 0")
    return value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
