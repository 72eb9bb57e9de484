"""Have people look at a machine while something goes wrong."""

import json
import subprocess
import sys
from contextlib import closing

from tests.system.faults.rig import ROOT, Rig
from tests.system.faults.viewers import Seen


def watch(rig: Rig, *, count: int, blocked: int, seconds: float) -> tuple[Seen, tuple[int, int]]:
    """Have so many viewers look for a while, and until those that are blocked are; also the span in which all did."""
    with closing(rig.product.browser("manager", rig.product.manager_password)) as manager:
        cookie = "; ".join(f"{name}={value}" for name, value in manager.cookies.items())
        port = manager.base_url.port
    command = [sys.executable, "-m", "tests.system.faults.viewers", str(port), cookie, "/api/v1/devices/mill-1/live"]
    command += [str(count), str(seconds), "--blocked", str(blocked)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        seen = Seen(**json.loads(process.stdout.readline()))
        return seen, (seen.begin_ns, seen.end_ns)
