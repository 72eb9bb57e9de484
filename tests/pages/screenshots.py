"""Pictures of every page, both sizes, themes and languages: `python -m tests.pages.screenshots FOLDER [NAME …]`."""

import sys
import tempfile
from itertools import product
from pathlib import Path

from lab.core.database import Database
from tests.conftest import create_tables
from tests.pages.stage import served_stage
from tests.pages.talking import talking_machines
from tests.pages.tour import LANGUAGES, SIZES, THEMES, TOUR, Visit, opened_chromium, visiting
from tests.services import chromium_program, start_mosquitto

_SETTLE_MS = 600
_LIVE_MS = 6000
_SEEN_MS = 300
"""htmx looks five times a second at what is in sight."""


def main() -> None:
    """Write `NAME-SIZE-THEME-LANGUAGE.png` for each."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pilotlab-pictures-") as name:
        place = Path(name)
        broker = start_mosquitto(place / "mosquitto")
        database = Database(f"sqlite:///{place / 'lab.sqlite'}")
        create_tables(database)
        with (
            served_stage(database, place, broker=broker.address(), rate=1.0) as stage,
            talking_machines(broker.address(), stage.clock),
            opened_chromium(chromium_program()) as browser,
        ):
            for stop, size, theme, language in product(TOUR, SIZES, THEMES, LANGUAGES):
                if names and stop.name not in names:
                    continue
                with visiting(browser, stage, stop.who, size=size, theme=theme, language=language) as visit:
                    visit.go(stop.address)
                    _reveal(visit)
                    live = visit.page.locator("[data-live]").count()
                    visit.page.wait_for_timeout(_LIVE_MS if live else _SETTLE_MS)
                    picture = folder / f"{stop.name}-{size}-{theme}-{language}.png"
                    visit.page.screenshot(path=picture, full_page=True)
        database.close()
        broker.remove()
    print(f"written: {folder}")


def _reveal(visit: Visit) -> None:
    """Come by whatever is only asked for once it is in sight; a picture of the whole page scrolls past nothing."""
    for late in visit.page.locator("[hx-trigger='revealed']").all():
        late.scroll_into_view_if_needed()
        visit.page.wait_for_timeout(_SEEN_MS)
    visit.page.wait_for_load_state("networkidle")
    visit.page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    main()
