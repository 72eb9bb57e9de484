"""What a report says, as a part of a page; the last ones that were looked at are not made again."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from markupsafe import Markup

from lab.reports.html import LinkedPhoto, render_html
from lab.reports.models import Report
from lab.reports.photos import sizes_of_photos

MOST_KEPT = 8
"""Of some hundred kilobytes each."""


@dataclass(frozen=True, slots=True)
class _Written:
    report_id: str
    revision: int
    charts: tuple[tuple[str, bytes], ...]
    """As they are on disk now, like the photos: what was deleted is not shown from memory."""
    photos: tuple[tuple[str, LinkedPhoto], ...]
    results: Mapping[str, Any] = field(compare=False)
    """Those of this revision."""


def fragment_of(report: Report, data_dir: Path, *, address: str) -> Markup:
    """A report as it was last written, with its charts inside and links to its photos, in its own language.

    Args:
        report: the report.
        data_dir: the data folder.
        address: of the page; its photos are below it, so that who may see the page may see them.
    """
    folder = data_dir / report.folder
    charts = tuple((path.name, path.read_bytes()) for path in sorted((folder / "charts").glob("*.svg")))
    photos = tuple(
        (path, LinkedPhoto(f"{address}/photos/{PurePosixPath(path).name}", width, height))
        for path, (width, height) in sizes_of_photos(folder).items()
    )
    return _render(_Written(report.id, report.written_revision, charts, photos, report.results))


@functools.lru_cache(maxsize=MOST_KEPT)
def _render(written: _Written) -> Markup:
    html = render_html(written.results, dict(written.charts), dict(written.photos))
    return Markup(html)  # noqa: S704 - it escapes what it prints
