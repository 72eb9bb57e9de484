"""Connecting a machine: what is said under names that the catalogue does not know, and taking it in."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from devices.service import list_devices
from devices.units import SYMBOLS
from lab.core.errors import ConflictError, InvalidError, NotFoundError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.web.adoption_forms import (
    FIELDS,
    MOST_SIGNALS,
    TYPES,
    device_id_of,
    propose,
    read_device,
    read_signal,
    wrong_field,
)
from lab.web.languages import gettext as _
from lab.web.letter_pages import letters_address
from lab.web.rendering import page
from lab.web.rule_pages import Typed
from lab.web.wording import sentence
from telemetry.discovery import service
from telemetry.models import HeardSignal

router = APIRouter(prefix="/manage/heard")

_SHOWN = 300
Name = Annotated[str, Query(max_length=200)]


@router.get("")
def show_heard(request: Request, principal: PrincipalDep, database: DatabaseDep) -> Response:
    """Everything that is heard and not in the catalogue, by device."""
    with database.read() as session:
        found = service.list_heard(session, principal, limit=_SHOWN + 1)
        names = {device.id: device.name for device in list_devices(session)}
        by_device: dict[str, list[HeardSignal]] = {}
        for row in found[:_SHOWN]:
            by_device.setdefault(row.device_id, []).append(row)
        return page(
            request,
            "heard.html",
            title=_("Connect machines"),
            principal=principal,
            by_device=by_device,
            device_names=names,
            more=len(found) > _SHOWN,
        )


@router.get("/signal")
def show_signal(
    request: Request, principal: PrincipalDep, database: DatabaseDep, device: Name = "", heard: Name = ""
) -> Response:
    """One signal of a known device: as a new one, or as another name of one that is known."""
    return _signal_page(request, principal, database, device, heard)


@router.post("/signal")
def submit_signal(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    typed: Typed,
) -> Response:
    """Take it into the catalogue; what it said before is read again."""
    device, heard = typed.get("device", ""), typed.get("heard", "")
    with database.read() as session:
        interval_ms = service.get_heard(session, principal, device, heard).interval_ms
    try:
        entry = read_signal(typed, interval_ms=interval_ms)
        database.transact(
            lambda session: service.adopt_signal(
                session, principal, device=device, heard=heard, entry=entry, now=clock.now()
            )
        )
    except ValidationError as error:
        problem = _wrong(error)
    except (ConflictError, InvalidError) as error:
        problem = sentence(error.message, settings.time_zone)
    else:
        return RedirectResponse(letters_address(device, "adopted"), 303)
    return _signal_page(request, principal, database, device, heard, typed=typed, problem=problem)


@router.post("/alias")
def submit_alias(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    typed: Typed,
) -> Response:
    """It is another name of a signal that is known; what it said before is read again."""
    device, heard = typed.get("device", ""), typed.get("heard", "")
    with database.read() as session:
        service.get_heard(session, principal, device, heard)
    try:
        database.transact(
            lambda session: service.adopt_alias(
                session, principal, device=device, heard=heard, signal=typed.get("signal", "")[:100], now=clock.now()
            )
        )
    except (ConflictError, InvalidError, NotFoundError) as error:
        problem = sentence(error.message, settings.time_zone)
    else:
        return RedirectResponse(letters_address(device, "adopted"), 303)
    return _signal_page(request, principal, database, device, heard, problem=problem)


@router.get("/device")
def show_device(request: Request, principal: PrincipalDep, database: DatabaseDep, device: Name = "") -> Response:
    """A device that the lab does not know: what it says, as an entry of the catalogue."""
    return _device_page(request, principal, database, device)


@router.post("/device")
def submit_device(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    typed: Typed,
) -> Response:
    """Take the device with the chosen signals into the catalogue; what it said before is read again."""
    heard = typed.get("device", "")
    with database.read() as session:
        rows = _rows(service.list_heard(session, principal, device=heard))
    try:
        entry, names = read_device(typed, heard, rows)
        database.transact(lambda session: service.adopt_device(session, principal, entry, names=names, now=clock.now()))
    except ValidationError as error:
        problem = _wrong(error)
    except (ConflictError, InvalidError, NotFoundError) as error:
        problem = sentence(error.message, settings.time_zone)
    else:
        return RedirectResponse(letters_address(entry.id, "device-adopted"), 303)
    return _device_page(request, principal, database, heard, typed=typed, problem=problem)


def _signal_page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    device_id: str,
    heard: str,
    *,
    typed: dict[str, str] | None = None,
    problem: str = "",
) -> Response:
    with database.read() as session:
        row = service.get_heard(session, principal, device_id, heard)
        device = next((one for one in list_devices(session) if one.id == device_id), None)
        if device is None:
            return RedirectResponse("/manage/heard", 303)
        return page(
            request,
            "heard-signal.html",
            title=_("Adopt “%(name)s”", name=heard),
            principal=principal,
            status=422 if problem else 200,
            here="/manage/heard",
            row=row,
            device=device,
            proposal=propose(row),
            typed=typed or {},
            types=TYPES,
            fields=FIELDS,
            units=SYMBOLS,
            problem=problem,
        )


def _device_page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    heard: str,
    *,
    typed: dict[str, str] | None = None,
    problem: str = "",
) -> Response:
    with database.read() as session:
        rows = _rows(service.list_heard(session, principal, device=heard))
        if not rows or any(one.id == heard for one in list_devices(session)):
            return RedirectResponse("/manage/heard", 303)
        return page(
            request,
            "heard-device.html",
            title=_("Adopt “%(name)s”", name=heard),
            principal=principal,
            status=422 if problem else 200,
            here="/manage/heard",
            heard=heard,
            rows=[(row, propose(row)) for row in rows],
            proposed_id=device_id_of(heard),
            typed=typed or {},
            types={name: words for name, words in TYPES.items() if name != "enumeration"},
            fields=FIELDS,
            units=SYMBOLS,
            problem=problem,
        )


def _rows(found: Sequence[HeardSignal]) -> list[HeardSignal]:
    """In an order that stays while more is heard, so that the fields of a form mean the same when it comes back."""
    return sorted(found, key=lambda row: row.name)[:MOST_SIGNALS]


def _wrong(error: ValidationError) -> str:
    return _("Please check “%(field)s”: this value is not possible.", field=wrong_field(error))
