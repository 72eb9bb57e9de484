"""Every page as a laptop shows it by day in English, and a phone at night in Polish: it can be read by everybody.

Of the six other looks (size × colours × language) each page is tried in one, in turn along the tour, so that each look
meets every sixth page.
"""

from itertools import product

import pytest
from playwright.sync_api import Browser

from tests.pages.looks import settle, too_wide, violations
from tests.pages.stage import Stage
from tests.pages.tour import LANGUAGES, SIZES, THEMES, TOUR, Stop, visiting

LOOKS = {
    "laptop": {"size": "laptop", "theme": "light", "language": "en"},
    "phone": {"size": "phone", "theme": "dark", "language": "pl"},
}
_ALL = [dict(zip(("size", "theme", "language"), one, strict=True)) for one in product(SIZES, THEMES, LANGUAGES)]
OTHERS = {"-".join(look.values()): look for look in _ALL if look not in LOOKS.values()}
VISITS = [(stop, name) for stop in TOUR for name in LOOKS]
VISITS += [(stop, list(OTHERS)[place % len(OTHERS)]) for place, stop in enumerate(TOUR)]


@pytest.mark.parametrize(("stop", "look"), VISITS, ids=lambda part: part.name if isinstance(part, Stop) else part)
def test_it_is_accessible_quiet_and_fits(stage: Stage, chrome: Browser, axe: str, stop: Stop, look: str) -> None:
    with visiting(chrome, stage, stop.who, **{**LOOKS, **OTHERS}[look]) as visit:
        visit.go(stop.address)
        settle(visit)
        assert violations(visit, axe) == []
        assert too_wide(visit) <= 0
        visit.assert_quiet()
