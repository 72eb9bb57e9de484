"""The analysis plan by pages alone: written by the staff, locked by company or staff, corrected in the open."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.pilots import service as pilots
from lab.pilots.examples import demo_economics, demo_plan
from lab.pilots.models import Plan
from lab.pilots.plans import AnalysisPlan, plan_sha256, read_plan
from tests.factories import make_device
from tests.html_forms import form_fields
from tests.web_client import Town

OBJECTIVE = "Find out whether the finer tool saves energy."


class Office:
    """A pilot of the foundry without a plan, and the machines that a plan may name."""

    def __init__(self, database: Database, clock: LabClock, folder: Path) -> None:
        self.database, self.clock, self.town = database, clock, Town(database, clock)
        self.app = create_app(settings=Settings(data_dir=folder), database=database, clock=clock, store=None, live=None)
        with database.write() as session:
            make_device(session, "mill-1")
            make_device(session, "meter-1", signals={"active_power_kw": "kW"})
        self.pilot_id = self.new_pilot()
        self.path = f"/pilots/{self.pilot_id}/plan"

    def new_pilot(self) -> str:
        founder = self.town.principal("founder")
        return self.database.transact(
            lambda session: (
                pilots.create_pilot(
                    session, founder, organisation_id=founder.organisation_id, title="Tool", question="Does it pay?",
                    now=self.clock.now(),
                ).id
            )
        )  # fmt: skip

    def form(self, who: str = "engineer", address: str = "") -> dict[str, str]:
        """The form as this person's browser would send it, untouched."""
        return form_fields(self.get(address or self.path, who), self.path)

    def get(self, address: str, who: str = "engineer") -> str:
        answer = self.town.browser(self.app, who).get(address)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def send(self, fields: dict[str, str], who: str = "engineer", *, address: str = "") -> Any:
        self.clock.advance(timedelta(seconds=1))
        return self.town.browser(self.app, who).post(address or self.path, data=fields)

    def write(self, plan: AnalysisPlan) -> None:
        engineer = self.town.principal("engineer")
        self.database.transact(
            lambda session: pilots.write_plan(session, engineer, self.pilot_id, plan, now=self.clock.now())
        )

    def lock(self, who: str = "engineer") -> Any:
        page = self.get(f"/pilots/{self.pilot_id}", who)
        return self.send(form_fields(page, f"{self.path}/lock"), who, address=f"{self.path}/lock")

    def versions(self) -> list[Plan]:
        with self.database.read() as session:
            return pilots.plan_versions(session, self.town.principal("engineer"), self.pilot_id)

    def plan(self) -> AnalysisPlan:
        return read_plan(self.versions()[-1].document)


@pytest.fixture
def office(each_database: Database, lab_clock: LabClock, tmp_path: Path) -> Office:
    return Office(each_database, lab_clock, tmp_path)


def test_an_engineer_writes_a_plan_from_nothing_and_the_company_locks_it(office: Office) -> None:
    assert f'href="{office.path}"' in office.get(f"/pilots/{office.pilot_id}")
    filled = office.form() | {
        "objective": OBJECTIVE, "hypothesis": "It saves a tenth.", "kpis-0-label": "Energy", "kpis-0-unit": "kWh",
        "kpis-0-signals-0": "meter-1.active_power_kw", "break_even": "0,02", "expected": "0,04", "runs_per_arm": "6",
        "arms-1-settings": "tool fine",
    }  # fmt: skip
    answer = office.send(filled)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/pilots/{office.pilot_id}?done=written#plan")
    plan = office.plan()
    assert (plan.objective, plan.break_even, plan.expected, plan.runs_per_arm) == (OBJECTIVE, 0.02, 0.04, 6)
    assert (plan.primary.unit, plan.primary.measure.kind, plan.treatment.settings) == (
        "kW.h",
        "integral",
        {"tool": "fine"},
    )
    assert OBJECTIVE in office.get(f"/pilots/{office.pilot_id}", "founder")
    locked = office.lock("founder")
    assert "done=locked" in locked.headers["location"]
    row = office.versions()[-1]
    assert row.locked_by == office.town.principal("founder").account_id
    with office.database.read() as session:
        assert len(pilots.planned_runs(session, office.pilot_id)) == 12


def test_a_plan_that_is_sent_back_untouched_stays_the_same_to_the_last_bit(office: Office) -> None:
    office.write(demo_plan(economics=demo_economics()))
    before = plan_sha256(office.versions()[-1].document)
    assert office.send(office.form()).status_code == 303
    assert plan_sha256(office.versions()[-1].document) == before


def test_one_more_row_is_shown_and_nothing_is_kept_yet(office: Office) -> None:
    fields = office.form() | {"objective": OBJECTIVE, "kpis-0-label": "Energy", "more": "kpis"}
    answer = office.send(fields)
    assert answer.status_code == 200
    shown = form_fields(answer.text, office.path)
    assert (shown["objective"], shown["kpis-0-label"], shown["kpis-1-label"]) == (OBJECTIVE, "Energy", "")
    assert office.versions() == []


def test_another_kind_of_measure_brings_its_own_fields(office: Office) -> None:
    shown = form_fields(
        office.send(office.form() | {"kpis-0-label": "E", "kpis-0-measure": "ratio", "more": "fields"}).text,
        office.path,
    )
    assert {"kpis-0-numerator-measure", "kpis-0-denominator-measure", "kpis-0-numerator-unit"} <= set(shown)
    shown = form_fields(office.send(office.form() | {"design": "blocked", "more": "fields"}).text, office.path)
    assert "blocks" in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expected": "0.01"}, "even if everything goes as hoped the pilot could not say Invest"),
        ({"expected": ""}, "“Hoped for”"),
        ({"kpis-0-unit": "µm"}, "integrated over time is not in um"),
        ({"kpis-0-unit": "sacks"}, "“sacks” is no unit that is known here"),
        ({"kpis-0-role": "secondary"}, "a plan needs exactly one primary KPI"),
        ({"runs_per_arm": "1"}, "at least 2 are needed"),
        ({"kpis-0-signals-0": "mill-9.x"}, "the lab has no device mill-9"),
        ({"kpis-0-signals-0": "mill-1.x"}, "has no signal x"),
        ({"arms-0-settings": "feed_mm_s"}, "Please give settings with their values"),
        ({"objective": "x" * 2001}, "“Objective”"),
        ({"design": "blocked", "blocks": "monday"}, "two blocks or more"),
        ({"economics": "yes", "investment_cents-likely": "-5"}, "“"),
    ],
)
def test_what_makes_no_sense_is_said_and_what_was_typed_stays(
    office: Office, changes: dict[str, str], said: str
) -> None:
    office.write(demo_plan())
    before = office.versions()[-1].document
    answer = office.send(office.form() | {"hypothesis": "It saves."} | changes)
    assert answer.status_code == 422
    assert said.lower() in answer.text.replace("&#39;", "'").lower()
    shown = form_fields(answer.text, office.path)
    assert {name: shown.get(name) for name in changes if name in shown} | {"hypothesis": shown["hypothesis"]} == {
        name: text for name, text in changes.items() if name in shown
    } | {"hypothesis": "It saves."}
    assert office.versions()[-1].document == before


def test_whoever_is_slower_is_told_and_may_keep_theirs(office: Office) -> None:
    office.write(demo_plan())
    mine = office.form() | {"objective": OBJECTIVE}
    office.write(demo_plan(runs_per_arm=8))
    answer = office.send(mine)
    assert (answer.status_code, "Somebody has changed this plan meanwhile." in answer.text) == (422, True)
    assert office.plan().runs_per_arm == 8
    again = form_fields(answer.text, office.path)
    assert again["objective"] == OBJECTIVE
    assert office.send(again).status_code == 303
    assert (office.plan().objective, office.plan().runs_per_arm) == (OBJECTIVE, 6)


def test_only_what_was_looked_at_is_locked(office: Office) -> None:
    office.write(demo_plan())
    page = office.get(f"/pilots/{office.pilot_id}")
    office.write(demo_plan(runs_per_arm=8))
    answer = office.send(form_fields(page, f"{office.path}/lock"), address=f"{office.path}/lock")
    assert "done=changed" in answer.headers["location"]
    assert office.versions()[-1].locked_at is None


def test_a_locked_plan_is_corrected_with_a_reason_by_a_version_that_names_the_one_before(office: Office) -> None:
    office.write(demo_plan())
    office.lock()
    first = office.versions()[0]
    fields = office.form() | {"alpha": "2", "reason": "The risk was mistyped.", "runs_per_arm": "99", "seed": "1"}
    assert "runs_per_arm" not in office.form(), "what the runs are laid out by cannot be changed"
    answer = office.send(fields)
    assert "done=amended" in answer.headers["location"]
    second = office.versions()[-1]
    plan = read_plan(second.document)
    assert (second.version, plan.alpha, plan.runs_per_arm) == (2, 0.02, 6)
    assert second.document["amends"] == {"version": 1, "sha256": first.sha256, "reason": "The risk was mistyped."}
    page = office.get(f"/pilots/{office.pilot_id}", "founder")
    assert "The risk was mistyped." in page
    for changes, said in (({"alpha": "3", "reason": " "}, "needs its reason"), ({"reason": "r"}, "nothing differs")):
        refused = office.send(office.form() | changes)
        assert (refused.status_code, said in refused.text.lower()) == (422, True)
    assert len(office.versions()) == 2


def test_the_plan_of_another_pilot_is_a_beginning(office: Office) -> None:
    office.write(demo_plan().model_copy(update={"written_after_data": True}))
    former, office.pilot_id = office.pilot_id, office.new_pilot()
    office.path = f"/pilots/{office.pilot_id}/plan"
    assert f'value="{former}"' in office.get(office.path)
    assert office.send(office.form(address=f"{office.path}?like={former}")).status_code == 303
    plan = office.plan()
    assert plan == demo_plan(seed=plan.seed)
    assert plan.seed != 2026


@pytest.mark.parametrize(("who", "status"), [("founder", 403), ("joiner", 403), ("reader", 403)])
def test_only_the_staff_write_plans(office: Office, who: str, status: int) -> None:
    fields = office.form()
    assert office.town.browser(office.app, who).get(office.path).status_code == status
    assert office.send(fields, who).status_code == status
    assert office.versions() == []


def test_nobody_locks_the_plan_of_another_company(office: Office) -> None:
    office.write(demo_plan())
    seen = plan_sha256(office.versions()[-1].document)
    for who in ("joiner", "reader"):
        answer = office.send({"seen": seen}, who, address=f"{office.path}/lock")
        assert answer.status_code in {403, 404}
    assert office.versions()[-1].locked_at is None


def test_a_sketch_is_the_staffs_to_lock(office: Office) -> None:
    answers = {
        "better": "energy",
        "unit": "kWh",
        "pays": "0,1",
        "hope": "0,3",
        "run_minutes": "4",
        "longest_hours": "4",
    }
    office.send(answers, "founder", address=f"/pilots/{office.pilot_id}/sketch")
    assert f"{office.path}/lock" not in office.get(f"/pilots/{office.pilot_id}", "founder")
    assert "done=locked" in office.lock("engineer").headers["location"]


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"seen": "x"}, {"more": "nonsense"}, {"arms-99999-label": "a"}, {"kpis-0-label": "\x00", "more": "kpis"},
        {"kpis-0-label": "E", "kpis-0-measure": "integral", "kpis-0-signals-999": "a.b", "seen": ""},
        {"factors-0-label": "F", "factors-0-low": "1e999", "seen": "", "expected": "nan"},
        {f"kpis-{place}-label": "x" for place in range(99)} | {"more": "kpis"},
        {"kpis-0-label": "E", "kpis-0-measure": "ratio", "kpis-0-numerator-measure": "ratio", "seen": ""},
        {"economics": "yes", "discount_rate-likely": "9" * 400, "seen": ""},
        {"seed": "9" * 60, "seen": ""}, {"blocks": "," * 5000, "design": "blocked", "seen": ""},
    ],
)  # fmt: skip
def test_rubbish_is_no_fault(office: Office, fields: dict[str, str]) -> None:
    assert office.send(fields).status_code in {200, 422}
    assert office.versions() == []


def test_the_number_of_runs_follows_from_the_plan_and_leads_to_free_times(office: Office) -> None:
    office.write(demo_plan())
    address = f"{office.path}/size"
    asked = f"{address}?differ=0,02&run_minutes=4&reset_minutes=1&setup_minutes=20&longest_hours=4"
    for who in ("founder", "engineer"):
        assert "improves by more than 0.02" in office.get(address, who)
        page = office.get(asked, who)
        assert "Runs of each way of working: 17, in all: 34." in page
        assert "The plan says 6 runs of each way of working now." in page
        assert f"device=meter-1&amp;device=mill-1&amp;pilot_id={office.pilot_id}&amp;minutes=220" in page
    joiner = office.town.browser(office.app, "joiner")
    assert joiner.get(asked).status_code == 404


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("differ=much&run_minutes=4", "How much do two parts differ"),
        ("differ=0,02&run_minutes=-1", "How many minutes does one part take?"),
        ("differ=0,02&run_minutes=4&longest_hours=x", "How many hours at a time"),
        ("differ=0,02&run_minutes=4&longest_hours=1e999", "How many hours at a time"),
        ("differ=0,02&run_minutes=4&longest_hours=nan", "How many hours at a time"),
        ("differ=&run_minutes=4", "No earlier trial of this company"),
    ],
)
def test_answers_about_the_size_that_make_no_sense_are_named(office: Office, answers: str, said: str) -> None:
    office.write(demo_plan())
    answer = office.town.browser(office.app, "founder").get(f"{office.path}/size?{answers}")
    assert answer.status_code == 422
    notice = answer.text.partition('<p class="notice warn">')[2].partition("</p>")[0]
    assert said in notice


def test_more_runs_than_anybody_makes_are_said_and_no_slot_is_offered(office: Office) -> None:
    office.write(demo_plan())
    page = office.get(f"{office.path}/size?differ=9&run_minutes=4", "founder")
    assert "More runs than anybody makes would be needed." in page
    assert "find=yes" not in page
