"""Managers set every rule of booking on a page, and whoever books reads the hours that they have set."""

import re
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select

from bookings.rulebook.models import RuleEntry
from bookings.rulebook.schemas import RuleSettings
from bookings.rulebook.setting import set_rules
from bookings.rulebook.targets import LAB, Scope, Target
from bookings.rules import Rules
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device
from tests.web_client import Client, Town

HOURS = {
    "hours_mon": "7:00 – 12:00, 13:00-19:00",
    "hours_sat": "08:00-12:00",
    "holidays": "PL-24",
    "closed_days": "2026-12-24 Christmas Eve\n\n2026-12-31 Stocktaking of the hall",
    "special_days": "2026-12-05 9:00-11:00",
}
WISH = {"device_ids": ["mill-1"], "title": "Feed"}


class Lab:
    """Two machines and their rules."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock = LabClock(MONDAY_MORNING)
        self.town, self.database = Town(database, clock), database
        with database.write() as session:
            make_device(session, "mill-1", name="CNC mill")
            make_device(session, "meter-1", name="Energy meter")
        self.store = DuckDBStore(folder / "samples.duckdb")
        self.app = create_app(
            settings=Settings(data_dir=folder), database=database, clock=clock, store=self.store, live=None
        )

    def browser(self, who: str = "manager") -> Client:
        return self.town.browser(self.app, who)

    def rules(self) -> dict[tuple[str, str], object]:
        with self.database.read() as session:
            return {(entry.scope, entry.name): entry.settings for entry in session.scalars(select(RuleEntry))}

    def set_by_a_program(self, rules: dict[str, object], target: Target = LAB) -> None:
        with self.database.write() as session:
            set_rules(
                session,
                self.town.principal("manager"),
                target,
                RuleSettings.model_validate(rules),
                version=None,
                now=MONDAY_MORNING,
                defaults=Rules.from_settings(Settings()),
            )


@pytest.fixture
def lab(database: Database, tmp_path: Path):
    lab = Lab(database, tmp_path)
    yield lab
    lab.store.close()


def fields(page: str) -> dict[str, str]:
    """What the form would send as it stands."""
    found = dict(re.findall(r'<input class="form-control[^>]* name="(\w+)" value="([^"]*)"', page))
    found |= dict(re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>([^<]*)</textarea>', page))
    found |= dict.fromkeys(re.findall(r'name="(needs_[\w-]+)" value="yes" checked', page), "yes")
    found["version"] = re.findall(r'name="version" value="(\d*)"', page)[0]
    return {name: unescape(value) for name, value in found.items()}


def shown_in_grey(page: str) -> dict[str, str]:
    """What the fields say that nothing is typed into; of a choice what its first line says."""
    found = {}
    for field in re.findall(r"<(?:input|textarea)[^>]* placeholder=[^>]*>", page):
        name, text = (re.search(rf' {what}="([^"]*)"', field)[1] for what in ("name", "placeholder"))
        found[name] = unescape(text)
    found |= dict(re.findall(r'<select[^>]* name="(\w+)"><option value="">default: (\w+)', page))
    return found | dict(re.findall(r"(Where nothing is chosen): ([^<]*)<", page))


def test_an_empty_field_shows_what_bookings_are_judged_by(lab: Lab) -> None:
    manager = lab.browser()
    grey = shown_in_grey(manager.get("/manage/rules").text)
    assert (grey["longest_minutes"], grey["horizon_days"], grey["lead_minutes"]) == ("1440", "180", "0")
    assert (grey["hours_mon"], grey["hours_sun"], grey["holidays"]) == ("07:00-19:00", "closed", "PL")
    assert (grey["week_quota_minutes"], grey["check_in_minutes"]) == ("no limit", "never")
    assert (grey["approval"], grey["qualifications"], grey["Where nothing is chosen"]) == ("no", "none", "none")
    lab.set_by_a_program(
        {
            "longest_minutes": 120, "lead_minutes": 60, "week_quota_minutes": 600, "holidays": "",
            "opening_hours": {"mon": "08:00-16:00"}, "closed_days": [{"day": "2026-12-24", "name": "Christmas Eve"}],
        }
    )  # fmt: skip
    of_its_class = {"longest_minutes": 90, "approval": True, "week_quota_minutes": 300, "needs_devices": ["meter-1"]}
    lab.set_by_a_program(of_its_class, Target(Scope.CLASS, "cnc-mill"))
    lab.set_by_a_program({"longest_minutes": 30, "approval": False}, Target(Scope.DEVICE, "mill-1"))
    page = manager.get("/manage/rules?device=mill-1").text
    grey = shown_in_grey(page)
    assert fields(page)["longest_minutes"] == "30"
    assert (grey["longest_minutes"], grey["lead_minutes"], grey["approval"]) == ("90", "60", "yes")
    assert grey["week_quota_minutes"] == "600 (the whole lab), 300 (cnc-mill)"
    assert (grey["hours_mon"], grey["hours_tue"], grey["holidays"]) == ("08:00-16:00", "closed", "-")
    assert (grey["closed_days"], grey["Where nothing is chosen"]) == ("2026-12-24 Christmas Eve", "Energy meter")
    # Emptied the form sets nothing for the machine: then just this holds.
    manager.post("/manage/rules", data={"device": "mill-1", "version": fields(page)["version"]})
    token = lab.town.program(lab.app, "founder")
    holds = token.get("/api/v1/rules?device_id=mill-1").json()["effective"]
    grey = shown_in_grey(manager.get("/manage/rules?device=mill-1").text)
    for name in ("lead_minutes", "horizon_days", "shortest_minutes", "longest_minutes", "approval_lapses_minutes"):
        assert grey[name] == str(holds[name]), name
    assert holds["calendars"][0]["opening_hours"] == {"mon": grey["hours_mon"]}
    buffers = holds["buffers"][0]
    assert [grey[name] for name in ("setup_minutes", "cleanup_minutes")] == [
        str(buffers[name]) for name in ("setup_minutes", "cleanup_minutes")
    ]
    assert (holds["approval"], holds["supervision"]) == (grey["approval"] == "yes", grey["supervision"] == "yes")
    # The lab's page tells what holds without the lab's entry, whatever machines have.
    assert shown_in_grey(manager.get("/manage/rules").text)["longest_minutes"] == "1440"


def test_a_manager_sets_hours_and_closed_days_and_who_books_reads_them(lab: Lab) -> None:
    manager, founder = lab.browser(), lab.browser("founder")
    seen = manager.post("/manage/rules", data={**HOURS, "look": "yes"})
    assert "All bookings ahead would be allowed under these rules." in seen.text
    assert lab.rules() == {}
    done = manager.post("/manage/rules", data=HOURS, follow_redirects=True).text
    assert "The rules are set." in done
    assert "Opening hours: Mon 07:00–12:00,13:00–19:00, Sat 08:00–12:00" in done
    assert "Closed days: Thu 24 Dec 2026 (Christmas Eve), Thu 31 Dec 2026 (Stocktaking of the hall)" in done
    form = founder.get("/bookings/new?device=mill-1").text
    assert "The lab is open Mon 07:00–12:00,13:00–19:00, Sat 08:00–12:00." in form
    # Tuesday is closed now, Saturday is open, the fifth of December from nine to eleven.
    for day, hours, status in (("11-24", "09 10", 422), ("11-28", "09 10", 303), ("12-05", "08 09", 422)):
        start, end = (f"2026-{day}T{hour}:00" for hour in hours.split())
        assert founder.post("/bookings/new", data={**WISH, "start": start, "end": end}).status_code == status
    refused = founder.post("/bookings/new", data={**WISH, "start": "2026-12-31T09:00", "end": "2026-12-31T10:00"})
    assert "Stocktaking of the hall" in refused.text


def test_a_machine_with_hours_of_its_own_says_so_and_the_calendar_shows_them(lab: Lab) -> None:
    lab.browser().post("/manage/rules", data={"device": "mill-1", "hours_tue": "04:00-22:30"})
    form = lab.browser("founder").get("/bookings/new?device=mill-1").text
    assert "The lab is open Mon–Fri 07:00–19:00. CNC mill: Tue 04:00–22:30." in form
    assert 'data-day="04:00 23:00" data-own-hours="mill-1"' in form


def test_trainings_and_machines_that_belong_together_are_set_and_taken_back(lab: Lab) -> None:
    manager = lab.browser()
    rules = {"device": "mill-1", "qualifications": "cnc-mill, coolant", "needs_meter-1": "yes", "most_concurrent": "2"}
    page = manager.post("/manage/rules", data=rules, follow_redirects=True).text
    assert lab.rules()["device", "mill-1"] == {
        "most_concurrent": 2, "qualifications": ["cnc-mill", "coolant"], "needs_devices": ["meter-1"],
    }  # fmt: skip
    assert "Booked only together with: Energy meter" in page
    assert "Trainings needed to book without an engineer: cnc-mill, coolant" in page
    assert "known here: cnc-mill, coolant" in page
    assert '<option value="coolant"></option>' in manager.get("/manage/people").text
    # Sent as it stands the form changes nothing; emptied it sets nothing.
    sent = fields(page)
    assert sent["needs_meter-1"] == "yes"
    manager.post("/manage/rules", data={**sent, "device": "mill-1"})
    assert lab.rules()["device", "mill-1"]["qualifications"] == ["cnc-mill", "coolant"]
    version = fields(manager.get("/manage/rules?device=mill-1").text)["version"]
    manager.post("/manage/rules", data={"device": "mill-1", "version": version})
    assert not lab.rules().get(("device", "mill-1"))


def test_what_was_set_by_a_program_comes_through_the_form_unchanged(lab: Lab) -> None:
    rules = {
        "opening_hours": {"mon": "07:00-12:00,13:00-19:00", "sun": "00:00-24:00"}, "holidays": "",
        "closed_days": [{"day": "2026-12-24", "name": "Christmas Eve"}], "special_days": {"2026-12-05": "09:00-11:00"},
        "qualifications": [], "lead_minutes": 30, "pilot_quota_minutes": 6000, "approval_lapses_minutes": 600,
    }  # fmt: skip
    lab.set_by_a_program(rules)
    page = lab.browser().get("/manage/rules").text
    lab.browser().post("/manage/rules", data=fields(page))
    assert lab.rules() == {("lab", ""): rules}


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"hours_tue": "19:00-07:00"}, "Opening hours, Tuesday"),
        ({"hours_sun": "all day"}, "Opening hours, Sunday"),
        ({"hours_mon": "07:00-12:00, 11:00-13:00"}, "Opening hours, Monday"),
        ({"holidays": "Atlantis"}, "Public holidays kept"),
        ({"closed_days": "2026-12-24"}, "Closed days"),
        ({"closed_days": "24.12. Christmas Eve"}, "Closed days"),
        ({"special_days": "2026-12-31 morning"}, "Days with other hours"),
        ({"special_days": "2026-13-31 07:00-12:00"}, "Days with other hours"),
        ({"qualifications": "CNC <b>"}, "Trainings needed to book without an engineer"),
        ({"needs_No such machine!": "yes"}, "Booked only together with"),
    ],
)
def test_what_cannot_be_read_is_named_kept_on_the_form_and_not_set(lab: Lab, typed: dict[str, str], field: str) -> None:
    answer = lab.browser().post("/manage/rules", data=typed)
    assert answer.status_code == 422
    assert f"Please check “{field}”: this value is not possible." in answer.text
    for name, value in typed.items():
        assert name.startswith("needs_") or value in unescape(answer.text), "what was typed is still there"
    assert lab.rules() == {}


def test_only_managers_set_them(lab: Lab) -> None:
    assert lab.browser("engineer").post("/manage/rules", data=HOURS).status_code == 403
    assert lab.browser("founder").post("/manage/rules", data=HOURS).status_code == 403
    assert lab.rules() == {}
