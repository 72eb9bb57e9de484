"""Starting, stopping and looking after an installation, as somebody does at a terminal."""

import contextlib
import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services import free_port
from tests.system.installation import (
    PROGRAM,
    Installation,
    Machine,
    assert_refused,
    at_once,
    brokers_on,
    connected,
    environment,
    installation,
    now,
    pilotlab,
    rfc3339,
    wait_until,
)

CATALOGUE = Path(__file__).resolve().parents[2] / "devices" / "catalogues" / "gliwice.yaml"
STOPPED_WITHIN_SECONDS = 10.0


@pytest.fixture
def fresh(tmp_path: Path, mosquitto_program: Path) -> Iterator[Installation]:
    """Nothing yet; stopped whatever happens."""
    with installation(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, mosquitto_program: Path) -> Iterator[Installation]:
    """One that runs, for what does not disturb it."""
    with installation(tmp_path_factory.mktemp("running")) as found:
        yield found.start("--catalogue", str(CATALOGUE))


@contextlib.contextmanager
def occupied_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def assert_nothing_made(data: Path) -> None:
    """No database, no samples, no broker: at most the empty folder and its lock."""
    left = {path.name for path in data.iterdir()} if data.exists() else set()
    assert left <= {"pilotlab.lock"}, left
    assert brokers_on(data) == []


# --- starts that are refused ---


@pytest.mark.parametrize("which", ["port", "broker_port"])
def test_port_in_use_is_one_line_and_leaves_nothing(fresh: Installation, which: str) -> None:
    with occupied_port() as port:
        settings = {**fresh.settings, "port": free_port(), which: port}
        done = pilotlab("up", "--data", str(fresh.data), cwd=fresh.folder, **settings)
    assert_refused(done, f"port {port}", f"PILOTLAB_{which.upper()}")
    assert_nothing_made(fresh.data)


def test_folder_that_cannot_be_written_is_one_line(fresh: Installation) -> None:
    (fresh.folder / "letter.txt").write_text("mine")
    for folder in ("letter.txt", "letter.txt/data"):
        done = pilotlab("up", "--port", "0", "--data", folder, cwd=fresh.folder, **fresh.settings)
        assert_refused(done, folder, "--data")
    assert (fresh.folder / "letter.txt").read_text() == "mine"


WRONG_SETTINGS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a port that is no number": ({"port": "abc"}, ["port", "PILOTLAB_PORT"]),
    "a misspelt setting": ({"prot": 8080}, ["PILOTLAB_PROT", "port"]),
    "hours that are no hours": ({"opening_hours": '{"mon": "7-25"}'}, ["opening_hours.mon"]),
    "no address of a database": ({"database_url": "lab"}, ["database_url"]),
    "InfluxDB without its token": ({"store": "influxdb"}, ["influxdb_token"]),
    "a clock that is not there": ({"steered_clock": "no-such-file"}, ["steered_clock", "no-such-file"]),
    "an address that is not ours": ({"host": "192.0.2.1"}, ["192.0.2.1"]),
    "a broker's address that is not ours": ({"broker_host": "192.0.2.1"}, ["192.0.2.1"]),
}


def test_wrong_setting_is_one_line_that_names_it(fresh: Installation) -> None:
    def refuse(name: str) -> None:
        changes, facts = WRONG_SETTINGS[name]
        data = fresh.folder / name
        settings = {**fresh.settings, "port": 0, "data_dir": data, **changes}
        assert_refused(pilotlab("up", cwd=fresh.folder, **settings), *facts)
        assert_nothing_made(data)

    at_once(refuse, WRONG_SETTINGS)


@pytest.mark.parametrize(
    ("content", "fact"),
    [(b"port = ", "pilotlab.toml"), (b"prot = 1", "port")],
)
def test_broken_settings_file_is_one_line(fresh: Installation, content: bytes, fact: str) -> None:
    (fresh.folder / "pilotlab.toml").write_bytes(content)
    assert_refused(pilotlab("up", "--data", str(fresh.data), cwd=fresh.folder, broker="mosquitto"), fact)
    assert_nothing_made(fresh.data)


def test_wrong_catalogue_is_one_line_and_makes_nothing(fresh: Installation) -> None:
    for name, content in (("no.yaml", None), ("bad.yaml", "devices: [{id: 'Mill 1'}]"), ("worse.yaml", "\x00: [")):
        if content is not None:
            (fresh.folder / name).write_text(content)
        words = ["up", "--port", "0", "--data", str(fresh.data), "--catalogue", name]
        assert_refused(pilotlab(*words, cwd=fresh.folder, **fresh.settings), name)
    assert_nothing_made(fresh.data)


def test_data_of_a_newer_version_or_none_of_ours_is_one_line_and_is_left_alone(fresh: Installation) -> None:
    assert fresh.pilotlab("migrate").returncode == 0
    database = fresh.data / "pilotlab.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = database.read_bytes()
    for words in (["up", "--port", "0"], ["admin", "create", "eve"]):
        assert_refused(fresh.pilotlab(*words), "newer version", "9999")
    assert fresh.pilotlab("doctor").returncode == 1
    assert database.read_bytes() == before
    assert brokers_on(fresh.data) == []
    database.write_bytes(b"This is a letter, not a database. " * 100)
    assert_refused(fresh.pilotlab("up", "--port", "0"), "pilotlab.sqlite")
    assert database.read_bytes().startswith(b"This is a letter")
    assert brokers_on(fresh.data) == []


def test_second_start_on_a_folder_in_use_is_refused_and_disturbs_nothing(running: Installation) -> None:
    assert running.process is not None
    broker, said = brokers_on(running.data), running.said
    extra = running.folder / "extra.yaml"
    extra.write_text(CATALOGUE.read_text().replace("id: mill-1", "id: mill-9"))
    done = running.pilotlab("up", "--port", "0", "--catalogue", str(extra))
    assert_refused(done, str(running.process.pid), str(running.data))
    assert brokers_on(running.data) == broker
    assert running.said == said
    assert httpx.get(f"{running.url}/readyz").json()["status"] == "ready"
    with contextlib.closing(running.browser("manager", running.manager_password)) as manager:
        known = {device["id"] for device in manager.get("/api/v1/devices").json()}
    assert "mill-9" not in known


# --- starts and stops ---


def test_stop_while_it_is_still_starting_leaves_nothing_running(fresh: Installation) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        fresh.launch()
        wait_until(lambda: brokers_on(fresh.data), "the broker", seconds=60)
        assert fresh.end(number) in (0, 130, 143)
        assert brokers_on(fresh.data) == []
        assert "Traceback" not in fresh.logged


def stop(product: Installation, number: signal.Signals) -> None:
    """Ask for the stop; it is quick and in order, also while somebody keeps a connection open."""
    with httpx.Client(base_url=product.url) as keeps_its_connection:
        assert keeps_its_connection.get("/healthz").status_code == 200
        begin = time.monotonic()
        assert product.end(number) == 0
        assert time.monotonic() - begin < STOPPED_WITHIN_SECONDS
    assert "everything received is stored" in product.said
    assert brokers_on(product.data) == []
    assert "Traceback" not in product.logged


def test_first_managers_sign_in_is_printed_once_and_works_after_every_start_and_stop(fresh: Installation) -> None:
    fresh.start()
    assert fresh.said.count(fresh.manager_password) == 1
    assert fresh.manager_password not in fresh.logged
    stop(fresh, signal.SIGTERM)
    for file in fresh.data.rglob("*"):
        if file.is_file():
            assert fresh.manager_password.encode() not in file.read_bytes(), file
    for number in (signal.SIGINT, signal.SIGHUP):
        fresh.start()
        assert "Password" not in fresh.said
        assert "First start" not in fresh.said
        fresh.browser("manager", fresh.manager_password).close()
        stop(fresh, number)


def test_killed_without_warning_it_starts_again_at_once_and_has_what_was_confirmed(fresh: Installation) -> None:
    fresh.settings["broker_port"] = free_port()
    fresh.start("--catalogue", str(CATALOGUE))
    machine = connected(fresh, "meter-1", fresh.device_password("meter-1"))
    said = {"boot": "k", "time": rfc3339(now()), "values": {"active_power_kw": 1.5}}
    for seq in range(50):
        machine.send(json.dumps({**said, "seq": seq}))
    orphan = brokers_on(fresh.data)
    assert fresh.process is not None
    fresh.process.kill()
    fresh.process.wait()
    machine.send(json.dumps({**said, "seq": 50}))  # nobody but the broker is there
    machine.close()
    assert brokers_on(fresh.data) == orphan
    begin = time.monotonic()
    fresh.start()
    print(f"started again in {time.monotonic() - begin:.1f} s")
    assert len(brokers_on(fresh.data)) == 1
    assert brokers_on(fresh.data) != orphan
    query = {"boot": "k", "first_seq": 0, "last_seq": 50}
    with contextlib.closing(fresh.browser("manager", fresh.manager_password)) as manager:
        wait_until(
            lambda: manager.get("/api/v1/devices/meter-1/completeness", params=query).json()["received"] == 51,
            "all 51 messages",
        )


def test_killed_and_started_with_the_other_broker_it_needs_no_help(fresh: Installation) -> None:
    fresh.settings["broker_port"] = free_port()
    fresh.start()
    assert fresh.process is not None
    fresh.process.kill()
    fresh.process.wait()
    fresh.settings["broker"] = "amqtt"
    fresh.start()
    assert brokers_on(fresh.data) == []


def test_answers_come_at_once(running: Installation) -> None:
    with httpx.Client(base_url=running.url) as client:
        client.get("/healthz")
        took = []
        for _ in range(20):
            begin = time.monotonic()
            client.get("/healthz")
            took.append(time.monotonic() - begin)
    assert min(took) < 0.02, "a small answer waits for something, e.g. 40 ms for an acknowledgement"


# --- what is done beside a running system ---


def test_new_credentials_are_taken_within_seconds_and_old_ones_no_more(running: Installation) -> None:
    first = running.device_password("robot-1")
    begin = time.monotonic()
    connected(running, "robot-1", first).close()
    assert time.monotonic() - begin < 5
    second = running.device_password("robot-1")
    assert second != first
    connected(running, "robot-1", second).close()
    refused = wait_until(lambda: _refusal(running, "robot-1", first), "the old password's end", seconds=6)
    assert refused
    for file in running.data.rglob("*"):
        if file.is_file():
            assert second.encode() not in file.read_bytes(), file


def _refusal(product: Installation, device: str, password: str) -> str | None:
    machine = Machine(product.broker_port, device, password)
    machine.close()
    return machine.refusal


def test_catalogue_imported_twice_changes_nothing(running: Installation) -> None:
    done = running.pilotlab("devices", "import", str(CATALOGUE))
    assert (done.returncode, done.stdout) == (0, "devices: 0 new, 0 updated, 5 unchanged\n")
    cheaper = running.folder / "cheaper.yaml"
    cheaper.write_text(CATALOGUE.read_text().replace("price_eur_per_hour: 85.00", "price_eur_per_hour: 80.00"))
    assert running.pilotlab("devices", "import", str(cheaper)).stdout == "devices: 0 new, 1 updated, 4 unchanged\n"
    other_unit = running.folder / "other.yaml"
    other_unit.write_text(CATALOGUE.read_text().replace("unit: mm/s", "unit: m/s"))
    assert_refused(running.pilotlab("devices", "import", str(other_unit)), "mm/s")


UNKNOWN_NAMES = [
    (["admin", "reset-password", "two\nlines"], "two lines"),
    (["admin", "reset-password", "\udcff\udcfe"], "no account"),
    (["devices", "credentials", "ghost-1"], "ghost-1"),
    (["admin", "create", "Not A Name!"], "sign-in name"),
    (["devices", "import", "no-such-file.yaml"], "no-such-file.yaml"),
]


def test_unknown_names_are_one_line(running: Installation) -> None:
    at_once(lambda case: assert_refused(running.pilotlab(*case[0]), case[1]), UNKNOWN_NAMES)


def test_commands_on_a_folder_that_is_no_installation_make_none(fresh: Installation) -> None:
    commands = (["admin", "reset-password", "manager"], ["devices", "credentials", "mill-1"])
    at_once(lambda words: assert_refused(fresh.pilotlab(*words), str(fresh.data)), commands)
    assert_nothing_made(fresh.data)


def test_staff_is_made_and_gets_a_new_password_beside_a_running_system(running: Installation) -> None:
    made = running.pilotlab("admin", "create", "piotr", "--role", "engineer", "--name", "Piotr")
    found = re.fullmatch(r"created engineer piotr, password: (\S+)\n", made.stdout)
    assert found is not None, made
    with contextlib.closing(running.browser("piotr", found.group(1))) as piotr:
        assert piotr.get("/api/v1/me").json()["role"] == "engineer"
        assert_refused(running.pilotlab("admin", "create", "piotr"), "piotr", "taken")
        again = running.pilotlab("admin", "reset-password", "piotr")
        renewed = re.fullmatch(r"new password of piotr: (\S+)\n", again.stdout)
        assert renewed is not None, again
        assert piotr.get("/api/v1/me").status_code == 401
    running.browser("piotr", renewed.group(1)).close()


def test_doctor_finds_what_is_wrong_and_changes_nothing(running: Installation, fresh: Installation) -> None:
    well = running.pilotlab("doctor")
    assert well.returncode == 0, well
    assert str(running.process and running.process.pid) in well.stdout
    empty = fresh.pilotlab("doctor")
    assert empty.returncode == 0, empty
    assert_nothing_made(fresh.data)
    with occupied_port() as port:
        busy = pilotlab("doctor", "--data", str(fresh.data), cwd=fresh.folder, **{**fresh.settings, "port": port})
    assert busy.returncode == 1
    assert f"port {port}" in busy.stdout
    (fresh.folder / "letter.txt").write_text("mine")
    letter = pilotlab("doctor", "--data", "letter.txt", cwd=fresh.folder, **fresh.settings)
    assert letter.returncode == 1
    assert "wrong" in letter.stdout
    for done in (well, empty, busy, letter):
        assert "Traceback" not in done.stdout + done.stderr


def test_small_commands(running: Installation, tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", pilotlab("version", cwd=tmp_path).stdout)
    assert "schema" in running.pilotlab("migrate").stdout
    running.device_password("printer-1")
    folder = tmp_path / "broker"
    words = ["broker-files", str(folder), "--data", str(running.data)]
    assert_refused(pilotlab(*words, cwd=tmp_path), "PILOTLAB_BROKER_PASSWORD")
    written = pilotlab(*words, cwd=tmp_path, broker_password="the product's own")
    assert written.returncode == 0, written
    assert {line.split(":")[0] for line in (folder / "passwords").read_text().splitlines()} >= {"pilotlab", "printer-1"}
    allowed = (folder / "acl").read_text().splitlines()
    assert {"pattern write pilotlab/gliwice/%u/data", "pattern read pilotlab/gliwice/%u/command"} <= set(allowed)
    assert "pattern write pilotlab/gliwice/%u/command" not in allowed
    assert (folder / "passwords").stat().st_mode & 0o007 == 0
    (tmp_path / "letter.txt").write_text("mine")
    words[1] = str(tmp_path / "letter.txt")
    assert_refused(pilotlab(*words, cwd=tmp_path, broker_password="the product's own"), "letter.txt")


def test_wrong_words_are_explained_without_a_traceback(tmp_path: Path) -> None:
    for words in (["upp"], ["up", "--port", "abc"], ["admin", "create"]):
        done = subprocess.run(
            [*PROGRAM, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()
    assert list(tmp_path.iterdir()) == []
