"""Machines: what the lab has, searched by what it can do, with the next free slot of each."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from bookings.endpoints import PilotsDep, RulesDep
from bookings.prices.service import prices_in_force
from bookings.search.requirements import plain_name
from bookings.search.service import find_slots, list_capabilities
from bookings.search.wishes import SlotWish
from bookings.service import require_may_book
from devices.models import Device
from devices.service import get_device, list_devices
from lab.core.errors import ConflictError, InvalidError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Role
from lab.web.device_states import device_states
from lab.web.languages import gettext as _
from lab.web.machine_pictures import pictures_of
from lab.web.rendering import page
from lab.web.wording import capability_name, named_value, sentence

router = APIRouter()

USUAL_SLOT = timedelta(hours=1)
"""For which the next free time is looked for."""
Words = Annotated[str, Query(max_length=200)]


@router.get("/machines")
def show_machines(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    words: Words = "",
    can: Words = "",
) -> Response:
    """All machines in service, or those of which all the words are said: what it is, where, what it can do and how."""
    with database.read() as session:
        devices = list_devices(session)
        states = device_states(session, devices, clock.now())
        prices = prices_in_force(session, principal, devices, now=clock.now())
        pictures = pictures_of(session, devices)
        capabilities = [(found.name, capability_name(found.name)) for found in list_capabilities(session)]
    return page(
        request,
        "machines.html",
        title=_("Machines"),
        principal=principal,
        devices=[device for device in devices if _matches(device, words, can)],
        all_devices=len(devices),
        states=states,
        prices=prices,
        pictures=pictures,
        capabilities=sorted(capabilities, key=lambda one: one[1]),
        words=words,
        can=can,
        may_book=principal.is_staff or principal.role is Role.MEMBER,
    )


@router.get("/machines/{device_id}/next-free")
def show_next_free(
    request: Request,
    device_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    pilots: PilotsDep,
) -> Response:
    """A line of a machine's card: from when on it can be had for an hour, and what that costs."""
    require_may_book(principal)
    slot, problem = None, ""
    with database.read() as session:
        device = get_device(session, device_id)
        wish = SlotWish(size=USUAL_SLOT, device_ids=(device_id,), count=1)
        try:
            found = find_slots(session, principal, wish, now=clock.now(), rules=rules, company_of_pilot=pilots)
            slot = found.slots[0] if found.slots else None
        except (InvalidError, ConflictError) as error:
            problem = sentence(error.message, settings.time_zone)
        return page(
            request, "next-free.html", title=device.name, principal=principal, device=device, slot=slot, problem=problem
        )


def _matches(device: Device, words: str, can: str) -> bool:
    names = _names_of(device.capabilities)
    if can and can not in names:
        return False
    said = f"{device.name} {device.description} {device.kind} {device.location} {' '.join(names)}"
    said += " " + " ".join(capability_name(name) for name in names)
    facts = [fact for capability in device.capabilities for fact in capability.items() if fact[0] != "name"]
    said += " " + " ".join(named_value(name, value) for name, value in facts)
    return all(word in said.casefold() for word in words.casefold().split())


def _names_of(capabilities: Sequence[Mapping[str, Any]]) -> list[str]:
    return [plain_name(str(capability.get("name", ""))) for capability in capabilities]
