"""What a process loads to serve pages: statistics take seconds and a hundred megabytes, and only reports need them."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import lab.app
print(sorted({"scipy", "statsmodels", "pandas", "arch", "matplotlib", "typst", "PIL"} & set(sys.modules)))
"""


def test_pages_are_served_without_statistics_drawing_and_typesetting() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
