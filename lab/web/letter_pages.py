"""What machines said and could not be stored: how often and why, each message, and reading it again."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from devices.service import list_devices
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.people.repository import names_of_accounts
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.letter_words import LETTER_REASONS, letter_reason, readable
from lab.web.rendering import page
from lab.web.wording import plain_words
from telemetry.letters import service
from telemetry.letters.schemas import WholeLetterAnswer, cursor_after, parse_cursor
from telemetry.schemas import CursorInvalidError

router = APIRouter(prefix="/manage/letters")

_SHOWN = 50
_MOST_COUNTS = 100
_MOST_REPLAYS = 10
_LONGEST_PAYLOAD = 20_000
_DONE = {
    "adopted": N_("It is in the catalogue. What the machine said before is being read again."),
    "device-adopted": N_("The machine is in the catalogue. What it said before is being read again."),
    "asked": N_("The messages are being read again. Those that fit now become samples."),
    "typed": N_("Please check what you have typed."),
}
Line = Annotated[str, Query(max_length=200)]


def letters_address(device: str, done: str) -> str:
    """Where the letters of a device are shown, with what has just been done."""
    return "/manage/letters?" + urlencode({"device": device, "done": done})


@router.get("")
def show_letters(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    device: Line = "",
    reason: Line = "",
    cursor: Annotated[str, Query(max_length=600)] = "",
    done: str = "",
) -> Response:
    """By device and reason how often, then the messages themselves, the newest first."""
    try:
        before = parse_cursor(cursor) if cursor else None
    except CursorInvalidError:
        before = None
    with database.read() as session:
        found = service.list_letters(
            session, principal, device=device or None, reason=reason or None, before=before, limit=_SHOWN + 1
        )
        counts = service.count_letters(session, principal, device=device or None)
        replays = service.list_replays(session, principal, device=device or None)[:_MOST_REPLAYS]
        shown = found[:_SHOWN]
        filters = {"device": device, "reason": reason}
        return page(
            request,
            "letters.html",
            title=_("Messages not stored"),
            principal=principal,
            letters=shown,
            older=f"?{urlencode({**filters, 'cursor': cursor_after(shown[-1])})}" if len(found) > _SHOWN else "",
            counts=[count for count in counts if count.kept + count.beyond][:_MOST_COUNTS],
            replays=replays,
            waiting=any(replay.finished_at is None for replay in replays),
            device=device,
            reason=reason,
            reasons=LETTER_REASONS,
            device_names={one.id: one.name for one in list_devices(session)},
            people={**names_of_accounts(session, {replay.asked_by for replay in replays}), "system": "Pilot Lab"},
            done=_(_DONE[done]) if done in _DONE else "",
        )


@router.post("/replays")
def submit_replay(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    device: Annotated[str, Form(max_length=200)] = "",
    signal: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Have a device's messages read again, after the cause was mended."""
    principal.require_staff("have dead letters read again")
    whose = plain_words(device)
    if not whose:
        return RedirectResponse("/manage/letters?done=typed", 303)
    database.transact(
        lambda session: service.ask_replay(
            session, principal, device=whose, signal=plain_words(signal) or None, now=clock.now()
        )
    )
    return RedirectResponse(letters_address(whose, "asked"), 303)


@router.get("/{key:path}")
def show_letter(request: Request, key: str, principal: PrincipalDep, database: DatabaseDep) -> Response:
    """One message with all that is kept of it."""
    with database.read() as session:
        letter = WholeLetterAnswer.of(service.get_letter(session, principal, key))
        names = {one.id: one.name for one in list_devices(session)}
    why = letter_reason(letter.reason)
    shown = letter.payload_hex or readable(letter.payload)
    return page(
        request,
        "letter.html",
        title=why[:1].upper() + why[1:],
        principal=principal,
        letter=letter,
        shown=shown[:_LONGEST_PAYLOAD],
        cut=len(shown) > _LONGEST_PAYLOAD or letter.payload_kept < letter.payload_bytes,
        device_names=names,
    )
