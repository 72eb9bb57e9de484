"""Every page in every look, read by axe-core: `python -m tests.pages.looks [NAME …]` prints faults and counts."""

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser

from lab.core.database import Database
from tests.conftest import create_tables
from tests.pages.stage import Stage, served_stage
from tests.pages.tour import LANGUAGES, SIZES, THEMES, TOUR, Stop, Visit, opened_chromium, visiting
from tests.services import chromium_program
from tests.services.npm import fetch_peers

_CHECK = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    found => `${found.id} (${found.impact}): ` + found.nodes.slice(0, 3).map(node => node.html.slice(0, 99)).join(" | ")
)
"""
_LOADING_MS = 60_000


def axe_source(folder: Path) -> str:
    """The source of axe-core, a checker of accessibility, fetched into an empty folder."""
    _, modules = fetch_peers(folder)
    return (modules / "node_modules/axe-core/axe.min.js").read_text("utf-8")


def settle(visit: Visit) -> None:
    """Wait until a page has all that it asked for; a stream of live values never ends."""
    if not visit.page.locator("[data-live]").count():
        visit.page.wait_for_load_state("networkidle")


def violations(visit: Visit, axe: str) -> list[str]:
    """What axe-core finds, with WCAG 2.2 AA and best practices."""
    visit.page.evaluate(axe)
    found: list[str] = visit.page.evaluate(_CHECK)
    return found


def too_wide(visit: Visit) -> int:
    """By how many pixels a page is wider than the window."""
    found: int = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found


def looked_at(browser: Browser, stage: Stage, stop: Stop, axe: str) -> Iterator[tuple[str, list[str]]]:
    """A page in all eight looks: the look's name, and what is wrong with it.

    Both themes are seen without loading anew, and without motion: a colour that is still changing has no contrast.
    """
    for size, language in product(SIZES, LANGUAGES):
        with visiting(browser, stage, stop.who, size=size, language=language) as visit:
            visit.page.context.set_default_navigation_timeout(_LOADING_MS)
            visit.go(stop.address)
            settle(visit)
            for theme in THEMES:
                visit.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
                wrong = violations(visit, axe)
                wrong += [f"too wide by {width} pixels"] if (width := too_wide(visit)) > 0 else []
                wrong += visit.complaints + [f"asks elsewhere: {address}" for address in visit.elsewhere]
                yield f"{size}-{theme}-{language}", wrong


def main() -> int:
    """Look at all pages, or at those that are named."""
    names, begun = sys.argv[1:], time.monotonic()
    stops = [stop for stop in TOUR if not names or stop.name in names]
    looks = faults = 0
    with tempfile.TemporaryDirectory(prefix="pilotlab-looks-") as name:
        place = Path(name)
        database = Database(f"sqlite:///{place / 'lab.sqlite'}")
        create_tables(database)
        (place / "axe").mkdir()
        axe = axe_source(place / "axe")
        with served_stage(database, place) as stage, opened_chromium(chromium_program()) as browser:
            for stop in stops:
                for look, wrong in looked_at(browser, stage, stop, axe):
                    looks, faults = looks + 1, faults + len(wrong)
                    for fault in wrong:
                        print(f"{stop.name}, {look}: {fault}", flush=True)
        database.close()
    print(f"{len(stops)} pages, {looks} looks, {faults} faults, {time.monotonic() - begun:.0f} s")
    return 1 if faults or not stops else 0


if __name__ == "__main__":
    sys.exit(main())
