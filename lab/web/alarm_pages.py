"""Alarms: the list, one alarm with its history, and what may be done about it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from devices.service import list_devices
from lab.core.errors import ConflictError
from lab.core.http import ClockDep, DatabaseDep
from lab.core.paging import PageWish
from lab.people.endpoints import PrincipalDep
from lab.people.repository import names_of_accounts
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.links import on_this_site
from lab.web.rendering import page
from lab.web.watch_words import alarm_text
from lab.web.wording import ALARM_NOTES, plain_words
from telemetry.alarms import service
from telemetry.granting import GrantDep

router = APIRouter()

_SHOWN = 200
_DONE = {
    "acknowledge": N_("You have taken the alarm on. Others see that somebody is dealing with it."),
    "comment": N_("Your comment is kept."),
    "clear": N_("The alarm is cleared. It is raised again when its cause comes again."),
    "late": N_("Somebody was faster; this is how it stands now."),
}
Said = Annotated[str, Form(max_length=2000)]


@router.get("/alarms")
def show_alarms(
    request: Request, principal: PrincipalDep, grant: GrantDep, database: DatabaseDep, show: str = "open"
) -> Response:
    """The open ones, or the last 200: the staff sees all, a company those of its own time."""
    only_open = show != "all"
    with database.read() as session:
        found = service.list_alarms(session, principal, grant, PageWish(_SHOWN), only_open=only_open)
        names = {device.id: device.name for device in list_devices(session)}
    unwritten = request.app.state.unwritten_alarms
    return page(
        request,
        "alarms.html",
        title=_("Alarms"),
        principal=principal,
        alarms=found.rows,
        unwritten=unwritten() if unwritten is not None and principal.is_staff else [],
        only_open=only_open,
        device_names=names,
    )


@router.get("/alarms/{alarm_id}")
def show_alarm(
    request: Request,
    alarm_id: str,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    done: str = "",
) -> Response:
    """One alarm with everything that was done about it; a company is not told by whom."""
    with database.read() as session:
        alarm = service.get_alarm(session, principal, grant, alarm_id)
        notes = service.history_of(session, principal, alarm)
        people = names_of_accounts(session, {note.by for note in notes}) if principal.is_staff else {}
        names = {device.id: device.name for device in list_devices(session)}
    return page(
        request,
        "alarm.html",
        title=alarm_text(plain_words(alarm.text)),
        principal=principal,
        alarm=alarm,
        notes=notes,
        note_words=ALARM_NOTES,
        people={**people, "system": "Pilot Lab"},
        device_names=names,
        done=_(_DONE[done]) if done in _DONE else "",
    )


@router.post("/alarms/{alarm_id}/acknowledge")
def submit_acknowledgement(
    alarm_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    text: Said = "",
    back: Annotated[str, Form()] = "",
) -> Response:
    """Somebody of the staff takes care; from the run console one comes back to it."""
    try:
        database.transact(
            lambda session: service.acknowledge_alarm(
                session, principal, alarm_id, text=plain_words(text), now=clock.now()
            )
        )
    except ConflictError:
        return _back(alarm_id, "late")
    if back:
        return RedirectResponse(on_this_site(back), 303)
    return _back(alarm_id, "acknowledge")


@router.post("/alarms/{alarm_id}/comment")
def submit_comment(
    alarm_id: str, principal: PrincipalDep, grant: GrantDep, database: DatabaseDep, clock: ClockDep, text: Said = ""
) -> Response:
    """Somebody who sees it says something."""
    said = plain_words(text)
    if said:
        database.transact(
            lambda session: service.comment_alarm(session, principal, grant, alarm_id, text=said, now=clock.now())
        )
    return _back(alarm_id, "comment" if said else "")


@router.post("/alarms/{alarm_id}/clear")
def submit_clearing(
    alarm_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, text: Said = ""
) -> Response:
    """Somebody of the staff says that it is over."""
    try:
        database.transact(
            lambda session: service.clear_by_hand(session, principal, alarm_id, text=plain_words(text), now=clock.now())
        )
    except ConflictError:
        return _back(alarm_id, "late")
    return _back(alarm_id, "clear")


def _back(alarm_id: str, done: str) -> RedirectResponse:
    return RedirectResponse(f"/alarms/{alarm_id}" + (f"?done={done}" if done else ""), 303)
