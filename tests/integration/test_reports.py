"""From the store to the report: sealed once, made once, and nobody else's business."""

import asyncio
import html
import json
import re
import shutil
import zipfile
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from httpx import ASGITransport, AsyncClient
from sqlalchemy.exc import DBAPIError

from bookings.models import Booking, BookingDevice
from bookings.prices.models import Programme
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.errors import ForbiddenError
from lab.core.jobs import Job, Worker
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from lab.people.endpoints import SESSION_COOKIE
from lab.people.principals import Role
from lab.people.service import create_api_token, open_session
from lab.pilots import service as pilots
from lab.pilots.errors import PilotStateError
from lab.pilots.examples import demo_economics, demo_plan
from lab.pilots.models import Pilot
from lab.reports import gathering, issuing, service
from lab.reports.assembly import compute_results
from lab.reports.errors import DataSetAlteredError, PilotUnfinishedError, ReportUnknownError
from lab.reports.gathering import gather, grant_of_company, samples_of
from lab.reports.jobs import report_handlers
from lab.reports.models import DataSet, Report
from lab.reports.numbers import format_quantity
from lab.reports.results import Results, Verdict
from lab.reports.sealing import file_sha256, read_data_set, write_data_set
from lab.reports.spread import Spread, Trial
from lab.web.sketch_earlier import source_words
from telemetry.models import MachineEvent
from telemetry.sequences import note_received
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import SAMPLES
from tests.factories import MONDAY_MORNING, make_account, make_device, make_organisation, principal
from tests.web_client import browser

PLAN = demo_plan(runs_per_arm=3, economics=demo_economics())
SECONDS = 60
DEVICES = ("meter-1", "mill-1")


class Lab:
    """A pilot whose runs are all made, with its samples in DuckDB."""

    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        self.clock = LabClock(MONDAY_MORNING)
        self.store = DuckDBStore(folder / "samples.duckdb")
        with database.write() as session:
            lab = make_organisation(session, "Competence Centre", kind="lab")
            company, other = make_organisation(session, "Company"), make_organisation(session, "Other company")
            people = {
                "engineer": make_account(session, Role.ENGINEER, organisation=lab),
                "member": make_account(session, Role.MEMBER, organisation=company),
                "recipient": make_account(session, Role.RECIPIENT, organisation=company),
                "stranger": make_account(session, Role.MEMBER, organisation=other),
                "other_recipient": make_account(session, Role.RECIPIENT, organisation=other),
            }
            self.people = {
                name: principal(row.role, row.organisation_id, account_id=row.id) for name, row in people.items()
            }
            make_device(session, "mill-1", signals={"feed_mm_s": "mm/s"})
            make_device(session, "meter-1", signals={"active_power_kw": "kW"})
            self.booking_id = _booking(session, company.id)
            pilot = pilots.create_pilot(
                session, self.member, organisation_id=company.id, title="Feed", question="Q?", now=self.clock.now()
            )
            pilots.write_plan(session, self.member, pilot.id, PLAN, now=self.clock.now())
            pilots.lock_plan(session, self.member, pilot.id, now=self.clock.now())
            self.pilot_id, self.organisation_id = pilot.id, company.id

    @property
    def engineer(self):
        return self.people["engineer"]

    @property
    def member(self):
        return self.people["member"]

    def make_runs(self):
        rng = np.random.default_rng(7)
        with self.database.read() as session:
            runs = pilots.planned_runs(session, self.pilot_id)
        for run in runs:
            self.make_run(run.number, 7.2 + rng.normal(0, 0.05) - (2.4 if run.arm == "fast" else 0))
        return self

    def make_run(self, number, power_kw):
        """Make a run now, of constant power; None: its meter says nothing."""
        self.clock.advance(timedelta(seconds=30))
        start = self.clock.now()
        self.write(lambda s: pilots.start_run(s, self.engineer, self.pilot_id, number, self.booking_id, now=start))
        self.clock.advance(timedelta(seconds=SECONDS))
        end = self.clock.now()
        if power_kw is not None:
            self.store.write(_samples(to_nanoseconds(start), to_nanoseconds(end), power_kw), watermark=number)
        with self.database.write() as session:
            for kind, at in (("run_started", start), ("part_finished", end)):
                session.add(_event(kind, number, to_nanoseconds(at)))
            note_received(session, "mill-1", "m", range(100 * number, 100 * number + 10))
            note_received(session, "meter-1", "e", [100 * number, 100 * number + 2])
        said = {
            "mill-1": {"boot": "m", "first_seq": 100 * number, "last_seq": 100 * number + 9},
            "meter-1": {"boot": "e", "first_seq": 100 * number, "last_seq": 100 * number + 2},
        }
        result = {"finished": True, "passed": True, "roughness_um": 1.0 + number / 100}
        self.clock.advance(timedelta(milliseconds=1))
        self.write(
            lambda s: pilots.stop_run(
                s, self.engineer, self.pilot_id, number, result=result, completeness=said, now=self.clock.now()
            )
        )

    def write(self, work):
        return self.database.transact(work)

    def seal(self, who=None) -> DataSet:
        return service.seal_pilot(
            self.database, self.store, who or self.engineer, self.pilot_id, data_dir=self.folder, clock=self.clock
        )

    def report(self) -> Report:
        data_set = self.seal()
        return issuing.make_report(self.database, self.engineer, data_set.id, data_dir=self.folder, clock=self.clock)

    def count(self, table) -> int:
        with self.database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(table))


def _booking(session, organisation_id):
    start, end = MONDAY_MORNING, MONDAY_MORNING + timedelta(hours=3)
    booking = Booking(
        id="bkg_1", organisation_id=organisation_id, pilot_id=None, booked_by="acc", title="",
        start_at=start, end_at=end, state="confirmed", version=1, created_at=start, cancelled_at=None,
        devices=[
            BookingDevice(device_id=device, reserved_start=start, reserved_end=end, active=True) for device in DEVICES
        ],
    )  # fmt: skip
    session.add(booking)
    session.flush()
    return booking.id


def _samples(start_ns, end_ns, power_kw):
    times = pa.array(range(start_ns, end_ns + 1, 1_000_000_000), pa.int64())
    n = len(times)
    columns = [
        ["meter-1"] * n,
        ["active_power_kw"] * n,
        ["e"] * n,
        times,
        times,
        times,
        [power_kw] * n,
        [None] * n,
        [0] * n,
    ]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, SAMPLES, strict=True)], schema=SAMPLES
    )


def _event(kind, number, at_ns):
    return MachineEvent(
        device_id="mill-1", boot="m", seq=100 * number + (kind == "part_finished"), kind=kind, device_ns=at_ns,
        settled_ns=at_ns, received_ns=at_ns, flags=0, fields={"run": number},
    )  # fmt: skip


@pytest.fixture
def lab(database, tmp_path):
    """A pilot with all its runs made, on SQLite."""
    found = Lab(database, tmp_path / "data").make_runs()
    yield found
    found.store.close()


@pytest.fixture
def quick_layout(monkeypatch):
    """Reports are computed, but not laid out."""

    def lay_out(folder, *_):
        folder.mkdir()
        (folder / "report.pdf").write_bytes(b"%PDF-1.7 short")
        (folder / "package.zip").write_bytes(b"PK short")

    monkeypatch.setattr("lab.reports.issuing.write_report", lay_out)


def test_sealed_data_hold_what_the_store_has_and_nothing_else(lab):
    data_set = lab.seal()
    data = read_data_set(lab.folder / data_set.folder, manifest_sha256=data_set.manifest_sha256)
    assert data.pilot.customer == "Company"
    assert data.pilot.lab_name == "Competence Centre"
    assert data.pilot.plan_locked_by.startswith("Member")
    assert data.plan == PLAN
    for run in data.runs:
        assert data.samples(run, device="meter-1", signal="active_power_kw").num_rows == SECONDS + 1
        mill, meter = sorted(run.messages, key=lambda messages: messages.device, reverse=True)
        assert (mill.expected, mill.received, mill.missing) == (10, 10, ())
        assert (meter.expected, meter.received, meter.missing) == (3, 2, ((100 * run.number + 1,) * 2,))
    assert [event.kind for event in data.events if event.run == 1] == ["run_started", "part_finished"]


def test_prices_of_the_pilots_slots_are_sealed_and_reported(lab):
    with lab.database.write() as session:
        session.add(
            Programme(
                id="prg_1", name="Test before invest", legal_basis="gber-28", price_per_mille=400,
                state_share_per_mille=1000, valid_from=MONDAY_MORNING, valid_until=None, created_by="acc",
                created_at=MONDAY_MORNING,
            )
        )  # fmt: skip
        booking = session.get(Booking, lab.booking_id)
        booking.programme_id, booking.quote = "prg_1", {"legal_basis": "gber-28"}
        booking.market_value_cents, booking.price_cents, booking.support_cents = 30_000, 12_000, 18_000
    report = lab.report()
    (slot,) = read_data_set(lab.folder / f"pilots/{lab.pilot_id}/data-v1").pilot.bookings
    assert (slot.id, slot.programme, slot.state_share_per_mille) == (lab.booking_id, "Test before invest", 1000)
    money = Results.model_validate(report.results).economics
    assert (money.support.market_value_cents, money.support.price_cents) == (30_000, 12_000)
    assert (money.support.support_cents, money.support.legal_bases) == (18_000, ("gber-28",))
    assert money.more_runs.run_cost_cents == 12_000 / 6
    assert money.with_grant.npv_cents > 0
    assert money.break_even == PLAN.break_even


def test_a_slot_without_a_price_is_not_sealed_as_one_that_costs_nothing(lab):
    data_set = lab.seal()
    assert read_data_set(lab.folder / data_set.folder).pilot.bookings == ()
    assert compute_results(lab.folder / data_set.folder).economics.support is None


def test_sealing_twice_gives_the_same_data_set(lab):
    first, second = lab.seal(), lab.seal()
    assert first.id == second.id
    assert lab.count(DataSet) == 1
    assert sorted(path.name for path in (lab.folder / "pilots" / lab.pilot_id).iterdir()) == ["data-v1"]


@pytest.mark.parametrize("rows_together", [gathering.ROWS_TOGETHER, 1, SECONDS + 1])
def test_sealing_again_from_nothing_gives_the_same_bytes_however_little_is_read_at_once(
    lab, monkeypatch, rows_together
):
    first = lab.seal()
    monkeypatch.setattr(gathering, "ROWS_TOGETHER", rows_together)
    content = lab.folder / first.folder
    kept = {path.name: path.read_bytes() for path in content.rglob("*") if path.is_file()}
    other = lab.folder / "again"
    data = read_data_set(content)
    with lab.database.read() as session:
        pilot = session.get(Pilot, lab.pilot_id)
        again = gather(
            session, pilot, version=1, time_zone="Europe/Warsaw", now=data.pilot.sealed_at, data_dir=lab.folder
        )
        grant = grant_of_company(session, pilot)
    assert write_data_set(other, again, samples_of(lab.store, grant, again.devices)) == first.manifest_sha256
    assert {path.name: path.read_bytes() for path in other.rglob("*") if path.is_file()} == kept


def test_samples_outside_the_companys_booking_are_not_sealed(lab):
    with lab.database.write() as session:
        booking = session.get(Booking, lab.booking_id)
        booking.end_at = MONDAY_MORNING + timedelta(seconds=120)  # in the middle of the second run
    data = read_data_set(lab.folder / lab.seal().folder)
    counts = [data.samples(run, device="meter-1", signal="active_power_kw").num_rows for run in data.runs]
    assert counts[0] == SECONDS + 1
    assert sum(counts[2:]) == 0


def test_a_pilot_with_a_run_still_to_make_is_not_sealed(database, tmp_path):
    lab = Lab(database, tmp_path)
    lab.make_run(1, 7.0)
    with pytest.raises(PilotUnfinishedError, match="2, 3, 4, 5, 6") as refused:
        lab.seal()
    assert refused.value.facts["runs"] == [2, 3, 4, 5, 6]
    for number in range(2, 7):
        lab.write(
            lambda s, n=number: pilots.exclude_run(
                s, lab.engineer, lab.pilot_id, n, reason="no time", now=lab.clock.now()
            )
        )
    results = compute_results(lab.folder / lab.seal().folder)
    assert results.verdict is Verdict.EXTEND
    assert results.primary.comparison is None
    lab.store.close()


def test_only_the_staff_seals(lab):
    with pytest.raises(ForbiddenError):
        lab.seal(lab.member)


def test_runs_of_a_sealed_pilot_do_not_change(lab):
    lab.seal()
    with pytest.raises(PilotStateError, match="sealed"):
        lab.write(
            lambda s: pilots.exclude_run(s, lab.engineer, lab.pilot_id, 1, reason="late idea", now=lab.clock.now())
        )


def test_the_database_itself_keeps_a_data_set(each_database, tmp_path):
    lab = Lab(each_database, tmp_path).make_runs()
    data_set = lab.seal()
    for statement in (sa.update(DataSet).values(manifest_sha256="0"), sa.delete(DataSet)):
        with pytest.raises(DBAPIError, match="does not change"), each_database.write() as session:
            session.execute(statement)
    assert lab.seal().manifest_sha256 == data_set.manifest_sha256
    lab.store.close()


def test_a_killed_attempt_leaves_no_half_and_the_next_one_succeeds(lab, monkeypatch):
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lab.reports.service._keep_data_set", killed)
        with pytest.raises(KeyboardInterrupt):
            lab.seal()
    assert lab.count(DataSet) == 0
    orphan = lab.folder / "pilots" / lab.pilot_id / "data-v1"  # killed between the name and the commit
    orphan.mkdir()
    (orphan / "half.txt").write_text("half")
    data_set = lab.seal()
    assert not (orphan / "half.txt").exists()
    assert read_data_set(orphan).manifest_sha256 == data_set.manifest_sha256


def test_a_report_is_made_once_with_everything_in_it(lab):
    first, second = lab.report(), lab.report()
    assert first.id == second.id
    assert lab.count(Report) == 1
    folder = lab.folder / first.folder
    assert {path.name for path in folder.iterdir()} >= {
        "report.pdf",
        "report.html",
        "results.json",
        "package.zip",
        "charts",
    }
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert file_sha256(folder / "report.pdf") == first.pdf_sha256
    assert file_sha256(folder / "package.zip") == first.package_sha256
    results = Results.model_validate(first.results)
    assert results.verdict is Verdict.INVEST
    assert results.verdict.value == first.verdict
    assert results.identification.report_number == first.number == "PL-2026-001-R1"
    assert results.primary.comparison.improvement == pytest.approx(0.04, abs=0.005)


def test_the_package_alone_gives_every_number_again(lab, tmp_path):
    report = lab.report()
    with zipfile.ZipFile(lab.folder / report.folder / "package.zip") as package:
        package.extractall(tmp_path / "package")
    manifests = list((tmp_path / "package").rglob("manifest.json"))
    assert len(manifests) == 1
    again = compute_results(manifests[0].parent)
    assert again.model_dump(mode="json") == report.results


def test_altered_data_give_no_report(lab):
    data_set = lab.seal()
    path = lab.folder / data_set.folder / "runs.json"
    path.write_bytes(path.read_bytes().replace(b"true", b"null", 1))
    with pytest.raises(DataSetAlteredError, match=r"runs.json"):
        lab.report()
    assert lab.count(Report) == 0


def test_jobs_seal_and_report_once_however_often_they_run(lab, quick_layout):
    handlers = report_handlers(lab.database, lab.store, data_dir=lab.folder, clock=lab.clock)
    worker = Worker(lab.database, lab.clock, {**handlers, "mail": lambda _job: None})
    worker.run_due()  # the lock of the plan is told
    first, second = (
        lab.write(lambda s: service.ask_to_seal(s, lab.engineer, lab.pilot_id, now=lab.clock.now())).id
        for _ in range(2)
    )
    assert first == second
    assert worker.run_due() == 0  # the slot is not over yet
    lab.clock.advance(timedelta(hours=3))
    assert worker.run_due() == 2
    with lab.database.write() as session:  # a worker died after the effect and before the note of it
        again = sa.update(Job).where(Job.kind.in_(["seal", "report"]))
        session.execute(again.values(state="running", run_at=lab.clock.now()))
    assert worker.run_due() == 2
    assert (lab.count(DataSet), lab.count(Report)) == (1, 1)
    with lab.database.read() as session:
        assert {job.state for job in session.scalars(sa.select(Job))} == {"done"}
        assert session.get(Pilot, lab.pilot_id).state == "reported"


# Over HTTP


class Http:
    """Calls in the name of somebody."""

    def __init__(self, lab):
        self.app = create_app(
            settings=Settings(data_dir=lab.folder), database=lab.database, clock=lab.clock, store=None, live=None
        )
        self.tokens = {}
        for name, who in lab.people.items():
            with lab.database.write() as session:
                _, self.tokens[name] = create_api_token(
                    session, who, name="test", scopes=("read", "write"), now=lab.clock.now()
                )

    def call(self, who, method, path, **options):
        async def send():
            transport = ASGITransport(self.app, raise_app_exceptions=False)
            async with AsyncClient(transport=transport, base_url="http://lab.example") as client:
                headers = {"Authorization": f"Bearer {self.tokens[who]}", **options.pop("headers", {})}
                return await client.request(method, f"/api/v1{path}", headers=headers, **options)

        return asyncio.run(send())

    def get(self, who, path):
        return self.call(who, "GET", path)


@pytest.fixture
def http(lab, quick_layout):
    """The web application over the same database; reports are computed, but not laid out."""
    return Http(lab)


@pytest.mark.parametrize("who", ["member", "engineer"])
def test_a_report_is_read_by_its_company_and_the_staff(lab, http, who):
    report = lab.report()
    assert [found["id"] for found in http.get(who, "/reports").json()] == [report.id]
    found = http.get(who, f"/reports/{report.id}").json()
    assert found["results"]["verdict"] == "Invest"
    pdf = http.get(who, f"/reports/{report.id}/report.pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content == (lab.folder / report.folder / "report.pdf").read_bytes()
    assert http.get(who, f"/reports/{report.id}/package.zip").content[:2] == b"PK"


@pytest.mark.parametrize("who", ["stranger", "other_recipient"])
def test_another_companys_report_does_not_exist(lab, http, who):
    report = lab.report()
    assert http.get(who, "/reports").json() == []
    for path in ("", "/report.pdf", "/package.zip"):
        answer, unknown = (http.get(who, f"/reports/{name}{path}") for name in (report.id, "rep_guessed"))
        assert answer.status_code == unknown.status_code == 404
        assert json.loads(answer.text.replace(report.id, "rep_guessed")) == unknown.json()
    with lab.database.read() as session, pytest.raises(ReportUnknownError):
        service.get_report(session, lab.people[who], report.id)


@pytest.mark.parametrize("who", ["stranger", "recipient"])
def test_another_companys_pilot_does_not_exist_over_http(lab, http, who):
    for path in ("", "/plan", "/runs"):
        assert http.get(who, f"/pilots/{lab.pilot_id}{path}").status_code == 404
    for path in ("/plan/lock", "/runs/1/start", "/seal"):
        answer = http.call(who, "POST", f"/pilots/{lab.pilot_id}{path}", json={"booking_id": "bkg_1"})
        assert answer.status_code in {403, 404, 422}
        assert lab.pilot_id not in answer.text.replace(lab.pilot_id, "", 1) or answer.status_code == 404
    assert http.get(who, "/pilots").json() == []


def test_sealing_over_http_is_for_the_staff(lab, http):
    assert http.call("member", "POST", f"/pilots/{lab.pilot_id}/seal").status_code == 403
    assert http.call("engineer", "POST", f"/pilots/{lab.pilot_id}/seal").status_code == 202


def test_a_report_whose_files_are_gone_says_so(lab, http):
    report = lab.report()
    shutil.rmtree(lab.folder / report.folder)
    answer = http.get("member", f"/reports/{report.id}/report.pdf")
    assert answer.status_code == 503
    assert "report.pdf" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["%00", "a%00b", "%F0%9F%98%80", "..%2f..", "x" * 300])
def test_strange_ids_are_simply_unknown(lab, http, name):
    assert http.get("member", f"/reports/{name}").status_code == 404
    assert http.get("member", f"/pilots/{name}").status_code == 404


def test_a_refused_plan_names_field_and_rule_over_http(lab, http):
    pilot = http.call("member", "POST", "/pilots", json={"title": "T", "question": "Q?"}).json()
    document = PLAN.model_dump(mode="json")
    answer = http.call("member", "PUT", f"/pilots/{pilot['id']}/plan", json={**document, "expected": 0.01})
    assert answer.status_code == 422
    assert {key: answer.json()[key] for key in ("field", "rule")} == {"field": "expected", "rule": "above-break-even"}
    answer = http.call("member", "PUT", f"/pilots/{pilot['id']}/plan", json={**document, "surprise": 1})
    assert answer.status_code == 422
    assert "surprise" in answer.text
    assert http.call("member", "PUT", f"/pilots/{pilot['id']}/plan", json=document).status_code == 200
    locked = http.call("member", "POST", f"/pilots/{pilot['id']}/plan/lock").json()
    assert len(locked["sha256"]) == 64
    answer = http.call("member", "PUT", f"/pilots/{pilot['id']}/plan", json=document)
    assert answer.status_code == 409
    assert answer.json()["sha256"] == locked["sha256"]


def sized(http, who, pilot_id, **facts):
    given = {"run_minutes": 5, "reset_minutes": 3, "setup_minutes": 30, **facts}
    return http.call(who, "POST", f"/pilots/{pilot_id}/plan/size", json=given)


def new_pilot(http, who):
    """A pilot with the demonstration's plan, of the caller's company."""
    pilot = http.call(who, "POST", "/pilots", json={"title": "T", "question": "Q?"}).json()
    assert http.call(who, "PUT", f"/pilots/{pilot['id']}/plan", json=PLAN.model_dump(mode="json")).status_code == 200
    return pilot["id"]


def test_runs_and_minutes_are_told_before_the_plan_is_locked_and_slots_are_looked_for_with_them(lab, http):
    pilot = new_pilot(http, "member")
    answer = sized(http, "member", pilot, sd=0.02).json()  # d = 1
    assert (answer["runs_per_arm"], answer["runs"]) == (17, 34)
    assert answer["power"] >= 0.8
    # 34 runs in one session: 34 × 8 + 30 = 302, with 15 % 347.3
    assert (answer["sessions"], answer["minutes"]) == (1, 350)
    assert "17 runs of each arm are needed" in answer["why"][0]
    slots = http.get("member", answer["slots"].removeprefix("/api/v1"))
    assert slots.status_code == 200
    assert slots.json()["slots"]


def test_spread_of_runs_comes_from_the_own_companys_sealed_pilots(lab, http):
    report = lab.report()
    pilot = new_pilot(http, "member")
    answer = sized(http, "member", pilot).json()
    arms = report.results["kpis"][0]["arms"]
    assert answer["sd"] == pytest.approx(np.sqrt(np.mean([arm["sd"] ** 2 for arm in arms])))
    assert answer["sd_pilots"] == [report.results["identification"]["pilot_number"]]
    refused = sized(http, "stranger", new_pilot(http, "stranger"))
    assert refused.status_code == 422
    assert (refused.json()["field"], refused.json()["rule"]) == ("sd", "known-spread")
    assert sized(http, "stranger", pilot, sd=0.02).status_code == 404


def test_few_earlier_runs_are_reckoned_with_as_unsure_as_they_are(lab, http):
    report = lab.report()
    pilot = new_pilot(http, "member")
    answer = sized(http, "member", pilot).json()
    assert answer["sd_runs"] == 6
    assert answer["sd_reckoned"] == pytest.approx(answer["sd"] * np.sqrt(4 / 1.6488), rel=1e-4)  # χ² table, 20 %, 4
    exact = sized(http, "member", pilot, sd=answer["sd_reckoned"]).json()
    assert answer["runs_per_arm"] == exact["runs_per_arm"]
    number = report.results["identification"]["pilot_number"]
    assert f"(from 6 runs of the trial of 23 November 2026 ({number}); from so many runs it may be" in answer["why"][0]
    told = http.get("member", f"/pilots/{pilot}/plan/spread").json()
    assert (told["sd"], told["sd_runs"], told["degrees_of_freedom"]) == (answer["sd"], 6, 4)
    assert told["trials"] == [{"pilot": number, "day": "2026-11-23", "runs": 6}]


def test_a_spread_of_some_runs_made_for_trial_is_taken_for_no_more_than_that(lab, http):
    pilot = new_pilot(http, "member")
    exact, unsure = (sized(http, "member", pilot, sd=0.02, **more).json() for more in ({}, {"sd_runs": 5}))
    assert (exact["sd_runs"], exact["sd_reckoned"]) == (None, 0.02)
    assert (unsure["sd_runs"], unsure["sd_reckoned"]) == (5, pytest.approx(0.02 * np.sqrt(4 / 1.6488), rel=1e-4))
    assert unsure["runs_per_arm"] > exact["runs_per_arm"]
    assert sized(http, "member", pilot, sd_runs=5).status_code == 422


def test_a_companys_spread_is_no_other_companys_not_even_through_the_staff(lab, http):
    lab.report()
    pilot = new_pilot(http, "stranger")
    assert sized(http, "engineer", pilot).status_code == 422
    for who in ("stranger", "engineer"):
        assert http.get(who, f"/pilots/{pilot}/plan/spread").json() is None


def test_runs_on_another_machine_tell_nothing(lab, http):
    lab.report()
    with lab.database.write() as session:
        make_device(session, "meter-2", signals={"active_power_kw": "kW"})
    pilot = http.call("member", "POST", "/pilots", json={"title": "T", "question": "Q?"}).json()["id"]
    body = json.loads(json.dumps(PLAN.model_dump(mode="json")).replace('"meter-1"', '"meter-2"'))
    assert http.call("member", "PUT", f"/pilots/{pilot}/plan", json=body).status_code == 200
    assert sized(http, "member", pilot).status_code == 422


def test_the_sketch_offers_what_the_companys_own_runs_differed_by(lab, http):
    report = lab.report()
    kpi = report.results["kpis"][0]
    pilot = new_pilot(http, "member")
    page = sketch_page(lab, http, "member", f"/pilots/{pilot}/sketch?better={kpi['label']}&unit={kpi['unit']}")
    assert "From your earlier trials:" in page
    assert "from 6 runs of your trial of Mon 23 Nov 2026." in page
    offered = html.unescape(page.split("/sketch?")[-1].split('"')[0])
    answers = "&pays=0.02&hope=0.04&run_minutes=4"
    page = sketch_page(lab, http, "member", f"/pilots/{pilot}/sketch?{offered}{answers}")
    assert "How much parts differ is taken from 6 runs of your trial" in page
    assert "which is reckoned with." in page
    assert "From your earlier trials:" not in page
    other = new_pilot(http, "stranger")
    page = sketch_page(lab, http, "stranger", f"/pilots/{other}/sketch?better={kpi['label']}&unit={kpi['unit']}")
    assert "From your earlier trials:" not in page


def test_the_size_page_reckons_with_an_earlier_spread_in_either_language_and_says_when_another_is_typed(lab, http):
    lab.report()
    pilot = new_pilot(http, "member")
    told = http.get("member", f"/pilots/{pilot}/plan/spread").json()
    reckoned = f"{format_quantity(told['sd_reckoned'], 'kWh')} is reckoned with."
    address = f"/pilots/{pilot}/plan/size?run_minutes=4"
    page = sketch_page(lab, http, "member", address)
    known = re.search(r'name="differ"[^>]* value="([^"]+)"', page)[1]
    for typed in (known, known.replace(".", ","), f"{known}0"):
        page = sketch_page(lab, http, "member", f"{address}&differ={typed}")
        assert "known from earlier trials of this company: from 6 runs of your trial of Mon 23 Nov 2026." in page
        assert reckoned in page
    page = sketch_page(lab, http, "member", f"{address}&differ=0,5")
    assert "is known from" not in page
    assert (
        f"In earlier trials of this company runs differed by {format_quantity(told['sd'], 'kWh')}, from 6 runs" in page
    )
    assert reckoned not in page


def test_a_day_on_which_two_earlier_trials_were_made_is_named_once():
    day = date(2026, 11, 23)
    trials = tuple(Trial(number, day, 6) for number in ("PL-2026-002", "PL-2026-001"))
    assert source_words(Spread(0.1, 10, 12, trials)) == "from 12 runs of your trials of Mon 23 Nov 2026"


def sketch_page(lab, http, who, address):
    client = browser(http.app)
    with lab.database.write() as session:
        secret = open_session(session, lab.people[who].account_id, now=lab.clock.now())
    client.cookies.set(SESSION_COOKIE, secret)
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.text


def test_more_runs_than_anybody_would_make_is_said_without_minutes(lab, http):
    answer = sized(http, "member", new_pilot(http, "member"), sd=5).json()
    assert (answer["runs_per_arm"], answer["minutes"], answer["slots"]) == (None, None, None)
    assert "more than 200 runs" in answer["why"][0]
