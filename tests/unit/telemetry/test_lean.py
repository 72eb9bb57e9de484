"""A process that only records does without what it does not need, and writes and reads samples all the same."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import lab.up
from pathlib import Path
from telemetry.lean import do_without_pandas
do_without_pandas()
from telemetry.batches import Samples
from telemetry.recorder import Recorder
from telemetry.stores.duckdb import DuckDBStore
samples = Samples()
samples.add(("mill", "power", "boot", 1, 1, 1, 1.5, None, 0))
samples.add(("mill", "tool", "boot", 1, 1, 1, None, "T4", 0))
store = DuckDBStore(Path(sys.argv[1]))
store.write(samples.build(), watermark=1, spool="spl")
not_needed = sorted({"pandas", "fastapi", "uvicorn", "psycopg"} & set(sys.modules))
print(store.checkpoint("spl").through, store.read("mill", [], [(0, 9)]).num_rows, not_needed)
store.close()
"""


def test_samples_are_stored_without_pandas_or_what_serves_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "samples.duckdb")]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "2", "[]"]
