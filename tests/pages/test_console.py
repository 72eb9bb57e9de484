"""The run console: by keyboard alone, with notes, and while a simulated machine really runs."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.core.database import Database
from lab.pilots.service import planned_runs
from telemetry.recorder import Recorder
from tests.conftest import create_tables, have
from tests.integration.test_simulators import Simulators
from tests.pages.stage import Stage, served_stage
from tests.pages.test_live import DRAWN, POINTS
from tests.pages.tour import visiting
from tests.services import Mosquitto, start_mosquitto
from tests.web_client import PASSWORD


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until something is in focus, visibly."""
    for _ in range(150):
        if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", selector
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")


def test_a_run_is_made_with_the_keyboard_alone_from_sign_in_to_its_end(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, None) as visit:
        page = visit.page
        visit.go("/pilots/{planned}/console")
        tab_to(page, "[name=sign_in]")
        page.keyboard.type("engineer")
        tab_to(page, "[name=password]")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "sign-in" not in url)
        expect(page.locator(".run-state")).to_have_class(re.compile("waiting"))
        number = page.locator(".run-order .next b").inner_text()
        tab_to(page, ".run-state .btn-lg")
        page.keyboard.press("Enter")
        expect(page.locator(".run-state")).to_have_class(re.compile("going"))
        stage.clock.advance(timedelta(seconds=40))
        page.wait_for_load_state()  # a page that is still loading hears no keys
        page.keyboard.press("Alt+n")
        assert page.evaluate("document.activeElement.id") == "note"
        page.keyboard.type("A strange noise")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console#notes")
        noted = page.locator("#notes li").first
        expect(noted).to_contain_text("A strange noise")
        expect(noted).to_contain_text(f"run {number}")
        stage.clock.advance(timedelta(minutes=2))
        page.reload()
        tab_to(page, "[name=found_roughness_um]")
        page.keyboard.type("1.4")
        tab_to(page, ".run-state .btn-lg")
        page.keyboard.press("Enter")
        expect(page.locator(".run-order .done b").last).to_have_text(number)
        expect(page.locator("#notes li").first).to_contain_text(f"run {number}")
        visit.assert_quiet()


def test_a_part_that_is_scrap_is_kept_with_who_made_it_of_what(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "engineer", size="phone", language="pl") as visit:
        page = visit.page
        for batch in ("", "S235, partia 7"):
            visit.go("/pilots/{planned}/console")
            page.locator(".run-state .btn-lg").click()
            stage.clock.advance(timedelta(minutes=3))
            expect(page.locator("[name=found_material]")).to_have_value(batch)
            page.locator("[name=found_operator]").fill("operator frezarki")
            page.locator("[name=found_material]").fill("S235, partia 7")
            page.locator("[name=found_passed]").select_option("scrap")
            page.locator(".run-state .btn-lg").click()
        visit.go("/pilots/{planned}")
        made = page.locator("tr", has_text="S235, partia 7").first
        expect(made).to_contain_text("wynik: brak")
        expect(made).to_contain_text("operator: operator frezarki")
        visit.assert_quiet()
    with stage.town.database.read() as session:
        found = [run.result for run in planned_runs(session, stage.ids["planned"]) if run.result.get("material")]
    assert found[0] == {
        "finished": True, "passed": False, "result": "scrap", "operator": "operator frezarki",
        "material": "S235, partia 7",
    }  # fmt: skip


def test_a_note_for_the_staff_alone_stays_with_the_staff(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "engineer", size="phone", language="pl") as visit:
        visit.go("/pilots/{planned}/console")
        visit.page.locator("#note").fill("Narzędzie było tępe")
        visit.page.locator("[name=staff_only]").check()
        visit.page.locator(".note-form button").click()
        expect(visit.page.locator("#notes li").first).to_contain_text("tylko dla pracowników")
        visit.assert_quiet()
    with visiting(chrome, stage, "founder") as visit:
        answer = visit.page.request.get(f"{stage.url}/api/v1/pilots/{stage.ids['planned']}/notes")
        assert "tępe" not in answer.text()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = have(lambda: start_mosquitto(tmp_path_factory.mktemp("console") / "mosquitto"))
    yield broker
    broker.remove()


@pytest.fixture
def running_stage(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The lab while the simulated mill makes a part at the pace of the lab's clock, and a recorder records it."""
    folder = tmp_path_factory.mktemp("running")
    database = Database(f"sqlite:///{folder / 'lab.sqlite'}")
    create_tables(database)
    with served_stage(database, folder, broker=broker.address(), rate=1.0) as stage:
        recorder = Recorder(
            address=broker.address(),
            lab="gliwice",
            database=database,
            store=stage.store,
            spool_path=folder / "spool.sqlite",
            clock=stage.clock,
            client_id="recorder-of-the-stage",
        )
        recorder.start()
        machines = Simulators(broker)
        try:
            machines.set_clock(1.0, lab_ns=stage.clock.now_ns())
            for device in ("mill-1", "meter-1"):
                machines.order("start", device=device)
            machines.say('{"do": "run", "run": 1, "settings": {"feed_mm_s": 20}, "devices": ["mill-1", "meter-1"]}')
            yield stage
        finally:
            machines.end()
            recorder.stop()
    database.close()


def test_values_move_while_a_simulated_machine_runs_and_a_note_is_marked_in_the_charts(
    running_stage: Stage, chrome: Browser
) -> None:
    with visiting(chrome, running_stage, "engineer") as visit:
        page = visit.page
        visit.go("/pilots/{planned}/console")
        page.locator(".run-state .btn-lg").click()
        expect(page.locator(".run-state")).to_have_class(re.compile("going"))
        for device in ("mill-1", "meter-1"):
            expect(page.locator(f"[data-device={device}] .plot").first).to_be_visible()
            page.wait_for_function(POINTS.format(device))
        expect(page.locator(".live-status")).to_have_text(["live", "live"])
        before = page.locator("[data-device=mill-1] .strip header b").all_inner_texts()
        page.wait_for_function(
            "before => [...document.querySelectorAll('[data-device=mill-1] .strip header b')]"
            ".some((value, place) => value.textContent !== before[place])",
            arg=before,
        )
        assert page.evaluate(DRAWN)
        expect(page.locator("[data-device=mill-1] .live-quality")).to_contain_text(
            re.compile(r"[1-9].* values a second")
        )
        page.locator("#note").fill("Coolant on")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console#notes")
        expect(page.locator("[data-device=mill-1] .plot").first).to_have_attribute("data-marks", "1")
        page.locator("[data-device=mill-1] + p a").click()
        expect(page.locator("#history-heading")).to_be_visible()
        visit.assert_quiet()


SHOWN = """() => [...document.querySelectorAll('[data-live] .plot')].map(plot => plot.getAttribute('aria-label'))"""
STEPS = "#looking-back [data-step={}]"


def shown_span(label: str) -> str:
    """The span in a chart's label, `Spindle power, 23 Nov, 10:00:05 to 23 Nov, 10:00:09: 1.2 to 3.4 kW`."""
    found = re.search(r"\d+ Nov, [\d:]{8} to \d+ Nov, [\d:]{8}", label)
    return found[0] if found else ""


def spans_shown(page: Page) -> set[str]:
    """The spans that the charts of all machines tell of; one, when they agree."""
    return {shown_span(label) for label in page.evaluate(SHOWN)}


def seconds_of(span: str) -> int:
    """How long a span is that is told in words."""
    first, last = (sum(int(part) * 60**power for power, part in enumerate(reversed(clock.split(":"))))
                   for clock in re.findall(r"[\d:]{8}", span))  # fmt: skip
    return last - first


def test_an_engineer_looks_back_closely_while_the_run_goes_on_and_returns_to_live(
    running_stage: Stage, chrome: Browser
) -> None:
    with visiting(chrome, running_stage, "engineer") as visit:
        page = visit.page
        visit.go("/pilots/{planned}/console")
        page.locator(".run-state .btn-lg").click()
        expect(page.locator(".run-state")).to_have_class(re.compile("going"))
        for device in ("mill-1", "meter-1"):
            page.wait_for_function(POINTS.format(device))
        back, status = page.locator(STEPS.format("live")), page.locator("#looking-back [role=status]")
        expect(back).to_be_hidden()

        # A drag over the last quarter of one chart: every chart of both machines shows that span, with every sample.
        plot = page.locator("[data-device=mill-1] .plot .u-over").first
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 60, steps=5)
        page.mouse.up()
        expect(back).to_be_visible()
        expect(status).to_have_text(re.compile(r"^23 Nov, [\d:]{8} to 23 Nov, [\d:]{8}$"))
        page.wait_for_function("() => document.querySelector('[data-device=meter-1] .plot')?.dataset.reduced")
        page.wait_for_function(
            "said => [...document.querySelectorAll('[data-live] .plot')]"
            ".every(plot => plot.getAttribute('aria-label').includes(said))",
            arg=status.inner_text(),
        )
        closely = status.inner_text()
        assert spans_shown(page) == {closely}
        assert 12 <= seconds_of(closely) <= 16  # of a minute
        first = page.locator("[data-device=mill-1] .plot").first
        assert first.get_attribute("data-reduced") == "false"
        expect(page.locator("[data-device=mill-1] .live-status")).to_have_text("live")

        # It stands still, although values go on coming.
        rows = page.locator("[data-device=mill-1] details").last
        rows.locator("summary").click()
        newest = rows.locator("tr[data-signal=spindle_power_kw] td").last.inner_text()
        expect(rows.locator("tr[data-signal=spindle_power_kw] td").last).not_to_have_text(newest)
        assert spans_shown(page) == {closely}

        # The same by keys: wider, earlier, and back.
        page.locator(STEPS.format("wider")).focus()
        page.keyboard.press("-")
        page.keyboard.press("-")
        page.keyboard.press("ArrowLeft")
        expect(status).not_to_have_text(re.compile(re.escape(closely) + "|loading"))
        assert seconds_of(status.inner_text()) > 2 * seconds_of(closely)
        page.keyboard.press("Escape")
        expect(back).to_be_hidden()
        expect(status).to_have_text("The charts show what happens now")
        assert page.evaluate("document.activeElement.dataset.step") == "here"
        page.wait_for_function(
            "() => [...document.querySelectorAll('[data-live] .plot')]"
            ".every(plot => plot.getAttribute('aria-label').includes('last minute'))"
        )
        before = page.evaluate(SHOWN)
        page.wait_for_function(f"before => JSON.stringify(({SHOWN})()) !== JSON.stringify(before)", arg=before)
        assert page.evaluate(DRAWN)
        visit.assert_quiet()


def test_looking_back_works_with_the_keyboard_alone_and_in_polish_on_a_phone(
    running_stage: Stage, chrome: Browser
) -> None:
    with visiting(chrome, running_stage, "engineer", size="phone", language="pl") as visit:
        page = visit.page
        visit.go("/pilots/{planned}/console")
        page.wait_for_function(POINTS.format("mill-1"))
        tab_to(page, STEPS.format("here"))
        page.keyboard.press("Enter")
        expect(page.locator("#looking-back")).to_contain_text("Oglądasz przeszłość")
        assert page.evaluate("document.activeElement.dataset.step") == "earlier"
        tab_to(page, STEPS.format("live"))
        page.keyboard.press("Enter")
        expect(page.locator("#looking-back [role=status]")).to_have_text("Wykresy pokazują bieżące pomiary")
        visit.assert_quiet()
