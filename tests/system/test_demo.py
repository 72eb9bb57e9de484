"""The main job, from outside: a whole pilot, with both brokers, on a real recording, and with the product killed."""

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pypdf import PdfReader

from lab.core.time import in_zone
from lab.demo.statement import statement
from simulators.mill import true_effect
from tests.system.demonstration import PROGRAM, Left, finish_demo, product_pid, start_demo

RATE = "300"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, mosquitto_program: str) -> Left:
    """A demonstration that nobody disturbs, with Mosquitto."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return finish_demo(start_demo(folder, "--broker", "mosquitto", "--rate", RATE), folder)


def package_problems(package: Path) -> list[str]:
    """Files of a package whose content is not what `checksums.sha256` says."""
    problems = []
    with zipfile.ZipFile(package) as archive:
        listed = dict(
            reversed(line.split(maxsplit=1)) for line in archive.read("checksums.sha256").decode().splitlines()
        )
        names = set(archive.namelist()) - {"checksums.sha256"}
        problems += [f"not listed: {name}" for name in names - set(listed)]
        for name, digest in listed.items():
            if hashlib.sha256(archive.read(name)).hexdigest() != digest:
                problems.append(f"changed: {name}")
    return problems


def assert_report_tells_the_truth(left: Left) -> None:
    """The interval holds the effect that the simulated mill really has, and the verdict follows from it."""
    truth = true_effect({"feed_mm_s": 6.0}, {"feed_mm_s": 9.0})
    results = left.results
    primary = next(kpi for kpi in results["kpis"] if kpi["role"] == "primary")
    interval = primary["comparison"]["improvement_interval"]
    assert interval["low"] <= truth["energy_kwh_saving"] <= interval["high"]
    assert results["verdict"] == "Invest"
    assert results["grade"]["letter"] == "A"
    assert "Verdict: Invest" in left.said
    assert left.pdf.read_bytes().startswith(b"%PDF-")
    assert package_problems(left.package) == []


def test_newcomer_gets_a_report_that_tells_the_truth(undisturbed: Left) -> None:
    assert_report_tells_the_truth(undisturbed)
    assert "Mosquitto as a child process" in undisturbed.said
    for name in ("manager", "engineer", "anna", "jan", "maria"):
        assert name in undisturbed.said


def test_report_says_what_the_investment_is_worth_and_who_paid_for_the_pilot(undisturbed: Left) -> None:
    money = undisturbed.results["economics"]
    assert money["with_grant"]["npv_cents"] > money["without_grant"]["npv_cents"] > 0
    assert money["with_grant"]["break_even"] == money["break_even"]
    assert 0.5 < money["distribution"]["probability_positive"] <= 1
    support = money["support"]
    assert support["market_value_cents"] == 4 * (8500 + 500)  # four hours of mill-1 and meter-1
    assert support["price_cents"] == support["market_value_cents"] * 3 // 10
    assert support["support_cents"] == (support["market_value_cents"] - support["price_cents"]) * 8 // 10
    assert support["legal_bases"] == ["de-minimis"]
    text = " ".join(PdfReader(undisturbed.pdf).pages[0].extract_text().split())
    assert "Payback" in text
    assert "Probability that it pays" in text


def texts_of(said: object) -> Iterator[str]:
    """Everything that people typed into a statement."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, (dict, list)):
        for part in said.values() if isinstance(said, dict) else said:
            yield from texts_of(part)


def test_what_the_people_of_the_demonstration_say_stands_in_its_report(undisturbed: Left) -> None:
    kept = undisturbed.results["issue"]["statement"]
    slot = datetime.fromisoformat(undisturbed.results["identification"]["data_from"])
    said = statement(in_zone(slot, undisturbed.results["identification"]["time_zone"]).date())
    for name, part in said.items():
        found = kept[name]
        for mine, theirs in zip(part, found, strict=True) if isinstance(part, list) else [(part, found)]:
            assert theirs == (theirs | mine if isinstance(mine, dict) else mine), name
    pdf = "".join(page.extract_text() for page in PdfReader(undisturbed.pdf).pages)
    printed = "".join(pdf.split()).replace("-", "")
    sentences = [text for text in texts_of(said) if " " in text]
    assert len(sentences) > 10
    assert [text for text in sentences if "".join(text.split()).replace("-", "") not in printed] == []


def test_every_message_and_no_sample_twice(undisturbed: Left) -> None:
    counts = undisturbed.counts()
    assert len(counts) == 24  # 12 runs, two devices
    assert all(expected == received and samples > 0 for _, _, expected, received, samples, _ in counts)
    with sqlite3.connect(undisturbed.data / "pilotlab.sqlite") as database:
        assert database.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)


def test_two_devices_are_one_booking(undisturbed: Left) -> None:
    with sqlite3.connect(undisturbed.data / "pilotlab.sqlite") as database:
        rows = database.execute("SELECT booking_id, device_id FROM booking_devices ORDER BY device_id").fetchall()
    assert [device for _, device in rows] == ["meter-1", "mill-1"]
    assert len({booking for booking, _ in rows}) == 1


def test_plan_was_locked_before_the_first_run(undisturbed: Left) -> None:
    results = undisturbed.results
    assert results["plan"]["locked_at"] < results["identification"]["data_from"]
    assert results["plan"]["sha256"] in json.dumps(results)


def test_demo_without_mosquitto_says_for_demo_only_and_finds_the_same(tmp_path: Path, undisturbed: Left) -> None:
    left = finish_demo(start_demo(tmp_path, "--broker", "amqtt", "--rate", "100"), tmp_path)
    assert "for demo only" in left.said
    assert_report_tells_the_truth(left)
    assert left.counts() == undisturbed.counts()


@pytest.mark.faults
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_killed_during_the_runs_nothing_is_lost_or_doubled(seed: int, tmp_path: Path, undisturbed: Left) -> None:
    chance = random.Random(seed)
    process = start_demo(tmp_path, "--broker", "mosquitto", "--rate", RATE)
    kills = []
    try:
        for _ in range(2):
            pid = product_pid(tmp_path)
            wait_for_runs(tmp_path, at_least=len(kills) * 5 + 1)
            time.sleep(chance.uniform(0.0, 3.0))
            os.kill(pid, signal.SIGKILL)
            kills.append(pid)
            wait_for_another_product(tmp_path, pid)
    finally:
        left = finish_demo(process, tmp_path)
    print(f"seed {seed}: killed {len(kills)} times, counts {left.counts()}")
    assert "killed and started again 2 times" in left.said
    assert left.counts() == undisturbed.counts()
    assert_report_tells_the_truth(left)


def wait_for_runs(folder: Path, *, at_least: int) -> None:
    """Until so many runs have begun."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with sqlite3.connect(f"file:{folder / 'data' / 'pilotlab.sqlite'}?mode=ro", uri=True) as database:
                (begun,) = database.execute("SELECT count(*) FROM runs WHERE started_at IS NOT NULL").fetchone()
            if begun >= at_least:
                return
        except sqlite3.OperationalError:
            pass
        time.sleep(0.05)
    raise AssertionError("the runs did not begin")


def wait_for_another_product(folder: Path, killed: int) -> None:
    """Until the demonstration has started the product again."""
    deadline = time.monotonic() + 30
    while product_pid(folder) == killed:
        assert time.monotonic() < deadline, "the product was not started again"
        time.sleep(0.02)


def test_real_recording_gives_an_honest_report(tmp_path: Path, real_recording: Path, mosquitto_program: str) -> None:
    left = finish_demo(start_demo(tmp_path, "--broker", "mosquitto", "--recording", str(real_recording)), tmp_path)
    results = left.results
    assert results["grade"]["letter"] == "D"
    with PdfReader(left.pdf) as pdf:
        decision_page = " ".join(pdf.pages[0].extract_text().split())
    assert "criteria were written after the data existed" in decision_page
    assert "3 of 4" in decision_page  # the faster feed spoiled a part: said where it is decided
    assert results["verdict"] == "Invest under conditions"
    assert {run["run"] for run in results["quality"]} == set(range(1, 19))
    excluded = {run["run"] for run in results["quality"] if run["excluded"]}
    assert 4 in excluded  # feed 6, not finished
    guards = {guard["key"]: guard["status"] for guard in results["guards"]}
    assert guards == {"passed": "undecided", "finished": "undecided"}
    assert package_problems(left.package) == []


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda folder: None, "no such folder"),
        (lambda folder: folder.mkdir(), "is missing"),
        (lambda folder: folder.write_text("not a folder"), "folder"),
    ],
)
def test_missing_or_broken_recording_is_one_line(tmp_path: Path, make: object, fact: str) -> None:
    folder = tmp_path / "recording"
    make(folder)  # type: ignore[operator]
    done = subprocess.run(
        [*PROGRAM, "demo", "--once", "--out", str(tmp_path / "out"), "--recording", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert fact in done.stderr
    assert done.stdout == ""


def test_second_demo_starts_afresh_and_leaves_strangers_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    done = subprocess.run(
        [*PROGRAM, "demo", "--once", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "not of an earlier demonstration" in done.stderr
    assert (tmp_path / "data" / "thesis.txt").read_text() == "mine"
