"""The report as PDF: PDF/A-3a and PDF/UA-1 at once, made by typst; the same input gives the same bytes.

The document goes in as a JSON file beside the template, never as markup, so that nobody's name is read as a command.
Fonts are the ones inside typst; those of the machine are ignored.
"""

import functools
import json
import re
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog

from lab.core.errors import PilotLabError
from lab.core.time import aware_utc
from lab.reports.blocks import Document, printable
from lab.reports.document import as_results, build_document
from lab.reports.results import Results
from lab.reports.streams import end_streams_clearly

log = structlog.get_logger(__name__)

STANDARDS: Any = ["a-3a", "ua-1"]
ATTEMPTS = 8
_UNDISPLAYED = re.compile(r'the text `"(.+?)"` could not be displayed', re.DOTALL)
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")


class ReportLayoutError(PilotLabError):
    """The report could not be laid out; this is a fault of the product, not of the data."""

    kind = "error"


def render_pdf(results: Results | Mapping[str, Any], charts: Mapping[str, bytes], *, timestamp: datetime) -> bytes:
    """Lay a report out as PDF.

    Args:
        results: the result object or its JSON form.
        charts: file name → SVG, as `lab.reports.charts.draw_charts` gives them, and path → photo.
        timestamp: aware; the PDF's date of creation, to the second.

    Raises:
        ReportLayoutError: if typst refuses, with what it said.
    """
    document = build_document(as_results(results))
    return lay_out(document, charts, timestamp=timestamp)


def lay_out(document: Document, charts: Mapping[str, bytes], *, timestamp: datetime) -> bytes:
    """Lay out the blocks of a report; see `render_pdf`.

    Characters that no font here has are written as their number, e.g. `[U+4E2D]`, so that nothing is lost in silence.
    """
    import typst  # 17 MB of code that only reports need

    data = json.dumps(printable(document), ensure_ascii=False, sort_keys=True)
    seconds = int(aware_utc(timestamp).timestamp())
    template = (resources.files("lab.reports") / "templates" / "report.typ").read_bytes()
    with TemporaryDirectory(prefix="pilotlab-report-") as name:  # in memory typst takes files of text alone
        folder = Path(name)
        for place, content in charts.items():
            path = folder / (place if "/" in place else f"charts/{place}")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        (folder / "main.typ").write_bytes(template)
        for _ in range(ATTEMPTS):
            (folder / "document.json").write_text(data, encoding="utf-8")
            try:
                pdf = typst.compile(
                    folder / "main.typ", root=folder, font_paths=_fonts(), ignore_system_fonts=True,
                    pdf_standards=STANDARDS, timestamp=seconds,
                )  # fmt: skip
                return end_streams_clearly(pdf)
            except typst.TypstError as error:
                missing = _undisplayed(error.diagnostic)
                if not missing:
                    raise ReportLayoutError(f"the report could not be laid out: {error.message}") from error
                log.info("report_characters_without_a_font", characters=sorted(missing))
                data = data.translate({ord(letter): f"[U+{ord(letter):04X}]" for letter in missing})
    raise ReportLayoutError("the report could not be laid out: too many characters that no font here has")


@functools.cache
def _fonts() -> Any:
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def _undisplayed(diagnostic: str) -> set[str]:
    """The characters that typst names as not displayable."""
    texts = _UNDISPLAYED.findall(diagnostic)
    letters = "".join(_ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text) for text in texts)
    return {letter for letter in letters if ord(letter) > 0x7F}
