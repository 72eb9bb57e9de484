"""When alarms are raised: the rules, making and changing one after a look at how often it would have rung."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from devices.models import Device
from devices.service import get_device, list_devices
from lab.core.errors import ConflictError, InvalidError, PilotLabError, StaleError, UnavailableError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import PageWish
from lab.core.time import to_nanoseconds
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.web.alarm_rule_forms import (
    FIELDS,
    KINDS,
    LABELS,
    REQUIRED,
    SAMPLED,
    USUAL_INTERVALS,
    fitting_signals,
    needs_signal,
    read_rule,
    rule_words,
    typed_of,
)
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.rule_pages import Typed
from lab.web.wording import ALARM_SEVERITIES, plain_words, sentence
from telemetry.alarms import service
from telemetry.alarms.definitions import Definition, Severity, check_definition, rule_of
from telemetry.alarms.models import AlarmRule
from telemetry.alarms.previewing import Preview, preview_rule
from telemetry.granting import GrantDep
from telemetry.grants import Grant
from telemetry.stores.interface import SampleStore

router = APIRouter(prefix="/manage/alarm-rules")

_MOST = 500
_SHOWN_EPISODES = 10
_DONE = {
    "made": N_("The rule is made. It is watched from now on."),
    "changed": N_("The rule is changed. It is watched from now on."),
    "ended": N_("The rule is switched off. Its past alarms stay."),
    "late": N_("Somebody was faster; this is how it stands now."),
}


_REFUSED = (ValidationError, InvalidError, ConflictError, UnavailableError)


@router.get("")
def show_rules(request: Request, principal: PrincipalDep, database: DatabaseDep, done: str = "") -> Response:
    """All rules by machine, in words."""
    with database.read() as session:
        rules = service.list_rules(session, principal, PageWish(_MOST)).rows
        devices = list_devices(session)
        by_id = {device.id: device for device in devices}
        return page(
            request,
            "alarm-rules.html",
            title=_("Alarm rules"),
            principal=principal,
            devices=devices,
            kinds=KINDS,
            rules=[(rule, rule_words(rule, by_id.get(rule.device_id)), _pilot_of(rule)) for rule in rules],
            device_names={device.id: device.name for device in devices},
            done=_(_DONE[done]) if done in _DONE else "",
        )


@router.get("/new")
def show_new_rule(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    device: Annotated[str, Query(max_length=40)] = "",
    kind: Annotated[str, Query(max_length=20)] = "limit",
) -> Response:
    """The fields of a new rule of this kind for this machine."""
    principal.require_staff("make rules for alarms")
    with database.read() as session:
        found = get_device(session, device)
        return _form(request, principal, found, kind if kind in KINDS else "limit")


@router.post("/new")
def submit_new_rule(
    request: Request,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    typed: Typed,
) -> Response:
    """Look at what a new rule would have done, or make it."""
    principal.require_staff("make rules for alarms")
    device_id, kind = typed.get("device", "")[:40], typed.get("kind", "")
    signal = typed.get("signal", "")[:100] or None
    if kind not in KINDS:
        return show_new_rule(request, principal, database, device_id)
    problem, seen = "", None
    try:
        definition, severity = read_rule(kind, typed), _severity(typed.get("severity", ""))
        if not typed.get("look"):
            database.transact(
                lambda session: service.create_rule(
                    session,
                    principal,
                    device_id=device_id,
                    signal=signal,
                    severity=severity,
                    definition=definition,
                    now=clock.now(),
                )
            )
            return RedirectResponse("/manage/alarm-rules?done=made", 303)
        seen = _preview(request, database, grant, device_id, kind, signal, definition, clock.now())
    except _REFUSED as error:
        problem = _problem(error, settings.time_zone)
    with database.read() as session:
        device = get_device(session, device_id)
        return _form(request, principal, device, kind, typed=typed, seen=seen, problem=problem)


@router.get("/{rule_id}")
def show_rule(request: Request, rule_id: str, principal: PrincipalDep, database: DatabaseDep) -> Response:
    """One rule, to change it or switch it off."""
    with database.read() as session:
        rule = service.get_rule(session, principal, rule_id)
        device = get_device(session, rule.device_id)
        return _form(request, principal, device, rule.kind, rule=rule, typed=typed_of(rule))


@router.post("/{rule_id}")
def submit_change(
    request: Request,
    rule_id: str,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    typed: Typed,
) -> Response:
    """Look at what the changed rule would have done, or change it."""
    with database.read() as session:
        rule = service.get_rule(session, principal, rule_id)
        device_id, kind, signal = rule.device_id, rule.kind, rule.signal
    version = typed.get("version", "")
    problem, seen = "", None
    try:
        definition, severity = read_rule(kind, typed), _severity(typed.get("severity", ""))
        if not typed.get("look"):
            database.transact(
                lambda session: service.change_rule(
                    session,
                    principal,
                    rule_id,
                    severity=severity,
                    definition=definition,
                    version=int(version) if version.isdecimal() and len(version) < 10 else None,
                    reason=None,
                    now=clock.now(),
                )
            )
            return RedirectResponse("/manage/alarm-rules?done=changed", 303)
        seen = _preview(request, database, grant, device_id, kind, signal, definition, clock.now())
    except StaleError:
        return RedirectResponse("/manage/alarm-rules?done=late", 303)
    except _REFUSED as error:
        problem = _problem(error, settings.time_zone)
    with database.read() as session:
        rule = service.get_rule(session, principal, rule_id)
        device = get_device(session, device_id)
        return _form(request, principal, device, kind, rule=rule, typed=typed, seen=seen, problem=problem)


@router.post("/{rule_id}/end")
def submit_end(
    rule_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Watch no longer by this rule."""
    said = plain_words(reason) or None
    try:
        database.transact(
            lambda session: service.end_rule(session, principal, rule_id, version=None, reason=said, now=clock.now())
        )
    except (ConflictError, StaleError):
        return RedirectResponse("/manage/alarm-rules?done=late", 303)
    return RedirectResponse("/manage/alarm-rules?done=ended", 303)


def _preview(
    request: Request,
    database: DatabaseDep,
    grant: Grant,
    device_id: str,
    kind: str,
    signal: str | None,
    definition: Definition,
    now: datetime,
) -> Preview | None:
    """Over what was recorded; None: rules of this kind look at bookings as well."""
    store: SampleStore | None = request.app.state.store
    with database.read() as session:
        known = service.signal_kind(get_device(session, device_id), signal)
        check_definition(definition, known)
        if kind not in SAMPLED or store is None:
            return None
        followed = rule_of(service.rule_in_mind(device_id, signal, definition), known)
        return preview_rule(store, session, grant, device_id, signal, followed, kind=known, end_ns=to_nanoseconds(now))


def _problem(error: ValidationError | PilotLabError, zone: str) -> str:
    return _wrong(error) if isinstance(error, ValidationError) else sentence(error.message, zone)


def _form(
    request: Request,
    principal: Principal,
    device: Device,
    kind: str,
    *,
    rule: AlarmRule | None = None,
    typed: dict[str, str] | None = None,
    seen: Preview | None = None,
    problem: str = "",
) -> Response:
    title = _("Change the rule") if rule is not None else _("New rule: %(what)s", what=_(KINDS[kind]))
    return page(
        request,
        "alarm-rule.html",
        title=title,
        principal=principal,
        status=422 if problem else 200,
        here="/manage/alarm-rules",
        device=device,
        kind=kind,
        rule=rule,
        fixed=rule is not None and (rule.ended_at is not None or bool(_pilot_of(rule))),
        words=rule_words(rule, device) if rule is not None else "",
        signals=fitting_signals(device, kind),
        needs_signal=needs_signal(kind),
        fields=FIELDS[kind],
        usual_intervals=USUAL_INTERVALS,
        labels=LABELS,
        required=REQUIRED,
        severities=ALARM_SEVERITIES,
        typed=typed or {"severity": "warning"},
        looked=bool(typed and typed.get("look")) and not problem,
        seen=seen,
        episodes=seen.episodes[-_SHOWN_EPISODES:][::-1] if seen is not None else (),
        problem=problem,
    )


def _severity(typed: str) -> Severity:
    return "critical" if typed == "critical" else "info" if typed == "info" else "warning"


def _pilot_of(rule: AlarmRule) -> str:
    """The pilot whose stop criterion it is; empty: none's."""
    return rule.source.removeprefix(service.PLAN_SOURCE) if rule.source.startswith(service.PLAN_SOURCE) else ""


def _wrong(error: ValidationError) -> str:
    """Which field cannot be so."""
    named = [str(part) for part in error.errors()[0]["loc"] if str(part) in LABELS]
    if not named:
        return _("Please give a lower limit, an upper limit, or both with room between them.")
    return _("Please check “%(field)s”: this value is not possible.", field=_(LABELS[named[0]]))
