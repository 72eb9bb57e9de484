"""Run benchmarks and write docs/performance.md: `python -m benchmarks [NAME …] [--quick] [--json FILE]`.

Each section of the document tells when, where and at which sizes it was measured; what does not run stays as it is.
"""

import argparse
import importlib
import json
import os
import pkgutil
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import benchmarks
from benchmarks.measurement import Benchmark, Measurement, as_markdown, show

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
LIBRARIES = ("paho-mqtt", "duckdb", "pyarrow", "msgspec", "sqlalchemy", "fastapi")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_found())}; none: all")
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there too")
    given = parser.parse_args()
    unknown = set(given.names) - set(_found())
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    sections: dict[str, list[Measurement]] = {}
    for name, measure in _found().items():
        if not given.names or name in given.names:
            sections[name] = measure(given.quick)
            show(sections[name])
            DOCUMENT.write_text(_document(DOCUMENT.read_text(), {name: sections[name]}, quick=given.quick))
    print(f"written: {DOCUMENT.relative_to(Path.cwd()) if DOCUMENT.is_relative_to(Path.cwd()) else DOCUMENT}")
    if given.json:
        everything = [asdict(one) for found in sections.values() for one in found]
        given.json.write_text(json.dumps(everything, indent=2) + "\n")


@cache
def _found() -> dict[str, Benchmark]:
    modules = sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__))
    measures = {name: getattr(importlib.import_module(f"benchmarks.{name}"), "measure", None) for name in modules}
    return {name: measure for name, measure in measures.items() if measure is not None}


def _document(present: str, sections: dict[str, list[Measurement]], *, quick: bool) -> str:
    """The document with these sections in place of what they were."""
    today = datetime.now(UTC).date()  # noqa: TID251 - a measurement has a date
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    where = (
        f"{today.isoformat()}{', quick sizes' if quick else ''} · {_machine()} · Python {platform.python_version()} · "
        f"Pilot Lab {version('pilotlab')} · {libraries}"
    )
    _, *kept = present.split("\n## ")
    texts = {_title(name): text.rstrip("\n") for name, _, text in (one.partition("\n") for one in kept)}
    texts |= {_title(name): f"\n{where}\n\n{as_markdown(found)}" for name, found in sections.items()}
    head = (
        "# Performance\n\n"
        "Written by `make bench`. Ours and the reference are measured in the same run on the same machine; only ratios "
        "travel to other machines.\n"
    )
    return head + "".join(f"\n## {title}\n{text}\n" for title, text in sorted(texts.items()))


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores {model}, {platform.system()} {platform.release().split('-')[0]}"


if __name__ == "__main__":
    main()
