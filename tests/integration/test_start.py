"""What must be so before the first part of a process starts."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from pathlib import Path
import lab.system
from lab.core.database import Base
from lab.core.settings import Settings
from telemetry.recorder import Recorder

def start(recorder):
    later = {"lab.app", "bookings.notices", "lab.reports.jobs", "lab.retention.jobs"} - set(sys.modules)
    half = [str(mapper) for mapper in Base.registry.mappers if not mapper.configured]
    print(sorted(later), half)
    raise SystemExit(0)

Recorder.start = start
with lab.system.running(
    Settings(data_dir=Path(sys.argv[1]), broker="external", broker_host="127.0.0.1", broker_port=1),
    recorder=True, web=True, jobs=True,
):
    pass
"""


def test_all_tables_are_known_before_the_recorder_asks_the_database(tmp_path: Path) -> None:
    """Else its thread met classes that were only half imported, and nothing in this process could ask any more."""
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[-1:] == ["[] []"], done.stdout + done.stderr
