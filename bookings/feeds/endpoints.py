"""Calendar links over HTTP, and the calendars themselves, which programs fetch without signing in."""

from typing import Any

from fastapi import APIRouter, Request, Response

from bookings.feeds import service
from bookings.feeds.schemas import CalendarLinkAnswer, CalendarLinkList, NewCalendarLink, NewCalendarLinkAnswer
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep

router = APIRouter(tags=["calendars"])

_CALENDAR: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An iCalendar object (RFC 5545)",
        "content": {"text/calendar": {"schema": {"type": "string"}}},
    },
    304: {"description": "Nothing has changed since the ETag in If-None-Match"},
}


@router.post("/api/v1/calendar-links", status_code=201, summary="Make a secret link to a calendar")
def create_link(
    body: NewCalendarLink,
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> NewCalendarLinkAnswer:
    """A person's, a device's or a company's calendar. The address is shown only in this answer."""
    link, secret = database.transact(
        lambda session: service.create_link(
            session, principal, kind=body.kind, subject_id=body.subject_id, now=clock.now()
        )
    )
    address = (settings.public_url or str(request.base_url)).rstrip("/")
    return NewCalendarLinkAnswer(**CalendarLinkAnswer.of(link).model_dump(), url=f"{address}/calendars/{secret}.ics")


@router.get("/api/v1/calendar-links", summary="One's own links to calendars")
def list_links(principal: PrincipalDep, database: DatabaseDep) -> CalendarLinkList:
    """Without their secrets; revoked ones included."""
    with database.read() as session:
        return CalendarLinkList(links=[CalendarLinkAnswer.of(link) for link in service.list_links(session, principal)])


@router.post("/api/v1/calendar-links/{link_id}/revoke", summary="Close a link to a calendar")
def revoke_link(link_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> CalendarLinkAnswer:
    """For good, from this moment on; saying it again changes nothing."""
    link = database.transact(lambda session: service.revoke_link(session, principal, link_id, now=clock.now()))
    return CalendarLinkAnswer.of(link)


@router.head("/calendars/{secret}.ics", include_in_schema=False)
@router.get(
    "/calendars/{secret}.ics", summary="A calendar, by its secret link", response_class=Response, responses=_CALENDAR
)
def read_calendar(
    secret: str, request: Request, database: DatabaseDep, clock: ClockDep, settings: SettingsDep
) -> Response:
    """For programs that read calendars; shows what the link's owner may see now."""
    now = clock.now()
    with database.read() as session:
        found = service.read_calendar(session, secret, settings=settings, now=now)
    if found.note_reading:
        database.transact(lambda session: service.note_reading(session, found.link_id, now=now))
    # Kept by the reader's own program only, and asked for again each time: what may be seen can change at any moment.
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "private, no-cache"}
    if _knows(request.headers.get("if-none-match", ""), found.tag):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'inline; filename="{found.name}"'
    return Response(found.content, media_type="text/calendar; charset=utf-8", headers=headers)


def _knows(if_none_match: str, tag: str) -> bool:
    """Whether one of the tags is ours, or any will do (RFC 9110 §13.1.2, weak comparison)."""
    named = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return "*" in named or f'"{tag}"' in named
