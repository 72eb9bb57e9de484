"""Rules of booking: what is set for the lab and each machine, with a look at what a change would do."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from bookings.endpoints import RulesDep
from bookings.opening import WEEKDAYS
from bookings.rulebook import repository, setting
from bookings.rulebook.schemas import RuleSettings
from bookings.rulebook.service import load_rulebook
from bookings.rulebook.setting import Effect
from bookings.rulebook.targets import LAB, Scope, Target
from bookings.rules import Rules
from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.web.booking_pages import names
from lab.web.inherited_rules import inherited_rules
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.rule_forms import (
    LABELS,
    NUMBERS,
    OTHERS,
    SWITCHES,
    UnreadableRuleError,
    rule_in_words,
    rules_as_typed,
    typed_rules,
)
from lab.web.training_names import known_trainings
from lab.web.wording import sentence, weekday

router = APIRouter(prefix="/manage/rules")

_DONE = {
    "set": N_("The rules are set. What is booked stays booked."),
    "removed": N_("Nothing is set here any more; the wider rules hold."),
    "late": N_("Somebody was faster; this is how it stands now."),
}


async def _typed(request: Request) -> dict[str, str]:
    """The form as it was typed."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


_IMPOSSIBLE = N_("Please check “%(field)s”: this value is not possible.")
_FOLDED = ("hours_", "needs_", "holidays", "closed_days", "special_days", "qualifications")
"""How the names of the fields begin that are shown on demand."""
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
    """Look at what the new rules would do, or set them."""
    principal.require_manager("set rules")
    device = typed.get("device", "")[:40]
    target = _target(device)
    version = int(typed["version"]) if typed.get("version", "").isdigit() and len(typed["version"]) < 10 else None
    try:
        with database.read() as session:
            kept = next((e.settings for e in repository.rule_entries(session) if _is(e, target)), {})
        wish = RuleSettings.model_validate(typed_rules(typed, kept))
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
        problem = _(_IMPOSSIBLE, field=_(LABELS.get(field, field)))
    except UnreadableRuleError as error:
        problem = _(_IMPOSSIBLE, field=error.label)
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
        shown = rules_as_typed(present.settings if present else {})
        devices = list_devices(session)
        called = {one.id: one.name for one in devices}
        machine = next((one for one in devices if one.id == device), None)
        filled = typed if typed is not None else shown
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
            typed=filled,
            inherited=inherited_rules(load_rulebook(session, rules), target, machine, called),
            opened=any(filled.get(name) for name in filled if name.startswith(_FOLDED)),
            numbers=NUMBERS,
            switches=SWITCHES,
            labels=OTHERS,
            training_names=known_trainings(session, principal),
            weekdays={day: weekday(day) for day in WEEKDAYS},
            set_here={
                (entry.scope, entry.name): [
                    rule_in_words(name, value, called) for name, value in entry.settings.items()
                ]
                for entry in entries
            },
            effect=effect,
            problem=problem,
            done=_(_DONE[done]) if done in _DONE else "",
            **names(session, principal),
        )
