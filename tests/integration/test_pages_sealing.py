"""From the last run to the report by pages: what is in the way, sealing, and what is told when it fails."""

import html
import re
from datetime import timedelta

import pytest

from bookings.models import Booking
from lab.app import create_app
from lab.core.audit import changes_of
from lab.core.jobs import Job, Worker
from lab.core.settings import Settings
from lab.people.endpoints import SESSION_COOKIE
from lab.people.principals import Role
from lab.people.service import open_session
from lab.pilots import service as pilots
from lab.pilots.maturity.schemas import MaturityRequest, MaturityScores
from lab.pilots.maturity.service import write_assessment
from lab.pilots.models import Run
from lab.reports import issuing, service
from lab.reports.jobs import report_handlers
from lab.reports.models import DataSet, Report
from tests.factories import make_account, principal
from tests.integration.test_report_late_data import send_late
from tests.integration.test_reports import Lab, quick_layout  # noqa: F401 - a fixture
from tests.web_client import Client, browser

ADDRESS = "ul. Akademicka 2A, 44-100 Gliwice"


class Office:
    """The pages in the browsers of the lab's people, and the worker behind them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        with lab.database.write() as session:
            row = make_account(session, Role.MANAGER, organisation_id=lab.engineer.organisation_id)
            lab.people["manager"] = principal(row.role, row.organisation_id, account_id=row.id)
        settings = Settings(data_dir=lab.folder)
        self.app = create_app(settings=settings, database=lab.database, clock=lab.clock, store=lab.store, live=None)
        handlers = report_handlers(lab.database, lab.store, data_dir=lab.folder, clock=lab.clock, lab_address=ADDRESS)
        self.worker = Worker(lab.database, lab.clock, {**handlers, "mail": lambda _job: None})
        self.seal = f"/pilots/{lab.pilot_id}/seal"

    def as_(self, who: str, language: str = "en") -> Client:
        client = browser(self.app)
        with self.lab.database.write() as session:
            secret = open_session(session, self.lab.people[who].account_id, now=self.lab.clock.now())
        client.cookies.set(SESSION_COOKIE, secret)
        client.cookies.set("pilotlab_language", language)
        return client

    def end_slot(self) -> None:
        self.lab.clock.advance(timedelta(hours=4))

    def jobs(self, kind: str) -> list[Job]:
        with self.lab.database.read() as session:
            return [job for job in session.query(Job) if job.kind == kind]

    def give_up(self, kind: str, error: str) -> None:
        """The job of this kind has failed as often as it may."""
        with self.lab.database.write() as session:
            for job in session.query(Job).filter(Job.kind == kind):
                job.state, job.attempts, job.last_error = "failed", job.max_attempts, error


@pytest.fixture
def lab(database, tmp_path, quick_layout):  # noqa: F811
    found = Lab(database, tmp_path / "data")
    yield found
    found.store.close()


@pytest.fixture
def office(lab):
    return Office(lab.make_runs())


def test_the_step_leads_to_sealing_and_from_there_to_the_report(office):
    engineer, member = office.as_("engineer"), office.as_("member")
    pilot = engineer.get(f"/pilots/{office.lab.pilot_id}").text
    assert f'href="{office.seal}"' in pilot
    office.end_slot()
    page = engineer.get(office.seal).text
    assert "All runs are finished" in page
    assert "The last slot is over" in page
    assert "Every message of the machines has arrived" not in page  # the meter's second message of each run is missing
    assert "Run 1, Meter 1: 1 of 3 messages are missing." in page
    assert "Yes, seal them" in page
    assert "Yes, seal them" not in member.get(office.seal).text
    asked = engineer.post(office.seal)
    assert (asked.status_code, asked.headers["location"]) == (303, f"{office.seal}?done=asked")
    assert "The data are being sealed" in engineer.get(asked.headers["location"]).text
    assert "The data are being sealed" in member.get(f"/pilots/{office.lab.pilot_id}").text
    assert engineer.post(office.seal).status_code == 303  # pressed twice
    assert len(office.jobs("seal")) == 1
    office.worker.run_due()
    page = engineer.get(office.seal).text
    assert "The data are sealed since" in page
    assert "To the report PL-2026-001-R1" in page
    assert "every 3s" not in page
    assert "To the report PL-2026-001-R1" in member.get(office.seal).text
    assert (office.lab.count(DataSet), office.lab.count(Report)) == (1, 1)


def test_before_the_slot_is_over_sealing_waits_and_says_until_when(office):
    engineer = office.as_("engineer")
    with office.lab.database.read() as session:
        due = session.get_one(Booking, office.lab.booking_id).end_at + timedelta(minutes=10)
    assert "it is done at Mon 23 Nov 2026, 11:10 CET" in engineer.get(office.seal).text
    engineer.post(office.seal)
    for who in ("engineer", "member"):
        assert "sealed at Mon 23 Nov 2026, 11:10 CET" in office.as_(who).get(office.seal).text
    assert "waits until the slot is over" in office.as_("member").get(f"/pilots/{office.lab.pilot_id}").text
    office.worker.run_due()
    assert office.lab.count(DataSet) == 0
    office.lab.clock.advance(due - office.lab.clock.now())
    office.worker.run_due()
    assert office.lab.count(Report) == 1


def test_a_slot_that_ends_early_is_waited_for_no_longer(office):
    engineer, lab = office.as_("engineer"), office.lab
    engineer.post(office.seal)
    assert "Wait no longer" not in engineer.get(office.seal).text
    with lab.database.write() as session:
        session.get_one(Booking, lab.booking_id).end_at = lab.clock.now()
    assert "Wait no longer" in engineer.get(office.seal).text
    assert "Wait no longer" not in office.as_("member").get(office.seal).text
    assert engineer.post(office.seal).status_code == 303
    page = engineer.get(office.seal).text
    assert "Mon 23 Nov 2026, 08:19 CET" in page  # ten minutes for late messages
    assert "Wait no longer" not in page
    lab.clock.advance(timedelta(minutes=10))
    office.worker.run_due()
    assert (len(office.jobs("seal")), lab.count(Report)) == (1, 1)


def test_unfinished_runs_are_named_and_nothing_is_asked_for(lab):
    office = Office(lab)
    engineer = office.as_("engineer")
    lab.make_run(1, 7.2)
    page = engineer.get(office.seal).text
    assert "These runs are neither finished nor left out: 2, 3, 4, 5, 6." in page
    assert "Yes, seal them" not in page
    refused = engineer.post(office.seal)
    assert refused.status_code == 422
    assert "These runs are neither made nor excluded: 2, 3, 4, 5, 6; make them or exclude them" in refused.text
    polish = office.as_("engineer", "pl").post(office.seal).text
    assert "Te przebiegi nie są ani wykonane, ani pominięte: 2, 3, 4, 5, 6;" in polish
    assert office.jobs("seal") == []
    for number in range(2, 7):
        lab.write(
            lambda s, number=number: pilots.exclude_run(
                s, lab.engineer, lab.pilot_id, number, reason="No time.", now=lab.clock.now()
            )
        )
    assert "Yes, seal them" in engineer.get(office.seal).text


def test_a_pilot_without_a_locked_plan_says_so(office):
    lab = office.lab
    with lab.database.write() as session:
        new = pilots.create_pilot(
            session, lab.member, organisation_id=lab.organisation_id, title="New", question="Q?", now=lab.clock.now()
        ).id
    page = office.as_("engineer").get(f"/pilots/{new}/seal").text
    assert "The plan is not locked yet." in page
    assert "No run has been made yet." in page
    refused = office.as_("engineer", "pl").post(f"/pilots/{new}/seal")
    assert refused.status_code == 422
    assert "Ten pilotaż nie ma jeszcze planu analizy." in refused.text


def test_companies_seal_nothing_and_strangers_see_nothing(office):
    office.end_slot()
    for path in (office.seal, f"{office.seal}/again"):
        assert office.as_("member").post(path).status_code == 403
        assert office.as_("recipient").post(path).status_code == 403
        assert office.as_("stranger").post(path).status_code == 403
        assert browser(office.app).post(path).headers["location"].startswith("/sign-in")
    assert office.as_("stranger").get(office.seal).status_code == 404
    for path in ("/pilots/plt_nothing/seal", "/pilots/a%00b/seal", "/pilots/plt_nothing/seal/again"):
        assert office.as_("engineer").post(path).status_code == 404
    assert office.jobs("seal") == []


@pytest.mark.parametrize(
    ("kind", "error", "why", "way_out"),
    [
        (
            "seal",
            "PilotStateError: a run changed while the data were being sealed; seal again",
            "A run changed while the data were being sealed.",
            "Look that nobody is changing runs",
        ),
        ("seal", "OSError: [Errno 28] No space left on device", "The disk of the lab&#39;s computer is full.", "room"),
        (
            "report",
            "DataSetAlteredError: runs.json of the sealed data is missing",
            "A file of the sealed data is missing or was changed: runs.json.",
            "from a backup",
        ),
        ("report", "KeyError: 'x'", "Something went wrong on the lab&#39;s computer: KeyError", "Nothing is lost."),
    ],
)
def test_what_was_given_up_says_why_and_is_tried_again(office, kind, error, why, way_out):
    engineer, member = office.as_("engineer"), office.as_("member")
    office.end_slot()
    engineer.post(office.seal)
    if kind == "report":
        with office.lab.database.write() as session:
            session.query(Job).filter(Job.kind == "seal").one().state = "failed"  # kept from running twice
        sealed = office.lab.seal()
        assert sealed.version == 1
        with office.lab.database.write() as session:
            session.query(Job).filter(Job.kind == "seal").one().state = "queued"
        office.worker.run_due()
        with office.lab.database.write() as session:
            session.query(Report).delete()
    office.give_up(kind, error)
    page = engineer.get(office.seal).text
    assert why in page
    assert way_out in page
    theirs = member.get(office.seal).text
    assert why not in theirs
    assert "Try again" not in theirs
    again = engineer.post(f"{office.seal}/again")
    assert again.headers["location"] == f"{office.seal}?done=again"
    assert "It is tried again." in engineer.get(again.headers["location"]).text
    office.worker.run_due()
    assert "To the report" in engineer.get(office.seal).text
    assert engineer.post(f"{office.seal}/again").headers["location"] == office.seal  # nothing is left to be tried


def test_asking_over_http_tries_again_as_well(office):
    office.end_slot()
    engineer = office.as_("engineer")
    engineer.post(office.seal)
    office.give_up("seal", "OSError: [Errno 28] No space left on device")
    lab = office.lab
    job = lab.write(lambda s: service.ask_to_seal(s, lab.engineer, lab.pilot_id, now=lab.clock.now()))
    assert (job.state, job.attempts) == ("queued", 0)
    office.worker.run_due()
    assert lab.count(Report) == 1


def test_a_run_that_changes_meanwhile_is_tried_again_by_itself_and_the_page_says_so(office, monkeypatch):
    office.end_slot()
    engineer = office.as_("engineer")
    engineer.post(office.seal)

    def change(*_):
        with office.lab.database.write() as session:
            session.query(Run).filter(Run.number == 1).one().result = {"finished": True, "passed": False}
        monkeypatch.undo()

    monkeypatch.setattr("lab.reports.service.sync_folder", change)
    office.worker.run_due()
    page = engineer.get(office.seal).text
    assert "It did not work at once. A run changed while the data were being sealed. It is tried again" in page
    office.lab.clock.advance(timedelta(minutes=1))
    office.worker.run_due()
    assert "The data are sealed since" in engineer.get(office.seal).text


# What comes after the sealing


def late_lab(office):
    """Sealed and reported; then seven values come that the meter kept to itself."""
    office.end_slot()
    office.as_("engineer").post(office.seal)
    office.worker.run_due()
    send_late(office.lab)
    return f"/pilots/{office.lab.pilot_id}/late-arrivals"


def test_what_came_late_is_listed_and_sealed_again_with_a_reason_as_a_new_version(office):
    late = late_lab(office)
    engineer = office.as_("engineer")
    assert f'href="{late}"' in engineer.get(office.seal).text
    page = engineer.get(late).text
    assert "Meter 1" in page
    assert ">+7<" in page
    assert "Seal again, as version 2" in page
    refused = engineer.post(late, data={"version": "1", "reason": " \n"})
    assert refused.status_code == 422
    assert "Please say why the data are sealed again" in refused.text
    asked = engineer.post(late, data={"version": "1", "reason": "The meter sent\nseven values late."})
    assert (asked.status_code, asked.headers["location"]) == (303, f"{office.seal}?done=asked")
    assert "Something is under way" in engineer.get(late).text
    twice = engineer.post(late, data={"version": "1", "reason": "Again."})
    assert twice.headers["location"] == f"{office.seal}?done=late"
    assert "Somebody was faster" in engineer.get(twice.headers["location"]).text
    office.worker.run_due()
    assert (office.lab.count(DataSet), office.lab.count(Report)) == (2, 2)
    page = engineer.get(office.seal).text
    assert "To the report PL-2026-001-R2" in page
    assert "as version 2" in page
    assert "Nothing came later: the sealed data, version 2" in engineer.get(late).text
    with office.lab.database.read() as session:
        newest = session.query(Report).filter(Report.version == 2).one()
        assert newest.issue["changes"][0]["reason"] == "The meter sent seven values late."
        (told,) = changes_of(session, "pilot", office.lab.pilot_id)
        assert told.reason == "The meter sent seven values late."
    stale = engineer.post(late, data={"version": "1", "reason": "Again."})
    assert stale.headers["location"] == f"{office.seal}?done=late"
    assert office.lab.count(DataSet) == 2


def test_the_company_sees_what_came_late_and_decides_nothing(office):
    late = late_lab(office)
    member = office.as_("member")
    page = member.get(late).text
    assert ">+7<" in page
    assert "Seal again" not in page
    assert member.post(late, data={"version": "1", "reason": "We want it."}).status_code == 403
    assert office.as_("stranger").get(late).status_code == 404
    assert office.as_("stranger").post(late, data={"version": "1", "reason": "x"}).status_code == 403
    assert office.as_("recipient").get(late).status_code == 404
    for version in ("x", "-1", "99999999999"):
        assert office.as_("engineer").post(late, data={"version": version, "reason": "x"}).status_code == 422
    assert office.as_("engineer").post("/pilots/plt_no/late-arrivals", data={"reason": "x"}).status_code == 404
    assert len(office.jobs("seal")) == 1


def test_before_the_sealing_nothing_is_late_and_sealed_files_that_changed_are_told(office):
    engineer = office.as_("engineer")
    late = f"/pilots/{office.lab.pilot_id}/late-arrivals"
    assert "The data are not sealed yet" in engineer.get(late).text
    assert engineer.post(late, data={"version": "0", "reason": "x"}).headers["location"].endswith("done=late")
    assert office.jobs("seal") == []
    late_lab(office)
    with office.lab.database.read() as session:
        folder = office.lab.folder / session.query(DataSet).one().folder
    (folder / "runs.json").write_text("[]")
    page = engineer.get(late)
    assert page.status_code == 409
    assert "Runs.json of the sealed data is not what was sealed" in page.text
    assert "Seal again, as" not in page.text


def test_sealing_again_that_failed_is_tried_again_with_its_reason(office):
    late = late_lab(office)
    engineer = office.as_("engineer")
    engineer.post(late, data={"version": "1", "reason": "The meter was late."})
    with office.lab.database.write() as session:
        job = session.query(Job).filter(Job.key.endswith(":2"), Job.kind == "seal").one()
        job.state, job.attempts, job.last_error = "failed", 8, "OSError: [Errno 28] No space left on device"
    assert "The data could not be sealed." in engineer.get(office.seal).text
    assert engineer.post(f"{office.seal}/again").headers["location"].endswith("done=again")
    office.worker.run_due()
    with office.lab.database.read() as session:
        newest = session.query(Report).filter(Report.version == 2).one()
        assert newest.issue["changes"][0]["reason"] == "The meter was late."


def test_the_console_tells_of_every_run_at_once_what_came_and_leaves_one_out_with_its_reason(lab):
    office = Office(lab)
    engineer, console = office.as_("engineer"), f"/pilots/{lab.pilot_id}/console"
    assert "Runs that were made" not in engineer.get(console).text
    lab.make_run(1, 7.2)
    lab.make_run(2, 7.2)
    page = engineer.get(console).text
    second, first = (page.index(f'<th scope="row" data-label="Run">{number}</th>') for number in (2, 1))
    assert second < first  # the newest first
    assert page.count("mill-1".replace("-", " ").capitalize() + ": all 10") == 2
    assert page.count("Meter 1: 1 of 3 missing") == 2
    assert "Leave run 1 out" in page
    assert "Messages of the machines" not in engineer.get(console, headers={"HX-Request": "true"}).text  # alarms only
    refused = engineer.post(f"{console}/exclude", data={"number": "1", "reason": " "})
    assert (refused.status_code, "Please say why" in refused.text) == (422, True)
    for who in ("member", "stranger"):
        assert office.as_(who).post(f"{console}/exclude", data={"number": "1", "reason": "x"}).status_code in (403, 404)
    assert engineer.post(f"{console}/exclude", data={"number": "1", "reason": "The tool broke."}).status_code == 303
    page = engineer.get(console).text
    assert "The tool broke." in page
    assert "Leave run 1 out" not in page
    again = engineer.post(f"{console}/exclude", data={"number": "1", "reason": "Once more."})
    assert (again.status_code, "is excluded already" in again.text) == (422, True)
    with lab.database.read() as session:
        runs = pilots.planned_runs(session, lab.pilot_id)
    assert [(run.number, run.excluded) for run in runs if run.excluded] == [(1, "The tool broke.")]
    assert "Komunikaty maszyn" in office.as_("engineer", "pl").get(console).text


def test_a_machine_that_did_not_say_how_much_it_sent_is_named_on_the_console(lab):
    office = Office(lab)
    lab.make_run(1, 7.2)
    with lab.database.write() as session:
        run = session.query(Run).filter(Run.number == 1).one()
        run.completeness = {"mill-1": {"asked": "unknown"}}
    page = office.as_("engineer").get(f"/pilots/{lab.pilot_id}/console").text
    assert page.count("did not say how many it sent") == 2


def _steps(page: str) -> dict[str, str]:
    """By name of a step of a pilot, its date; empty where there is none."""
    steps = re.findall(r"<li class=\"(?:done|next|later)\".*?</li>", page, re.S)
    names = [re.search(r"<strong>(?:<a[^>]*>)?([^<]+)", step).group(1) for step in steps]
    dates = [re.search(r"<small>([^<]+)</small>", step) for step in steps]
    return {name: date.group(1) if date else "" for name, date in zip(names, dates, strict=True)}


def test_every_step_that_is_done_says_when(office):
    lab, address = office.lab, f"/pilots/{office.lab.pilot_id}"
    steps = _steps(office.as_("engineer").get(address).text)
    assert steps["Runs"] == "Mon 23 Nov 2026"
    assert (steps["Data sealed"], steps["Report"]) == ("", "")
    lab.clock.advance(timedelta(days=2))
    assert office.as_("engineer").post(office.seal).status_code == 303
    office.worker.run_due()
    lab.clock.advance(timedelta(days=1))
    for deed, who in ((issuing.review_report, "engineer"), (issuing.approve_report, "manager")):
        with lab.database.write() as session:
            report = session.query(Report).one()
            deed(session, lab.people[who], report.id, version=None, now=lab.clock.now())
        office.worker.run_due()
    steps = _steps(office.as_("engineer").get(address).text)
    assert steps["Data sealed"] == "Wed 25 Nov 2026"
    assert steps["Report"] == "Thu 26 Nov 2026"
    with lab.database.read() as session:
        assert session.query(Report).one().results["identification"]["lab_address"] == ADDRESS
    assert steps["Accepted"] == ""


def test_missing_digital_maturity_is_warned_of_and_stops_nothing(office):
    lab, member = office.lab, office.as_("member")
    page = member.get(f"/pilots/{lab.pilot_id}").text
    assert "has not been noted yet (before the pilot)" in page
    said = re.sub(r"<[^>]+>", " ", member.get(f"/pilots/{lab.pilot_id}/afterwards").text)
    assert "Still missing: before the pilot" in " ".join(said.split())
    assert "T0" not in said, "which only programs call it"
    with lab.database.write() as session:
        scores = dict.fromkeys(MaturityScores.model_fields, 40.0)
        wish = MaturityRequest(assessed_on=lab.clock.now().date(), source="DMA tool", **scores)
        write_assessment(session, lab.member, lab.pilot_id, "T0", wish, now=lab.clock.now())
    assert "has not been noted yet" not in member.get(f"/pilots/{lab.pilot_id}").text


def test_what_is_to_be_a_number_is_asked_for_again_and_yes_or_no_is_chosen(lab):
    office = Office(lab)
    engineer, console = office.as_("engineer"), f"/pilots/{lab.pilot_id}/console"
    lab.clock.advance(timedelta(seconds=30))
    started = engineer.post(f"{console}/start", data={"number": "1", "booking_id": lab.booking_id})
    assert started.status_code == 303
    page = engineer.get(console).text
    assert 'name="found_roughness_um"' in page
    lab.clock.advance(timedelta(seconds=30))
    stop = {"number": "1", "found_finished": "yes", "found_passed": "yes"}
    refused = engineer.post(f"{console}/stop", data={**stop, "found_roughness_um": "1,4 µm"})
    assert refused.status_code == 422
    assert "is a number such as 1.4; 1,4 µm is none." in html.unescape(refused.text)
    assert 'value="1,4 µm"' in refused.text
    assert "Stop run 1" in refused.text
    assert engineer.post(f"{console}/stop", data={**stop, "found_roughness_um": "1,4"}).status_code == 303
    with lab.database.read() as session:
        run = pilots.planned_runs(session, lab.pilot_id)[0]
    assert run.result == {"finished": True, "passed": True, "result": "good", "roughness_um": 1.4}


def test_the_first_draft_is_in_the_labs_language(lab):
    lab.make_runs()
    handlers = report_handlers(lab.database, lab.store, data_dir=lab.folder, clock=lab.clock, language="pl")
    lab.clock.advance(timedelta(hours=4))
    with lab.database.write() as session:
        service.ask_to_seal(session, lab.engineer, lab.pilot_id, now=lab.clock.now())
    Worker(lab.database, lab.clock, {**handlers, "mail": lambda _job: None}).run_due()
    with lab.database.read() as session:
        report = session.query(Report).one()
    assert report.issue["statement"]["language"] == "pl"
    assert report.results["verdict_rule"].startswith("Inwestować")
