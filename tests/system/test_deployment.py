"""The deployment form as separate real processes, in the order and with the settings of `compose.yaml`."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bookings.models import Booking, BookingDevice
from devices.catalogue import DEFAULT_CATALOGUE
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.pilots.plans import AnalysisPlan, Arm, Kpi, MeanOfSignal, SignalReference
from tests.services import InfluxDBServer, Mosquitto, PostgresCluster, free_port, wait_until
from tests.system.deployment import MANAGER, PASSWORD, Deployment, Part

POWER = "spindle_power_kw"
MESSAGES = 2000
KILL_AFTER = 700


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_cluster: PostgresCluster,
    influxdb_server: InfluxDBServer,
    mosquitto_program: Path,
) -> Iterator[Deployment]:
    """Databases are there and empty; nothing of the product has been started."""
    url = postgres_cluster.create_database()
    made = Deployment(
        tmp_path_factory.mktemp("deployment"), url, influxdb_server.create_bucket(), mosquitto_program=mosquitto_program
    )
    yield made
    made.close()
    postgres_cluster.drop_database(url)


@pytest.fixture(scope="module")
def broker(deployment: Deployment) -> Iterator[Mosquitto]:
    """The first start as far as the broker: `migrate`, then `broker-files`, then Mosquitto; then people and devices."""
    for service in ("migrate", "broker-files"):
        done = deployment.run(service)
        assert done.returncode == 0, done.stderr
    started = deployment.broker()
    started.start()
    with ThreadPoolExecutor() as together:
        account = ("admin", "create", MANAGER, "--name", "Lab manager", "--password", PASSWORD)
        created = together.submit(deployment.run, "web", *account)
        catalogue = DEFAULT_CATALOGUE.read_text()
        imported = together.submit(deployment.run, "web", "devices", "import", "/dev/stdin", said=catalogue)
    assert created.result().returncode == 0, created.result().stderr
    assert "5 new" in imported.result().stdout, imported.result().stderr
    yield started
    started.remove()


@pytest.fixture(scope="module")
def mill(deployment: Deployment, broker: Mosquitto) -> str:
    """The mill has its password, and the broker knows it."""
    give_password(deployment, "mill-1")
    refresh_broker_files(deployment, broker)
    return "mill-1"


@pytest.fixture(scope="module")
def webs(deployment: Deployment, broker: Mosquitto) -> list[Part]:
    """Two web processes, with one sign-in."""
    with ThreadPoolExecutor() as together:
        started = list(together.map(deployment.start_web, (0, 1)))
    deployment.sign_in()
    return started


@pytest.fixture(scope="module")
def worker(deployment: Deployment) -> Part:
    """What does the jobs."""
    return deployment.start("worker")


@pytest.fixture
def recorder(deployment: Deployment, broker: Mosquitto) -> Part:
    """The recorder that runs, else a new one; a test may end it."""
    for part in deployment.parts:
        if part.name == "recorder" and part.process.poll() is None:
            return part
    return deployment.start_recorder()


def give_password(deployment: Deployment, device: str) -> None:
    done = deployment.run("web", "devices", "credentials", device)
    assert done.returncode == 0, done.stderr
    assert "broker-files" in done.stdout  # what is left to do
    deployment.device_passwords[device] = done.stdout.split("password ")[1].split()[0]


def refresh_broker_files(deployment: Deployment, broker: Mosquitto) -> None:
    """As docs/deployment.md says: `broker-files` again, then SIGHUP, while the recorder is connected."""
    done = deployment.run("broker-files")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (deployment.folder / "broker").iterdir()} == {"passwords", "acl"}
    broker.reload()


# First start


def test_first_start_leaves_a_schema_and_the_second_finds_it(deployment: Deployment, broker: Mosquitto) -> None:
    again = deployment.run("migrate")
    assert again.returncode == 0
    assert again.stdout.strip() == "The database is at this release's schema."


def test_broker_without_its_files_does_not_start(tmp_path: Path, deployment: Deployment, broker: Mosquitto) -> None:
    """Why `mosquitto` waits for `broker-files` at the first start."""
    configuration = tmp_path / "mosquitto.conf"
    text = (deployment.folder / "mosquitto.conf").read_text()
    configuration.write_text(text.replace(str(deployment.folder / "broker"), str(tmp_path / "missing")))
    done = subprocess.run(
        [deployment.mosquitto_program, "-c", configuration], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode != 0


def test_two_web_processes_at_once_on_an_empty_database_do_not_break_each_other(
    deployment: Deployment, postgres_cluster: PostgresCluster
) -> None:
    url = postgres_cluster.create_database()
    ports = [free_port(), free_port()]
    parts = [deployment.start("web", PILOTLAB_PORT=str(port), PILOTLAB_DATABASE_URL=url) for port in ports]
    for part, port in zip(parts, ports, strict=True):
        part.wait_until_healthy(port)
    assert [part.end() for part in parts] == [0, 0], [part.said() for part in parts]
    assert sum(len(part.saw("database is at this release's schema")) for part in parts) == 1
    postgres_cluster.drop_database(url)


# The way of a value


def test_value_of_a_machine_is_read_at_both_web_processes_with_one_sign_in(
    deployment: Deployment, mill: str, webs: list[Part], recorder: Part
) -> None:
    machine = deployment.machine(mill, "boot-way")
    for number in range(20):
        machine.say(**{POWER: 1 + number / 10})
    machine.wait_for_confirmation()
    machine.leave()
    for web in (0, 1):
        wait_until(lambda web=web: deployment.complete(mill, "boot-way", 19, web=web), what="every message stored")
        assert sorted(deployment.values(mill, POWER, "boot-way", web=web)) == [1 + n / 10 for n in range(20)]
        assert deployment.api("GET", "/me", web=web).json()["role"] == "manager"


def test_live_stream_shows_a_value_within_five_seconds(
    deployment: Deployment, mill: str, webs: list[Part], recorder: Part
) -> None:
    machine = deployment.machine(mill, "boot-live")
    streams = [deployment.watch(mill, web=web) for web in (0, 1)]
    began = time.monotonic()
    while not all(2.5 in stream.seen(POWER) for stream in streams):
        assert time.monotonic() - began < 5, [stream.events for stream in streams]
        machine.say(**{POWER: 2.5})
        time.sleep(0.05)
    for stream in streams:
        stream.leave()
    machine.say(**{POWER: 2.5})
    for stream in streams:
        stream.wait_for_end()
    machine.leave()


@pytest.mark.faults
def test_recorder_killed_amid_two_thousand_messages_has_all_and_none_twice(
    deployment: Deployment, mill: str, webs: list[Part], recorder: Part
) -> None:
    machine = deployment.machine(mill, "boot-killed")

    def publish() -> None:
        for number in range(MESSAGES):
            machine.say(**{POWER: number / 1000})
            time.sleep(0.0005)

    publishing = threading.Thread(target=publish)
    publishing.start()
    wait_until(lambda: machine.confirmed >= KILL_AFTER, what="a part of the messages")
    recorder.end(signal.SIGKILL)
    assert machine.next_seq < MESSAGES, "all was said before the kill"
    deployment.start_recorder()
    publishing.join()
    machine.wait_for_confirmation()
    machine.leave()
    wait_until(lambda: deployment.complete(mill, "boot-killed", MESSAGES - 1), timeout=30, what="every message stored")
    for web in (0, 1):
        found = deployment.values(mill, POWER, "boot-killed", web=web)
        assert sorted(found) == [number / 1000 for number in range(MESSAGES)]
    letters = deployment.api("GET", "/dead-letters").json()["items"]
    assert letters == []


def test_second_recorder_on_the_same_volume_is_refused_and_the_first_goes_on(
    deployment: Deployment, mill: str, webs: list[Part], recorder: Part
) -> None:
    second = deployment.run("recorder")
    assert second.returncode == 2
    assert len(second.stderr.strip().splitlines()) == 1, second.stderr
    assert f"process {recorder.process.pid}" in second.stderr
    machine = deployment.machine(mill, "boot-first")
    machine.say(**{POWER: 3.5})
    machine.wait_for_confirmation()
    machine.leave()
    wait_until(lambda: deployment.complete(mill, "boot-first", 0), what="the message stored")
    assert not recorder.saw("recorder lost the broker")


# Passwords of machines


def test_new_password_works_after_refresh_and_nobody_is_cut_off(
    deployment: Deployment, broker: Mosquitto, mill: str, webs: list[Part], recorder: Part
) -> None:
    machine = deployment.machine(mill, "boot-refresh")
    give_password(deployment, "meter-1")
    early = deployment.machine("meter-1", "boot-meter")
    assert early.refused, "the broker does not know the new password yet"
    early.leave()
    machine.say(**{POWER: 1.0})
    refresh_broker_files(deployment, broker)
    wait_until(lambda: admitted(deployment, "meter-1"), what="the broker to take the new password")
    machine.say(**{POWER: 2.0})
    machine.wait_for_confirmation()
    assert machine.connections == 1
    machine.leave()
    wait_until(lambda: deployment.complete(mill, "boot-refresh", 1), what="every message stored")


@pytest.mark.faults
def test_what_waits_for_the_recorder_outlives_a_restart_of_the_broker(
    deployment: Deployment, broker: Mosquitto, mill: str, webs: list[Part], recorder: Part
) -> None:
    recorder.end()
    machine = deployment.machine(mill, "boot-waiting")
    for value in (1.0, 2.0):
        for _ in range(50):
            machine.say(**{POWER: value})
        machine.wait_for_confirmation()
        broker.restart()
    machine.leave()
    deployment.start_recorder()
    wait_until(lambda: deployment.complete(mill, "boot-waiting", 99), what="every message stored")
    assert sorted(deployment.values(mill, POWER, "boot-waiting")) == [1.0] * 50 + [2.0] * 50


def admitted(deployment: Deployment, device: str) -> bool:
    machine = deployment.machine(device, "boot-try")
    machine.leave()
    return not machine.refused


# Seal and report


def test_pilot_is_sealed_and_reported_by_the_worker(
    deployment: Deployment, mill: str, webs: list[Part], worker: Part, recorder: Part
) -> None:
    organisation = deployment.api("POST", "/organisations", json={"name": "Alfa", "kind": "company"}).json()
    question = {"organisation_id": organisation["id"], "title": "Faster", "question": "Does it pay?"}
    pilot = deployment.api("POST", "/pilots", json=question).json()
    place = f"/pilots/{pilot['id']}"
    deployment.api("PUT", f"{place}/plan", json=plan().model_dump(mode="json"))
    deployment.api("POST", f"{place}/plan/lock", web=1)
    booking = slot_that_runs(deployment, organisation["id"], mill)
    machine = deployment.machine(mill, "boot-pilot")
    for run in deployment.api("GET", f"{place}/runs").json():
        sent = make_run(deployment, machine, place, run, booking)
        wait_until(lambda sent=sent: deployment.complete(mill, "boot-pilot", sent), what="every message stored")
    machine.leave()
    deployment.api("POST", f"/bookings/{booking}/finish", web=1)  # the seal waits for the end of the slot
    deployment.api("POST", f"{place}/seal", web=0)
    reports: list[dict[str, Any]] = []
    wait_until(
        lambda: (
            bool(reports.extend(deployment.api("GET", "/reports", web=1, params={"pilot_id": pilot["id"]}).json()))
            or bool(reports)
        ),
        timeout=120,
        what="the report",
    )
    for web in (0, 1):
        answer = deployment.api("GET", f"/reports/{reports[0]['id']}", web=web).json()
        assert [device["samples"] for run in answer["results"]["quality"] for device in run["devices"]] == [12] * 4
        assert deployment.api("GET", f"/reports/{reports[0]['id']}/report.pdf", web=web).content.startswith(b"%PDF-")
        assert deployment.api("GET", f"/reports/{reports[0]['id']}/package.zip", web=web).content.startswith(b"PK")


def make_run(deployment: Deployment, machine: Any, place: str, run: dict[str, Any], booking: str) -> int:
    """One run of half a second; the number of its last message."""
    deployment.api("POST", f"{place}/runs/{run['number']}/start", json={"booking_id": booking})
    first = machine.next_seq
    for number in range(12):
        machine.say(**{POWER: (1.0 if run["arm"] == "standard" else 0.8) + number / 1000})
        time.sleep(0.04)
    machine.wait_for_confirmation()
    last = machine.next_seq - 1
    sent = {"mill-1": {"boot": "boot-pilot", "first_seq": first, "last_seq": last}}
    deployment.api(
        "POST", f"{place}/runs/{run['number']}/stop", json={"result": {"finished": True}, "completeness": sent}
    )
    return int(last)


def plan() -> AnalysisPlan:
    power = MeanOfSignal(signal=SignalReference(device="mill-1", signal=POWER))
    return AnalysisPlan(
        objective="Find out whether less power is needed.",
        hypothesis="Less power is needed.",
        arms=(
            Arm(name="standard", label="Standard", role="baseline"),
            Arm(name="fast", label="Fast", role="treatment"),
        ),
        kpis=(Kpi(key="power", label="Power", unit="kW", direction="lower", role="primary", measure=power),),
        break_even=0.05,
        expected=0.2,
        design="completely_randomised",
        runs_per_arm=2,
        seed=1,
        least_coverage_percent=50,
    )


def slot_that_runs(deployment: Deployment, organisation: str, device: str) -> str:
    """A slot around the present, past the rules of booking: the lab may be closed while tests run."""
    now: datetime = SystemClock().now()
    start, end = now - timedelta(hours=1), now + timedelta(hours=1)
    booking = Booking(
        id=new_id("bkg"),
        organisation_id=organisation,
        booked_by="acc",
        title="Milling",
        start_at=start,
        end_at=end,
        state="confirmed",
        version=1,
        created_at=start,
        devices=[BookingDevice(device_id=device, reserved_start=start, reserved_end=end, active=True)],
    )
    database = Database(deployment.database_url)
    with database.write() as session:
        session.add(booking)
    database.close()
    return booking.id


# The end


def test_sigterm_drains_the_recorder(deployment: Deployment, mill: str, webs: list[Part], recorder: Part) -> None:
    machine = deployment.machine(mill, "boot-drain")
    for number in range(500):
        machine.say(**{POWER: number / 1000})
    machine.wait_for_confirmation()
    began = time.monotonic()
    assert recorder.end() == 0, recorder.said()
    assert time.monotonic() - began < 10
    (stopped,) = recorder.saw("recorder stopped")
    assert stopped["left_in_spool"] == 0
    machine.leave()
    deployment.start_recorder()  # what the broker still held comes now
    wait_until(lambda: deployment.complete(mill, "boot-drain", 499), what="every message stored")
    assert sorted(deployment.values(mill, POWER, "boot-drain")) == [number / 1000 for number in range(500)]


def test_sigterm_ends_streams_and_then_the_web_process(deployment: Deployment, mill: str, webs: list[Part]) -> None:
    stream = deployment.watch(mill, web=1)
    wait_until(lambda: bool(stream.events), what="the stream")
    began = time.monotonic()
    assert webs[1].end() == 0, webs[1].said()
    assert time.monotonic() - began < 5
    stream.wait_for_end()
    assert stream.events[-1] == ("end", {"reason": "closing"})
    assert deployment.api("GET", "/me", web=0).is_success
