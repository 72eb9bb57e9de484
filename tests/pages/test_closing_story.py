"""A finished pilot comes to its end on pages alone: sealed, said, reviewed, approved, and sealed again."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from playwright.sync_api import Browser, expect

from lab.core.jobs import Worker
from lab.people.principals import SYSTEM, Role
from lab.reports import issuing
from lab.reports.jobs import report_handlers
from lab.reports.service import seal_pilot
from tests.factories import make_account
from tests.pages.finished import make_finished_pilot, send_late
from tests.pages.looks import violations
from tests.pages.stage import NOW, Stage
from tests.pages.test_stories import LOOKS
from tests.pages.tour import visiting

_LONG_MS = 60_000
"""A report is computed, drawn and laid out."""
STARTS = {"laptop-en": NOW - timedelta(days=6), "phone-pl": NOW - timedelta(days=7)}


@contextmanager
def jobs_done(stage: Stage) -> Iterator[None]:
    """A worker beside the pages, as in an installation."""
    handlers = report_handlers(stage.database, stage.store, data_dir=stage.folder, clock=stage.clock)
    worker = Worker(stage.database, stage.clock, handlers, only=list(handlers))
    worker.start(every=0.2)
    try:
        yield
    finally:
        worker.stop(timeout=60)


@pytest.fixture(scope="module")
def colleague(stage: Stage) -> str:
    """Another engineer."""
    town = stage.town
    with stage.database.write() as session:
        town.accounts["colleague"] = make_account(session, Role.ENGINEER, organisation=town.lab, sign_in="colleague")
    return "colleague"


@pytest.mark.parametrize("look", LOOKS)
def test_a_finished_pilot_is_sealed_said_reviewed_approved_and_corrected_on_pages_alone(
    stage: Stage, chrome: Browser, axe: str, colleague: str, look: str
) -> None:
    start = STARTS[look]
    pilot = make_finished_pilot(stage.town, stage.store, title=f"Closing {look}", start=start)
    with jobs_done(stage):
        with visiting(chrome, stage, "engineer", **LOOKS[look]) as visit:
            page = visit.page
            visit.go(f"/pilots/{pilot}")
            page.locator(".steps li[aria-current=step] a").click()
            expect(page).to_have_url(re.compile("/seal$"))
            assert page.locator("form[action$=seal] button").is_hidden()  # asked once more first
            page.locator(".confirm summary").click()
            page.locator("form[action$=seal] button").click()
            link = page.locator("#progress .notice.good a")
            expect(link).to_be_visible(timeout=_LONG_MS)  # it comes by itself
            assert violations(visit, axe) == []
            link.click()
            address = page.url
            expect(page.locator(".report")).to_be_visible()
            page.locator("a[href$=statement]").click()
            page.locator("[name=authors]").fill("Piotr Zieliński")
            page.locator("[name=recommendation]").fill("Begin with one machine.")
            page.locator("[name=risk_1_text]").fill("The chuck wears faster.")
            page.locator("[name=risk_1_likelihood]").select_option("high")
            page.locator("[name=step_1_text]").fill("Ask for an offer.")
            page.locator("[name=recommendation]").focus()
            page.locator("form.stack .actions button").click()
            expect(page.get_by_role("alert")).to_be_visible()  # by whom?
            expect(page.locator("[name=risk_1_likelihood]")).to_have_value("high")
            assert violations(visit, axe) == []
            page.locator("[name=step_1_owner]").fill("Anna Kowalska")
            page.locator("form.stack .actions button").click()
            expect(page.locator(".report")).to_contain_text("Begin with one machine.", timeout=_LONG_MS)
            expect(page.locator("#writing")).to_have_count(0)
            visit.assert_quiet()
        with visiting(chrome, stage, colleague, **LOOKS[look]) as visit:
            visit.page.goto(address)
            visit.page.locator("form[action$=review] button").click()
            expect(visit.page.locator("[role=status]")).to_be_visible()
            expect(visit.page.locator("form[action$=send-back]")).to_be_visible(timeout=_LONG_MS)
            visit.assert_quiet()
        with visiting(chrome, stage, "manager", **LOOKS[look]) as visit:
            visit.page.goto(address)
            visit.page.locator("details:has(form[action$=approve]) summary").click()
            visit.page.locator("form[action$=approve] button").click()
            expect(visit.page.locator("#acceptance")).to_be_visible(timeout=_LONG_MS)
            visit.assert_quiet()
        with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
            visit.page.goto(address)
            expect(visit.page.locator(".report")).to_contain_text("The chuck wears faster.")
            assert visit.page.locator("form[action$=correct]").count() == 0
            visit.go(f"/pilots/{pilot}")
            expect(visit.page.locator(".steps li.done")).to_have_count(7)
            visit.assert_quiet()
        send_late(stage.store, start)
        with visiting(chrome, stage, "engineer", **LOOKS[look]) as visit:
            page = visit.page
            visit.go(f"/pilots/{pilot}")
            page.locator(".steps a[href$=seal]").click()
            page.locator("a[href$=late-arrivals]").click()
            expect(page.locator("tbody")).to_contain_text("+7")
            page.locator("[name=reason]").fill("The meter kept seven values to itself.")
            page.locator("form.card button").click()
            expect(page.locator("#progress .notice.good a")).to_contain_text("R2", timeout=_LONG_MS)
            page.locator("#progress .notice.good a").click()
            expect(page.locator(".report")).to_contain_text("The meter kept seven values to itself.")
            visit.page.goto(address)
            expect(page.locator(".notice.warn a")).to_contain_text("R2")
            visit.assert_quiet()


def test_an_approved_report_is_corrected_by_a_new_draft(stage: Stage, chrome: Browser, axe: str) -> None:
    start = NOW - timedelta(days=8)
    pilot = make_finished_pilot(stage.town, stage.store, title="To be corrected", start=start)
    clock, manager, engineer = stage.clock, stage.town.principal("manager"), stage.town.principal("engineer")
    with jobs_done(stage):
        data_set = seal_pilot(stage.database, stage.store, SYSTEM, pilot, data_dir=stage.folder, clock=clock)
        report = issuing.make_report(stage.database, SYSTEM, data_set.id, data_dir=stage.folder, clock=clock).id
        for step, who in ((issuing.review_report, engineer), (issuing.approve_report, manager)):
            stage.database.transact(partial(step, principal=who, report_id=report, version=None, now=clock.now()))
            issuing.write_again(stage.database, report, data_dir=stage.folder, clock=clock)
        with visiting(chrome, stage, "engineer") as visit:
            page = visit.page
            visit.go(f"/reports/{report}")
            page.locator("#correct [name=reason]").fill("A name was misspelt.")
            page.locator("#correct button").click()
            expect(page.locator("[role=status]")).to_be_visible()
            assert violations(visit, axe) == []
            expect(page.locator(".report")).to_contain_text("A name was misspelt.", timeout=_LONG_MS)
            expect(page.locator("form[action$=review]")).to_be_visible()
            visit.assert_quiet()
