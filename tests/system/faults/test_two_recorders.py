"""Row 18 of faults.md: two `pilotlab recorder` of one lab, each with a volume of its own."""

import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devices.catalogue import DEFAULT_CATALOGUE
from tests.services import InfluxDBServer, Mosquitto, PostgresCluster, wait_until
from tests.system.deployment import MANAGER, PASSWORD, Deployment, Machine, Part, Stream
from tests.system.faults.rig import LIVE_SECONDS, START_PATIENCE_SECONDS
from tests.system.faults.seeds import SHORT, seeds

pytestmark = pytest.mark.faults

POWER = "spindle_power_kw"
TAKEOVER_SECONDS = 30


@pytest.fixture
def deployment(
    tmp_path: Path, postgres_cluster: PostgresCluster, influxdb_server: InfluxDBServer, mosquitto_program: Path
) -> Iterator[Deployment]:
    """Databases, broker, people and devices are there."""
    url = postgres_cluster.create_database()
    made = Deployment(tmp_path, url, influxdb_server.create_bucket(), mosquitto_program=mosquitto_program)
    for service in ("migrate", "broker-files"):
        done = made.run(service)
        assert done.returncode == 0, done.stderr
    account = ("admin", "create", MANAGER, "--name", "Lab manager", "--password", PASSWORD)
    with ThreadPoolExecutor() as together:
        created = together.submit(made.run, "web", *account)
        imported = together.submit(
            made.run, "web", "devices", "import", "/dev/stdin", said=DEFAULT_CATALOGUE.read_text()
        )
    assert created.result().returncode == 0, created.result().stderr
    assert imported.result().returncode == 0, imported.result().stderr
    yield made
    made.close()
    postgres_cluster.drop_database(url)


@pytest.fixture
def broker(deployment: Deployment) -> Iterator[Mosquitto]:
    """The broker, knowing the mill."""
    done = deployment.run("web", "devices", "credentials", "mill-1")
    deployment.device_passwords["mill-1"] = done.stdout.split("password ")[1].split()[0]
    assert deployment.run("broker-files").returncode == 0
    started = deployment.broker()
    started.start()
    yield started
    started.remove()


def start_recorder(deployment: Deployment, volume: str, event: str) -> Part:
    """A recorder with a volume of its own, that has said so much."""
    part = deployment.start("recorder", PILOTLAB_DATA_DIR=str(deployment.folder / volume))
    wait_until(lambda: bool(part.saw(event)), timeout=START_PATIENCE_SECONDS, what=f"a recorder that says {event!r}")
    return part


def say(machine: Machine, count: int) -> None:
    """So many messages, each with a value of its own."""
    for _ in range(count):
        machine.say(**{POWER: 1 + machine.next_seq / 1000})


def say_until_seen(machine: Machine, viewer: Stream) -> None:
    """Speak on until something that is said from now on is seen live."""
    fresh = 1 + machine.next_seq / 1000

    def seen() -> bool:
        say(machine, 1)
        return any(value >= fresh for value in viewer.seen(POWER))

    wait_until(seen, timeout=30, what="a fresh value that is seen live")


@pytest.mark.parametrize("seed", seeds())
def test_the_second_waits_and_takes_over_when_the_first_is_killed(
    seed: int, deployment: Deployment, broker: Mosquitto
) -> None:
    dice = random.Random(seed)
    deployment.start_web(0)
    deployment.sign_in()
    first = start_recorder(deployment, "volume-1", "recorder listens")
    second = start_recorder(deployment, "volume-2", "recording")
    viewer = deployment.watch("mill-1")
    machine = deployment.machine("mill-1", "boot-two")
    say(machine, dice.randrange(100, 800))
    say_until_seen(machine, viewer)
    if seed % 2:
        machine.wait_for_confirmation()
    time.sleep(dice.uniform(0, 2 if seed < SHORT else 8))  # now and then longer than a beat
    assert second.saw("recorder listens") == []
    assert len(first.saw("recorder listens")) == 1

    killed = time.monotonic()
    first.end(signal.SIGKILL)
    say_until_seen(machine, viewer)
    live = time.monotonic() - killed
    say(machine, dice.randrange(100, 800))
    viewer.leave()
    wait_until(lambda: bool(second.saw("recorder listens")), timeout=60, what="the second one takes over")
    took = time.monotonic() - killed
    again = start_recorder(deployment, "volume-1", "recording")
    say(machine, dice.randrange(100, 800))
    machine.wait_for_confirmation()
    viewer.wait_for_end()
    machine.leave()
    count = machine.next_seq
    wait_until(lambda: deployment.complete("mill-1", "boot-two", count - 1), timeout=30, what="every message stored")
    values = deployment.values("mill-1", POWER, "boot-two")
    print(
        f"row 18, seed {seed}: live {live:.2f} s after the kill, taken over after {took:.1f} s; "
        f"{count} sent, {len(values)} stored, {len(set(values))} different"
    )
    assert sorted(values) == [1 + number / 1000 for number in range(count)]
    assert live < LIVE_SECONDS
    assert took <= TAKEOVER_SECONDS
    assert len(second.saw("recorder listens")) == 1, "no flapping"
    assert again.saw("recorder listens") == []
    assert [again.end(), second.end()] == [0, 0]
