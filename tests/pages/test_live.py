"""Live pages while machines really talk, in a real browser behind a real broker."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from lab.core.database import Database
from tests.conftest import create_tables, have
from tests.pages.stage import Stage, served_stage
from tests.pages.talking import talking_machines
from tests.pages.tour import visiting
from tests.services import start_mosquitto

POINTS = "() => Number(document.querySelector('[data-device={}] .plot')?.dataset.points ?? 0) >= 10"
DRAWN = """() => {
    const filled = [...document.querySelectorAll('[data-live] .plot')].filter(plot => Number(plot.dataset.points) > 0);
    return filled.length > 0 && filled.every(plot => {
        const canvas = plot.querySelector('canvas');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return data.some((value, place) => place % 4 === 3 && value > 0);
    });
}"""
"""Of a chart without any value yet there is nothing to draw."""


@pytest.fixture(scope="module")
def live_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("live")
    broker = have(lambda: start_mosquitto(folder / "mosquitto"))
    database = Database(f"sqlite:///{folder / 'lab.sqlite'}")
    create_tables(database)
    with (
        served_stage(database, folder, broker=broker.address(), rate=1.0) as stage,
        talking_machines(broker.address(), stage.clock),
    ):
        yield stage
    database.close()
    broker.remove()


@pytest.mark.parametrize(("size", "language", "live"), [("laptop", "en", "live"), ("phone", "pl", "na żywo")])
def test_a_member_watches_the_own_experiment(
    live_stage: Stage, chrome: Browser, size: str, language: str, live: str
) -> None:
    with visiting(chrome, live_stage, "founder", size=size, language=language) as visit:
        visit.go("/")
        visit.page.locator(".highlight a.btn").click()
        expect(visit.page.locator(".live-status")).to_have_text([live, live])
        visit.page.wait_for_function(POINTS.format("mill-1"))
        assert visit.page.evaluate(DRAWN)
        label = visit.page.locator("[data-device=mill-1] .plot").first
        expect(label).to_have_attribute("aria-label", re.compile(r"\d.* \d"))
        expect(visit.page.locator("[data-device=mill-1] .live-quality")).to_contain_text(re.compile(r"[1-9]"))
        visit.page.locator("[data-device=mill-1] details").last.locator("summary").click()
        expect(visit.page.locator("[data-device=mill-1] tr[data-signal=feed_mm_s] td").first).to_have_text(
            re.compile(r"\d")
        )
        visit.assert_quiet()


def test_charts_share_one_cursor_and_nothing_is_sent_to_a_hidden_tab(live_stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, live_stage, "engineer") as visit:
        page = visit.page
        visit.go("/pilots/{planned}/console")
        page.wait_for_function(POINTS.format("mill-1"))
        plot = page.locator("[data-device=mill-1] .plot .u-over").first
        plot.scroll_into_view_if_needed()
        plot.hover()
        lines = page.locator("[data-device=meter-1] .u-cursor-x")
        expect(lines.first).to_be_visible()
        streams = page.evaluate("performance.getEntriesByType('resource').filter(e => e.name.includes('/live')).length")
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.wait_for_function(
            "before => performance.getEntriesByType('resource').filter(e => e.name.includes('/live')).length > before",
            arg=streams,
        )
        visit.assert_quiet()
