"""What somebody without an account sees behind a link: one approved report, its PDF, its data package, nothing else."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from sqlalchemy.orm import Session

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.reports.endpoints import photo_file, report_file
from lab.reports.links.service import PAGE, READING, follow_link, note_opening, was_page_opened
from lab.reports.models import Report
from lab.reports.repository import newest_report
from lab.web.languages import gettext as _
from lab.web.rendering import page
from lab.web.report_fragments import fragment_of
from lab.web.report_pages import language_of

router = APIRouter(prefix="/shared")

_SECRET = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
"""The address itself is the key."""


@router.get("/{secret}")
def show_report(
    request: Request, secret: str, database: DatabaseDep, clock: ClockDep, settings: SettingsDep
) -> Response:
    """The report as a page: the decision first."""

    def follow(session: Session) -> tuple[datetime, Report, bool]:
        link, report = follow_link(session, secret, now=clock.now())
        note_opening(session, link.id, PAGE, now=clock.now())
        newest = newest_report(session, report.pilot_id)
        return link.expires_at, report, newest is not None and newest.version > report.version and newest.is_final

    until, report, replaced = database.transact(follow)
    answer = page(
        request,
        "shared-report.html",
        title=_("Report %(number)s", number=report.number),
        principal=None,
        report=report,
        secret=secret,
        until=until,
        replaced=replaced,
        report_language=language_of(report),
        fragment=fragment_of(report, settings.data_dir, address=f"/shared/{secret}"),
    )
    answer.headers.update(_SECRET)
    return answer


@router.get("/{secret}/photos/{name}")
def show_photo(secret: str, name: str, database: DatabaseDep, clock: ClockDep, settings: SettingsDep) -> FileResponse:
    """A photo in the report. With its page it is no opening of its own; fetched without the page it is noted too."""
    with database.read() as session:
        link, report = follow_link(session, secret, now=clock.now())
        with_page = was_page_opened(session, link.id, since=clock.now() - READING)
    answer = photo_file(report, settings.data_dir, name)
    if not with_page:
        database.transact(lambda session: note_opening(session, link.id, f"photo {name}", now=clock.now()))
    answer.headers.update(_SECRET)
    return answer


@router.get("/{secret}/report.pdf")
def get_pdf(secret: str, database: DatabaseDep, clock: ClockDep, settings: SettingsDep) -> FileResponse:
    """The report as PDF."""
    return _file(secret, "report.pdf", database, clock, settings)


@router.get("/{secret}/package.zip")
def get_package(secret: str, database: DatabaseDep, clock: ClockDep, settings: SettingsDep) -> FileResponse:
    """The data package."""
    return _file(secret, "package.zip", database, clock, settings)


def _file(
    secret: str,
    name: Literal["report.pdf", "package.zip"],
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> FileResponse:
    def follow(session: Session) -> Report:
        link, report = follow_link(session, secret, now=clock.now())
        note_opening(session, link.id, name, now=clock.now())
        return report

    answer = report_file(database.transact(follow), settings.data_dir, name)
    answer.headers.update(_SECRET)
    return answer
