"""How long data are kept, on a page: what holds, what a rule would delete, and who may say so."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from httpx import Response

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.reports.models import DataSet
from lab.retention.models import DataSetTerm, RetentionRule
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import make_device
from tests.integration.test_pages import words
from tests.integration.test_retention import days_left, fill, make_data_set, make_pilot
from tests.web_client import Town

ADDRESS = "/manage/retention"


class Archive(Town):
    """The town with its pages and a store of samples."""

    def __init__(self, database: Database, clock: LabClock, folder: Path) -> None:
        super().__init__(database, clock)
        self.folder, self.store = folder, DuckDBStore(folder / "samples.duckdb")
        with database.write() as session:
            make_device(session, "mill-1", signals={"spindle_power_kw": "kW"}).name = "Mill"
        settings = Settings(data_dir=folder)
        self.app = create_app(settings=settings, database=database, clock=clock, store=self.store, live=None)

    def get(self, who: str) -> Response:
        return self.browser(self.app, who).get(ADDRESS)

    def post(self, who: str, path: str = "", **form: str) -> Response:
        return self.browser(self.app, who).post(f"{ADDRESS}{path}", data=form)

    def days(self) -> dict[str, int]:
        with self.database.read() as session:
            return {rule.scope: rule.days for rule in session.query(RetentionRule)}

    def term(self, data_set_id: str) -> str | None:
        with self.database.read() as session:
            row = session.get(DataSetTerm, data_set_id)
            return None if row is None or row.keep_until is None else row.keep_until.isoformat()


@pytest.fixture
def archive(database: Database, lab_clock: LabClock, tmp_path: Path) -> Iterator[Archive]:
    found = Archive(database, lab_clock, tmp_path)
    yield found
    found.store.close()


def hidden_fields(page: Response) -> dict[str, str]:
    """Of the form that says yes to what was looked at."""
    form = page.text[page.text.index('id="effect"') :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[: form.index("</form>")]))


def test_a_rule_is_set_only_after_what_it_deletes_was_seen(archive: Archive) -> None:
    fill(archive.store, 50, 40, 1)
    assert "the whole lab for ever" in words(archive.get("engineer"))
    seen = archive.post("manager", scope="lab", days="30", reason="grant rules", look="yes")
    assert "Mill: 2 measured values, up to Sat 24 Oct 2026" in words(seen)
    assert archive.days() == {}
    assert archive.post("manager", **hidden_fields(seen)).headers["location"] == f"{ADDRESS}?done=set"
    assert archive.days() == {"lab": 30}
    assert "the whole lab 30 days Mon 23 Nov 2026" in words(archive.get("engineer"))
    assert days_left(archive.store) == [50, 40, 1]  # until the next night


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(archive: Archive) -> None:
    seen = archive.post("manager", scope="lab", days="30", look="yes")
    assert archive.post("manager", scope="lab", days="700").headers["location"] == f"{ADDRESS}?done=set"
    assert archive.post("manager", **hidden_fields(seen)).headers["location"] == f"{ADDRESS}?done=late"
    assert archive.days() == {"lab": 700}


def test_a_pilot_has_a_rule_of_its_own_until_it_is_removed(archive: Archive) -> None:
    pilot_id = make_pilot(archive.database, archive.foundry.id)
    assert archive.post("manager", scope=pilot_id, days="3650").headers["location"] == f"{ADDRESS}?done=set"
    shown = archive.get("manager")
    assert re.search(r"PL-1 .*3650 days", words(shown))
    removed = archive.post("manager", "/remove", scope=pilot_id, version="1")
    assert removed.headers["location"] == f"{ADDRESS}?done=removed"
    assert archive.days() == {}
    assert archive.post("manager", "/remove", scope=pilot_id, version="1").headers["location"] == f"{ADDRESS}?done=late"


@pytest.mark.parametrize("days", ["", "0", "-3", "x", "36501", "1.5", "9" * 400])
def test_what_is_no_number_of_days_is_asked_for_again(archive: Archive, days: str) -> None:
    refused = archive.post("manager", scope="lab", days=days, look="yes")
    assert "Please give a number of days from 1 to 36500." in words(refused, 422)
    assert archive.days() == {}


def test_only_managers_set_rules_and_no_company_sees_them(archive: Archive) -> None:
    assert archive.post("engineer", scope="lab", days="3").status_code == 403
    assert archive.post("engineer", "/remove", scope="lab").status_code == 403
    for who in ("founder", "reader"):
        assert archive.get(who).status_code == 403
        assert archive.post(who, scope="lab", days="3").status_code == 403
    assert archive.post("manager", scope="nobody", days="3").status_code == 404
    assert archive.days() == {}


def test_sealed_data_are_kept_to_the_end_of_a_day_and_shortened_by_a_manager_with_a_reason(
    archive: Archive, tmp_path: Path
) -> None:
    data_set_id = make_data_set(archive.database, make_pilot(archive.database, archive.foundry.id), tmp_path)
    one = f"/data-sets/{data_set_id}"
    unexplained = archive.post("manager", one, last="2031-12-31")
    assert "Say why the data set is to be kept for a shorter time." in words(unexplained, 422)
    assert archive.post("engineer", one, last="2031-12-31", reason="agreed").status_code == 403
    kept = archive.post("manager", one, last="2031-12-31", reason="agreed with the company")
    assert kept.headers["location"] == f"{ADDRESS}?done=kept#sealed"
    assert archive.term(data_set_id) == "2031-12-31T23:00:00+00:00"
    assert "Wed 31 Dec 2031" in words(archive.get("engineer"))
    assert "must not be over yet" in words(archive.post("manager", one, last="2020-01-01", reason="old"), 422)
    assert archive.post("manager", one, last="31.12.2032").status_code == 422
    assert archive.post("engineer", one, last="2035-12-31").status_code == 303
    assert archive.post("founder", one, last="2040-12-31").status_code == 403
    assert archive.post("engineer", "/data-sets/nobody", last="2040-12-31").status_code == 404
    with archive.database.write() as session:
        assert session.get(DataSet, data_set_id) is not None
        term = session.get(DataSetTerm, data_set_id)
        assert term is not None
        term.removed_at = archive.clock.now() + timedelta(days=1)
    assert "deleted Tue 24 Nov 2026" in words(archive.get("manager"))
    assert archive.post("engineer", one, last="2040-12-31").status_code == 422
