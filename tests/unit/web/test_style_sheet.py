"""The style sheet keeps to WCAG 2.2 AA and to our strict policy."""

import re
from pathlib import Path

import pytest

from lab.web.rendering import STATIC

CSS = (STATIC / "pilotlab.css").read_text("utf-8")
AA = 4.5
AA_LARGE = 3.0


def themes() -> dict[str, dict[str, str]]:
    pairs = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
    return {
        "light": {name: light for name, light, _ in pairs},
        "dark": {name: dark for name, _, dark in pairs},
    }


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_on_every_ground_it_stands_on(theme: str) -> None:
    colours = themes()[theme]
    pairs = [(ink, ground) for ink in ("ink", "ink-soft", "accent") for ground in ("ground", "surface", "raised")]
    pairs += [(tone, f"{tone}-ground") for tone in ("good", "warn", "bad")]
    pairs += [
        ("on-accent", "accent"),
        ("on-accent", "accent-strong"),
        ("accent", "info-ground"),
        ("ink", "info-ground"),
    ]
    pairs += [("bad", "surface"), ("good", "ground"), ("bad", "ground"), ("accent-strong", "raised")]
    pairs += [("ink", f"{tone}-ground") for tone in ("good", "warn", "bad")]
    low = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < AA} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_borders_of_fields_and_curves_stand_out(theme: str) -> None:
    colours = themes()[theme]
    drawn = ["field-line", *(name for name in colours if name.startswith("plot-"))]
    assert len(drawn) == 7
    assert {name for name in drawn if contrast(colours[name], colours["surface"]) < AA_LARGE} == set()


def test_nothing_is_fetched_from_elsewhere() -> None:
    for file in filter(Path.is_file, STATIC.iterdir()):
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|url\(|@import|innerHTML|eval\(", text), file.name


def test_templates_have_no_inline_style_or_script() -> None:
    for template in (STATIC.parent / "templates").iterdir():
        text = template.read_text("utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|https?://|\|\s*safe", text), (
            template.name
        )
