"""How long samples and sealed data sets are kept, on both stores and both databases."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from sqlalchemy.orm import Session

from lab.core.audit import changes_of
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.jobs import Worker
from lab.core.time import to_nanoseconds
from lab.people import service as people
from lab.people.principals import Principal, Role
from lab.pilots.models import Pilot, Plan, Run
from lab.reports.models import DataSet
from lab.retention.jobs import DailyRetention, retention_handlers
from lab.retention.models import DataSetTerm, RetentionRule
from lab.retention.service import retain
from telemetry.grants import BEGINNING_NS, END_NS
from telemetry.models import MachineEvent
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.influxdb import InfluxDBStore
from telemetry.stores.interface import Flag, SampleStore
from tests.factories import MONDAY_MORNING, make_account, make_organisation
from tests.telemetry_lab import TelemetryLab, samples, served_lab

DAY = timedelta(days=1)
DAY_S = 86_400


@pytest.fixture
def lab(each_database: Database, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(each_database, tmp_path) as served:
        yield served


@pytest.fixture(params=["duckdb", "influxdb"])
def each_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleStore]:
    if request.param == "duckdb":
        store: SampleStore = DuckDBStore(tmp_path / "kept.duckdb")
    else:
        server = request.getfixturevalue("influxdb")
        store = InfluxDBStore(server.url, server.token, server.org, server.bucket)
    yield store
    store.close()


def make_pilot(database: Database, organisation_id: str, *, number: str = "PL-1", state: str = "reported") -> str:
    pilot = Pilot(
        id=new_id("plt"),
        number=number,
        organisation_id=organisation_id,
        title="Milling",
        question="?",
        state=state,
        created_at=MONDAY_MORNING,
    )
    with database.write() as session:
        session.add(pilot)
    return pilot.id


def make_data_set(database: Database, pilot_id: str, folder: Path) -> str:
    data_set = DataSet(
        id=new_id("dat"),
        pilot_id=pilot_id,
        version=1,
        sealed_at=MONDAY_MORNING,
        folder=f"pilots/{pilot_id}/data-v1",
        manifest_sha256="0" * 64,
    )
    with database.write() as session:
        session.add(data_set)
    (folder / data_set.folder).mkdir(parents=True)
    (folder / data_set.folder / "manifest.json").write_text("{}")
    return data_set.id


def book_for_pilot(lab: TelemetryLab, pilot_id: str, start: datetime, end: datetime) -> str:
    from bookings.models import Booking

    booking_id = lab.book("alfa", start, end)
    with lab.database.write() as session:
        session.get_one(Booking, booking_id).pilot_id = pilot_id
    return booking_id


def set_days(database: Database, **days: int) -> None:
    with database.write() as session:
        for scope, number in days.items():
            facts = {"version": 1, "changed_by": "acc", "changed_at": MONDAY_MORNING}
            session.merge(RetentionRule(scope=scope, days=number, **facts))


def begin_run(lab: TelemetryLab, pilot_id: str, booking_id: str, start: datetime, end: datetime | None) -> None:
    with lab.database.write() as session:
        plan = Plan(id=new_id("pln"), pilot_id=pilot_id, version=1, document={})
        session.add(plan)
        session.flush()
        known: dict[str, Any] = {"pilot_id": pilot_id, "plan_id": plan.id, "booking_id": booking_id, "number": 1}
        session.add(Run(id=new_id("run"), **known, arm="a", started_at=start, ended_at=end, result={}))


def days_left(store: SampleStore) -> list[int]:
    found = store.read("mill-1", [], [(BEGINNING_NS, END_NS)], uncertain=True)
    return [round(value) for value in found.column("value").to_pylist()]


def fill(store: SampleStore, *days: int) -> None:
    """A sample at noon of each of these days before today; its value is the day."""
    store.write(samples(*((-day * DAY_S, day) for day in sorted(days, reverse=True))), watermark=1)


def apply(lab: TelemetryLab, store: SampleStore, folder: Path, *, default_days: int | None = None) -> Any:
    return retain(lab.database, store, data_dir=folder, default_days=default_days, clock=lab.clock)


def test_old_samples_go_and_longer_rules_and_needed_runs_keep_theirs(
    lab: TelemetryLab, each_store: SampleStore, tmp_path: Path
) -> None:
    fill(each_store, 400, 300, 250, 200, 100, 50, 10, 1)
    longer, shorter = (make_pilot(lab.database, lab.organisations["alfa"], number=name) for name in ("L", "S"))
    unsealed = make_pilot(lab.database, lab.organisations["alfa"], number="U", state="running")
    now = lab.clock.now()
    book_for_pilot(lab, longer, now - 301 * DAY, now - 299 * DAY)
    book_for_pilot(lab, shorter, now - 11 * DAY, now - 9 * DAY)
    needing = book_for_pilot(lab, unsealed, now - 260 * DAY, now - 199 * DAY)
    begin_run(lab, unsealed, needing, now - 251 * DAY, now - 249 * DAY)
    set_days(lab.database, lab=30, **{longer: 350, shorter: 5})
    assert apply(lab, each_store, tmp_path).samples == {"mill-1": 5}
    assert days_left(each_store) == [300, 250, 1]
    assert apply(lab, each_store, tmp_path).samples == {}
    set_days(lab.database, **{longer: 90})
    apply(lab, each_store, tmp_path)
    assert days_left(each_store) == [250, 1]


def test_a_run_that_goes_on_keeps_its_samples_also_of_a_sealed_pilot(lab: TelemetryLab, tmp_path: Path) -> None:
    fill(lab.store, 50, 40, 20)
    pilot_id = make_pilot(lab.database, lab.organisations["alfa"])
    make_data_set(lab.database, pilot_id, tmp_path)
    now = lab.clock.now()
    booking_id = book_for_pilot(lab, pilot_id, now - 45 * DAY, now)
    begin_run(lab, pilot_id, booking_id, now - 41 * DAY, None)
    apply(lab, lab.store, tmp_path, default_days=10)
    assert days_left(lab.store) == [40, 20]


def test_what_machines_reported_goes_with_the_samples(lab: TelemetryLab, tmp_path: Path) -> None:
    with lab.database.write() as session:
        for day in (50, 5):
            at = to_nanoseconds(lab.clock.now() - day * DAY)
            known: dict[str, Any] = {"device_id": "mill-1", "boot": "a", "seq": day, "kind": "state", "flags": 0}
            session.add(MachineEvent(**known, device_ns=at, settled_ns=at, received_ns=at, fields={}))
    assert apply(lab, lab.store, tmp_path, default_days=30).events == 1
    with lab.database.read() as session:
        assert [event.seq for event in session.query(MachineEvent)] == [5]


def test_what_waits_for_its_time_is_not_taken_for_old(
    lab: TelemetryLab, each_store: SampleStore, tmp_path: Path
) -> None:
    now_ns = to_nanoseconds(lab.clock.now())
    since_1970 = -round(now_ns / 1e9)
    doubtful = samples((since_1970 + 1, 1), (since_1970 + 2, 2), flags=int(Flag.UNCERTAIN))
    received = pa.array([now_ns - 40 * DAY_S * 10**9, now_ns - DAY_S * 10**9], pa.int64())
    place = doubtful.schema.get_field_index("received_ns")
    each_store.write(doubtful.set_column(place, doubtful.schema.field(place), received), watermark=1)
    with lab.database.write() as session:
        for seq, at in enumerate(received.to_pylist()):
            known: dict[str, Any] = {"device_id": "mill-1", "boot": "a", "seq": seq, "kind": "e", "fields": {}}
            flags = int(Flag.UNCERTAIN)
            session.add(MachineEvent(**known, device_ns=seq, settled_ns=seq, received_ns=at, flags=flags))
    done = apply(lab, each_store, tmp_path, default_days=30)
    assert (done.samples, done.events) == ({"mill-1": 1}, 1)
    assert days_left(each_store) == [2]


def test_without_a_rule_nothing_goes(lab: TelemetryLab, tmp_path: Path) -> None:
    fill(lab.store, 4000, 1)
    assert apply(lab, lab.store, tmp_path).samples == {}
    assert days_left(lab.store) == [4000, 1]


def test_it_is_done_once_a_day_however_many_processes_ask(lab: TelemetryLab, tmp_path: Path) -> None:
    fill(lab.store, 50, 1)
    handlers = retention_handlers(lab.database, lab.store, data_dir=tmp_path, default_days=30, clock=lab.clock)
    worker = Worker(lab.database, lab.clock, handlers)
    for _ in range(3):
        DailyRetention(lab.database, lab.clock).ask()
    assert worker.run_due() == 1
    assert days_left(lab.store) == [1]
    asking = DailyRetention(lab.database, lab.clock)
    assert isinstance(lab.clock, LabClock)
    lab.clock.advance(31 * DAY)
    asking.ask()
    assert worker.run_due() == 1
    assert days_left(lab.store) == []


# Over HTTP


def manager(lab: TelemetryLab) -> httpx.Client:
    def make(session: Session) -> str:
        organisation = make_organisation(session, "The lab", kind="lab")
        account = make_account(session, Role.MANAGER, organisation=organisation)
        owner = Principal(account.id, organisation.id, Role.MANAGER, account.name)
        return people.create_api_token(session, owner, name="t", scopes=["read", "write"], now=MONDAY_MORNING)[1]

    lab.secrets["manager"] = lab.database.transact(make)
    return lab.client("manager")


def test_managers_set_rules_and_every_change_is_in_the_log(lab: TelemetryLab) -> None:
    pilot_id = make_pilot(lab.database, lab.organisations["alfa"])
    with manager(lab) as client, lab.client("engineer") as engineer, lab.client("alfa") as alfa:
        assert client.get("/retention").json() == {"default_days": None, "rules": []}
        assert client.get("/retention/lab").status_code == 404
        assert engineer.put("/retention/lab", json={"days": 30}).status_code == 403
        assert alfa.get("/retention").status_code == 403
        made = client.put("/retention/lab", json={"days": 365, "reason": "grant rules"})
        assert (made.status_code, made.headers["etag"], made.json()["days"]) == (200, '"1"', 365)
        stale = client.put("/retention/lab", json={"days": 1}, headers={"If-Match": '"7"'})
        assert (stale.status_code, stale.json()["type"]) == (412, "urn:pilotlab:problem:retention-rule-changed")
        assert client.put("/retention/lab", json={"days": 400}, headers={"If-Match": '"1"'}).status_code == 200
        assert client.put(f"/retention/pilots/{pilot_id}", json={"days": 3650}).status_code == 200
        assert client.put("/retention/pilots/nobody", json={"days": 3650}).status_code == 404
        for days in (0, 36_501, None, "x"):
            assert client.put("/retention/lab", json={"days": days}).status_code == 422
        rules = engineer.get("/retention").json()["rules"]
        assert [(rule["scope"], rule["pilot_number"], rule["days"]) for rule in rules] == [
            ("lab", None, 400),
            (pilot_id, "PL-1", 3650),
        ]
        assert client.delete("/retention/lab?reason=over").status_code == 204
        assert client.delete("/retention/lab").status_code == 404
    with lab.database.read() as session:
        log = changes_of(session, "retention-rule", "lab")
    assert [(entry.what, entry.before, entry.after) for entry in log] == [
        ("created", None, {"days": 365}),
        ("changed", {"days": 365}, {"days": 400}),
        ("removed", {"days": 400}, None),
    ]
    assert log[0].reason == "grant rules"


def test_the_preview_says_what_would_go_and_deletes_nothing(lab: TelemetryLab, tmp_path: Path) -> None:
    fill(lab.store, 50, 40, 1)
    pilot_id = make_pilot(lab.database, lab.organisations["alfa"], state="running")
    now = lab.clock.now()
    booking_id = book_for_pilot(lab, pilot_id, now - 42 * DAY, now - 38 * DAY)
    begin_run(lab, pilot_id, booking_id, now - 41 * DAY, now - 39 * DAY)
    set_days(lab.database, lab=30)
    with lab.client("engineer") as client, lab.client("alfa") as alfa:
        assert alfa.get("/retention/preview").status_code == 403
        found = client.get("/retention/preview").json()
    mill = next(device for device in found["devices"] if device["device"] == "mill-1")
    assert mill["samples"] == 1
    assert mill["spans"] == [
        {"start": None, "end": "2026-10-13T07:00:00Z"},
        {"start": "2026-10-15T07:00:00Z", "end": "2026-10-24T07:00:00Z"},
    ]
    assert mill["needed"] == [{"start": "2026-10-13T07:00:00Z", "end": "2026-10-15T07:00:00Z"}]
    assert days_left(lab.store) == [50, 40, 1]


def test_a_sealed_data_set_stays_until_its_own_date(lab: TelemetryLab, tmp_path: Path) -> None:
    pilot_id = make_pilot(lab.database, lab.organisations["alfa"])
    data_set_id = make_data_set(lab.database, pilot_id, tmp_path)
    folder = tmp_path / f"pilots/{pilot_id}/data-v1"
    until = lab.clock.now() + 10 * DAY
    with manager(lab) as client:
        path = f"/data-sets/{data_set_id}/term"
        assert client.get(path).json()["keep_until"] is None
        assert client.put(path, json={"keep_until": until.isoformat(), "reason": "grant ends"}).status_code == 200
        with lab.database.write() as session:
            session.merge(RetentionRule(scope="lab", days=1, version=1, changed_by="a", changed_at=MONDAY_MORNING))
        apply(lab, lab.store, tmp_path)
        assert folder.is_dir()
        lab.clock.advance(10 * DAY)
        with lab.client("engineer") as engineer:
            assert [one["data_set_id"] for one in engineer.get("/retention/preview").json()["data_sets"]] == [
                data_set_id
            ]
        assert apply(lab, lab.store, tmp_path).data_sets == [data_set_id]
        assert not folder.exists()
        assert client.get(path).json()["removed_at"] is not None
        later = (lab.clock.now() + DAY).isoformat()
        assert client.put(path, json={"keep_until": later, "reason": "r"}).status_code == 409
    with lab.database.read() as session:
        assert session.get_one(DataSet, data_set_id).folder  # the row stays: what it was is known for ever
        assert session.get_one(DataSetTerm, data_set_id).removed_at == lab.clock.now()
    assert apply(lab, lab.store, tmp_path).data_sets == []


def test_a_data_set_is_never_kept_shorter_without_a_managers_reason(lab: TelemetryLab, tmp_path: Path) -> None:
    pilot_id = make_pilot(lab.database, lab.organisations["alfa"])
    data_set_id = make_data_set(lab.database, pilot_id, tmp_path)
    path = f"/data-sets/{data_set_id}/term"

    def setting(days: int | None, reason: str | None = None) -> dict[str, Any]:
        instant = None if days is None else (lab.clock.now() + days * DAY).isoformat()
        return {"keep_until": instant, "reason": reason}

    with manager(lab) as client, lab.client("engineer") as engineer:
        assert engineer.put(path, json=setting(100, "r")).status_code == 403  # for ever is longer
        for blank in (None, "", "  "):
            refused = client.put(path, json=setting(100, blank))
            assert (refused.status_code, refused.json()["field"]) == (422, "reason")
        assert client.put(path, json=setting(100, "the company asks for it")).status_code == 200
        assert engineer.put(path, json=setting(200)).status_code == 200
        assert engineer.put(path, json=setting(150, "r")).status_code == 403
        assert engineer.put(path, json=setting(None)).status_code == 200
        assert client.put(path, json=setting(-1, "r")).status_code == 422
        assert client.put(path, json={"keep_until": "2027-01-01T00:00:00", "reason": "r"}).status_code == 422
    with lab.database.read() as session:
        log = changes_of(session, "data-set", data_set_id)
    assert [entry.reason for entry in log] == ["the company asks for it", None, None]


def test_the_term_of_a_data_set_is_for_its_company_and_the_staff(lab: TelemetryLab, tmp_path: Path) -> None:
    data_set_id = make_data_set(lab.database, make_pilot(lab.database, lab.organisations["alfa"]), tmp_path)
    status = {}
    for who in ("engineer", "alfa", "beta", "recipient"):
        with lab.client(who) as client:
            status[who] = client.get(f"/data-sets/{data_set_id}/term").status_code
            assert client.get("/data-sets").status_code == (200 if who == "engineer" else 403)
            if who != "engineer":
                refused = client.put(f"/data-sets/{data_set_id}/term", json={"keep_until": None})
                assert refused.status_code == 403
    assert status == {"engineer": 200, "alfa": 200, "beta": 404, "recipient": 404}
