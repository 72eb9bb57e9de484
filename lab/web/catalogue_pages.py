"""The lab's machines and what they measure: managers look them through and change what people read of them."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from devices.editing import edit_device, edit_signal
from devices.errors import PhotoUnknownError
from devices.models import Device
from devices.photos import keep_photo, prepare_photo, remove_photo
from devices.service import get_device, list_devices
from lab.core.errors import InvalidError
from lab.core.http import ClockDep, DatabaseDep
from lab.core.time import in_zone
from lab.people.endpoints import PrincipalDep
from lab.web.adoption_forms import FIELDS, wrong_field
from lab.web.device_states import device_states
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.machine_pictures import pictures_of
from lab.web.rendering import page
from lab.web.rule_pages import Typed
from lab.web.wording import one_line, plain_words, sentence

router = APIRouter(prefix="/manage/devices")

_LONGEST_WORDS = 300

_DONE = {
    "changed": N_("It is changed. What is recorded and booked stays as it is."),
    "same": N_("Nothing was different."),
    "photo": N_("This is what people see of the machine now."),
    "no-photo": N_("The photo is removed."),
}


@router.get("")
def show_devices(request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """All machines in service: where, whether they are on, and whose calibration is over."""
    principal.require_manager("change devices")
    now = clock.now()
    today = in_zone(now, request.app.state.settings.time_zone).date()
    with database.read() as session:
        devices = list_devices(session)
        due = {device.id: [one.calibration_due for one in device.signals if one.calibration_due] for device in devices}
        return page(
            request,
            "catalogue.html",
            title=_("Machines and signals"),
            principal=principal,
            devices=devices,
            states=device_states(session, devices, now),
            next_due={device_id: min(dates) for device_id, dates in due.items() if dates},
            overdue={device_id: sum(date < today for date in dates) for device_id, dates in due.items()},
        )


@router.get("/{device_id}")
def show_device(
    request: Request, device_id: str, principal: PrincipalDep, database: DatabaseDep, done: str = ""
) -> Response:
    """One machine with its signals, to be changed."""
    return _page(request, principal, database, device_id, done=_(_DONE[done]) if done in _DONE else "")


@router.post("/{device_id}")
def submit_device(
    request: Request, device_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, typed: Typed
) -> Response:
    """Change what people read of the machine, its price and its minutes around a slot."""

    def change(session: Session) -> bool:
        return edit_device(session, principal, device_id, _device_facts(typed), now=clock.now())

    return _submit(request, principal, database, device_id, typed, change, at="machine")


@router.post("/{device_id}/signals/{name}")
def submit_signal(
    request: Request,
    device_id: str,
    name: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    typed: Typed,
) -> Response:
    """Change what is known of a signal: its name for people, what is plausible, its sensor and calibration."""

    def change(session: Session) -> bool:
        return edit_signal(session, principal, device_id, name, _signal_facts(typed), now=clock.now())

    return _submit(request, principal, database, device_id, typed, change, at=f"signal-{name}")


@router.post("/{device_id}/photo")
def submit_photo(
    request: Request,
    device_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    file: Annotated[UploadFile | None, File()] = None,
    alt_text: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Show the machine by a photo; without a file the words of the present one change."""
    principal.require_manager("change devices")
    content, words = file.file.read() if file is not None else b"", one_line(alt_text)[:_LONGEST_WORDS]
    try:
        photo = prepare_photo(content) if content else None
        database.transact(lambda session: keep_photo(session, principal, device_id, photo, words, now=clock.now()))
    except InvalidError as error:
        problem = sentence(error.message, request.app.state.settings.time_zone)
        return _page(request, principal, database, device_id, problem=problem, alt_text=words)
    except PhotoUnknownError:
        return _page(request, principal, database, device_id, problem=_("Please choose a file."), alt_text=words)
    return RedirectResponse(f"/manage/devices/{device_id}?done=photo#photo", 303)


@router.post("/{device_id}/photo/remove")
def submit_photo_removal(device_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """Show the drawing of its kind again."""
    principal.require_manager("change devices")
    try:
        database.transact(lambda session: remove_photo(session, principal, device_id, now=clock.now()))
    except PhotoUnknownError:
        return RedirectResponse(f"/manage/devices/{device_id}?done=same", 303)
    return RedirectResponse(f"/manage/devices/{device_id}?done=no-photo", 303)


def _submit(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    device_id: str,
    typed: Mapping[str, str],
    change: Callable[[Session], bool],
    *,
    at: str,
) -> Response:
    principal.require_manager("change devices")
    try:
        changed = database.transact(change)
    except ValidationError as error:
        problem = _("Please check “%(field)s”: this value is not possible.", field=wrong_field(error))
        return _page(request, principal, database, device_id, problem=problem, typed=typed, at=at)
    return RedirectResponse(f"/manage/devices/{device_id}?done={'changed' if changed else 'same'}", 303)


def _page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    device_id: str,
    *,
    done: str = "",
    problem: str = "",
    typed: Mapping[str, str] | None = None,
    at: str = "",
    alt_text: str | None = None,
) -> Response:
    principal.require_manager("change devices")
    with database.read() as session:
        device = get_device(session, device_id)
        return page(
            request,
            "catalogue-device.html",
            title=device.name,
            principal=principal,
            status=422 if problem else 200,
            here="/manage/devices",
            device=device,
            abilities=_abilities(device),
            fields=FIELDS,
            picture=pictures_of(session, [device])[device.id],
            alt_text=alt_text,
            most_megabytes=request.app.state.settings.largest_document_bytes // 1_000_000,
            done=done,
            problem=problem,
            typed=typed or {},
            at=at,
        )


def _device_facts(typed: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": one_line(typed.get("name", "")),
        "kind": one_line(typed.get("kind", "")),
        "location": one_line(typed.get("location", "")),
        "description": plain_words(typed.get("description", ""))[:5000],
        "capabilities": [
            _ability(line) for line in plain_words(typed.get("abilities", "")).split("\n") if line.strip()
        ],
        "price_eur_per_hour": _number(typed, "price_eur_per_hour"),
        "setup_minutes": _number(typed, "setup_minutes") or "0",
        "cleanup_minutes": _number(typed, "cleanup_minutes") or "0",
    }


def _signal_facts(typed: Mapping[str, str]) -> dict[str, Any]:
    low, high = _number(typed, "low"), _number(typed, "high")
    return {
        "label": one_line(typed.get("label", "")),
        "range": (low, high) if low or high else None,
        "expected_interval_ms": _number(typed, "expected_interval_ms") or None,
        "sensor": one_line(typed.get("sensor", "")) or None,
        "uncertainty": _number(typed, "uncertainty") or None,
        "calibration_due": one_line(typed.get("calibration_due", "")) or None,
    }


def _number(typed: Mapping[str, str], name: str) -> str:
    return one_line(typed.get(name, "")).replace(",", ".").replace(" ", "")


def _abilities(device: Device) -> str:
    """What it can do, one a line, as `_ability` reads it: `milling, axes 3, travel_x_mm 500`."""
    return "\n".join(
        ", ".join([str(one["name"]), *(f"{key} {fact}" for key, fact in one.items() if key != "name")])
        for one in device.capabilities
    )


def _ability(line: str) -> dict[str, Any]:
    name, *facts = (part.strip() for part in line.split(","))
    found: dict[str, Any] = {"name": name}
    for fact in filter(None, facts):
        key, _space, value = fact.partition(" ")
        found[key] = _plain(value.strip())
    return found


def _plain(value: str) -> str | int | float | bool:
    if value in {"True", "False"}:
        return value == "True"
    if re.fullmatch(r"-?\d{1,15}", value):
        return int(value)
    return float(value) if re.fullmatch(r"-?\d{1,15}\.\d{1,15}", value) else value
