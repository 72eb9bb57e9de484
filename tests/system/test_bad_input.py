"""Bad input, from outside: every wrong thing gets a clear answer, and nothing right is lost. On both databases."""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.app import create_app  # noqa: F401 - with it come all tables
from lab.core.database import Database
from lab.pilots.examples import demo_plan
from lab.reports.models import DataSet, Report
from tests.services import PostgresCluster
from tests.system.installation import (
    TOPICS,
    Installation,
    Machine,
    People,
    book_now,
    connected,
    installation,
    make_people,
    now,
    rfc3339,
    wait_until,
)

CATALOGUE = Path(__file__).resolve().parents[2] / "devices" / "catalogues" / "gliwice.yaml"
LIVE_WITHIN_SECONDS = 5.0


@dataclass(frozen=True)
class Lab:
    """A running product with people, the mill at the broker, and things of company Alfa's."""

    product: Installation
    people: People
    mill: Machine
    things: dict[str, str]
    """By kind: the id of something that is Alfa's alone."""
    mill_password: str


@contextlib.contextmanager
def running_lab(folder: Path, **given: Any) -> Iterator[Lab]:
    """The product with all that, stopped in order at the end: it must not have failed unseen."""
    with contextlib.ExitStack() as stack:
        product = stack.enter_context(installation(folder, **given))
        product.start("--catalogue", str(CATALOGUE))
        password = product.device_password("mill-1")
        people = make_people(product)
        stack.callback(people.close)
        mill = connected(product, "mill-1", password)
        stack.callback(mill.close)
        yield Lab(product, people, mill, things_of_alfa(product, people), password)
        assert product.end() == 0, product.logged
        assert "request failed unexpectedly" not in product.logged, product.logged


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, mosquitto_program: Path) -> Iterator[Lab]:
    """With SQLite, as a newcomer has it."""
    with running_lab(tmp_path_factory.mktemp("sqlite")) as running:
        yield running


@pytest.fixture(scope="module")
def postgres_lab(
    tmp_path_factory: pytest.TempPathFactory, mosquitto_program: Path, postgres_cluster: PostgresCluster
) -> Iterator[Lab]:
    """With PostgreSQL, which is stricter about what it takes."""
    url = postgres_cluster.create_database()
    with running_lab(tmp_path_factory.mktemp("postgresql"), database_url=url) as running:
        yield running
    postgres_cluster.drop_database(url)


@pytest.fixture(params=["lab", "postgres_lab"])
def each_lab(request: pytest.FixtureRequest) -> Lab:
    """One after the other."""
    found: Lab = request.getfixturevalue(request.param)
    return found


def things_of_alfa(product: Installation, people: People) -> dict[str, str]:
    """A booking that runs, a pilot with a plan, and a report with its files (put there as the report job does)."""
    booking = book_now(people.alfa, ["mill-1", "meter-1"])
    pilot = people.alfa.post("/api/v1/pilots", json={"title": "Feed", "question": "Is faster better?"}).json()["id"]
    plan = people.alfa.put(f"/api/v1/pilots/{pilot}/plan", json=demo_plan().model_dump(mode="json"))
    assert plan.status_code == 200, plan.text
    folder = f"pilots/{pilot}/report-v1"
    (product.data / folder).mkdir(parents=True)
    for name in ("report.pdf", "package.zip"):
        (product.data / folder / name).write_bytes(b"Alfa's own")
    url = str(product.settings.get("database_url") or f"sqlite:///{product.data / 'pilotlab.sqlite'}")
    database, stamp = Database(url), now()
    with database.write() as session:
        session.add(
            DataSet(id="dat-alfa", pilot_id=pilot, version=1, sealed_at=stamp, folder="x", manifest_sha256="0" * 64)
        )
        session.flush()
        hashes = {"pdf_sha256": "0" * 64, "package_sha256": "0" * 64}
        report = {"id": "rep-alfa", "pilot_id": pilot, "data_set_id": "dat-alfa", "number": "PL-ALFA-R1", "version": 1}
        session.add(Report(**report, **hashes, created_at=stamp, verdict="Invest", results={}, folder=folder))
    database.close()
    return {"booking": booking, "pilot": pilot, "report": "rep-alfa"}


# --- MQTT ---


def good(seq: int, boot: str, *, value: float | None = None) -> str:
    """A message of the mill that nothing is wrong with."""
    values = {"spindle_power_kw": seq / 1000 if value is None else value}
    return json.dumps({"boot": boot, "seq": seq, "time": rfc3339(now()), "values": values})


def wrong(**changes: Any) -> str:
    """A message of the mill with something wrong."""
    message = {"boot": "wrong", "seq": 1, "time": rfc3339(now()), "values": {"feed_mm_s": 6.0}, **changes}
    return json.dumps({name: value for name, value in message.items() if value is not None})


WRONG_MESSAGES: dict[str, tuple[str, Any]] = {
    "unknown signal": ("unknown-signal", lambda: wrong(values={"flux_compensation": 1.21})),
    "text for a number": ("wrong-type", lambda: wrong(values={"feed_mm_s": "fast"})),
    "truth for a number": ("wrong-type", lambda: wrong(values={"feed_mm_s": True})),
    "nothing for a number": ("wrong-type", lambda: wrong(values={"feed_mm_s": None})),
    "number for a truth": ("wrong-type", lambda: wrong(values={"coolant_on": 1})),
    "not one of the choices": ("not-a-choice", lambda: wrong(values={"step": "dancing"})),
    "NaN": ("not-finite", lambda: wrong(values={"feed_mm_s": float("nan")})),
    "infinity": ("not-finite", lambda: wrong(values={"feed_mm_s": float("-inf")})),
    "a number of 400 digits": ("not-finite", lambda: wrong(values={"feed_mm_s": 10**400})),
    "time 1970": ("impossible-time", lambda: wrong(boot="no-date", time="1970-01-01T00:00:12Z")),
    "time 1970 in nanoseconds": ("impossible-time", lambda: wrong(boot="no-date-ns", time=12_000_000_000)),
    "milliseconds sent as nanoseconds": (
        "impossible-time",
        lambda: wrong(boot="milliseconds", time=int(now().timestamp() * 1000)),
    ),
    "far future": ("impossible-time", lambda: wrong(time="2126-01-01T00:00:00Z")),
    "year 9999": ("impossible-time", lambda: wrong(time="9999-12-31T23:59:59Z")),
    "huge time": ("impossible-time", lambda: wrong(time=10**30)),
    "no zone": ("impossible-time", lambda: wrong(time="2026-11-22T09:30:00")),
    "no time": ("wrong-form", lambda: wrong(time=None)),
    "no boot": ("wrong-form", lambda: wrong(boot=None)),
    "NUL in the boot": ("wrong-form", lambda: wrong(boot="a\x00b")),
    "half a character in the boot": ("not-utf8", lambda: wrong(boot="\ud800")),
    "negative seq": ("wrong-form", lambda: wrong(seq=-1)),
    "seq above 64 bits": ("wrong-form", lambda: wrong(seq=2**70)),
    "300 kB": ("too-large", lambda: wrong(values={"feed_mm_s": 6.0}, padding="x" * 300_000)),
    "empty": ("empty", lambda: b""),
    "broken UTF-8": ("not-utf8", lambda: b'{"boot": "\xff\xfe", "seq": 1}'),
    "UTF-8 cut in the middle": ("not-utf8", lambda: wrong(boot="ż").encode("unicode_escape") + "ż".encode()[:1]),
    "no JSON": ("not-json", lambda: b"spindle_power_kw=1.8"),
    "JSON cut off": ("not-json", lambda: wrong()[:-5]),
    "brackets, 50,000 deep": ("not-json", lambda: b"[" * 50_000),
    "a list": ("wrong-form", lambda: b"[1, 2, 3]"),
    "null": ("wrong-form", lambda: b"null"),
    "values that are no object": ("wrong-form", lambda: wrong(values=[1, 2])),
    "NUL in a signal's name": ("unknown-signal", lambda: wrong(values={"a\x00b": 1})),
    "half a character in a signal's name": ("unknown-signal", lambda: wrong(values={"\udfff": 1})),
    "a wave with NaN": (
        "not-finite",
        lambda: wrong(time=None, values=None, start=rfc3339(now()), rate_hz=10, waves={"feed_mm_s": [1, float("nan")]}),
    ),
    "a wave at no rate": (
        "wrong-form",
        lambda: wrong(time=None, values=None, start=rfc3339(now()), rate_hz=0, waves={"feed_mm_s": [1.0]}),
    ),
}


def letters(lab: Lab, **query: Any) -> list[dict[str, Any]]:
    """All dead letters, the newest first, page by page."""
    found, cursor = [], None
    while True:
        wanted = {**query, "limit": 40, **({"cursor": cursor} if cursor else {})}
        answer = lab.people.engineer.get("/api/v1/dead-letters", params=wanted)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


def wait_until_stored(lab: Lab, boot: str, last_seq: int) -> None:
    """Until the product says that it has stored `0 … last_seq` of a boot of the mill, none missing."""
    deadline = time.monotonic() + 15
    query = {"boot": boot, "first_seq": 0, "last_seq": last_seq}
    while True:
        found = lab.people.engineer.get("/api/v1/devices/mill-1/completeness", params=query).json()
        if found["received"] == last_seq + 1:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def stored(lab: Lab, boot: str, signal: str = "spindle_power_kw") -> list[float]:
    """Values of a boot of the mill, as an engineer reads them."""
    answer = lab.people.engineer.get("/api/v1/devices/mill-1/samples", params={"signal": signal})
    found = answer.json()["signals"].get(signal, {"boot": [], "value": []})
    return [value for name, value in zip(found["boot"], found["value"], strict=True) if name == boot]


def test_each_wrong_message_is_a_dead_letter_with_its_reason_and_no_good_one_is_lost(each_lab: Lab) -> None:
    lab = each_lab
    before = {letter["key"] for letter in letters(lab)}
    for place, (_, make) in enumerate(WRONG_MESSAGES.values()):
        lab.mill.send(good(place, "between"))
        lab.mill.send(make())
    last = len(WRONG_MESSAGES)
    lab.mill.send(good(last, "between"))
    wait_until_stored(lab, "between", last)
    assert stored(lab, "between") == [seq / 1000 for seq in range(last + 1)]
    found = [letter for letter in letters(lab) if letter["key"] not in before]
    summary = [(letter["reason"], letter["detail"], letter["payload"][:80]) for letter in found]
    assert Counter(letter["reason"] for letter in found) == Counter(r for r, _ in WRONG_MESSAGES.values()), summary
    assert all(letter["detail"] and letter["device"] == "mill-1" for letter in found)


def test_only_the_wrong_value_of_a_message_is_refused(lab: Lab) -> None:
    message = json.loads(good(0, "neighbours", value=4.5))
    message["values"] |= {"feed_mm_s": "fast", "tool_wear_um": 12.5, "unheard_of": 1}
    lab.mill.send(json.dumps(message))
    wait_until_stored(lab, "neighbours", 0)
    assert stored(lab, "neighbours") == [4.5]
    assert stored(lab, "neighbours", "tool_wear_um") == [12.5]
    assert stored(lab, "neighbours", "feed_mm_s") == []
    refused = {(letter["signal"], letter["reason"]) for letter in letters(lab, device="mill-1")[:2]}
    assert refused == {("feed_mm_s", "wrong-type"), ("unheard_of", "unknown-signal")}


@pytest.mark.parametrize("kind", ["birth", "death", "event", "state", "data", "data/cbor", "data/senml", "nonsense"])
def test_garbage_of_every_kind_stops_nothing(postgres_lab: Lab, kind: str) -> None:
    """Also on topics and in fields that nobody looks at in daily life: NUL, half characters, depth, 64 bits."""
    lab = postgres_lab
    nasty = ["a\x00b", "\ud800", 10**30, float("nan"), [[[[]]]], {"": None}, "x" * 5000, -1, True, None]
    names = ["boot", "seq", "time", "event", "fields", "firmware", "signals", "item_state", "mode", "program", "values"]
    right = {"boot": f"g-{kind}", "seq": 0, "time": rfc3339(now()), "event": "e", "item_state": "Executing"}
    for payload in (b"", b"\x00", b"\xff\xff", b"{}", b"[]", b'"x"', b"1e999", b"[" * 3000):
        lab.mill.post(payload, kind=kind)
    for name in names:
        for value in nasty:
            lab.mill.post(json.dumps({**right, name: value}), kind=kind)
    for value in nasty:
        lab.mill.post(json.dumps({**right, "fields": {"deep": {"er": value}}}), kind=kind)
        lab.mill.post(json.dumps({**right, "fields": {str(value): 1}}), kind=kind)
        lab.mill.post(json.dumps({**right, "signals": [value]}), kind=kind)
    boot = f"after-{kind.replace('/', '-')}"
    lab.mill.send(good(0, boot, value=3.25))
    wait_until_stored(lab, boot, 0)
    assert stored(lab, boot) == [3.25]
    failed = [letter for letter in letters(lab) if letter["reason"] == "recorder-fault"]
    assert not failed, [(letter["detail"], letter["topic"], letter["payload"][:200]) for letter in failed]
    for client in (lab.people.engineer, lab.people.alfa):
        assert client.get("/api/v1/devices/mill-1/events").status_code == 200
        assert client.get("/api/v1/devices").status_code == 200
        assert client.get("/devices/mill-1").status_code == 200


def test_company_sees_a_good_message_live_within_seconds_of_wrong_ones(lab: Lab) -> None:
    seen, wanted = threading.Event(), 1.0625
    opened = threading.Event()

    def watch() -> None:
        with lab.people.alfa.stream("GET", "/api/v1/devices/mill-1/live", timeout=15) as stream:
            opened.set()
            for line in stream.iter_lines():
                if str(wanted) in line:
                    seen.set()
                    return

    viewer = threading.Thread(target=watch)
    viewer.start()
    assert opened.wait(10)
    for _, make in WRONG_MESSAGES.values():
        lab.mill.send(make())
    lab.mill.send(good(0, "live", value=wanted))
    begin = time.monotonic()
    assert seen.wait(LIVE_WITHIN_SECONDS), "not seen live"
    print(f"seen live after {time.monotonic() - begin:.2f} s")
    viewer.join(10)


def test_dead_letters_are_for_the_staff(lab: Lab) -> None:
    lab.mill.send(b"for the staff")
    assert lab.people.manager.get("/api/v1/dead-letters").status_code == 200
    for client in (lab.people.alfa, lab.people.beta, lab.people.recipient):
        assert_problem(client.get("/api/v1/dead-letters"), 403)
    assert_problem(lab.people.nobody.get("/api/v1/dead-letters"), 401)


def test_device_speaks_and_hears_only_under_its_own_name(lab: Lab) -> None:
    port = lab.product.broker_port
    forged = good(0, "forged", value=9.75)
    for topic in (f"{TOPICS}/robot-1/data", f"{TOPICS}/mill-1-b/data", "pilotlab/elsewhere/mill-1/data", "spBv1.0/x"):
        intruder = Machine(port, "mill-1", lab.mill_password)
        with contextlib.suppress(AssertionError, RuntimeError):  # the broker confirms what it drops, or cuts it off
            intruder.send(forged, topic=topic)
        intruder.close()
    lab.mill.send(good(0, "own", value=2.0))
    wait_until_stored(lab, "own", 0)
    assert lab.people.engineer.get("/api/v1/devices/robot-1/samples").json()["signals"] == {}
    assert not [letter for letter in letters(lab) if "forged" in letter["payload"]]
    for who, password in (("mill-1", None), ("mill-1", "wrong password"), ("pilotlab", "pilotlab"), ("", "")):
        stranger = Machine(port, who, password)
        stranger.close()
        assert stranger.refusal, who


def values_of(client: httpx.Client, device: str) -> list[float]:
    """Spindle powers of a device, as staff reads them."""
    signals = client.get(f"/api/v1/devices/{device}/samples").json()["signals"]
    return list(signals.get("spindle_power_kw", {"value": []})["value"])


def test_message_of_an_unknown_device_is_kept_for_the_staff(tmp_path: Path) -> None:
    """No broker account exists for it where Mosquitto guards; the broker for demonstrations lets everybody speak."""
    with installation(tmp_path, broker="amqtt") as product:
        product.start("--catalogue", str(CATALOGUE))
        assert "for demo only" in product.logged
        manager = product.browser("manager", product.manager_password)
        port = int(product.said.split("Broker: amqtt on 127.0.0.1:")[1].split()[0])
        machine = Machine(port, "ghost-9", None)
        machine.send(good(0, "b"))
        machine.send(good(1, "b"), topic=f"{TOPICS}/mill-1/data")
        machine.send(good(2, "b"), topic=f"{TOPICS}/data")
        wait_until(lambda: values_of(manager, "mill-1") == [0.001], "the good message")
        found = manager.get("/api/v1/dead-letters").json()["items"]
        assert ("ghost-9", "unknown-device") in {(letter["device"], letter["reason"]) for letter in found}
        machine.close()
        manager.close()


# --- HTTP ---


def assert_problem(answer: httpx.Response, status: int, **facts: Any) -> dict[str, Any]:
    """A refusal as RFC 9457 wants it, with these facts."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:pilotlab:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert {name: problem.get(name) for name in facts} == facts, problem
    return problem


def a_wish(**changes: Any) -> dict[str, Any]:
    """A slot on the printer that all rules allow, two days from now, with changes; `None` leaves a field out."""
    start = (now() + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    wish = {"device_ids": ["printer-1"], "title": "Bracket", "start": start, "end": start + timedelta(hours=1)}
    given = {**wish, **changes}
    written = {name: rfc3339(value) if hasattr(value, "isoformat") else value for name, value in given.items()}
    return {name: value for name, value in written.items() if value is not None}


START = a_wish()["start"]

WRONG_WISHES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "reversed": ({"start": a_wish()["end"], "end": START}, 422, "end", "end-after-start"),
    "no length": ({"end": START}, 422, "end", "end-after-start"),
    "in the past": ({"start": now() - timedelta(hours=1), "end": now()}, 422, "start", "not-in-the-past"),
    "in 1970": ({"start": "1970-01-01T08:00:00Z", "end": "1970-01-01T09:00:00Z"}, 422, "start", "not-in-the-past"),
    "year 1": ({"start": "0001-01-01T00:00:00+14:00"}, 422, "start", "time-in-range"),
    "year 9999": ({"end": "9999-12-31T23:59:59-14:00"}, 422, "end", "time-in-range"),
    "start without a zone": ({"start": START.removesuffix("Z")}, 422, "start", "aware-time"),
    "end without a zone": ({"end": a_wish()["end"].removesuffix("Z")}, 422, "end", "aware-time"),
    "too long": ({"end": now() + timedelta(days=9)}, 422, "end", "longest-booking"),
    "too far away": (
        {"start": now() + timedelta(days=400), "end": now() + timedelta(days=400, hours=1)},
        422,
        "end",
        "horizon",
    ),
    "a number for a time": ({"start": 1795417200}, 422, "start", "value-error"),
    "a day for a time": ({"start": "2026-11-23"}, 422, "start", "value-error"),
    "30 February": ({"start": "2027-02-30T09:00:00Z"}, 422, "start", "datetime-from-date-parsing"),
    "no time": ({"start": None}, 422, "start", "missing"),
    "unknown field": ({"colour": "red"}, 422, "colour", "extra-forbidden"),
    "field with a NUL": ({"a\x00b": 1}, 422, "a\x00b", "extra-forbidden"),
    "no device": ({"device_ids": []}, 422, "device_ids", "at-least-one-device"),
    "a device twice": ({"device_ids": ["printer-1"] * 2}, 422, "device_ids", "each-device-once"),
    "very many devices": ({"device_ids": [f"d-{n}" for n in range(5000)]}, 422, "device_ids", "most-devices"),
    "unknown device": ({"device_ids": ["printer-1", "ghost-1"]}, 422, "device_ids", "known-device"),
    "no name of a device": ({"device_ids": ["a\x00b"]}, 422, "device_ids.0", "string-pattern-mismatch"),
    "one device, no list": ({"device_ids": "printer-1"}, 422, "device_ids", "list-type"),
    "blank title": ({"title": " \t "}, 422, "title", "string-too-short"),
    "long title": ({"title": "x" * 100_000}, 422, "title", "string-too-long"),
    "title with a NUL": ({"title": "a\x00b"}, 422, "title", "string-pattern-mismatch"),
    "title of half a character": ({"title": "\ud800"}, 422, "title", "string-unicode"),
    "for an unknown company": ({"organisation_id": "org-nobody"}, 403, "organisation_id", "own-company"),
    "for an unknown pilot": ({"pilot_id": "plt-nobody"}, 422, "pilot_id", "own-pilot"),
}


@pytest.mark.parametrize("name", WRONG_WISHES)
def test_wrong_wish_names_field_and_rule_and_books_nothing(lab: Lab, name: str) -> None:
    changes, status, field, rule = WRONG_WISHES[name]
    before = lab.people.alfa.get("/api/v1/bookings").json()
    answer = lab.people.alfa.post(
        "/api/v1/bookings", content=json.dumps(a_wish(**changes)), headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, status, field=field, rule=rule)
    assert lab.people.alfa.get("/api/v1/bookings").json() == before


def test_taken_slot_names_three_free_ones_and_says_nothing_of_who_has_it(lab: Lab) -> None:
    wish = a_wish(device_ids=["robot-1", "conveyor-1"], title="Alfa's secret")
    assert lab.people.alfa.post("/api/v1/bookings", json=wish).status_code == 201
    for changes in ({}, {"end": a_wish()["end"].replace(":00:00Z", ":30:00Z")}, {"device_ids": ["conveyor-1"]}):
        answer = lab.people.beta.post("/api/v1/bookings", json={**wish, **changes})
        problem = assert_problem(answer, 409, field="start", rule="device-free")
        assert len(problem["alternatives"]) == 3
        assert {conflict["what"] for conflict in problem["conflicts"]} == {"taken"}
        assert "secret" not in answer.text
        assert lab.people.organisations["alfa"] not in answer.text
    free = problem["alternatives"][0]
    taken = lab.people.beta.post("/api/v1/bookings", json={**wish, "device_ids": ["conveyor-1"], **free})
    assert taken.status_code == 201, taken.text


def test_company_meets_nothing_of_another_by_a_guessed_name(each_lab: Lab) -> None:
    lab = each_lab
    booking, pilot, report = (lab.things[kind] for kind in ("booking", "pilot", "report"))
    alfa, people = lab.people.organisations["alfa"], lab.people
    paths = [
        f"/api/v1/bookings/{booking}",
        f"/api/v1/organisations/{alfa}",
        f"/api/v1/pilots/{pilot}",
        f"/api/v1/pilots/{pilot}/plan",
        f"/api/v1/pilots/{pilot}/runs",
        f"/api/v1/reports/{report}",
        f"/api/v1/reports/{report}/report.pdf",
        f"/api/v1/reports/{report}/package.zip",
        *(f"/api/v1/devices/mill-1/{what}" for what in ("samples", "latest", "events", "live")),
        "/api/v1/devices/mill-1/buckets?signal=feed_mm_s",
    ]
    for path in paths:
        guessed = people.beta.get(path)
        assert_problem(guessed, 404)
        assert "field" in guessed.json(), path
        assert "rule" in guessed.json(), path
        unknown = people.beta.get(path.replace(booking, "bkg-x").replace(pilot, "plt-x").replace(report, "rep-x"))
        assert unknown.status_code == 404
        if not path.endswith("/live"):
            assert people.alfa.get(path).status_code == 200, path
    changes: list[tuple[str, str, Any]] = [
        ("POST", f"/api/v1/bookings/{booking}/cancel", None),
        ("POST", f"/api/v1/bookings/{booking}/start", None),
        ("POST", f"/api/v1/bookings/{booking}/finish", None),
        ("POST", f"/api/v1/bookings/{booking}/move", {"start": a_wish()["start"], "end": a_wish()["end"]}),
        ("PUT", f"/api/v1/pilots/{pilot}/plan", demo_plan().model_dump(mode="json")),
        ("POST", f"/api/v1/pilots/{pilot}/plan/lock", None),
    ]
    for method, path, body in changes:
        assert_problem(people.beta.request(method, path, json=body), 404)
    for path, things in (("/bookings", "bookings"), ("/pilots", None), ("/reports", None), ("/organisations", None)):
        listed = people.beta.get(f"/api/v1{path}").json()
        for thing in listed[things] if things else listed:
            assert thing.get("organisation_id", thing["id"]) == people.organisations["beta"]
    for path in (f"/pilots/{pilot}", f"/reports/{report}"):
        page = people.beta.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 404
        assert "Alfa" not in page.text
    assert people.beta.post(
        "/api/v1/pilots", json={"title": "x", "question": "?", "organisation_id": alfa}
    ).is_client_error
    assert people.beta.post("/api/v1/bookings", json=a_wish(organisation_id=alfa)).is_client_error
    assert people.beta.post("/api/v1/bookings", json=a_wish(pilot_id=pilot)).is_client_error
    assert people.alfa.get(f"/api/v1/bookings/{booking}").json()["state"] in ("confirmed", "in_use")


def test_another_site_cannot_make_a_browser_change_anything(lab: Lab) -> None:
    browser = lab.people.manager
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": lab.product.url + ".evil.example"},
        {"Origin": lab.product.url, "Sec-Fetch-Site": "cross-site"},
        {"Origin": lab.product.url, "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "Authorization": "Basic eDp5"},
        {"Origin": ""},
    ):
        answer = browser.post("/api/v1/organisations", json={"name": "Evil sp. z o.o."}, headers=headers)
        assert_problem(answer, 403, rule="same-origin")
    without = httpx.Request("POST", f"{lab.product.url}/api/v1/organisations", json={"name": "Evil"})
    without.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    assert_problem(lab.people.nobody.send(without), 403, rule="same-origin")
    assert "Evil" not in browser.get("/api/v1/organisations").text


def test_token_for_reading_changes_nothing(lab: Lab) -> None:
    for method, path in (
        ("POST", "/api/v1/bookings"),
        ("POST", "/api/v1/organisations"),
        ("POST", "/api/v1/pilots"),
        ("PUT", f"/api/v1/pilots/{lab.things['pilot']}/plan"),
        ("POST", f"/api/v1/bookings/{lab.things['booking']}/cancel"),
        ("DELETE", "/api/v1/tokens/tok-x"),
    ):
        answer = lab.people.reader.request(method, path, json={})
        assert answer.status_code in (403, 422), answer.text
        if answer.status_code == 403:
            assert_problem(answer, 403, rule="token-scope")
    assert_problem(lab.people.reader.post("/api/v1/bookings", json=a_wish()), 403, rule="token-scope")
    assert lab.people.reader.get("/api/v1/bookings").status_code == 200


BODIES: dict[str, tuple[bytes, str, set[int]]] = {
    "nothing": (b"", "application/json", {422}),
    "no JSON": (b"{", "application/json", {422}),
    "broken UTF-8": (b'{"title": "\xff\xfe"}', "application/json", {400, 422}),
    "NaN": (b'{"title": NaN}', "application/json", {422}),
    "100,000 brackets": (b"[" * 100_000, "application/json", {400, 422}),
    "90,000 objects in each other": (b'{"title":' * 90_000 + b"1" + b"}" * 90_000, "application/json", {400, 422}),
    "number of 5,000 digits": (b'{"title": ' + b"9" * 5000 + b"}", "application/json", {400, 422}),
    "1e99999": (b'{"start": 1e99999}', "application/json", {422}),
    "half a character": (rb'{"title": "\ud800", "\udfff": 1}', "application/json", {422}),
    "a list": (b"[]", "application/json", {422}),
    "null": (b"null", "application/json", {422}),
    "2 MB": (b'"' + b"x" * 2_000_000 + b'"', "application/json", {413}),
    "a form": (b"title=x", "application/x-www-form-urlencoded", {415, 422}),
    "a broken form": (b"--x\r\n\r\n", "multipart/form-data; boundary=x", {400, 415, 422}),
    "a form without a boundary": (b"x", "multipart/form-data", {400, 415, 422}),
    "XML": (b"<x/>", "application/xml", {415, 422}),
    "no type of content that there is": (b"{}", "\xff/\xff;;;=", {415, 422}),
    "another character set": ('{"title": "ż"}'.encode("utf-16"), "application/json; charset=utf-16", {400, 415, 422}),
}


@pytest.mark.parametrize("name", BODIES)
def test_strange_body_gets_a_clear_answer(each_lab: Lab, name: str) -> None:
    lab = each_lab
    body, kind, statuses = BODIES[name]
    for path in ("/api/v1/bookings", "/api/v1/pilots", f"/api/v1/pilots/{lab.things['pilot']}/runs/1/stop"):
        answer = lab.people.engineer.post(path, content=body, headers={b"Content-Type": kind.encode("latin-1")})
        assert answer.status_code in statuses, (path, answer.status_code, answer.text)
        assert_problem(answer, answer.status_code)


STRANGE = ["a%00b", "%ED%A0%80%FF", "..%2f..%2fetc%2fpasswd", "x" * 5000, "%0d%0aX: y'%22--", "9" * 400]


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_strange_address_is_not_found_and_breaks_nothing(each_lab: Lab, text: str) -> None:
    lab = each_lab
    document = lab.people.engineer.get("/api/v1/openapi.json").json()
    for template, operations in document["paths"].items():
        if "{" not in template:
            continue
        path = "/".join(text if part.startswith("{") else part for part in template.split("/"))
        for method in {"head", "options", *operations}:
            for client in (lab.people.engineer, lab.people.manager):
                answer = client.request(method.upper(), path, json={} if method in ("post", "put") else None)
                assert answer.is_client_error, (method, path, answer.status_code, answer.text)
    for path in (f"/devices/{text}", f"/pilots/{text}", f"/reports/{text}", f"/{text}", f"/static/{text}"):
        answer = lab.people.engineer.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 404, (path, answer.status_code)
    for path in (
        "/bookings/alternatives?device_id",
        "/dead-letters?device",
        "/dead-letters?reason",
        "/reports?pilot_id",
    ):
        assert lab.people.engineer.get(f"/api/v1{path}={text}").status_code < 500, path


HEADERS = [b"Authorization", b"Cookie", b"If-Match", b"Origin", b"Accept", b"Sec-Fetch-Site", b"Range", b"Host"]
HEADER_VALUES = [b"\xff\xfe", b"Bearer", b"Bearer \xff", b"Bearer " + b"x" * 5000, b"pilotlab_session=\xff", b'"', b"-"]


def test_strange_headers_break_nothing(lab: Lab) -> None:
    paths = ["/api/v1/me", "/sign-in", f"/api/v1/reports/{lab.things['report']}/report.pdf"]
    for name in HEADERS:
        for value in HEADER_VALUES:
            for path in paths:
                answer = lab.people.engineer.get(path, headers={name: value})
                assert answer.status_code < 500, (name, value, path)
            change = lab.people.nobody.delete("/api/v1/session", headers={name: value})
            assert change.status_code in (204, 400, 403), (name, value, change.status_code)


def test_methods_that_are_not_there_are_refused(lab: Lab) -> None:
    for path in ("/", "/api/v1/me", "/api/v1/bookings", "/sign-in", "/healthz", "/static/pilotlab.css"):
        for method in ("HEAD", "OPTIONS", "TRACE", "PATCH", "PROPFIND"):
            answer = lab.people.engineer.request(method, path)
            assert answer.status_code in (200, 405), (method, path, answer.status_code)
        assert lab.people.engineer.request("GIBBERISH", path).status_code == 501  # no method at all, of any server


TEXTS = st.sampled_from(
    ["", "x", "mill-1", "\x00", "\ud800", "ż🦊", "-1", "9" * 40, "2026-11-23T09:00:00Z", "a" * 3000, "%00", "null"]
)
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def json_for(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Mostly what a schema asks for, with something else now and then."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if depth > 6:
        return ANYTHING
    return st.one_of(_right_json(schema, document, depth), _right_json(schema, document, depth), ANYTHING)


def _right_json(schema: dict[str, Any], document: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    for many in ("anyOf", "oneOf"):
        if many in schema:
            return st.one_of([json_for(one, document, depth + 1) for one in schema[many]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    match schema.get("type"):
        case "object":
            known = {name: json_for(one, document, depth + 1) for name, one in schema.get("properties", {}).items()}
            needed = {name: known.pop(name) for name in schema.get("required", []) if name in known}
            if known or needed:
                return st.fixed_dictionaries(needed, optional=known)
            return st.dictionaries(TEXTS, ANYTHING, max_size=2)
        case "array":
            return st.lists(json_for(schema.get("items", {}), document, depth + 1), max_size=3)
        case "integer" | "number":
            return NUMBERS | st.integers(0, 20)
        case "boolean":
            return st.booleans()
        case "string":
            times = st.datetimes().map(lambda instant: instant.isoformat() + "Z")
            return times | TEXTS if schema.get("format") == "date-time" else TEXTS | st.text(max_size=20)
    return ANYTHING


@st.composite
def requests(draw: st.DrawFn, document: dict[str, Any], things: list[str]) -> tuple[str, str, list[Any], Any, bool]:
    """Method, path, query, body, and whether there is a body, for an operation of the document."""
    operations = [(path, method) for path, methods in document["paths"].items() for method in methods]
    template, method = draw(st.sampled_from(operations))
    operation = document["paths"][template][method]
    path, query = template, []
    for parameter in operation.get("parameters", []):
        value = draw(json_for(parameter["schema"], document) | st.sampled_from(things))
        text = value if isinstance(value, str) else json.dumps(value)
        if parameter["in"] == "path":
            coded = quote(text.encode("utf-8", "surrogatepass"), safe="")
            path = path.replace("{" + parameter["name"] + "}", coded.replace(".", "%2E") or "%20")
        elif parameter["in"] == "query" and (parameter.get("required") or draw(st.booleans())):
            coded = quote(text.encode("utf-8", "surrogatepass"), safe="")
            query.append(f"{parameter['name']}={coded}")
    if query:
        path += "?" + "&".join(query)
    if "requestBody" not in operation:
        return method.upper(), path, query, None, False
    (sent,) = operation["requestBody"]["content"].values()
    schema = sent["schema"]
    return method.upper(), path, query, draw(json_for(schema, document)), True


def test_nothing_that_can_be_asked_makes_the_server_fail(each_lab: Lab) -> None:
    lab = each_lab
    people = lab.people
    document = people.engineer.get("/api/v1/openapi.json").json()
    things = [*lab.things.values(), *people.organisations.values(), "mill-1", "1"]
    count = 0

    @settings(max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(requests(document, things), st.sampled_from(["manager", "engineer", "alfa", "recipient", "nobody"]))
    def ask(asked: tuple[str, str, list[Any], Any, bool], who: str) -> None:
        nonlocal count
        method, path, _, body, has_body = asked
        client: httpx.Client = getattr(people, who)
        if method == "DELETE" and "session" in path:
            client = people.nobody
        content = json.dumps(body) if has_body else None
        with client.stream(
            method, path[:8000], content=content, headers={"Content-Type": "application/json"}
        ) as answer:
            count += 1
            live = "/live" in path and answer.status_code == 200
            text = "" if live else answer.read().decode()
            assert answer.status_code < 500, (who, method, path, body, answer.status_code, text)
            if answer.is_client_error:
                assert answer.headers["content-type"] == "application/problem+json", (method, path, text)

    ask()
    print(f"{count} requests")
    assert people.manager.get("/readyz").json()["status"] == "ready"
