"""What people come for, from sign-in to result, in a real browser: on a laptop and a phone, in English and Polish."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from bookings.models import Booking
from lab.core.time import Span
from tests.pages.drawer import machine_photo
from tests.pages.looks import violations
from tests.pages.stage import Stage, at_lab
from tests.pages.tour import visiting
from tests.placed_bookings import place_booking
from tests.web_client import PASSWORD

LOOKS = {
    "laptop-en": {"size": "laptop", "language": "en"},
    "phone-pl": {"size": "phone", "language": "pl", "theme": "dark"},
}


def sign_in(page: Page, name: str) -> None:
    page.locator("[name=sign_in]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "sign-in" not in url)


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_a_member_finds_a_machine_and_books_a_free_time(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, None, **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/machines")
        sign_in(page, "founder")
        page.select_option("#can", "additive-manufacturing")
        expect(page.locator(".machine")).to_have_count(1)
        expect(page.locator(".next-free a")).to_contain_text("2026")
        page.locator(".machine .foot a").click()
        expect(page.locator("input[value=printer-1]")).to_be_checked()
        page.locator("[name=find]").click()
        page.locator("#first-proposal").click()
        expect(page.locator("#verdict")).to_have_class(re.compile("good"))
        expect(page.locator("#price")).to_contain_text("18")
        page.locator("[name=title]").fill(f"Printing trial {look}")
        page.locator("#book").click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        expect(page.get_by_role("link", name=f"Printing trial {look}", exact=True)).to_be_visible()
        visit.assert_quiet()


def test_price_and_rules_follow_what_is_typed(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go("/bookings/new?device=conveyor-1&start=2026-11-26T09:00&end=2026-11-26T10:00")
        expect(page.locator("#price")).to_have_text("45.00 EUR")
        page.locator("[name=end]").fill("2026-11-26T11:30")
        page.locator("[name=end]").blur()
        expect(page.locator("#price")).to_have_text("112.50 EUR")
        page.locator("[name=start]").fill("2026-11-26T05:00")
        page.locator("[name=start]").blur()
        expect(page.locator("#verdict")).to_contain_text("closed")
        visit.assert_quiet()


def test_a_free_time_is_chosen_by_dragging_on_the_calendar(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go("/bookings/new?device=robot-1&start=2026-11-27T09:00&end=2026-11-27T10:00")
        expect(page.locator(".ec-event.chosen")).to_have_count(1)
        expect(page.locator(".ec-bg-event.closed")).to_have_count(2)  # before seven and after seven
        page.locator("#calendar").scroll_into_view_if_needed()
        box = page.locator(".ec-event.chosen").bounding_box()
        assert box is not None
        y, hour = box["y"] + box["height"] / 2, box["width"]
        page.mouse.move(box["x"] + 2.2 * hour, y)
        page.mouse.down()
        page.mouse.move(box["x"] + 3.9 * hour, y, steps=8)
        page.mouse.up()
        expect(page.locator("[name=start]")).to_have_value("2026-11-27T11:00")
        expect(page.locator("[name=end]")).to_have_value("2026-11-27T13:00")
        expect(page.locator("#price")).to_have_text("120.00 EUR")
        visit.assert_quiet()


def test_what_is_free_lies_on_the_calendar_and_a_press_chooses_it(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go("/bookings/new?capability=additive-manufacturing&find=yes")
        free = page.locator(".ec-event.proposed")
        expect(free.first).to_contain_text("free")
        first = page.locator("#first-proposal strong").inner_text()
        free.first.click()
        page.wait_for_url("**/bookings/new?**#terms")
        expect(page.locator("input[value=printer-1]")).to_be_checked()
        expect(page.locator("#verdict")).to_have_class(re.compile("good"))
        assert page.locator("[name=start]").input_value()[-5:] in first
        expect(page.locator(".ec-event.chosen")).to_have_count(1)
        visit.assert_quiet()


def test_a_slot_is_booked_with_the_keyboard_alone(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "joiner") as visit:
        page = visit.page
        visit.go("/bookings/new?device=conveyor-1")

        def tab_to(selector: str) -> None:
            for _ in range(120):
                if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
                    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                    assert outline != "none", f"the focus on {selector} cannot be seen"
                    return
                page.keyboard.press("Tab")
            raise AssertionError(f"Tab never comes to {selector}")

        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip-link"
        page.keyboard.press("Enter")
        tab_to("[name=find]")
        page.keyboard.press("Enter")
        page.wait_for_url("**find=yes**")
        tab_to("#first-proposal")
        page.keyboard.press("Enter")
        page.wait_for_url("**/bookings/new?**#terms")
        tab_to("[name=title]")
        page.keyboard.type("By keyboard")
        tab_to("#book")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="By keyboard", exact=True)).to_be_visible()
        visit.assert_quiet()


def test_a_taken_slot_shows_what_else_is_free_and_one_press_books_it(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/bookings/new?device=mill-1&start=2026-11-23T14:00&end=2026-11-23T15:00&title=Taken")
        page.locator("#book").click()
        expect(page).to_have_url(re.compile("/bookings/new"))
        offers = page.locator("form[action='/bookings/new'] button.btn-primary")
        expect(offers).to_have_count(1)
        offers.click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        visit.assert_quiet()


def test_a_booking_is_moved_and_given_back(stage: Stage, chrome: Browser, look: str) -> None:
    day = "2026-12-02" if look == "laptop-en" else "2026-12-03"
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go(f"/bookings/new?device=robot-1&start={day}T09:00&end={day}T10:00&title=To+move+{look}")
        page.locator("#book").click()
        page.get_by_role("link", name=f"To move {look}", exact=True).click()
        page.locator("#move [name=start]").fill(f"{day}T12:00")
        page.locator("#move [name=end]").fill(f"{day}T13:00")
        page.locator("#move button").click()
        row = page.locator("tr", has=page.get_by_role("link", name=f"To move {look}", exact=True))
        expect(row).to_contain_text("12:00–13:00")
        row.locator("summary").click()
        row.locator(".btn-outline-danger").click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        visit.assert_quiet()


def test_two_bookings_change_places_with_the_keyboard_alone(stage: Stage, chrome: Browser, axe: str, look: str) -> None:
    days = (16, 17) if look == "laptop-en" else (18, 21)
    with stage.database.write() as session:
        one, other = (
            place_booking(
                session, stage.town.foundry.id, Span(start, start + timedelta(hours=1)), "robot-1", title=title
            )
            for start, title in zip((at_lab(day, 9) for day in days), (f"Grip {look}", f"Lift {look}"), strict=True)
        )
        was = one.start_at, other.start_at
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go(f"/bookings/{one.id}")
        entry = page.locator("#swap li", has_text=f"Lift {look}").locator("summary")
        entry.focus()
        page.keyboard.press("Enter")
        assert violations(visit, axe) == []
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        visit.assert_quiet()
    with stage.database.read() as session:
        now = [session.get_one(Booking, booking.id).start_at for booking in (one, other)]
    assert now == [was[1], was[0]]


def test_a_slot_of_every_week_is_looked_at_booked_moved_and_given_back(
    stage: Stage, chrome: Browser, look: str
) -> None:
    day, taken, moved = {"laptop-en": (1, 8, 2), "phone-pl": (3, 10, 4)}[look]
    title = f"Weekly {look}"
    with stage.database.write() as session:
        span = Span(at_lab(taken + 7, 15), at_lab(taken + 7, 16))
        place_booking(session, stage.town.joinery.id, span, "conveyor-1", title="Secret of the joinery")
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go(f"/bookings/new?device=conveyor-1&start=2026-12-0{day}T15:00&end=2026-12-0{day}T16:00&title={title}")
        page.locator("[name=times]").fill("3")
        page.locator("#book").click()
        rows = page.locator("#dates tbody tr")
        expect(rows).to_have_count(3)
        expect(page.locator("main")).not_to_contain_text("Secret")
        expect(rows.nth(1).locator(".tag")).to_have_class(re.compile("cancelled"))
        expect(page.locator("#total")).to_contain_text("90")
        rows.nth(1).locator("[type=radio]").nth(1).check()
        page.locator("#book").click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        expect(page.locator("#dates .tag.confirmed")).to_have_count(3)
        page.locator("#move [name=start]").fill(f"2026-12-0{day}T05:00")
        page.locator("#move button").click()
        expect(page.locator("#problem")).to_be_visible()
        expect(rows.first).to_contain_text("15:00–16:00")
        page.locator("#move [name=start]").fill(f"2026-12-0{moved}T17:00")
        page.locator("#move button").click()
        expect(rows.first).to_contain_text("17:00–18:00")
        rows.first.get_by_role("link").last.click()
        page.locator(".confirm:has(form[action$='/cancel']) summary").click()
        page.locator("form[action$='/cancel'] button").click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        page.get_by_role("link", name=title, exact=True).first.click()
        page.locator("a[href^='/bookings/series/']").click()
        visit.go("/bookings")
        page.locator("tr", has_text=title).first.locator("a[href^='/bookings/series/']").click()
        page.locator("#cancel summary").click()
        page.locator("#cancel button").click()
        expect(page.locator("#dates .tag.cancelled")).to_have_count(3)
        visit.assert_quiet()


def test_a_calendar_link_is_made_and_read(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "founder") as visit:
        visit.go("/bookings")
        visit.page.get_by_role("button", name="Make a calendar link").click()
        address = visit.page.locator("code").inner_text()
        answer = visit.page.request.get(address)
        assert "BEGIN:VCALENDAR" in answer.text()
        assert "Second feed trial" in answer.text()
        visit.assert_quiet()


def test_anybody_asks_the_lab_and_the_manager_opens_a_pilot(stage: Stage, chrome: Browser, look: str) -> None:
    company = f"Bakery {look}"
    with visiting(chrome, stage, None, **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/ask")
        page.locator("[name=question]").fill("Would a robot pack our bread?")
        page.locator("[name=company]").fill(company)
        page.locator("[name=contact]").fill("Ola")
        page.locator("[name=mail]").fill("ola@example.org")
        page.locator("main button").click()
        expect(page.locator("[role=status]")).to_have_class(re.compile("good"))
        visit.assert_quiet()
    with visiting(chrome, stage, "manager", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/manage/enquiries")
        card = page.locator("section", has_text=company)
        card.locator("summary").first.click()
        card.locator("[name=title]").first.fill(f"Packing {look}")
        card.locator("button.btn-primary").click()
        page.locator("section", has_text=company).locator("a[href^='/pilots/']").click()
        expect(page.locator("h1")).to_have_text(f"Packing {look}")
        expect(page.locator(".steps [aria-current=step]")).to_have_count(1)
        visit.assert_quiet()


def test_the_board_and_the_screen_on_the_wall_show_whether_the_next_booking_can_begin(
    stage: Stage, chrome: Browser, axe: str, look: str
) -> None:
    for address in ("/", "/?wall=yes"):
        with visiting(chrome, stage, "engineer", **LOOKS[look]) as visit:
            visit.go(address)
            card = visit.page.locator(".board .card", has=visit.page.locator("a[href='/devices/mill-1']"))
            expect(card.locator(".ready .light")).to_have_class(re.compile("good|mind|wrong"))
            expect(card.locator(".ready a")).to_have_attribute("href", re.compile("/preflight$"))
            assert violations(visit, axe) == []
            visit.assert_quiet()


def test_an_engineer_runs_the_next_run_and_stops_it(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, "engineer", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/pilots/{planned}")
        page.locator(".heading-row a.btn-primary").click()
        number = page.locator(".run-order .next b").inner_text()
        page.locator(".run-state .btn-lg").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".run-state")).to_have_class(re.compile("going"))
        expect(page.locator("#elapsed")).to_have_text(re.compile(r"\d\d:\d\d"))
        stage.clock.advance(timedelta(minutes=2))
        page.locator("[name=found_roughness_um]").fill("1,4")
        page.keyboard.press("Enter")
        expect(page.locator(".run-order .done b").last).to_have_text(number)
        page.locator(".notice form button").first.click() if page.locator(".notice form button").count() else None
        visit.assert_quiet()


def test_a_manager_decides_on_a_request(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "manager") as visit:
        visit.go("/")
        visit.page.get_by_role("link", name="request waits").click()
        visit.page.get_by_role("button", name="Approve Gripper test").click()
        expect(visit.page.locator("[role=status]")).to_have_text("The request is approved.")
        visit.assert_quiet()


def test_a_manager_sees_what_an_outage_hits_before_declaring_it(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "manager") as visit:
        page = visit.page
        visit.go("/manage/outages")
        page.select_option("[name=device_id]", "mill-1")
        page.locator("[name=start]").fill("2026-11-24T08:00")
        page.locator("[name=end]").fill("2026-11-24T12:00")
        page.locator("[name=reason]").fill("New spindle")
        page.locator("[name=look]").click()
        expect(page.locator("#effect")).to_contain_text("Second feed trial")
        page.get_by_role("button", name="Declare it").click()
        expect(page.locator("tbody")).to_contain_text("New spindle")
        page.locator("summary", has_text="It was a mistake").click()
        page.get_by_role("button", name="Yes, take it back").click()
        expect(page.locator("[role=status]")).to_have_text("The outage is withdrawn.")
        visit.assert_quiet()


def test_a_manager_sets_a_rule_after_a_look_at_its_effect(stage: Stage, chrome: Browser, axe: str, look: str) -> None:
    with visiting(chrome, stage, "manager", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/manage/rules?device=mill-1")
        page.locator("form details summary").last.click()
        expect(page.locator("[name=hours_mon]")).to_be_visible()
        assert violations(visit, axe) == []
        page.locator("[name=longest_minutes]").fill("60")
        page.locator("[name=look]").click()
        expect(page.locator("#effect li").first).to_be_visible()
        page.locator("[name=longest_minutes]").fill("480")
        page.locator("form[method=post] .btn-primary").click()
        expect(page.locator("main ul").last).to_contain_text("480")
        visit.assert_quiet()


def test_a_manager_shows_a_machine_by_a_photo_and_who_books_sees_it(
    stage: Stage, chrome: Browser, axe: str, look: str
) -> None:
    with visiting(chrome, stage, "manager", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/manage/devices/robot-1")
        page.set_input_files(
            "#photo [name=file]", {"name": "r.jpg", "mimeType": "image/jpeg", "buffer": machine_photo()}
        )
        page.locator("#photo [name=alt_text]").fill(f"The robot in its cell, {look}")
        page.locator("#photo [name=alt_text]").press("Enter")
        expect(page.locator("[role=status]")).to_have_class(re.compile("good"))
        expect(page.locator("#photo img")).to_have_attribute("alt", f"The robot in its cell, {look}")
        assert violations(visit, axe) == []
        visit.assert_quiet()
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/machines?words=robot")
        picture = page.get_by_role("img", name=f"The robot in its cell, {look}")
        expect(picture).to_be_visible()
        assert picture.evaluate("one => one.complete && one.naturalWidth") == 160
        page.locator(".machine h2 a").click()
        expect(page.get_by_role("img", name=f"The robot in its cell, {look}")).to_be_visible()
        assert page.locator(".about-machine img").evaluate("one => one.naturalWidth") == 800
        visit.assert_quiet()
    with visiting(chrome, stage, "manager") as visit:
        visit.go("/manage/devices/robot-1")
        visit.page.locator("#photo summary").click()
        visit.page.get_by_role("button", name="Yes, remove it").click()
        expect(visit.page.locator("[role=status]")).to_have_text("The photo is removed.")


def test_a_manager_publishes_prices_after_a_look_at_what_they_change(
    stage: Stage, chrome: Browser, axe: str, look: str
) -> None:
    name, hour = f"Prices {look}", {"laptop-en": "61.50", "phone-pl": "62,50"}[look]
    with visiting(chrome, stage, "manager", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/manage")
        page.locator(".cards a[href='/manage/prices']").click()
        page.locator("[name=name]").fill(name)
        page.locator("[name=hour_robot-1]").fill(hour)
        page.locator("[name=setup_mill-1]").fill("25")
        page.locator("[name=look]").click()
        expect(page.locator("#effect")).to_contain_text(hour)
        expect(page.locator("#effect")).to_contain_text("Second feed trial")
        expect(page.locator("#effect")).to_contain_text("2027")
        assert violations(visit, axe) == []
        page.locator("#effect .btn-primary").click()
        expect(page.locator("[role=status]").first).to_have_class(re.compile("good"))
        expect(page.locator("tr", has_text=name).locator(".tag")).to_have_class(re.compile("done"))
        visit.assert_quiet()
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        visit.go("/bookings/new?device=robot-1&start=2026-12-04T09:00&end=2026-12-04T10:00")
        expect(visit.page.locator("label", has=visit.page.locator("[value=robot-1]"))).to_contain_text(hour)
        expect(visit.page.locator("#price")).to_contain_text(hour)
        visit.assert_quiet()


def test_an_engineer_tries_an_alarm_rule_on_the_past_and_makes_it(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, "engineer", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/manage/alarm-rules")
        page.select_option("[name=device]", "mill-1")
        page.locator("main form button").click()
        page.select_option("[name=signal]", "spindle_power_kw")
        page.locator("[name=high]").fill("2,5")
        page.locator("[name=look]").click()
        expect(page.locator("#effect")).to_contain_text("2400")
        expect(page.locator("#effect li")).not_to_have_count(0)
        page.locator("form .btn-primary").click()
        expect(page.locator("[role=status]")).to_have_class(re.compile("good"))
        page.locator("tbody tr", has_text="2,5" if look == "phone-pl" else "2.5").locator("a.btn").first.click()
        page.locator("details summary").last.click()
        page.locator(".btn-outline-danger").click()
        expect(page.locator("[role=status]")).to_have_class(re.compile("good"))
        visit.assert_quiet()


def test_an_engineer_adopts_a_signal_that_was_heard(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "engineer") as visit:
        page = visit.page
        visit.go("/manage")
        page.get_by_role("link", name="Connect machines").click()
        page.get_by_role("link", name="Adopt Program").click()
        page.get_by_role("button", name="Adopt it").click()
        expect(page.locator("[role=status]")).to_contain_text("is being read again")
        expect(page.locator("#replays")).to_contain_text("waits for the recorder")
        visit.go("/devices/mill-1")
        expect(page.locator("main")).to_contain_text("Program")
        visit.assert_quiet()


def test_a_manager_opens_an_account_that_can_sign_in(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "manager") as visit:
        page = visit.page
        visit.go("/manage/people")
        form = page.locator("form[action='/manage/people/accounts']")
        form.locator("[name=name]").fill("Ewa Nowak")
        form.locator("[name=sign_in]").fill("ewa")
        form.locator("button").click()
        password = page.locator("code").last.inner_text()
        visit.assert_quiet()
    with visiting(chrome, stage, None) as visit:
        visit.go("/sign-in")
        visit.page.locator("[name=sign_in]").fill("ewa")
        visit.page.locator("[name=password]").fill(password)
        visit.page.keyboard.press("Enter")
        expect(visit.page.locator(".menu")).to_contain_text("Ewa Nowak")


def test_language_and_colours_are_kept(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go("/bookings")
        page.locator(".menu summary").click()
        page.get_by_role("button", name="Polski").click()
        expect(page.locator("h1")).to_have_text("Rezerwacje")
        page.locator(".menu summary").click()
        page.get_by_role("button", name="Ciemne").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        visit.go("/machines")
        expect(page.locator("h1")).to_have_text("Maszyny")
        expect(page.locator("html")).to_have_attribute("lang", "pl")
        visit.assert_quiet()


def test_a_bank_reads_a_report_by_its_link(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, None, **LOOKS[look]) as visit:
        visit.go("/shared/{shared}")
        expect(visit.page.locator(".report")).to_contain_text("Invest")
        visit.page.emulate_media(media="print")
        assert visit.page.locator(".no-print").first.is_hidden()
        visit.assert_quiet()
