"""Run every benchmark and write docs/performance.md: `python -m benchmarks [--quick] [--json FILE]`."""

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import benchmarks
from benchmarks.measurement import Measurement, as_markdown, show

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
LIBRARIES = ("paho-mqtt", "duckdb", "pyarrow", "msgspec", "sqlalchemy", "fastapi")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there too")
    given = parser.parse_args()
    sections: dict[str, list[Measurement]] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__)):
        measure = getattr(importlib.import_module(f"benchmarks.{module}"), "measure", None)
        if measure is not None:
            sections[module] = measure(given.quick)
            show(sections[module])
    DOCUMENT.write_text(_document(sections, quick=given.quick))
    print(f"written: {DOCUMENT.relative_to(Path.cwd()) if DOCUMENT.is_relative_to(Path.cwd()) else DOCUMENT}")
    if given.json:
        everything = [asdict(one) for found in sections.values() for one in found]
        given.json.write_text(json.dumps(everything, indent=2) + "\n")


def _document(sections: dict[str, list[Measurement]], *, quick: bool) -> str:
    today = datetime.now(UTC).date()  # noqa: TID251 - a measurement has a date
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    head = (
        "# Performance\n\n"
        "Written by `make bench`. Ours and the reference are measured in the same run on the same machine; only ratios "
        "travel to other machines.\n\n"
        f"{today.isoformat()}{', quick sizes' if quick else ''} · {_machine()} · Python {platform.python_version()} · "
        f"Pilot Lab {version('pilotlab')} · {libraries}\n"
    )
    return head + "".join(f"\n## {name.capitalize()}\n\n{as_markdown(found)}\n" for name, found in sections.items())


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores {model}, {platform.system()} {platform.release().split('-')[0]}"


if __name__ == "__main__":
    sys.exit(main())
