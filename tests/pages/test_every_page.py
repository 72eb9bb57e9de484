"""Every page as a laptop shows it by day in English, and a phone at night in Polish: it can be read by everybody."""

import pytest
from playwright.sync_api import Browser

from tests.pages.stage import Stage
from tests.pages.tour import TOUR, Stop, Visit, visiting

LOOKS = {
    "laptop": {"size": "laptop", "theme": "light", "language": "en"},
    "phone": {"size": "phone", "theme": "dark", "language": "pl"},
}
_CHECK = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    found => `${found.id} (${found.impact}): ` + found.nodes.slice(0, 3).map(node => node.html.slice(0, 99)).join(" | ")
)
"""


def violations(visit: Visit, axe: str) -> list[str]:
    """What axe-core finds, with WCAG 2.2 AA and best practices."""
    visit.page.evaluate(axe)
    found: list[str] = visit.page.evaluate(_CHECK)
    return found


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("stop", TOUR, ids=lambda stop: stop.name)
def test_it_is_accessible_quiet_and_fits(stage: Stage, chrome: Browser, axe: str, stop: Stop, look: str) -> None:
    with visiting(chrome, stage, stop.who, **LOOKS[look]) as visit:
        visit.go(stop.address)
        if not visit.page.locator("[data-live]").count():  # a stream of live values never ends
            visit.page.wait_for_load_state("networkidle")
        assert violations(visit, axe) == []
        too_wide = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0
        visit.assert_quiet()
