"""A line of the log that cannot be written is no reason to stop working."""

import subprocess
import sys

PROGRAM = """
import structlog
from lab.core.logs import set_up_logs
set_up_logs()
structlog.get_logger("x").warning("nowhere to write this")
print("went on")
"""


def test_a_full_disk_behind_the_log_stops_nobody() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-u", "-c", PROGRAM], stdout=subprocess.PIPE, stderr=full, text=True, timeout=60
        )
    assert done.stdout == "went on\n"
