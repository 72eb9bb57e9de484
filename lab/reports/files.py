"""Data sets and reports as folders: written beside their name, complete on the disk before they get it.

The name is given in the same transaction that makes the row: whoever is killed in between leaves no half, and the next
attempt begins afresh.
"""

import shutil
from pathlib import Path

from lab.core.ids import new_id
from lab.reports.results import Results


def building_beside(data_dir: Path, folder: str) -> Path:
    """A folder beside the final one, on the same file system, that nobody else builds in."""
    final = data_dir / folder
    final.parent.mkdir(parents=True, exist_ok=True)
    return final.with_name(f".{final.name}-{new_id('tmp')}")


def give_name(building: Path, final: Path) -> None:
    """Put a built folder in place of what an attempt without a row may have left there."""
    if building.exists():  # not on a second try of the same transaction
        shutil.rmtree(final, ignore_errors=True)
        building.rename(final)


def write_report(folder: Path, results: Results, data_set: Path) -> None:
    """Write report.pdf, report.html, results.json, charts, photos and package.zip into a new folder.

    Args:
        folder: does not exist yet.
        results: what the report says.
        data_set: folder of the sealed data, for the package.
    """
    from lab.reports.charts import draw_charts
    from lab.reports.html import render_page
    from lab.reports.package import write_package
    from lab.reports.pdf import render_pdf
    from lab.reports.photos import photos_of

    charts = draw_charts(results)
    (folder / "charts").mkdir(parents=True)
    for name, chart in charts.items():
        (folder / "charts" / name).write_bytes(chart)
    photos = photos_of(results, data_set)
    for name, photo in photos.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(photo)
    pdf = render_pdf(results, {**charts, **photos}, timestamp=results.identification.dated)
    page = render_page(results, {**charts, **photos})
    (folder / "report.pdf").write_bytes(pdf)
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "results.json").write_text(results.model_dump_json(indent=1), encoding="utf-8")
    write_package(folder / "package.zip", results=results, folder=data_set, pdf=pdf, page=page, charts=charts)
