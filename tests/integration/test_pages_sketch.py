"""A company's sketch becomes the draft of a plan, which an engineer finds, completes and locks."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.pilots import service as pilots
from lab.pilots.drafts import is_sketch
from lab.pilots.errors import PlanMissingError
from lab.pilots.plans import AnalysisPlan
from tests.web_client import Town

ANSWERS = {
    "better": "energy per part", "unit": "kWh", "pays": "0,1", "hope": "0.3", "differ": "0.2", "run_minutes": "4",
    "reset_minutes": "1", "setup_minutes": "20", "longest_hours": "4",
}  # fmt: skip


class Desk:
    """A pilot without a plan."""

    def __init__(self, database: Database, clock: LabClock, folder: Path) -> None:
        self.database, self.clock, self.town = database, clock, Town(database, clock)
        self.app = create_app(settings=Settings(data_dir=folder), database=database, clock=clock, store=None, live=None)
        founder = self.town.principal("founder")
        self.pilot_id = database.transact(
            lambda session: (
                pilots.create_pilot(
                    session, founder, organisation_id=founder.organisation_id, title="Feed", question="Does it pay?",
                    now=clock.now(),
                ).id
            )
        )  # fmt: skip

    def hand_in(self, who: str = "founder", **changes: str) -> Any:
        self.clock.advance(timedelta(seconds=1))
        browser = self.town.browser(self.app, who)
        return browser.post(f"/pilots/{self.pilot_id}/sketch", data={**ANSWERS, **changes})

    def plan(self) -> tuple[AnalysisPlan, bool]:
        """The plan, and whether it is a mere sketch."""
        with self.database.read() as session:
            row = pilots.get_plan(session, self.town.principal("engineer"), self.pilot_id)
            return AnalysisPlan.model_validate(row.document), is_sketch(session, row)

    def page(self, who: str) -> str:
        return str(self.town.browser(self.app, who).get(f"/pilots/{self.pilot_id}").text)


@pytest.fixture
def desk(each_database: Database, lab_clock: LabClock, tmp_path: Path) -> Desk:
    return Desk(each_database, lab_clock, tmp_path)


def test_the_sketch_is_a_draft_that_the_engineer_finds_with_the_companys_figures(desk: Desk) -> None:
    answer = desk.hand_in()
    assert (answer.status_code, "done=drafted" in answer.headers["location"]) == (303, True)
    plan, sketched = desk.plan()
    assert sketched
    assert (plan.primary.label, plan.primary.unit, plan.primary.direction) == ("energy per part", "kW.h", "lower")
    assert (plan.break_even, plan.expected, plan.runs_per_arm) == (0.1, 0.3, 17)
    assert [arm.role for arm in plan.arms] == ["baseline", "treatment"]
    for who in ("engineer", "founder"):
        assert "This is a draft from the sketch." in desk.page(who)


def test_a_second_sketch_replaces_the_first(desk: Desk) -> None:
    desk.hand_in()
    desk.hand_in(better="scrap", unit="%", hope="0,2", differ="0,1")
    plan, sketched = desk.plan()
    assert sketched
    assert (plan.primary.label, plan.primary.unit, plan.expected) == ("scrap", "%", 0.2)


def test_what_an_engineer_has_written_stays_and_the_sketch_is_a_note_only(desk: Desk) -> None:
    desk.hand_in()
    plan, _ = desk.plan()
    written = plan.model_copy(update={"objective": "Completed with the company."})
    engineer = desk.town.principal("engineer")
    desk.database.transact(
        lambda session: pilots.write_plan(session, engineer, desk.pilot_id, written, now=desk.clock.now())
    )
    answer = desk.hand_in(hope="5")
    assert "done=sketched" in answer.headers["location"]
    assert desk.plan() == (written, False)
    assert "This is a draft from the sketch." not in desk.page("engineer")
    notes = desk.town.browser(desk.app, "engineer").get(f"/api/v1/pilots/{desk.pilot_id}/notes").json()
    assert len(notes) == 2


def test_a_company_does_not_lock_a_sketch_that_no_engineer_has_completed(desk: Desk) -> None:
    desk.hand_in()
    company, engineer = (desk.town.program(desk.app, who) for who in ("founder", "engineer"))
    address = f"/api/v1/pilots/{desk.pilot_id}/plan"
    draft = company.get(address).json()["document"]
    assert company.call("PUT", address, json=draft | {"objective": "See it ourselves."}).status_code == 200
    for who in ("founder", "engineer"):
        assert "Until then only the staff of the lab can lock the plan." in desk.page(who)
    refused = company.post(f"{address}/lock")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:pilotlab:problem:engineer-completes")
    assert refused.json()["rule"] == "engineer-completes"
    assert company.get(address).json()["locked_at"] is None
    assert engineer.call("PUT", address, json=draft | {"objective": "Completed with the company."}).status_code == 200
    assert "Until then only the staff" not in desk.page("founder")
    assert company.post(f"{address}/lock").status_code == 200


def test_the_staff_may_lock_a_sketch_as_it_is(desk: Desk) -> None:
    desk.hand_in()
    answer = desk.town.program(desk.app, "engineer").post(f"/api/v1/pilots/{desk.pilot_id}/plan/lock")
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


def test_a_plan_that_a_company_wrote_itself_is_the_companys_to_lock(desk: Desk) -> None:
    engineer, company = (desk.town.program(desk.app, who) for who in ("engineer", "founder"))
    desk.hand_in()
    address = f"/api/v1/pilots/{desk.pilot_id}/plan"
    draft = company.get(address).json()["document"]
    other = engineer.post(
        "/api/v1/pilots",
        json={"title": "T", "question": "Q?", "organisation_id": desk.town.principal("founder").organisation_id},
    ).json()["id"]
    assert company.call("PUT", f"/api/v1/pilots/{other}/plan", json=draft).status_code == 200
    assert company.post(f"/api/v1/pilots/{other}/plan/lock").status_code == 200


FRESH_LAB = """
import sys, threading
from pathlib import Path
from lab.core.clock import LabClock
from lab.core.database import Database
from tests.factories import MONDAY_MORNING
from tests.integration.test_pages_sketch import Desk

desk = Desk(Database(sys.argv[1]), LabClock(MONDAY_MORNING), Path(sys.argv[2]))
print("statsmodels.stats.power" in sys.modules)
browser = desk.town.browser(desk.app, "founder")
print(browser.get(f"/pilots/{desk.pilot_id}/sketch").status_code)
for thread in threading.enumerate():
    if thread.name == "load-statistics":
        thread.join(60)
print("statsmodels.stats.power" in sys.modules)
"""


def test_opening_the_sketch_loads_the_statistics_before_an_answer_needs_them(
    database: Database, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", FRESH_LAB, str(database.engine.url), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["False", "200", "True"], done.stderr


def test_a_locked_sketch_stays_as_it_is(desk: Desk) -> None:
    desk.hand_in()
    engineer = desk.town.principal("engineer")
    desk.database.transact(lambda session: pilots.lock_plan(session, engineer, desk.pilot_id, now=desk.clock.now()))
    before, sketched = desk.plan()
    assert not sketched
    assert "done=sketched" in desk.hand_in(hope="5").headers["location"]
    assert desk.plan()[0] == before


def test_a_unit_that_nobody_knows_stands_in_the_name_of_what_is_measured(desk: Desk) -> None:
    desk.hand_in(unit="sacks")
    plan, _ = desk.plan()
    assert (plan.primary.label, plan.primary.unit) == ("energy per part (sacks)", "1")


@pytest.mark.parametrize("changes", [{"better": ""}, {"hope": "0.1"}, {"pays": "much"}])
def test_answers_that_make_no_sense_leave_no_draft(desk: Desk, changes: dict[str, str]) -> None:
    assert desk.hand_in(**changes).status_code == 422
    with pytest.raises(PlanMissingError):
        desk.plan()


def test_nobody_sketches_for_another_company(desk: Desk) -> None:
    assert desk.hand_in("joiner").status_code == 404
    with pytest.raises(PlanMissingError):
        desk.plan()
