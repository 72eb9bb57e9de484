"""What every page owes to people: a word while it works, a question before what hurts, a page that can be printed."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.stage import Stage
from tests.pages.tour import TOUR, Stop, visiting

UNASKED = """() => [...document.querySelectorAll('form[method=post]')].map(form => new URL(form.action).pathname)
    .filter((path, place) => /(cancel|revoke|close|end|withdraw|leave|remove|passwords|exclude|decline)$/.test(path)
        && !/^.waitlist.*decline$/.test(path)
        && !document.querySelectorAll('form[method=post]')[place].closest('details'))"""
"""Forms of which one press would do harm; who declines what the waitlist offers waits on."""


@pytest.mark.parametrize("stop", [stop for stop in TOUR if stop.who is not None], ids=lambda stop: stop.name)
def test_nothing_that_hurts_is_done_with_one_press(stage: Stage, chrome: Browser, stop: Stop) -> None:
    with visiting(chrome, stage, stop.who) as visit:
        visit.go(stop.address)
        assert visit.page.evaluate(UNASKED) == []


def test_what_hurts_says_what_follows_before_it_is_done(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "manager") as visit:
        page = visit.page
        visit.go("/manage/people")
        founder = page.locator("tr", has_text="founder")
        yes = founder.get_by_role("button", name="Yes, a new password")
        expect(yes).to_be_hidden()
        founder.locator("summary", has_text="New password").focus()
        page.keyboard.press("Enter")
        expect(founder).to_contain_text("whoever is signed in with it is signed out")
        expect(yes).to_be_visible()
        founder.locator("summary", has_text="New password").press("Enter")
        expect(yes).to_be_hidden()
        visit.assert_quiet()


UNHINDERED = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
PRESSED_TWICE = """() => {
    const [note, button] = [document.getElementById('waiting'), document.querySelector('.note-form button')];
    const keep = () => { if (note.textContent) sessionStorage.said = `${note.textContent} ${note.checkVisibility()}`; };
    new MutationObserver(keep).observe(note, {childList: true, subtree: true});
    button.click();
    setTimeout(() => button.click(), 1000);
}"""
"""Keeps what is said meanwhile, since a browser that waits for a page answers no questions."""


@pytest.mark.parametrize(
    ("language", "words"), [("en", "One moment, this is being done …"), ("pl", "Chwileczkę, trwa wykonywanie …")]
)
def test_a_page_says_that_it_works_and_does_it_once_where_the_answer_takes_long(
    stage: Stage, chrome: Browser, language: str, words: str
) -> None:
    with visiting(chrome, stage, "engineer", language=language) as visit:
        page = visit.page
        visit.go("/pilots/{planned}/console")
        page.locator("#note").fill(f"Once only, {language}")
        waiting = page.locator("#waiting")
        expect(waiting).to_have_text("")
        page.wait_for_load_state()
        slow = page.context.new_cdp_session(page)
        slow.send("Network.enable")
        slow.send("Network.emulateNetworkConditions", {**UNHINDERED, "latency": 2500})
        page.evaluate(PRESSED_TWICE)
        page.wait_for_url("**/console#notes")
        slow.send("Network.emulateNetworkConditions", UNHINDERED)
        assert page.evaluate("sessionStorage.said") == f"{words} true"
        expect(page.locator("#notes li", has_text=f"Once only, {language}")).to_have_count(1)
        expect(waiting).to_have_text("")
        visit.assert_quiet()


INK = "name => getComputedStyle(document.querySelector(name)).color"


def test_a_field_for_a_time_has_the_labs_way_of_writing_it_beside_it(stage: Stage, chrome: Browser) -> None:
    for language, said in (("en", "Tue 24 Nov 2026, "), ("pl", "wt. 24 lis 2026, ")):
        with visiting(chrome, stage, "founder", language=language) as visit:
            visit.go("/bookings/{coming}")
            field, beside = visit.page.locator("[name=start]"), visit.page.locator("[name=start] + .lab-written")
            expect(beside).to_have_text(f"{said}09:00")  # as the server writes it
            field.fill("2026-11-24T14:30")
            expect(beside).to_have_text(f"{said}14:30")
            visit.assert_quiet()


BLANK = """() => [...document.querySelectorAll('[data-device=meter-1] canvas')].map(canvas =>
    !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0))"""


def test_a_chart_without_any_value_has_no_scale(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "founder") as visit:
        visit.go("/bookings/{running}/live")
        expect(visit.page.locator("[data-device=meter-1] .strip b").first).to_have_text("no value yet")
        visit.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        blank = visit.page.evaluate(BLANK)
        assert blank
        assert all(blank)


@pytest.mark.parametrize(
    "address",
    ["/pilots/{planned}", "/bookings", "/bookings/{coming}", "/reports/{report}", "/devices/mill-1", "/manage/audit"],
)
def test_pages_are_printed_dark_on_light_whatever_the_theme_and_without_buttons(
    stage: Stage, chrome: Browser, address: str
) -> None:
    who = "manager" if "manage" in address else "founder"
    with visiting(chrome, stage, who, theme="dark") as visit:
        page = visit.page
        page.context.add_cookies([{"name": "pilotlab_theme", "value": "dark", "url": stage.url}])
        visit.go(address)
        bright = [int(part) for part in re.findall(r"\d+", page.evaluate(INK, "h1"))[:3]]
        assert min(bright) > 150
        page.emulate_media(media="print")
        printed = [int(part) for part in re.findall(r"\d+", page.evaluate(INK, "h1"))[:3]]
        assert max(printed) < 100
        page.set_viewport_size({"width": 718, "height": 1050})  # A4 within its margins
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        for name in (".btn", "form", ".places", ".who", "main input", "main select"):
            assert not any(one.is_visible() for one in page.locator(name).all()), name
        expect(page.locator(".site-footer")).to_contain_text("lab time (Europe/Warsaw)")
