"""Both stores against a model that is a dictionary: messages that meet at one instant, clocks of every kind, any edge.

A machine says some of its signals at a time, out of order and again, with the same values or others; times are
assigned and spans deleted in between. Whatever is asked then has to be what the dictionary says.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.influxdb import InfluxDBStore
from telemetry.stores.interface import SAMPLES, Flag, SampleStore

NOON = 1_795_435_200_000_000_000
SECOND = 1_000_000_000
EVER = [(-(2**63), 2**63 - 1)]
LATE_NS = 60 * SECOND
DEVICE = "mill-1"
OFFSETS_S = {"even": 0.0, "ahead": 0.0, "an hour fast": -3600.0, "no date": NOON / SECOND, "fast": 90.5, "slow": -0.25}
"""Boot → how far its clock is off. The one that is `ahead` is so by less than is corrected, but after receipt."""
NUMBERS = ["feed", "power", "wear"]
TEXT = "program"
SEEDS = 5

Sample = dict[str, object]
Identity = tuple[str, str, int]


class Machine:
    """Makes messages, and knows by itself what a store has to hold."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.stored: dict[Identity, Sample] = {}
        self.said: list[list[Sample]] = []

    def message(self) -> list[Sample]:
        dice = self.dice
        if self.said and dice.random() < 0.15:
            return [{**row, "received_ns": int(str(row["received_ns"])) + SECOND} for row in dice.choice(self.said)]
        boot = dice.choice(list(OFFSETS_S))
        offset = round(OFFSETS_S[boot] * SECOND)
        taken_ns = NOON + dice.randrange(400) * SECOND // 4
        device_ns = taken_ns - offset
        waited = dice.choice([2_000_000, 3_000_000, dice.randrange(SECOND // 100), 70 * SECOND])
        received = taken_ns + waited - (dice.randrange(SECOND // 2) if boot == "ahead" else 0)
        settled = min(taken_ns, received)
        flags = int(Flag.SKEWED) if offset else 0
        flags |= int(Flag.LATE) if received - settled > LATE_NS else 0
        flags |= int(Flag.UNCERTAIN) if dice.random() < 0.15 else 0
        names = dice.sample([*NUMBERS, TEXT], dice.randint(1, 4)) if dice.random() < 0.5 else [*NUMBERS, TEXT]
        rows = [self._row(boot, name, device_ns, settled, received, flags) for name in names]
        self.said.append(rows)
        return rows

    def _row(self, boot: str, name: str, device_ns: int, settled: int, received: int, flags: int) -> Sample:
        value = float(self.dice.randrange(40)) / 8
        text = self.dice.choice(["", "P17", 'P18 "deep"\\']) if name == TEXT else None
        own = int(Flag.OUT_OF_RANGE) if text is None and value > 4 else 0
        return {
            "device": DEVICE,
            "signal": name,
            "boot": boot,
            "device_ns": device_ns,
            "settled_ns": settled,
            "received_ns": received,
            "value": None if text is not None else value,
            "text": text,
            "flags": flags | own,
        }

    def note(self, rows: list[Sample]) -> tuple[int, list[Sample]]:
        """How many of these rows are new, and which say something else than what is known."""
        new, conflicts = 0, []
        for row in rows:
            known = self.stored.setdefault(identity(row), row)
            new += known is row
            if said(known) != said(row):
                conflicts.append(row)
        return new, conflicts

    def assign(self, boot: str, span: tuple[int, int], offset_ns: int, *, uncertain_only: bool) -> int:
        count = 0
        for key, row in self.stored.items():
            flags = int(str(row["flags"]))
            doubt = bool(flags & Flag.UNCERTAIN)
            if key[1] != boot or not span[0] <= key[2] < span[1] or (uncertain_only and not doubt):
                continue
            received = int(str(row["received_ns"]))
            settled = min(key[2] + offset_ns, received)
            flags &= 0xFF ^ int(Flag.UNCERTAIN | Flag.SKEWED | Flag.LATE)
            flags |= int(Flag.SKEWED) if offset_ns else 0
            flags |= int(Flag.LATE) if received - settled > LATE_NS else 0
            self.stored[key] = {**row, "settled_ns": settled, "flags": flags}
            count += 1
        return count

    def delete(self, spans: list[tuple[int, int]]) -> int:
        gone = [key for key, row in self.stored.items() if within(row, spans)]
        for key in gone:
            del self.stored[key]
        return len(gone)

    def seen(self, spans: list[tuple[int, int]], *, uncertain: bool) -> list[Sample]:
        return [
            row
            for row in self.stored.values()
            if within(row, spans) and (uncertain or not int(str(row["flags"])) & Flag.UNCERTAIN)
        ]

    def span(self) -> tuple[int, int]:
        """Of settled time; often with an edge at which something was settled."""
        settled = [int(str(row["settled_ns"])) for row in self.stored.values()] or [NOON]
        edges = [
            self.dice.choice(settled) + self.dice.choice([0, 0, 1, SECOND // 3])
            if self.dice.random() < 0.7
            else NOON + self.dice.randrange(-20, 120) * SECOND
            for _ in range(2)
        ]
        return min(edges), max(edges)


def identity(row: Sample) -> Identity:
    return str(row["signal"]), str(row["boot"]), int(str(row["device_ns"]))


def said(row: Sample) -> tuple[object, ...]:
    return (*identity(row), row["value"], row["text"])


def within(row: Sample, spans: list[tuple[int, int]]) -> bool:
    return any(start <= int(str(row["settled_ns"])) < end for start, end in spans)


def everything(row: Sample) -> list[str]:
    return [str(row[name]) for name in ("signal", "settled_ns", "device_ns", "boot")]


def in_order(rows: list[Sample]) -> list[Sample]:
    return sorted(rows, key=everything)


@pytest.fixture(params=["duckdb", "influxdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleStore]:
    if request.param == "duckdb":
        opened: SampleStore = DuckDBStore(tmp_path / "samples.duckdb")
    else:
        server = request.getfixturevalue("influxdb")
        opened = InfluxDBStore(server.url, server.token, server.org, server.bucket)
    yield opened
    opened.close()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_store_is_a_dictionary_by_identity(store: SampleStore, seed: int) -> None:
    machine = Machine(seed)
    for step in range(8):
        rows = [row for _ in range(machine.dice.randint(1, 30)) for row in machine.message()]
        written = store.write(pa.Table.from_pylist(rows, schema=SAMPLES), watermark=step)
        new, conflicts = machine.note(rows)
        assert (written.stored, written.duplicates + written.conflicts.num_rows) == (new, len(rows) - new)
        assert {said(row) for row in conflicts} <= {said(row) for row in written.conflicts.to_pylist()}
        if step % 3 == 2:
            boot, (start, end) = machine.dice.choice(list(OFFSETS_S)), machine.span()
            offset, only = round(OFFSETS_S[boot] * SECOND) + machine.dice.choice([0, 1]), machine.dice.random() < 0.5
            span = (start - offset, end - offset)
            found = store.resettle(DEVICE, boot, span, offset_ns=offset, uncertain_only=only)
            assert found == machine.assign(boot, span, offset, uncertain_only=only)
        if step % 4 == 3:
            start, end = machine.span()
            gone = [(start, min(end, start + 5 * SECOND))]
            assert store.count(DEVICE, gone) == len(machine.seen(gone, uncertain=True))
            assert store.delete(DEVICE, gone) == machine.delete(gone)
        check(store, machine)


def check(store: SampleStore, machine: Machine) -> None:
    spans = machine.dice.choice([EVER, [machine.span()], [machine.span(), machine.span()]])
    uncertain = machine.dice.random() < 0.5
    wanted = machine.seen(spans, uncertain=uncertain)
    assert store.count(DEVICE, spans) == len(machine.seen(spans, uncertain=True))
    assert in_order(store.read(DEVICE, [], spans, uncertain=uncertain).to_pylist()) == in_order(wanted)
    some = machine.dice.sample([*NUMBERS, TEXT], 2)
    chosen = [row for row in wanted if row["signal"] in some]
    assert in_order(store.read(DEVICE, some, spans, uncertain=uncertain).to_pylist()) == in_order(chosen)
    newest = pd.DataFrame(chosen, columns=SAMPLES.names).groupby("signal")["settled_ns"].max().to_dict()
    last = store.last_values(DEVICE, spans, uncertain=uncertain).to_pylist()
    assert {row["signal"]: row["settled_ns"] for row in last if row["signal"] in some} == newest
    assert all(row in wanted for row in last)
    counted = store.coverage(DEVICE, some, spans, longest_gap_ns=3 * SECOND, uncertain=uncertain)
    assert sum(counted.column("count").to_pylist()) == len(chosen)
    for signal in [NUMBERS[0], TEXT]:
        width = machine.dice.choice([SECOND // 4, SECOND, 7 * SECOND + 1, 3600 * SECOND])
        found = store.buckets(DEVICE, signal, spans, width_ns=width, uncertain=uncertain)
        expected = buckets([row for row in wanted if row["signal"] == signal], width)
        pd.testing.assert_frame_equal(found.to_pandas(), expected, rtol=1e-12)


def buckets(rows: list[Sample], width_ns: int) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=SAMPLES.names).dropna(subset="value")
    starts = frame["settled_ns"].astype(np.int64) // width_ns * width_ns
    grouped = frame["value"].astype(np.float64).groupby(starts.rename("start_ns"))
    return grouped.agg(["min", "max", "mean", "count"]).reset_index()
