"""khal, a calendar program that knows nothing of us, as a foreign reader of our calendars."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services.programs import ServiceMissingError, find_program

_CONFIGURATION = """\
[calendars]
[[lab]]
path = {folder}/lab
type = calendar

[locale]
local_timezone = {zone}
default_timezone = {zone}
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M

[sqlite]
path = {folder}/cache.sqlite

[default]
default_calendar = lab
"""


@dataclass(frozen=True, slots=True)
class KhalEvent:
    """An event as khal shows it, by its own wall clock."""

    start: str
    """YYYY-MM-DD HH:MM"""
    end: str
    title: str
    status: str
    description: str
    uid: str


@dataclass(frozen=True, slots=True)
class Khal:
    """khal with a calendar of its own in a folder of its own."""

    program: Path
    folder: Path

    def read(self, calendar: bytes, *, start: str, days: int = 1) -> list[KhalEvent]:
        """Import a calendar over what is there, and list what there is from a day on (YYYY-MM-DD), by start."""
        path = self.folder / "given.ics"
        path.write_bytes(calendar)
        self._run("import", "--batch", "-a", "lab", str(path))
        fields = ("start", "end", "title", "status", "description", "uid")
        form = "\x1e" + "\x1f".join(("{start-long-full}", "{end-long-full}", *(f"{{{name}}}" for name in fields[2:])))
        listed = self._run("list", "--day-format", "", "--format", form, "--notstarted", start, f"{days}d")
        shown = (line.rstrip("\n").split("\x1f") for line in listed.split("\x1e")[1:])
        return [KhalEvent(*(value.strip() for value in values)) for values in shown]

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.program), "--no-color", "-c", str(self.folder / "config"), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "PYTHONIOENCODING": "utf-8",
            },
        )
        if done.returncode or "rror" in done.stderr or "Traceback" in done.stdout:
            raise AssertionError(f"khal {json.dumps(arguments)}: {done.stderr or done.stdout}")
        return done.stdout


def start_khal(folder: Path, *, zone: str = "Europe/Warsaw") -> Khal:
    """khal with an empty calendar.

    Args:
        folder: for its configuration, calendar and cache.
        zone: IANA name of the zone in which it shows times.

    Raises:
        ServiceMissingError: when it is not installed.
    """
    program = find_program("khal")
    if program is None:
        raise ServiceMissingError("khal is not installed")
    (folder / "lab").mkdir(parents=True)
    (folder / "config").write_text(_CONFIGURATION.format(folder=folder, zone=zone))
    return Khal(program, folder)
