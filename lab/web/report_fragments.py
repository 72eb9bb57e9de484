"""What a report says, as a part of a page; the last ones that were looked at are not made again."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab.reports.html import render_html
from lab.reports.models import Report

MOST_KEPT = 8
"""Of about a megabyte each."""


@dataclass(frozen=True, slots=True)
class _Written:
    report_id: str
    revision: int
    images: tuple[tuple[str, bytes], ...]
    """As they are on disk now: what was deleted is not shown from memory."""
    results: Mapping[str, Any] = field(compare=False)
    """Those of this revision."""


def fragment_of(report: Report, data_dir: Path) -> Markup:
    """A report as it was last written, with its charts and photos, in its own language.

    Args:
        report: the report.
        data_dir: the data folder.
    """
    images = tuple(_images(data_dir / report.folder).items())
    return _render(_Written(report.id, report.written_revision, images, report.results))


@functools.lru_cache(maxsize=MOST_KEPT)
def _render(written: _Written) -> Markup:
    return Markup(render_html(written.results, dict(written.images)))  # noqa: S704 - it escapes what it prints


def _images(folder: Path) -> dict[str, bytes]:
    """The charts by file name, and the photos by path."""
    charts = {path.name: path.read_bytes() for path in sorted((folder / "charts").glob("*.svg"))}
    photos = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted((folder / "attachments").glob("*"))
    }
    return charts | photos
