"""The chart over any span, in a real browser."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pytest

from lab.core.database import Database
from telemetry.stores.interface import SAMPLES
from tests.factories import MONDAY_MORNING
from tests.integration.test_pages_live import SIZES, cookie_of
from tests.services.browser import Page, opened_browser
from tests.telemetry_lab import NOW_NS, SECOND, TelemetryLab, served_lab

STATUS = "document.getElementById('history-status').textContent"
STRIPS = "document.querySelectorAll('#history-strips .strip').length"
LABEL = "document.querySelector('#history-strips .strip:nth-child({}) [role=img]').getAttribute('aria-label')"
PIECES = "Number(document.querySelector('#history-strips .strip:nth-child(2) .plot').dataset.pieces)"
REDUCED = "document.querySelector('#history-strips .strip:nth-child(2) .plot').dataset.reduced"


def fill(lab: TelemetryLab) -> None:
    """Two hours of power at 10 Hz with a pause, and a few feeds."""
    count = 72_000
    times = NOW_NS - np.arange(count, 0, -1) * (SECOND // 10)
    kept = (np.arange(count) < 40_000) | (np.arange(count) > 50_000)
    rows = {"spindle_power_kw": (times[kept], (2 + np.sin(np.arange(count) / 3000))[kept])}
    rows["feed_mm_s"] = (times[::7200], np.arange(count)[::7200] / 7200)
    for number, (signal, (at, values)) in enumerate(rows.items()):
        known = {"device": "mill-1", "signal": signal, "boot": "7f3a"}
        columns: dict[str, Any] = {name: [text] * len(at) for name, text in known.items()}
        columns |= {"device_ns": at, "settled_ns": at, "received_ns": at + 1, "value": values}
        columns |= {"text": pa.nulls(len(at), pa.string()), "flags": np.zeros(len(at), np.uint8)}
        lab.store.write(pa.table(columns, schema=SAMPLES), watermark=number + 1)


def choose(page: Page, preset: str) -> None:
    page.read(
        f"(() => {{ const s = document.querySelector('#history-form select'); s.value = '{preset}'; "
        "s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    page.wait_for(f"{STATUS} !== 'loading …'")


@pytest.mark.parametrize("size", SIZES)
def test_any_span_is_shown_and_downloaded(database: Database, chromium: Path, tmp_path: Path, size: str) -> None:
    with served_lab(database, tmp_path) as lab, opened_browser(chromium, tmp_path / "profile") as page:
        fill(lab)
        width, height = SIZES[size]
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        page.open(f"{lab.url}/devices/mill-1", cookies=cookie_of(lab, "engineer"))
        page.wait_for(f"document.getElementById('history-status') && {STRIPS} >= 2 && {STATUS} === ''")
        choose(page, "28800")
        page.wait_for(f"{LABEL.format(1)} === 'Feed mm s: 0 to 9\u00a0mm/s'")
        page.wait_for(f"{LABEL.format(2)} === 'Spindle power kw: 1 to 3\u00a0kW'")
        assert page.read(REDUCED) == "true"
        assert page.read(PIECES) == 2  # the pause is not drawn over
        page.read("document.querySelector('[data-step=closer]').click()")
        page.wait_for(f"{STATUS} !== 'loading …'")
        choose(page, "300")
        assert "nothing" not in page.read(STATUS)
        link = page.read("document.querySelector('a[data-format=csv]').href")
        page.read(f"fetch('{link}').then((r) => r.text()).then((t) => {{ window.got = t.split('\\n').length; }})")
        # Ten a second from the start of the span to the last one; the span ends now, and the lab's clock goes on.
        start = datetime.fromisoformat(parse_qs(urlsplit(str(link)).query)["start"][0])
        page.wait_for(f"window.got > {(MONDAY_MORNING - start).total_seconds() * 10 - 10}")
        assert page.read("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.complaints == []


def test_a_company_finds_its_own_slot_and_nothing_else(database: Database, chromium: Path, tmp_path: Path) -> None:
    with served_lab(database, tmp_path) as lab, opened_browser(chromium, tmp_path / "profile") as page:
        fill(lab)
        now = lab.clock.now()
        lab.book("alfa", now - timedelta(minutes=30), now - timedelta(minutes=20))
        page.open(f"{lab.url}/devices/mill-1", cookies=cookie_of(lab, "alfa"))
        page.wait_for(f"document.getElementById('history-status') && {STRIPS} >= 2 && {STATUS} === ''")
        assert page.read("document.getElementById('history-heading').textContent").endswith("of your bookings")
        assert page.read("document.querySelector('#history-form [name=from]').value").endswith("07:30")
        choose(page, "300")
        assert "nothing that you may see" in page.read(STATUS)
        page.open(f"{lab.url}/devices/mill-1", cookies=cookie_of(lab, "beta"))
        assert page.read("document.getElementById('history') === null")
        assert page.complaints == []
