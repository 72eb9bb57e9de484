"""A pilot's documents, its acceptance and what became of it, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.pages.drawer import photo
from tests.pages.stage import Stage
from tests.pages.test_stories import LOOKS
from tests.pages.tour import visiting

COLOURS = {"laptop-en": "red", "phone-pl": "green"}


@pytest.mark.parametrize("look", LOOKS)
def test_a_photo_is_added_chosen_for_the_report_and_removed_with_a_reason(
    stage: Stage, chrome: Browser, tmp_path: Path, look: str
) -> None:
    file = tmp_path / f"{look}.exe"
    file.write_bytes(photo(COLOURS[look]))
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/pilots/{planned}/documents")
        page.set_input_files("[name=file]", file)
        page.locator("[enctype] [name=caption]").fill(f"Part {look}")
        page.locator("[enctype] button").click()
        expect(page.locator("[role=status]")).to_be_visible()
        expect(page.get_by_role("link", name=f"{look}.exe.jpg")).to_be_visible()
        expect(page.get_by_alt_text(f"Part {look}")).to_have_js_property("naturalWidth", 320)
        assert page.get_by_text("Ask for keys.").count() == 0
        visit.assert_quiet()
    with visiting(chrome, stage, "engineer", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/pilots/{planned}/documents")
        expect(page.get_by_text("Ask for keys.")).to_be_visible()
        card = page.locator("section.card", has_text=f"Part {look}")
        card.locator("summary").first.click()
        card.locator("[name=in_report]").check()
        card.locator("form[action$=describe] button").click()
        expect(page.get_by_role("alert")).to_be_visible()  # not without words for who cannot see it
        card.locator("summary").first.click()
        card.locator("[name=in_report]").check()
        card.locator("[name=alt_text]").fill("A plain part")
        card.locator("form[action$=describe] button").click()
        expect(card.locator(".tag")).to_be_visible()
        card.locator("summary").last.click()
        card.locator("[name=reason]").fill("wrong part")
        card.locator("form[action$=remove] button").click()
        expect(page.locator("[role=status]")).to_be_visible()
        assert page.get_by_alt_text("A plain part").count() == 0
        page.locator("summary", has_text="(").click()
        expect(page.get_by_text("wrong part").first).to_be_visible()
        visit.assert_quiet()


def test_what_is_no_document_is_refused_in_plain_words_and_polish(
    stage: Stage, chrome: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"MZ this is a program\x00")
    with visiting(chrome, stage, "founder", language="pl") as visit:
        visit.go("/pilots/{planned}/documents")
        visit.page.set_input_files("[name=file]", file)
        visit.page.locator("[enctype] button").click()
        expect(visit.page.get_by_role("alert")).to_contain_text("PDF, PNG, JPEG, CSV")
        expect(visit.page.get_by_role("alert")).to_contain_text("Tego pliku")
        visit.assert_quiet()


def test_a_note_is_written_with_the_keyboard_alone(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go("/pilots/{planned}/documents")
        page.locator("[name=text]").focus()
        page.keyboard.type("Agreed by telephone.")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Agreed by telephone.")).to_be_visible()
        visit.assert_quiet()


def test_the_company_accepts_its_report_once(stage: Stage, chrome: Browser) -> None:
    with visiting(chrome, stage, "engineer") as visit:
        visit.go("/reports/{report}")
        assert visit.page.locator("form[action$=accept]").count() == 0
    with visiting(chrome, stage, "founder") as visit:
        page = visit.page
        visit.go("/reports/{report}")
        page.locator("form[action$=accept] [name=comment]").fill("We agree.")
        page.locator("form[action$=accept] button").click()
        expect(page.locator("#acceptance .notice")).to_contain_text("We agree.")
        assert page.locator("form[action$=accept]").count() == 0
        visit.go("/pilots/{pilot}")
        expect(page.locator(".steps li", has_text="Accepted").first).to_contain_text("2026")
        visit.assert_quiet()


@pytest.mark.parametrize("look", LOOKS)
def test_the_company_tells_what_became_of_it_and_how_digital_it_is(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/pilots/{pilot}/afterwards")
        form = page.locator("form[action$='follow-ups/6']")
        if not form.is_visible():
            page.locator("section.card summary").first.click()
        form.locator("[value=yes]").check()
        form.locator("[name=amount]").fill("much")
        form.locator("button").click()
        expect(page.get_by_role("alert")).to_contain_text("12500")
        expect(form.locator("[name=amount]")).to_have_value("much")
        form.locator("[name=amount]").fill("12 500,50")
        form.locator("[name=funding]").fill("A loan")
        form.locator("button").click()
        expect(page.locator("[role=status]")).to_be_visible()
        expect(page.locator("dl.facts").first).to_contain_text(
            {"en": "12\u202f500.50", "pl": "12\u202f500,50"}[LOOKS[look]["language"]]
        )
        maturity = page.locator("form[action$=maturity]")
        for name in ("strategy", "readiness", "people", "data", "automation"):
            maturity.locator(f"[name={name}]").fill("40,5")
        maturity.locator("[name=green]").fill("101")
        maturity.locator("[name=source]").fill("DMA 4711")
        maturity.locator("button").click()
        expect(page.get_by_role("alert")).to_contain_text("100")
        maturity.locator("[name=green]").fill("37,5")
        maturity.locator("button").click()
        expect(page.locator("tr", has_text="40").last).to_be_visible()
        visit.assert_quiet()


@pytest.mark.parametrize("look", LOOKS)
def test_a_plan_is_sketched_with_the_keyboard_and_handed_to_the_lab(stage: Stage, chrome: Browser, look: str) -> None:
    with visiting(chrome, stage, "founder", **LOOKS[look]) as visit:
        page = visit.page
        visit.go("/pilots/{planned}/sketch")
        page.locator("[name=better]").focus()
        for typed in (f"energy {look}", "kWh", "0,1", "0,1", "0,2", "4", "1", "20", "4"):
            page.keyboard.press("Control+A")
            page.keyboard.type(typed)
            page.keyboard.press("Tab")
        expect(page.locator("#follows .notice")).to_be_visible()  # hopes for no more than what just pays
        page.locator("[name=hope]").focus()
        page.keyboard.press("Control+A")
        page.keyboard.type("0,3")
        expect(page.locator("#follows .card")).to_contain_text("34")
        expect(page.locator("#follows .card")).to_contain_text("3 h 40 min")
        expect(page.locator("#follows .card a")).to_have_attribute("href", re.compile("minutes=220"))
        page.keyboard.press("Enter")
        expect(page.locator("[role=status]")).to_be_visible()
        expect(page.locator(".note-text", has_text=f"energy {look}")).to_contain_text("34")
        visit.assert_quiet()
