"""All pages."""

from fastapi import APIRouter

from lab.web import (
    about_pages,
    alarm_pages,
    ask_pages,
    board_pages,
    booking_pages,
    console_pages,
    device_pages,
    health,
    heard_pages,
    letter_pages,
    live_pages,
    machine_pages,
    manage_pages,
    my_booking_pages,
    outage_pages,
    overview_pages,
    people_pages,
    pilot_pages,
    preference_pages,
    preflight_pages,
    report_pages,
    rule_pages,
    session_pages,
    shared_report_pages,
)

router = APIRouter(include_in_schema=False)
for pages in (
    session_pages,
    preference_pages,
    about_pages,
    ask_pages,
    overview_pages,
    board_pages,
    machine_pages,
    device_pages,
    booking_pages,
    my_booking_pages,
    live_pages,
    preflight_pages,
    alarm_pages,
    pilot_pages,
    console_pages,
    report_pages,
    shared_report_pages,
    manage_pages,
    heard_pages,
    letter_pages,
    outage_pages,
    people_pages,
    rule_pages,
    health,
):
    router.include_router(pages.router)
