"""The report as HTML, with the same blocks as the PDF: a fragment for the web pages, and a page that stands alone.

The fragment has no styles of its own and keeps to the pages' strict Content-Security-Policy; charts are `data:` images.
Over each chart lie its marks without line or fill, whose titles a browser shows under the pointer without any script.
"""

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

import jinja2
from markupsafe import Markup

from lab.reports.blocks import Document, printable
from lab.reports.descriptors import TYPES
from lab.reports.document import as_results, build_document
from lab.reports.marks import marks_of
from lab.reports.results import Results


@dataclass(frozen=True, slots=True)
class LinkedPhoto:
    """A photo that a page fetches when somebody comes to it; its size in pixels keeps the page from jumping then."""

    address: str
    width: int
    height: int


def render_html(
    results: Results | Mapping[str, Any], charts: Mapping[str, bytes], photos: Mapping[str, LinkedPhoto] | None = None
) -> str:
    """The report as a part of a page, headings from `h2`.

    Args:
        results: the result object or its JSON form.
        charts: file name → SVG, as `lab.reports.charts.draw_charts` gives them; a missing one is told in words.
        photos: path → where the page fetches it; a missing one is told in words.
    """
    return _render_fragment(build_document(as_results(results)), charts, photos or {})


def render_page(results: Results | Mapping[str, Any], charts: Mapping[str, bytes]) -> str:
    """The report as one HTML file that needs nothing else: own style, charts and photos inside, no scripts."""
    document = build_document(as_results(results))
    content: Any = printable(document)
    fragment = Markup(_render_fragment(document, charts, {}))  # noqa: S704 - our own template, escaped there
    style = Markup((resources.files("lab.reports") / "templates" / "report.css").read_text("utf-8"))  # noqa: S704
    return _templates().get_template("report.page.html").render(document=content, fragment=fragment, style=style)


def _render_fragment(document: Document, charts: Mapping[str, bytes], photos: Mapping[str, LinkedPhoto]) -> str:
    images = {
        name: f"data:{TYPES[PurePosixPath(name).suffix]};base64,{base64.b64encode(content).decode()}"
        for name, content in charts.items()
    }
    marks = {name: marks_of(content) for name, content in charts.items() if name.endswith(".svg")}
    content: Any = printable(document)
    return (
        _templates()
        .get_template("report.fragment.html")
        .render(
            document=content,
            page=content["decision"],
            labels=content["labels"],
            charts=images,
            marks=marks,
            photos=photos,
        )
    )


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("lab.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
