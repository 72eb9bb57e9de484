"""What is committed at the very moment at which the drain looks is looked for again, not passed over (I2)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from lab.core.time import to_nanoseconds
from telemetry.draining import Drain
from telemetry.recorder import Recorder
from telemetry.spool import Spool, SpooledMessage
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device

LAB = "gliwice"
NOW_NS = to_nanoseconds(MONDAY_MORNING)


class InterruptedSpool(Spool):
    """Calls `interrupt` between a look that found nothing and its answer, as the commit thread may."""

    interrupt: Callable[[], None] | None = None

    def following(self, after: int) -> Iterator[tuple[int, SpooledMessage]]:
        found = list(super().following(after))
        if not found:
            self._interrupt()
        yield from found

    @property
    def oldest(self) -> int:
        found = super().oldest
        if not found:
            self._interrupt()
        return found

    def _interrupt(self) -> None:
        interrupt, self.interrupt = self.interrupt, None
        if interrupt is not None:
            interrupt()


class Bench:
    """A drain that nobody has started, and its spool."""

    def __init__(self, database: Database, clock: LabClock, folder: Path) -> None:
        with database.write() as session:
            make_device(session, "mill-1")
        self.store = DuckDBStore(folder / "samples.duckdb")
        self.spool = InterruptedSpool(folder / "spool.sqlite", begin_at=1)
        recorder = Recorder(
            address=BrokerAddress("127.0.0.1", 1), lab=LAB, database=database, store=self.store,
            spool_path=folder / "spool.sqlite", clock=clock, client_id="bench",
        )  # fmt: skip
        self.drain: Drain = recorder._new_drain(self.spool)

    def commit(self, seq: int) -> None:
        """One message becomes safe, and the drain is told, as the commit thread does."""
        at_ns = NOW_NS + seq * 1_000_000_000
        payload = b'{"boot":"b1","seq":%d,"time":%d,"values":{"feed_mm_s":%d}}' % (seq, at_ns, seq)
        topic = f"pilotlab/{LAB}/mill-1/data"
        self.drain.notice(self.spool.append([SpooledMessage(topic, payload, len(payload), at_ns, 0, retained=False)]))

    def run(self) -> int:
        """Until nothing is behind, or for some rounds; how many samples are stored then."""
        for _ in range(5):
            self.drain._drain()
            if not self.drain.behind and self.spool.interrupt is None:
                break
        return self.store.count("mill-1", [(NOW_NS, NOW_NS + 10**12)])


@pytest.fixture
def bench(database: Database, lab_clock: LabClock, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, lab_clock, tmp_path)
    yield bench
    bench.store.close()
    bench.spool.close()


def test_a_message_that_is_committed_while_the_drain_looks_is_stored(bench: Bench) -> None:
    bench.commit(0)
    assert bench.run() == 1
    bench.spool.interrupt = lambda: bench.commit(1)
    assert bench.run() == 2


def test_the_first_message_of_all_is_stored_even_if_it_comes_at_the_first_look(bench: Bench) -> None:
    bench.spool.interrupt = lambda: bench.commit(0)
    assert bench.run() == 1
