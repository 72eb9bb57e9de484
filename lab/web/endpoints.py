"""All pages."""

from fastapi import APIRouter

from lab.web import (
    alarm_pages,
    booking_pages,
    device_pages,
    health,
    overview_pages,
    pilot_pages,
    preflight_pages,
    report_pages,
    session_pages,
    shared_report_pages,
)

router = APIRouter(include_in_schema=False)
for pages in (
    session_pages,
    overview_pages,
    device_pages,
    booking_pages,
    preflight_pages,
    alarm_pages,
    pilot_pages,
    report_pages,
    shared_report_pages,
    health,
):
    router.include_router(pages.router)
