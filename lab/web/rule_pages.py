"""Rules of booking: what is set for the lab and each machine, with a look at what a change would do."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from bookings.endpoints import RulesDep
from bookings.rulebook import repository, setting
from bookings.rulebook.schemas import RuleSettings
from bookings.rulebook.setting import Effect
from bookings.rulebook.targets import LAB, Scope, Target
from bookings.rules import Rules
from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.web.booking_pages import names
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import sentence

router = APIRouter(prefix="/manage/rules")

NUMBERS = {
    "lead_minutes": N_("Booked at least so many minutes ahead"),
    "horizon_days": N_("Open for bookings so many days ahead"),
    "shortest_minutes": N_("Shortest booking in minutes"),
    "longest_minutes": N_("Longest booking in minutes"),
    "granularity_minutes": N_("Start and end at full so many minutes"),
    "week_quota_minutes": N_("Most minutes of one company in a week"),
    "most_open": N_("Most bookings of one company ahead"),
    "cancel_deadline_minutes": N_("Cancelled at least so many minutes before the start"),
    "check_in_minutes": N_("Nobody came, so many minutes after the start"),
}
SWITCHES = {
    "approval": N_("The lab approves each booking of a company"),
    "supervision": N_("Used with an engineer only"),
}
_DONE = {
    "set": N_("The rules are set. What is booked stays booked."),
    "removed": N_("Nothing is set here any more; the wider rules hold."),
    "late": N_("Somebody was faster; this is how it stands now."),
}


async def _typed(request: Request) -> dict[str, str]:
    """The form as it was typed."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Typed = Annotated[dict[str, str], Depends(_typed)]


@router.get("")
def show_rules(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    rules: RulesDep,
    device: Annotated[str, Query(max_length=40)] = "",
    done: str = "",
) -> Response:
    """What is set for the lab, or for one machine."""
    return _page(request, principal, database, rules, device, done=done)


@router.post("")
def submit_rules(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    typed: Typed,
) -> Response:
    """Look at what the new rules would do, or set them; what has no field on the page stays as it is set."""
    principal.require_manager("set rules")
    device = typed.get("device", "")[:40]
    target = _target(device)
    version = int(typed["version"]) if typed.get("version", "").isdigit() and len(typed["version"]) < 10 else None
    try:
        with database.read() as session:
            kept = next((e.settings for e in repository.rule_entries(session) if _is(e, target)), {})
        wish = RuleSettings.model_validate({**_others(kept), **_given(typed)})
        if typed.get("look"):
            with database.read() as session:
                effect = setting.preview_rules(session, principal, target, wish, now=clock.now(), defaults=rules)
            return _page(request, principal, database, rules, device, typed=typed, effect=effect)
        database.transact(
            lambda session: setting.set_rules(
                session, principal, target, wish, version=version, now=clock.now(), defaults=rules
            )
        )
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0]) if error.errors()[0]["loc"] else ""
        named = _({**NUMBERS, **SWITCHES}.get(field, field))
        problem = _("Please check “%(field)s”: this value is not possible.", field=named)
    except (StaleError, ConflictError):
        return RedirectResponse(f"/manage/rules?device={device}&done=late", 303)
    except InvalidError as error:
        problem = sentence(error.message, settings.time_zone)
    else:
        return RedirectResponse(f"/manage/rules?device={device}&done=set", 303)
    return _page(request, principal, database, rules, device, typed=typed, problem=problem)


def _target(device: str) -> Target:
    return Target(Scope.DEVICE, device) if device else LAB


def _is(entry: Any, target: Target) -> bool:
    return bool(entry.scope == target.scope.value and entry.name == target.name)


def _others(kept: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kept.items() if name not in NUMBERS and name not in SWITCHES}


def _given(typed: dict[str, str]) -> dict[str, Any]:
    """What the fields say; an empty one sets nothing."""
    given: dict[str, Any] = {name: typed[name].strip() for name in NUMBERS if typed.get(name, "").strip()}
    return given | {name: typed[name] == "yes" for name in SWITCHES if typed.get(name) in {"yes", "no"}}


def _page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    rules: Rules,
    device: str,
    *,
    done: str = "",
    typed: dict[str, str] | None = None,
    effect: Effect | None = None,
    problem: str = "",
) -> Response:
    principal.require_staff("read all rules")
    target = _target(device)
    with database.read() as session:
        entries = repository.rule_entries(session)
        present = next((entry for entry in entries if _is(entry, target)), None)
        shown = {name: _text(value) for name, value in (present.settings if present else {}).items()}
        devices = list_devices(session)
        return page(
            request,
            "rules.html",
            title=_("Rules"),
            principal=principal,
            status=422 if problem else 200,
            here=f"/manage/rules?device={device}" if device.isalnum() else "/manage/rules",
            device=device,
            devices=devices,
            entries=entries,
            present=present,
            typed=typed if typed is not None else shown,
            numbers=NUMBERS,
            switches=SWITCHES,
            effect=effect,
            problem=problem,
            done=_(_DONE[done]) if done in _DONE else "",
            **names(session, principal),
        )


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
