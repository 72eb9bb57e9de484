"""What a benchmark says, and the command line that all of them share."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number beside its limit."""

    name: str
    value: float
    unit: str
    reference: float
    """The peer's or the limit's number, in the same unit."""
    ratio: float
    goal: str
    met: bool


Benchmark = Callable[[bool], list[Measurement]]
"""Given whether to be quick."""


def run_alone(measure: Benchmark, description: str, argv: Sequence[str] | None = None) -> None:
    """Command line of one benchmark: `--quick`, `--json FILE`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there too")
    given = parser.parse_args(argv)
    found = measure(given.quick)
    show(found)
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")


def peak_memory_mb() -> float:
    """The most memory that this program has held, its start and libraries included (Linux).

    Not `ru_maxrss`: in a child that counts from the memory of the process that started it (getrusage(2) keeps it over
    an execve), so a benchmark that prepares much would be charged to the recorder.
    """
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def show(found: Sequence[Measurement]) -> None:
    """Print them as a table."""
    table = Table("what", "ours", "reference", "ratio", "goal", "met")
    for one in found:
        table.add_row(one.name, *_figures(one), one.goal, "yes" if one.met else "NO")
    Console(width=150).print(table)


def as_markdown(found: Sequence[Measurement]) -> str:
    """A table for the documentation."""
    lines = ["| what | ours | reference | ratio | goal | met |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.name} | {' | '.join(_figures(one))} | {one.goal} | {'yes' if one.met else 'no'} |" for one in found
    ]
    return "\n".join(lines)


def _figures(one: Measurement) -> tuple[str, str, str]:
    def text(number: float) -> str:
        return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"

    return f"{text(one.value)} {one.unit}", f"{text(one.reference)} {one.unit}", f"{one.ratio:.2f}"
