"""The pages as each role meets them."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pyarrow as pa
import pytest
from fastapi import FastAPI
from httpx import Response
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from bookings.models import Booking, BookingDevice
from bookings.rulebook.models import RuleEntry
from devices.models import Signal
from devices.service import get_device
from lab.app import create_app
from lab.core.audit import note_change
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.models import Account
from lab.pilots import service as pilots
from lab.reports.links.models import ReportLink
from lab.reports.models import DataSet, Report
from lab.web.device_states import SILENT_AFTER
from telemetry.repository import note_boots
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.interface import SAMPLES, SampleStore
from tests.booking_lab import at
from tests.factories import MONDAY_MORNING, make_device, make_signal
from tests.unit.reports.report_examples import example_document, example_plan, with_texts
from tests.web_client import PASSWORD, Town, browser

SCRIPT = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Lab(Town):
    """The town with two machines, a pilot of the foundry that has a report, and pages."""

    def __init__(self, database: Database, clock: LabClock, folder: Path) -> None:
        super().__init__(database, clock)
        self.settings = Settings(data_dir=folder)
        self.steered = clock
        self.store = DuckDBStore(folder / "samples.duckdb")
        with database.write() as session:
            make_device(session, "mill-1", name="CNC mill")
            make_device(session, "meter-1", name="Energy meter", signals={"active_power_kw": "kW"})
            self.pilot = pilots.create_pilot(
                session,
                self.principal("founder"),
                organisation_id=self.foundry.id,
                title="Faster feed",
                question="Does it pay?",
                now=clock.now(),
            )
            self.report = _report(session, self.pilot.id)
        (folder / self.report.folder).mkdir(parents=True)
        (folder / self.report.folder / "report.pdf").write_bytes(b"%PDF-1.7 the report")
        (folder / self.report.folder / "package.zip").write_bytes(b"PK the package")

    def app(self, store: SampleStore | None = None) -> FastAPI:
        return create_app(
            settings=self.settings, database=self.database, clock=self.clock, store=store or self.store, live=None
        )

    def get(self, who: str, path: str) -> Response:
        return self.browser(self.app(), who).get(path)

    def post(self, who: str, path: str, **form: object) -> Response:
        return self.browser(self.app(), who).post(path, data=form)

    def book(self, company: str, span: Span, *devices: str, title: str = "Trial") -> Booking:
        booking = Booking(
            id=new_id("bkg"),
            organisation_id=getattr(self, company).id,
            booked_by="acc_somebody",
            title=title,
            start_at=span.start,
            end_at=span.end,
            state="confirmed",
            version=1,
            created_at=self.clock.now(),
        )
        booking.devices = [
            BookingDevice(device_id=device, reserved_start=span.start, reserved_end=span.end, active=True)
            for device in devices
        ]
        with self.database.write() as session:
            session.add(booking)
        return booking

    def say(self, device: str, signal: str, value: float, *, seconds_ago: float) -> None:
        """Store a value that a machine measured."""
        instant = self.clock.now_ns() - int(seconds_ago * 1e9)
        times = dict.fromkeys(["device_ns", "settled_ns", "received_ns"], instant)
        row = {"device": device, "signal": signal, "boot": "b", "value": value, "text": None, "flags": 0, **times}
        self.store.write(pa.Table.from_pylist([row], schema=SAMPLES), watermark=0)


def _report(session: Session, pilot_id: str, version: int = 1, **results: object) -> Report:
    """A report row on a data set row; the files are for whoever needs them."""
    now = MONDAY_MORNING
    data_set = DataSet(
        id=new_id("dst"),
        pilot_id=pilot_id,
        version=version,
        sealed_at=now,
        folder="pilots/data",
        manifest_sha256="0" * 64,
    )
    session.add(data_set)
    session.flush()
    report = Report(
        id=new_id("rpt"),
        pilot_id=pilot_id,
        data_set_id=data_set.id,
        number=f"R-{new_id('n')}",
        version=version,
        created_at=now,
        verdict="Invest",
        results={**example_document(), **results},
        pdf_sha256="0" * 64,
        package_sha256="0" * 64,
        folder=f"reports/{pilot_id}",
    )
    session.add(report)
    session.flush()
    return report


@pytest.fixture
def lab(database: Database, lab_clock: LabClock, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(database, lab_clock, tmp_path)
    yield lab
    lab.store.close()


def words(response: Response, status: int = 200) -> str:
    """What a person reads on a page."""
    assert response.status_code == status, response.text
    text = re.sub(r"<(script|style).*?</\1>", "", response.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


NOW = at(7.5, length=2)
"""Running at the moment the clock shows."""
SOON = at(10)


# Signing in


def test_whoever_is_not_signed_in_is_asked_to_and_led_back(lab: Lab) -> None:
    client = browser(lab.app())
    asked = client.get("/devices/mill-1?tab=live")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=/devices/mill-1%3Ftab%3Dlive")
    form = client.get(asked.headers["location"]).text
    assert 'name="next" value="/devices/mill-1?tab=live"' in form
    done = client.post(
        "/sign-in", data={"sign_in": "founder", "password": PASSWORD, "next": "/devices/mill-1?tab=live"}
    )
    assert (done.status_code, done.headers["location"]) == (303, "/devices/mill-1?tab=live")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_never_leads_off_the_site(lab: Lab, next: str) -> None:
    client = browser(lab.app())
    assert "evil" not in client.get("/sign-in", params={"next": next}).text
    done = client.post("/sign-in", data={"sign_in": "founder", "password": PASSWORD, "next": next})
    assert done.headers["location"] == "/"


def test_a_wrong_password_keeps_the_name_and_the_way_back(lab: Lab) -> None:
    refused = browser(lab.app()).post("/sign-in", data={"sign_in": "founder", "password": "x", "next": "/bookings"})
    assert refused.status_code == 401
    assert "Sign-in name and password do not belong together" in refused.text
    assert 'value="founder"' in refused.text
    assert 'value="/bookings"' in refused.text
    assert "set-cookie" not in refused.headers


def test_signing_out_leads_to_the_sign_in_page_for_good(lab: Lab) -> None:
    client = lab.browser(lab.app(), "founder")
    assert client.post("/sign-out").headers["location"] == "/sign-in"
    assert client.get("/").status_code == 303


# Overview and machines


def test_the_overview_shows_a_member_the_own_things_only(lab: Lab) -> None:
    lab.book("foundry", NOW, "mill-1", title="Feed trial")
    lab.book("joinery", NOW, "meter-1", title="Secret trial")
    lab.say("mill-1", "spindle_power_kw", 1.75, seconds_ago=5)
    lab.say("meter-1", "active_power_kw", 3.25, seconds_ago=5)
    founder, joiner, staff = (words(lab.get(who, "/")) for who in ("founder", "joiner", "engineer"))
    assert "Your slot until 09:30 CET: Feed trial" in founder
    assert "1.75 kW" in founder
    assert "Secret trial" not in founder
    assert "3.25 kW" not in founder
    assert "Faster feed" in founder
    assert "Faster feed" not in joiner
    assert "3.25 kW" in joiner
    assert all(fact in staff for fact in ("Feed trial", "Secret trial", "1.75 kW", "3.25 kW", "Foundry", "Joinery"))


def test_old_values_are_not_what_is_on_now(lab: Lab) -> None:
    lab.say("mill-1", "spindle_power_kw", 1.75, seconds_ago=3600)
    assert "1.75" not in words(lab.get("engineer", "/"))
    assert "1.75" in words(lab.get("engineer", "/devices/mill-1"))


def test_an_empty_lab_says_what_to_do_next(database: Database, lab_clock: LabClock) -> None:
    town = Town(database, lab_clock)
    app = create_app(settings=Settings(), database=database, clock=lab_clock, store=None, live=None)
    assert "Book a slot" in words(town.browser(app, "joiner").get("/"))
    assert "pilotlab devices import" in words(town.browser(app, "manager").get("/"))
    assert "Nothing is booked" in words(town.browser(app, "joiner").get("/bookings"))
    assert "talk to the lab's staff" in words(town.browser(app, "joiner").get("/pilots"))


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("petg", {"printer-1"}),
        ("PLA 300 mm", {"printer-1"}),
        ("5 axes", set()),
        ("3 axes hall a", {"mill-1", "meter-1"}),
    ],
)
def test_machines_are_found_by_what_characterises_what_they_can_do(lab: Lab, sought: str, found: set[str]) -> None:
    can = {"name": "additive-manufacturing", "materials": ["PLA", "PETG"], "volume_x_mm": 300}
    with lab.database.write() as session:
        make_device(session, "printer-1", name="3D printer", capabilities=[can])
    page = lab.get("founder", f"/machines?words={sought}").text
    assert set(re.findall(r'<h2><a href="/devices/([^"]+)">', page)) == found


def test_a_machine_without_a_running_slot_says_why_there_are_no_live_values(lab: Lab) -> None:
    lab.say("mill-1", "spindle_power_kw", 1.75, seconds_ago=5)
    page = lab.get("founder", "/devices/mill-1")
    assert "you have no slot on it now" in words(page)
    assert "live.js" not in page.text
    assert "1.75" not in page.text
    lab.book("foundry", SOON, "mill-1", title="Feed trial")
    assert "“Feed trial”, Mon 23 Nov 2026, 10:00–11:00 CET" in words(lab.get("founder", "/devices/mill-1"))
    assert "people who run the experiment" in words(lab.get("reader", "/devices/mill-1"))


def test_a_machine_in_ones_own_running_slot_has_the_live_chart_and_its_table(lab: Lab) -> None:
    lab.book("foundry", NOW, "mill-1")
    lab.say("mill-1", "spindle_power_kw", 1.75, seconds_ago=5)
    for who in ("founder", "engineer"):
        page = lab.get(who, "/devices/mill-1")
        assert 'data-address="/api/v1/devices/mill-1/live?catch_up_s=60"' in page.text
        assert 'data-zone="Europe/Warsaw"' in page.text
        assert re.search(r'<script type="module" src="/static/live.js\?v=[0-9a-f]{12}"></script>', page.text)
        assert "Spindle power kw 1.75 kW Mon 23 Nov 2026, 07:59:55" in words(page)
    assert "live.js" not in lab.get("joiner", "/devices/mill-1").text


def test_after_the_slot_a_member_still_sees_what_was_measured_in_it(lab: Lab) -> None:
    lab.book("foundry", at(6, length=1), "mill-1")
    lab.say("mill-1", "spindle_power_kw", 1.5, seconds_ago=5400)
    lab.say("mill-1", "spindle_power_kw", 9.9, seconds_ago=5)
    page = words(lab.get("founder", "/devices/mill-1"))
    assert "Latest values of your bookings" in page
    assert "1.5 kW" in page
    assert "9.9" not in page
    assert "9.9" not in lab.get("joiner", "/devices/mill-1").text


def test_before_and_after_its_slot_the_live_page_says_so_and_calls_the_machine_by_its_name(lab: Lab) -> None:
    over, soon = lab.book("foundry", at(6, length=1), "mill-1"), lab.book("foundry", SOON, "mill-1")
    said = words(lab.get("founder", f"/bookings/{over.id}/live"))
    assert "It is over. What the machines measured stays yours: CNC mill" in said
    assert "It begins Mon 23 Nov 2026, 10:00 CET" in words(lab.get("founder", f"/bookings/{soon.id}/live"))
    assert lab.get("joiner", f"/bookings/{over.id}/live").status_code == 404


class SilentStore:
    """A store that is down."""

    def last_values(self, *_: object, **__: object) -> pa.Table:
        raise StoreUnavailableError("the store does not answer")


def test_pages_stand_when_the_store_of_samples_is_down(lab: Lab) -> None:
    client = lab.browser(lab.app(SilentStore()), "engineer")  # type: ignore[arg-type]
    for path in ("/", "/devices/mill-1"):
        assert "cannot be read just now" in words(client.get(path))


# Bookings


def test_a_machine_that_needs_an_engineer_is_offered_with_one(lab: Lab) -> None:
    with lab.database.write() as session:
        settings = {"supervision": True, "approval": True}
        session.add(
            RuleEntry(
                scope="device", name="mill-1", settings=settings, version=1, changed_by="x", changed_at=lab.clock.now()
            )
        )
    wish = {"device_ids": ["mill-1"], "start": "2026-11-24T09:00", "end": "2026-11-24T11:00", "title": "Feed"}
    refused = lab.post("founder", "/bookings/new", **wish)
    assert refused.status_code == 422
    assert "Book with an engineer" in refused.text
    done = lab.post("founder", "/bookings/new", **wish, supervised="yes")
    assert done.headers["location"] == "/bookings?done=asked"
    page = words(lab.get("founder", "/bookings?done=asked"))
    assert "Your request holds the slot." in page
    assert re.search(r"Feed Tue 24 Nov 2026, 09:00–11:00 CET CNC mill [\d.]+ EUR", page), (
        "what it will cost stands there already"
    )
    assert "waiting for approval" in page


def test_booking_through_the_form_in_lab_time(lab: Lab) -> None:
    form = lab.get("founder", "/bookings/new?device=mill-1").text
    assert 'value="mill-1" checked' in form
    assert 'name="start" value="2026-11-23T09:00"' in form
    assert "lab time, Europe/Warsaw" in form
    assert "The lab is open Mon–Fri 07:00–19:00." in form
    wish = {
        "device_ids": ["mill-1", "meter-1"],
        "start": "2026-11-24T09:00",
        "end": "2026-11-24T11:00",
        "title": "Feed",
    }
    done = lab.post("founder", "/bookings/new", **wish)
    assert (done.status_code, done.headers["location"]) == (303, "/bookings?done=booked")
    page = words(lab.get("founder", "/bookings?done=booked"))
    assert "Your slot is booked." in page
    assert "Feed Tue 24 Nov 2026, 09:00–11:00 CET Energy meter , CNC mill 480.00 EUR confirmed" in page
    assert "Feed" not in words(lab.get("joiner", "/bookings"))


def test_a_taken_slot_offers_three_others_and_one_press_books(lab: Lab) -> None:
    lab.book("joinery", SOON, "mill-1", title="Secret trial")
    wish = {"device_ids": ["mill-1"], "start": "2026-11-23T10:00", "end": "2026-11-23T11:00", "title": "Feed"}
    taken = lab.post("founder", "/bookings/new", **wish)
    assert taken.status_code == 409
    assert "Somebody already has CNC mill" in taken.text
    assert "Secret" not in taken.text
    booking, waiting = taken.text.split('action="/waitlist"')
    edges = r'name="start" value="([^"]+)">\s*<input type="hidden" name="end" value="([^"]+)"'
    offers = re.findall(edges, booking)
    assert len(offers) == 3
    assert re.findall(edges, waiting) == [(wish["start"], wish["end"])]
    start, end = (unescape(edge) for edge in offers[0])
    assert lab.post("founder", "/bookings/new", **{**wish, "start": start, "end": end}).status_code == 303


def test_a_refused_wish_comes_back_with_the_reason_and_what_was_typed(lab: Lab) -> None:
    wish = {"device_ids": ["mill-1"], "start": "2026-11-29T10:00", "end": "2026-11-29T11:00", "title": "Sunday"}
    refused = lab.post("founder", "/bookings/new", **wish)
    assert refused.status_code == 422
    assert "The lab is closed at Sun 29 Nov 2026, 10:00 CET" in refused.text
    assert "instead</button>" in refused.text
    assert 'value="Sunday"' in refused.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": ""}, "what the slot is for"),
        ({"device_ids": []}, "machine"),
        ({"start": "soon"}, "a date and a time"),
        ({"end": "2026-11-24T08:00"}, "not after"),
        ({"start": "2026-11-20T09:00"}, "is over"),
    ],
)
def test_each_slip_in_the_form_is_told_in_plain_words(lab: Lab, change: dict[str, object], reason: str) -> None:
    wish = {"device_ids": ["mill-1"], "start": "2026-11-24T09:00", "end": "2026-11-24T10:00", "title": "Feed"}
    refused = lab.post("founder", "/bookings/new", **{**wish, **change})
    assert refused.status_code == 422
    alert = re.search(r'role="alert"[^>]*>([^<]+)<', refused.text)
    assert alert is not None
    assert reason in unescape(alert[1])


def test_cancelling_is_asked_for_twice_and_only_for_ones_own(lab: Lab) -> None:
    booking = lab.book("foundry", SOON, "mill-1")
    assert "Yes, cancel" in words(lab.get("founder", "/bookings"))
    address = f"/bookings/{booking.id}/cancel"
    assert lab.post("joiner", address, version=1).status_code == 404
    stale = lab.post("founder", address, version=7)
    assert stale.headers["location"] == "/bookings"
    assert lab.post("founder", address, version=1).headers["location"] == "/bookings?done=cancelled"
    assert "cancelled" in words(lab.get("founder", "/bookings"))
    assert lab.post("founder", address).status_code == 409


def test_staff_book_for_a_company_and_readers_do_not_book(lab: Lab) -> None:
    wish = {"device_ids": ["mill-1"], "start": "2026-11-24T09:00", "end": "2026-11-24T10:00", "title": "For them"}
    wish["organisation_id"] = lab.joinery.id
    assert lab.post("engineer", "/bookings/new", **wish).status_code == 303
    assert "For them" in words(lab.get("joiner", "/bookings"))
    assert lab.get("reader", "/bookings/new").status_code == 403
    assert lab.post("founder", "/bookings/new", **wish).status_code == 403


# Pilots and reports


def test_a_pilot_shows_its_locked_plan_and_its_runs(lab: Lab) -> None:
    address = f"/pilots/{lab.pilot.id}"
    assert "There is no plan yet" in words(lab.get("founder", address))
    plan, founder = example_plan(), lab.principal("founder")
    with lab.database.write() as session:
        for device, signal in plan.signals():
            if session.scalar(select(Signal).where(Signal.device_id == device, Signal.name == signal)) is None:
                session.add(make_signal(signal, unit="kW", device_id=device))
        session.flush()
        pilots.write_plan(session, founder, lab.pilot.id, plan, now=lab.clock.now())
    assert "This is a draft" in words(lab.get("founder", address))
    with lab.database.write() as session:
        locked = pilots.lock_plan(session, founder, lab.pilot.id, now=lab.clock.now())
    page = words(lab.get("founder", address))
    assert f"Locked Mon 23 Nov 2026, 08:00 CET by {founder.name}" in page
    assert locked.sha256 in page
    assert "0 of" in page
    assert all(arm.label in page for arm in plan.arms)
    for who in ("founder", "engineer"):
        step = re.search(r'href="(/bookings/new\?pilot=[^"]+)"', lab.get(who, address).text)
        assert step is not None
        form = lab.get(who, unescape(step[1]) + "&find=yes")
        assert sorted(re.findall(r'name="device_ids" value="([^"]+)" checked', form.text)) == ["meter-1", "mill-1"]
        assert f'<option value="{lab.pilot.id}" selected>' in form.text
        assert "first-proposal" in form.text
        assert who == "founder" or f'<option value="{lab.foundry.id}" selected>' in form.text
    assert lab.get("joiner", address).status_code == 404
    assert lab.get("reader", address).status_code == 404


@pytest.mark.parametrize("who", ["founder", "reader", "engineer", "manager"])
def test_a_report_is_read_and_taken_home_by_those_it_was_made_for(lab: Lab, who: str) -> None:
    with lab.database.write() as session:
        session.get_one(Report, lab.report.id).status = "approved"
    address = f"/reports/{lab.report.id}"
    assert address in lab.get(who, "/").text
    assert example_document()["answer"] in words(lab.get(who, address)) or "Verdict" in words(lab.get(who, address))
    pdf, package = lab.get(who, f"{address}/report.pdf"), lab.get(who, f"{address}/package.zip")
    assert (pdf.headers["content-type"], pdf.content) == ("application/pdf", b"%PDF-1.7 the report")
    assert "attachment" in pdf.headers["content-disposition"]
    assert package.content == b"PK the package"


def example_answer() -> str:
    """As `words` reads it."""
    return " ".join(str(example_document()["answer"]).split())


def test_a_draft_tells_its_company_no_verdict_and_the_staff_that_it_is_a_draft(lab: Lab) -> None:
    pilot, report, answer = f"/pilots/{lab.pilot.id}", f"/reports/{lab.report.id}", example_answer()
    for page in ("/", "/pilots", pilot, report):
        text = words(lab.get("founder", page))
        assert "draft" in text, page
        assert "Invest" not in text, page
        assert answer not in text, page
    for page in ("/", "/pilots"):
        text = words(lab.get("engineer", page))
        assert "draft" in text
        assert "Invest" not in text
    assert f"Invest draft {answer}" in words(lab.get("engineer", pilot))
    assert "Verdict" in words(lab.get("engineer", report))


def test_an_approved_report_stands_until_its_correction_is_approved(lab: Lab) -> None:
    with lab.database.write() as session:
        session.get_one(Report, lab.report.id).status = "approved"
    with lab.database.write() as session:
        correction = _report(session, lab.pilot.id, 2, answer="Something else.")
    for who in ("founder", "engineer"):
        for page in ("/", "/pilots"):
            assert f'href="/reports/{lab.report.id}"><span class="tag invest">Invest' in lab.get(who, page).text
        text = words(lab.get(who, f"/pilots/{lab.pilot.id}"))
        assert f"Invest {example_answer()}" in text
        assert f"To replace it, not approved yet: {correction.number}" in text
        assert "Something else." not in text


def test_another_company_cannot_even_learn_that_there_is_a_report(lab: Lab) -> None:
    for end in ("", "/report.pdf", "/package.zip"):
        theirs = lab.get("joiner", f"/reports/{lab.report.id}{end}")
        none = lab.get("joiner", f"/reports/rpt_none{end}")
        assert theirs.status_code == none.status_code == 404
        assert theirs.text.replace(lab.report.id, "rpt_none") == none.text
        asked = browser(lab.app()).get(f"/reports/{lab.report.id}{end}")
        assert (asked.status_code, asked.headers["location"][:8]) == (303, "/sign-in")


# Everywhere


def pages_of(lab: Lab) -> list[str]:
    return [
        "/",
        "/bookings",
        "/bookings/new",
        "/pilots",
        f"/pilots/{lab.pilot.id}",
        f"/reports/{lab.report.id}",
        "/devices/mill-1",
        "/nothing",
    ]


def test_names_are_text_on_every_page_whatever_is_in_them(lab: Lab) -> None:
    with lab.database.write() as session:
        for row in (lab.accounts["founder"], lab.foundry, lab.pilot):
            session.add(row)
        lab.accounts["founder"].name = lab.foundry.name = lab.pilot.title = lab.pilot.question = SCRIPT
        get_device(session, "mill-1").name = SCRIPT
        report = session.get(Report, lab.report.id)
        assert report is not None
        report.results = with_texts(SCRIPT).model_dump(mode="json")
    lab.book("foundry", NOW, "mill-1", title=SCRIPT)
    for who in ("founder", "engineer"):
        for path in pages_of(lab):
            text = lab.get(who, path).text
            assert "<script>alert" not in text, path
            assert "<img src=x" not in text, path
    wish = {"device_ids": ["mill-1"], "start": "2026-11-23T08:30", "end": "2026-11-23T09:00", "title": SCRIPT}
    for form in (wish, {**wish, "start": SCRIPT}, {**wish, "device_ids": [SCRIPT]}):
        assert "<script>alert" not in lab.post("founder", "/bookings/new", **form).text
    assert "<script>" not in browser(lab.app()).post("/sign-in", data={"sign_in": SCRIPT, "password": "x"}).text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/shared/nothing", 404),
        ("GET", "/bookings/bkg_nothing", 404),
        ("GET", "/manage", 403),
        ("DELETE", "/bookings", 405),
    ],
)
def test_a_page_about_a_mishap_keeps_the_navigation_of_who_is_signed_in(
    lab: Lab, method: str, path: str, status: int
) -> None:
    page = lab.browser(lab.app(), "founder").call(method, path)
    assert page.status_code == status
    assert '<a href="/pilots">' in page.text
    assert 'action="/sign-out"' in page.text
    assert 'class="places"' not in browser(lab.app()).call(method, path).text


@pytest.mark.parametrize("who", ["founder", "engineer", "reader"])
def test_every_page_names_its_language_title_and_zone_and_can_be_skipped_into(lab: Lab, who: str) -> None:
    lab.book("foundry", NOW, "mill-1", "meter-1")
    for path in pages_of(lab):
        page = lab.get(who, path)
        if who == "reader" and page.status_code in {403, 404}:
            continue
        assert '<html lang="en">' in page.text
        assert len(re.findall("<h1[ >]", page.text)) == 1, path
        assert '<a class="skip-link" href="#content">' in page.text
        assert "Europe/Warsaw" in page.text
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=", page.text), path
        for field in re.findall(r"<input(?![^>]*hidden)[^>]*>", page.text):
            assert "name=" in field


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["Account changed Zofia", "Role: member → report reader", "Company: Foundry → Joinery",
                "Account given a new password Zofia", "Account closed Zofia"]),
        ("pl", ["Konto: zmiana Zofia", "Rola: członek firmy → czytelnik raportów", "Firma: Foundry → Joinery",
                "Konto: nowe hasło Zofia", "Konto: zamknięcie Zofia"]),
    ],
)  # fmt: skip
def test_the_log_says_in_plain_words_what_became_of_an_account(lab: Lab, language: str, said: list[str]) -> None:
    founder = lab.accounts["founder"].id
    with lab.database.write() as session:
        session.get_one(Account, founder).name = "Zofia"
    change = {"account_id": founder, "role": "recipient", "organisation_id": lab.joinery.id}
    assert lab.post("manager", "/manage/people/accounts/change", **change).headers["location"].endswith("done=changed")
    assert lab.post("manager", "/manage/people/passwords", sign_in="founder").status_code == 200
    assert lab.post("manager", f"/manage/people/accounts/{founder}/close").status_code == 303
    client = lab.browser(lab.app(), "manager")
    client.cookies.set("pilotlab_language", language)
    log = words(client.get("/manage/audit?subject=account"))
    assert [line for line in said if line not in log] == []
    assert founder not in log
    assert lab.get("engineer", "/manage/audit").status_code == 403


def test_the_log_names_what_was_changed_leads_there_and_tells_only_what_is_different(lab: Lab) -> None:
    wish = {"device_ids": ["mill-1"], "start": "2026-11-24T09:00", "end": "2026-11-24T10:00", "title": "Feed & <speed>"}
    assert lab.post("founder", "/bookings/new", **wish).status_code == 303
    with lab.database.read() as session:
        booking_id = session.scalar(select(Booking.id).where(Booking.title == wish["title"]))
    moved = {"start": "2026-11-24T11:00", "end": "2026-11-24T12:00"}
    assert lab.post("founder", f"/bookings/{booking_id}/move", **moved).status_code == 303
    assert lab.post("manager", "/manage/rules", device="mill-1", longest_minutes="90").status_code == 303
    page = lab.get("manager", "/manage/audit")
    log = words(page)
    assert "Booking moved Feed & <speed>" in log
    assert f'<a href="/bookings/{booking_id}">' in page.text
    assert "Rule set CNC mill" in log
    start = "From: Tue 24 Nov 2026, 09:00 CET → Tue 24 Nov 2026, 11:00 CET"
    assert f"{start} To: Tue 24 Nov 2026, 10:00 CET → Tue 24 Nov 2026, 12:00 CET" in log
    assert len(re.findall(r"Price: [\d.]+ EUR", log)) == 1, "of the new booking; the move changed no price"


def test_the_log_names_the_machine_of_an_alarm_rule_and_for_whom_a_link_is(lab: Lab) -> None:
    typed = {"device": "mill-1", "kind": "limit", "signal": "spindle_power_kw", "high": "6.5", "severity": "warning"}
    assert lab.post("engineer", "/manage/alarm-rules/new", **typed).status_code == 303
    with lab.database.write() as session:
        times = {"created_at": lab.clock.now(), "expires_at": lab.clock.now()}
        session.add(
            ReportLink(
                id="lnk_1", token_hash="0", report_id=lab.report.id, label="Bank", created_by="acc_1", opened=0, **times
            )
        )
        note_change(session, "report-link", "lnk_1", "opened", by="link", at=lab.clock.now())
    log = words(lab.get("manager", "/manage/audit"))
    assert "Alarm rule created CNC mill" in log
    assert re.search(r"someone with the link Link to a report opened \S+, Bank", log)


def test_what_an_account_cannot_become_is_said_and_nothing_is_changed(lab: Lab) -> None:
    change = {"account_id": lab.accounts["founder"].id, "role": "manager"}
    refused = lab.post("manager", "/manage/people/accounts/change", **change)
    assert "Engineers and managers belong to the lab; members and recipients to a company or partner." in words(
        refused, 422
    )


def test_a_page_reads_with_a_constant_number_of_queries(lab: Lab) -> None:
    def queries() -> int:
        seen: list[str] = []
        listen = lambda *arguments: seen.append(arguments[2])  # noqa: E731
        client = lab.browser(lab.app(), "engineer")
        event.listen(lab.database.engine, "before_cursor_execute", listen)
        for path in ("/", "/bookings", "/pilots"):
            assert client.get(path).status_code == 200
        event.remove(lab.database.engine, "before_cursor_execute", listen)
        return len(seen)

    lab.book("foundry", SOON, "mill-1")
    few = queries()
    for hour in range(12, 18):
        lab.book("foundry", at(hour), "mill-1", "meter-1")
    assert queries() == few


def test_a_machine_that_only_sends_values_is_not_called_unconnected(lab: Lab) -> None:
    with lab.database.write() as session:
        note_boots(session, {("mill-1", "m"): (7, lab.clock.now_ns())}, now=lab.clock.now())
    for path in ("/", "/machines", "/devices/mill-1"):
        for who in ("founder", "engineer"):
            page = lab.get(who, path).text
            assert 'class="tag online">sending<' in page, (path, who)
    assert 'class="tag unknown">not connected yet<' in lab.get("founder", "/devices/meter-1").text
    lab.clock.advance(SILENT_AFTER)
    assert 'class="tag offline">silent<' in lab.get("founder", "/machines").text
