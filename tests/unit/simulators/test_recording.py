"""Reading a recording: a good one completely, a bad one with one clear line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulators.errors import RecordingError, RefusedLineError
from simulators.recording import CHANNELS, RUNS_FILE, SAMPLES_FILE, load_recording

HEADER = "No,material,feedrate,clamp_pressure,tool_condition,machining_finalized,passed_visual_inspection\n"
RUNS = HEADER + "1,wax,6,4,unworn,yes,yes\n2,wax,3,2.5,worn,no,\n"


def table() -> pa.Table:
    columns: dict[str, list[object]] = {"experiment": [1, 1, 1, 2, 2], "t_s": [0.0, 0.1, 0.2, 0.0, 0.1]}
    for signal, column in CHANNELS.items():
        columns[column] = ["Prep"] * 5 if signal == "machining_process" else [1.0, 2.0, float("nan"), 4.0, 5.0]
    return pa.table(columns)


def write(folder: Path, *, samples: pa.Table | None = None, runs: str = RUNS) -> Path:
    pq.write_table(samples if samples is not None else table(), folder / SAMPLES_FILE)
    (folder / RUNS_FILE).write_text(runs)
    return folder


def refusal_of(folder: Path) -> str:
    with pytest.raises(RecordingError) as refusal:
        load_recording(folder)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_recording_is_read_run_by_run(tmp_path: Path) -> None:
    recording = load_recording(write(tmp_path))
    first, second = recording.experiment(1), recording.experiment(2)
    assert first.times_ns == [0, 100_000_000, 200_000_000]
    assert first.channels["spindle_power_kw"] == [1.0, 2.0, None]
    assert first.result() == {
        "finished": True,
        "passed": True,
        "experiment": 1,
        "feed_mm_s": 6.0,
        "clamp_pressure_bar": 4.0,
        "tool": "unworn",
    }
    assert (second.finished, second.passed, second.tool) == (False, None, "worn")
    with pytest.raises(RefusedLineError, match="no experiment 3"):
        recording.experiment(3)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert "no such folder" in refusal_of(tmp_path / "none")
    assert f"{SAMPLES_FILE} is missing" in refusal_of(tmp_path)
    write(tmp_path)
    (tmp_path / RUNS_FILE).unlink()
    assert f"{RUNS_FILE} is missing" in refusal_of(tmp_path)


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.95])
def test_a_truncated_file_is_no_traceback(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path) / SAMPLES_FILE
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if 0 < kept < 1 else int(kept)])
    assert "broken or no parquet file" in refusal_of(tmp_path)


def test_damaged_pages_are_no_traceback(tmp_path: Path) -> None:
    path = write(tmp_path) / SAMPLES_FILE
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    assert "broken" in refusal_of(tmp_path)


@pytest.mark.parametrize("column", ["experiment", "t_s", "S1_OutputPower", "Machining_Process"])
def test_a_column_that_is_missing_or_of_another_type_is_named(tmp_path: Path, column: str) -> None:
    assert f"column {column} is missing" in refusal_of(write(tmp_path, samples=table().drop_columns([column])))
    wrong = table().set_column(table().column_names.index(column), column, pa.array([True] * 5))
    assert f"column {column} is of type bool" in refusal_of(write(tmp_path, samples=wrong))


def test_times_must_rise(tmp_path: Path) -> None:
    samples = table()
    for times, said in (([0.0, 0.2, 0.1, 0.0, 0.1], "goes back"), ([0.0, 0.1, None, 0.0, 0.1], "without a time")):
        wrong = samples.set_column(1, "t_s", pa.array(times))
        assert said in refusal_of(write(tmp_path, samples=wrong))


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("", "column No is missing"),
        (HEADER, "has no runs"),
        ("a,b\n1,2\n", "column No is missing"),
        (HEADER + "one,wax,6,4,unworn,yes,yes\n", "no new number"),
        (RUNS + "1,wax,6,4,unworn,yes,yes\n", "no new number"),
        (HEADER + "1,wax,fast,4,unworn,yes,yes\n", "feedrate is 'fast'"),
        (HEADER + "1,wax,6,4,unworn,perhaps,yes\n", "machining_finalized is 'perhaps'"),
        (HEADER + "1,wax,6,4,unworn,yes,\n", "passed_visual_inspection is ''"),
        (HEADER + "9,wax,6,4,unworn,yes,yes\n", "no samples of experiment 9"),
        (HEADER + "1,wax\n", "machining_finalized is ''"),
    ],
)
def test_a_run_table_that_is_wrong_is_named(tmp_path: Path, runs: str, said: str) -> None:
    assert said in refusal_of(write(tmp_path, runs=runs))


def test_a_run_table_that_is_no_text(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / RUNS_FILE).write_bytes(b"\xff\xfe\x00\x01")
    assert "cannot be read" in refusal_of(tmp_path)


def test_the_real_recording_has_18_runs(real_recording: Path) -> None:
    experiments = load_recording(real_recording).experiments
    assert sorted(experiments) == list(range(1, 19))
    assert sum(len(one.times_ns) for one in experiments.values()) == 25_286
    assert [n for n, one in experiments.items() if not one.finished] == [4, 5, 7, 16]
    assert {n for n, one in experiments.items() if one.feed_mm_s == 3} == {11, 12, 13, 14, 17, 18}
