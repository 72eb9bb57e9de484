"""The charts of a report, in a real browser: every value is there for the pointer, the keyboard and the finger."""

import re

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.pages.looks import violations
from tests.pages.stage import Stage
from tests.pages.test_stories import LOOKS
from tests.pages.tour import visiting


def middle_of(mark: Locator) -> tuple[float, float]:
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("address", ["/shared/{shared}", "/reports/{report}"])
def test_a_value_is_read_under_the_pointer_and_goes_away_with_it(stage: Stage, chrome: Browser, address: str) -> None:
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go(address)
        chart = page.locator(".report-chart", has=page.get_by_alt_text("Every run in the order"))
        value = chart.locator(".report-value")
        expect(value).to_be_hidden()
        x, y = middle_of(chart.locator("circle").nth(2))
        page.mouse.move(x + 2, y - 2)
        expect(value).to_be_visible()
        expect(value).to_have_text(re.compile(r"^Energy per part: .*, run 3: 0\.3\d+\s?kWh$"))
        page.keyboard.press("Escape")
        expect(value).to_be_hidden()
        page.mouse.move(x, y)
        expect(value).to_be_visible()
        page.mouse.move(2, 2)
        expect(value).to_be_hidden()
        visit.assert_quiet()


@pytest.mark.parametrize("look", LOOKS)
def test_the_arrow_keys_go_from_value_to_value_and_a_screen_reader_hears_them(
    stage: Stage, chrome: Browser, axe: str, look: str
) -> None:
    with visiting(chrome, stage, None, **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/shared/{shared}")
        slider = page.get_by_role("slider").first
        expect(slider).to_have_attribute("aria-valuemax", "4")
        for _ in range(40):
            page.keyboard.press("Tab")
            if slider.evaluate("element => element === document.activeElement"):
                break
        value = page.locator(".report-value").first
        expect(value).to_contain_text("Energy per part: no difference")
        page.keyboard.press("End")
        expect(value).to_contain_text("95 %")
        expect(slider).to_have_attribute("aria-valuetext", value.text_content() or "")
        page.keyboard.press("ArrowLeft")
        expect(value).to_contain_text("hoped for")
        assert violations(visit, axe) == []
        page.keyboard.press("Escape")
        expect(value).to_be_hidden()
        visit.assert_quiet()


def test_a_finger_taps_a_value_on_a_phone_and_beside_it_to_close_it(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, None, size="phone", theme="dark") as visit:
        page = visit.page
        visit.go("/shared/{shared}")
        chart = page.locator(".report-chart").first
        value = chart.locator(".report-value")
        page.touchscreen.tap(*middle_of(chart.locator("circle").last))
        expect(value).to_contain_text("95 % interval")
        box, around = value.bounding_box(), chart.bounding_box()
        assert box is not None
        assert around is not None
        assert around["x"] <= box["x"]
        assert box["x"] + box["width"] <= around["x"] + around["width"]
        page.locator(".report-answer").tap()
        expect(value).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        visit.assert_quiet()


def test_on_a_phone_a_chart_keeps_its_letters_and_scrolls_with_its_values(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, None, size="phone") as visit:
        page = visit.page
        visit.go("/shared/{shared}")
        frame = page.locator(".chart-scroll").first
        chart = frame.locator(".report-chart")
        around, drawn = frame.bounding_box(), chart.bounding_box()
        assert around is not None
        assert drawn is not None
        assert drawn["width"] >= 600 > around["width"]  # 7 points of 6.7 inches are 10 px then
        chart.locator("svg").focus()
        value = chart.locator(".report-value")
        for key in ("Home", "End"):
            page.keyboard.press(key)
            expect(value).to_be_visible()
            beyond = frame.evaluate(
                """frame => {
                  const around = frame.getBoundingClientRect();
                  const box = frame.querySelector(".report-value").getBoundingClientRect();
                  return [around.left - box.left, box.right - around.right, box.bottom - around.bottom];
                }"""
            )  # at one instant: the page may still be scrolling
            assert max(beyond) <= 1, beyond
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        visit.assert_quiet()
