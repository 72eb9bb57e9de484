"""The recorder is killed, stopped and cut off while it works: lost 0, invented 0, doubled 0 (faults.md)."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lab.core.database import Database
from telemetry.models import ClockOffset, TimeAssignment
from telemetry.sequences import completeness
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import Flag
from tests.integration.recording import BOOT, Publisher, RecorderProcess, add_mill, now_ns, spooled, stored
from tests.services import Mosquitto, wait_until

pytestmark = pytest.mark.faults

MESSAGES = 3000
SEEDS = [1, 2, 3, *(pytest.param(seed, marks=pytest.mark.faults_long) for seed in range(4, 21))]

Start = Callable[..., RecorderProcess]


@pytest.fixture
def start_recorder(own_mosquitto: Mosquitto, database: Database, tmp_path: Path) -> Iterator[Start]:
    """Starts recorder processes on the test's folder; the database there knows the mill."""
    add_mill(database)
    started: list[RecorderProcess] = []

    def start(*more: str) -> RecorderProcess:
        process = RecorderProcess(tmp_path, own_mosquitto.port, *more)
        started.append(process)
        process.wait_ready()
        return process

    yield start
    for process in started:
        process.remove()


def believed(database: Database) -> bool:
    """Whether the device's clock is believed now, and what was doubted before has its time."""
    with database.read() as session:
        points = session.scalars(sa.select(ClockOffset).order_by(ClockOffset.from_seq)).all()
        applied = session.scalars(sa.select(TimeAssignment.applied_at)).all()
    return bool(points) and not points[-1].uncertain and None not in applied


class Flow:
    """A publisher that goes on at its own pace; message `seq` carries the value `seq`."""

    def __init__(self, broker: Mosquitto) -> None:
        self._publisher = Publisher(broker.address(version=4))
        self._publisher.send("birth", {"boot": BOOT, "time": now_ns(), "signals": []}, retain=True)
        self._ids: list[int] = []
        self._times: dict[int, int] = {}

    def send(self, count: int, *, pace_s: float = 0.0005, twice: bool = False) -> None:
        for _ in range(count):
            seq = len(self._times)
            self._times[seq] = now_ns()
            for _ in range(2 if twice else 1):
                self._ids.append(self._publisher.send_value(seq, float(seq), at_ns=self._times[seq]))
            if pace_s and seq % 20 == 0:
                time.sleep(20 * pace_s)

    def begin(self, database: Database) -> None:
        """Go on until the recorder believes the clock: a start that came late and a silence right after it (the restart
        to come) would leave times that nobody can know, and the recorder rightly doubts them."""
        self.send_until(lambda: believed(database), pace_s=0.1)

    def send_until(self, done: Callable[[], bool], *, pace_s: float, timeout: float = 60) -> None:
        """Go on until something is so."""
        deadline = time.monotonic() + timeout
        while not done():
            assert time.monotonic() < deadline, "it does not come to pass"
            self.send(1, pace_s=0)
            time.sleep(pace_s)

    def confirm_and_check(self, database: Database, folder: Path, label: str, recorder: RecorderProcess) -> None:
        """Let the recorder come to believe the clock again, finish, and hold the store against what was published."""

        def all_is_here(last: int) -> bool:
            with database.read() as session:
                return completeness(session, "mill-1", BOOT, 0, last).complete

        so_far = len(self._times) - 1
        self.send_until(lambda: all_is_here(so_far), pace_s=0.1)
        # Where it had to doubt, it believes again when the device has been heard for some seconds.
        self.send_until(lambda: believed(database), pace_s=0.1)
        self._publisher.wait_confirmed(self._ids)
        self._publisher.close()
        wait_until(lambda: all_is_here(len(self._times) - 1), timeout=30, what="all is stored")
        wait_until(lambda: believed(database), timeout=10, what="times are assigned")
        took = recorder.stop()
        store = DuckDBStore(folder / "samples.duckdb")
        rows = stored(store)
        store.close()
        published = {(time_ns, float(seq)) for seq, time_ns in self._times.items()}
        found = {(row["device_ns"], row["value"]) for row in rows}
        lost, invented, doubled = len(published - found), len(found - published), len(rows) - len(found)
        changed = sum(row["settled_ns"] != row["device_ns"] or row["flags"] & ~int(Flag.UNCERTAIN) for row in rows)
        doubted = sum(bool(row["flags"] & Flag.UNCERTAIN) for row in rows)
        held = spooled(folder / "spool.sqlite")
        print(
            f"{label}: published {len(published)} stored {len(rows)} lost {lost} invented {invented} doubled {doubled} "
            f"resettled {changed} doubted {doubted} spooled {held} stopped in {took:.1f} s"
        )
        assert (lost, invented, doubled, changed, doubted) == (0, 0, 0, 0, 0)
        assert took < 10


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled_when_the_recorder_is_killed_at_random(
    seed: int, start_recorder: Start, own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    moments = random.Random(seed)
    recorder = start_recorder()
    flow = Flow(own_mosquitto)
    flow.begin(database)
    for _ in range(3):
        flow.send(moments.randrange(200, MESSAGES // 3))
        recorder.kill()
        flow.send(moments.randrange(1, 200))
        recorder = start_recorder()
    flow.send(200)
    flow.confirm_and_check(database, tmp_path, f"kill -9, seed {seed}", recorder)


@pytest.mark.parametrize(
    ("stage", "count"),
    [
        ("before-commit", 20),
        ("before-spool", 20),
        ("after-spool", 20),
        ("after-ack", 60),
        ("after-facts", 2),
        ("before-store", 2),
        ("after-store", 2),
        ("before-note", 2),
    ],
)
def test_nothing_is_lost_or_doubled_when_the_recorder_dies_at_a_stage(
    stage: str, count: int, start_recorder: Start, own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    doomed = start_recorder("--die", stage, "--count", str(count))
    flow = Flow(own_mosquitto)
    flow.send_until(doomed.is_dead, pace_s=0.0015)
    doomed.wait_dead()
    recorder = start_recorder()
    flow.send(200)
    flow.confirm_and_check(database, tmp_path, f"dies {stage}", recorder)


@pytest.mark.parametrize("seed", SEEDS)
def test_sigterm_drains_and_stops_in_time(
    seed: int, start_recorder: Start, own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    moments = random.Random(seed)
    recorder = start_recorder()
    flow = Flow(own_mosquitto)
    flow.begin(database)
    flow.send(moments.randrange(500, 2000), pace_s=0)
    assert recorder.stop() < 10
    flow.send(300, pace_s=0)
    flow.confirm_and_check(database, tmp_path, f"SIGTERM, seed {seed}", start_recorder())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restart_of_the_broker_loses_nothing(
    seed: int, start_recorder: Start, own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    moments = random.Random(seed)
    recorder = start_recorder()
    flow = Flow(own_mosquitto)
    flow.begin(database)
    flow.send(moments.randrange(200, 1500))
    own_mosquitto.restart()
    flow.send(500)
    flow.confirm_and_check(database, tmp_path, f"broker restarted, seed {seed}", recorder)


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_delivered_twice_is_stored_once(
    seed: int, start_recorder: Start, own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    recorder = start_recorder()
    flow = Flow(own_mosquitto)
    flow.begin(database)
    flow.send(random.Random(seed).randrange(500, 1500), twice=True)
    flow.confirm_and_check(database, tmp_path, f"twice, seed {seed}", recorder)
