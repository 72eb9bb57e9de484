"""Waiting for a slot that somebody else has, in a real browser: into the line, the offer, out of it."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect

from bookings.life import cancel_booking
from bookings.rules import Rules
from bookings.waitlist.offers import offer_freed_slots
from lab.core.settings import Settings
from lab.core.time import Span
from tests.pages.stage import Stage, at_lab
from tests.pages.test_console import tab_to
from tests.pages.test_stories import LOOKS, sign_in
from tests.pages.tour import visiting
from tests.placed_bookings import place_booking

_RULES = Rules.from_settings(Settings())


def taken(stage: Stage, day: int, title: str) -> str:
    """The joinery has the robot from 9 to 11 on a day."""
    with stage.database.write() as session:
        span = Span(at_lab(day, 9), at_lab(day, 11))
        return place_booking(session, stage.town.joinery.id, span, "robot-1", title=title).id


def give_back(stage: Stage, booking_id: str) -> None:
    """The joinery does not need it, and the lab offers it to whoever waits."""
    now = stage.clock.now()
    stage.database.transact(
        lambda session: cancel_booking(
            session, stage.town.principal("joiner"), booking_id, version=None, now=now, rules=_RULES
        )
    )
    assert offer_freed_slots(stage.database, ["robot-1"], now=now, rules=_RULES) == 1


@pytest.mark.parametrize("look", LOOKS)
def test_somebody_waits_for_a_taken_slot_is_offered_it_and_takes_it(stage: Stage, chrome: Browser, look: str) -> None:
    day, title = (8, "Waited laptop") if look == "laptop-en" else (9, "Waited phone")
    date = at_lab(day, 9).strftime("%Y-%m-%d")
    theirs = taken(stage, day, "Secret of the joinery")
    with visiting(chrome, stage, None, **LOOKS[look]) as visit:
        page = visit.page
        visit.go(f"/bookings/new?device=robot-1&start={date}T09:00&end={date}T10:00&title={title.replace(' ', '+')}")
        if LOOKS[look]["language"] == "pl":  # else the language of the account holds
            page.get_by_role("button", name="Polski").click()
        sign_in(page, "founder")
        page.locator("#book").click()
        expect(page.locator("main")).not_to_contain_text("Secret")
        page.select_option("#wait [name=window]", "exact")
        page.locator("#wait button").click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        card = page.locator("#waiting li", has_text=title)
        expect(card.locator(".place")).to_contain_text("next in line" if look == "laptop-en" else "Następna")
        give_back(stage, theirs)
        visit.go("/")
        page.locator(".notice a[href='/bookings']").last.click()
        offer = page.locator(".offer", has_text=title)
        expect(offer).to_contain_text("09:00–10:00 CET")
        offer.locator(".btn-primary").click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        row = page.locator("tr", has=page.get_by_role("link", name=title, exact=True))
        expect(row.locator(".tag")).to_have_class(re.compile("confirmed"))
        expect(page.locator(".offer", has_text=title)).to_have_count(0)
        visit.assert_quiet()


def test_the_form_itself_offers_to_wait_and_the_line_is_left_with_the_keyboard(stage: Stage, chrome: Browser) -> None:
    taken(stage, 10, "Theirs")
    date = at_lab(10, 9).strftime("%Y-%m-%d")
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go(f"/bookings/new?device=robot-1&start={date}T09:00&end={date}T10:00&title=Only+then")
        tab_to(page, "#wait")
        page.keyboard.press("Enter")
        page.wait_for_url("**/bookings?done=waiting**")
        tab_to(page, "#waiting li:last-child summary")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/bookings?done=left")
        expect(page.locator("#waiting", has_text="Only then")).to_have_count(0)
        visit.assert_quiet()


def test_who_says_no_waits_on_and_an_offer_that_has_run_out_cannot_be_taken(stage: Stage, chrome: Browser) -> None:
    first, second = taken(stage, 11, "Theirs"), taken(stage, 14, "Theirs too")
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        for day, title, window in ((11, "For the week", "week"), (14, "Ran out", "exact")):
            date = at_lab(day, 9).strftime("%Y-%m-%d")
            visit.go(f"/bookings/new?device=robot-1&start={date}T09:00&end={date}T11:00&title={title}")
            page.locator("#book").click()
            page.select_option("#wait [name=window]", window)
            page.locator("#wait button").click()
        give_back(stage, first)
        visit.go("/bookings")
        page.locator(".offer", has_text="For the week").get_by_role("button", name="No, thank you").click()
        expect(page.locator("[role=status]").first).to_contain_text("next in line")
        expect(page.locator("#waiting li", has_text="For the week")).to_contain_text("not offered again")
        page.locator("#waiting li", has_text="For the week").locator("summary").click()
        page.locator("#waiting li", has_text="For the week").locator(".btn-outline-danger").click()
        give_back(stage, second)
        visit.go("/bookings")
        offer = page.locator(".offer", has_text="Ran out")
        expect(offer).to_be_visible()
        stage.clock.advance(timedelta(hours=3))
        offer.locator(".btn-primary").click()
        expect(page.locator("[role=status]").first).to_contain_text("The time to say yes is over")
        expect(page.locator("tr", has_text="Ran out")).to_have_count(0)
        visit.assert_quiet()
