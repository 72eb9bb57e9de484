"""A plan from nothing to its lock, and its correction in the open, in a real browser."""

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.pilots.service import create_pilot
from tests.pages.stage import Stage
from tests.pages.test_stories import LOOKS
from tests.pages.tour import visiting


def new_pilot(stage: Stage) -> str:
    """A pilot of the joinery without a plan."""
    engineer, company = stage.town.principal("engineer"), stage.town.joinery.id
    return stage.town.database.transact(
        lambda session: (
            create_pilot(
                session, engineer, organisation_id=company, title="Blunt tool", question="Does it pay?",
                now=stage.clock.now(),
            ).id
        )
    )  # fmt: skip


def fill(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        page.locator(f"[name={name.replace('_0_', '-0-')}]").fill(text)


@pytest.mark.parametrize("look", LOOKS)
def test_an_engineer_writes_locks_and_corrects_a_plan(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, "engineer", **LOOKS[look]) as visit:
        page, pilot_id = visit.page, new_pilot(stage)
        visit.go(f"/pilots/{pilot_id}")
        page.locator(f"a[href='/pilots/{pilot_id}/plan']").click()
        fill(page, objective="See what a blunt tool costs.", hypothesis="A tenth.", expected="0,4", break_even="0,2")
        fill(page, kpis_0_label="Feed", kpis_0_unit="sacks", runs_per_arm="3")
        # another kind of measure brings its own fields, and what was typed stays
        kind = page.locator("[name=kpis-0-measure]")
        kind.select_option("percentile")
        expect(page.locator("[name=kpis-0-percent]")).to_be_visible()
        kind.select_option("mean")
        expect(page.locator("[name=kpis-0-percent]")).to_have_count(0)
        page.locator("[name=kpis-0-signal]").select_option("mill-1.feed_mm_s")
        expect(page.locator("[name=kpis-0-label]")).to_have_value("Feed")
        page.locator("[name=design]").select_option("blocked")
        page.locator("[name=blocks]").fill("monday, tuesday, friday")
        page.locator("form.plan-form button.btn-primary").click()
        expect(page.get_by_role("alert")).to_contain_text("sacks")
        fill(page, kpis_0_unit="mm/s")
        # a second number, which begins where the eye is
        page.locator("button[value=kpis]").click()
        added = page.locator("[name=kpis-1-label]")
        expect(added).to_be_focused()
        added.fill("Time")
        page.locator("[name=kpis-1-role]").select_option("secondary")
        page.locator("[name=kpis-1-unit]").fill("s")
        page.locator("[name=kpis-1-measure]").select_option("duration")
        page.locator("form.plan-form button.btn-primary").click()
        expect(page.locator("[role=status]")).to_be_visible()
        expect(page.get_by_text("See what a blunt tool costs.")).to_be_visible()
        # locked only when asked twice
        page.locator(".confirm summary").click()
        page.locator(f"form[action='/pilots/{pilot_id}/plan/lock'] button").click()
        expect(page.locator("[role=status]")).to_be_visible()
        expect(page.locator("tr", has_text="Feed").first).to_be_visible()
        assert page.locator("#runs ~ .table-scroll tbody tr").count() == 6
        # corrected in the open
        page.locator(f"a[href='/pilots/{pilot_id}/plan']").click()
        assert page.locator("[name=runs_per_arm]").count() == 0
        page.locator("[name=expected]").fill("0.5")
        page.locator("[name=reason]").fill("The hope was mistyped.")
        page.locator("form.plan-form button.btn-primary").click()
        expect(page.locator("td", has_text="The hope was mistyped.")).to_be_visible()
        visit.assert_quiet()
