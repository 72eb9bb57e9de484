"""The rules over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from bookings.endpoints import RulesDep
from bookings.ground import require_bookable
from bookings.repository import find_devices
from bookings.rulebook import repository, setting
from bookings.rulebook.answers import EffectAnswer, EffectiveRules, RuleAnswer, RuleChangeAnswer, RulesAnswer
from bookings.rulebook.schemas import RuleSettings
from bookings.rulebook.service import load_rulebook
from bookings.rulebook.setting import ANY_VERSION
from bookings.rulebook.targets import LAB, Scope, Target
from bookings.rules import Rules, require_device_ids
from bookings.service import require_may_book
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.etags import IfMatch, entity_tag, version_of
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal

router = APIRouter(prefix="/api/v1", tags=["rules"])

Kind = Annotated[str, Path(description="a device class: the `kind` of devices", min_length=1, max_length=60)]
DeviceName = Annotated[str, Path(description="id of a device", min_length=1, max_length=40)]
DryRun = Annotated[
    bool, Query(description="change nothing; tell which upcoming bookings would not be allowed any more")
]
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": RuleChangeAnswer, "description": "Nothing was set there before"}
}


@router.get("/rules", summary="The rules: what managers have set, and what holds for devices")
def get_rules(
    principal: PrincipalDep,
    database: DatabaseDep,
    rules: RulesDep,
    device_ids: Annotated[
        list[str] | None,
        Query(alias="device_id", description="tell what holds for it in one booking; repeat it for several devices"),
    ] = None,
) -> RulesAnswer:
    """What managers have set is for the staff; what holds for devices is for everybody who books them."""
    require_may_book(principal)
    if not device_ids:
        principal.require_staff("read all rules; name devices (device_id) to see what holds for them")
    with database.read() as session:
        effective = None
        if device_ids:
            wanted = require_device_ids(device_ids)
            devices = require_bookable(find_devices(session, wanted), wanted)
            effective = EffectiveRules.of(load_rulebook(session, rules), devices)
        entries = None
        if principal.is_staff:
            entries = [RuleAnswer.of(entry) for entry in repository.rule_entries(session)]
    return RulesAnswer(entries=entries, effective=effective)


@router.get("/rules/lab", summary="Staff: what is set for the whole lab")
def get_lab_rules(principal: PrincipalDep, database: DatabaseDep, response: Response) -> RuleAnswer:
    """404 where nothing is set: then the installation's settings hold."""
    return _read(LAB, principal, database, response)


@router.put("/rules/lab", responses=_CREATED, summary="Managers: set what holds for the whole lab")
def set_lab_rules(
    settings: RuleSettings,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    response: Response,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> RuleChangeAnswer:
    """Instead of all that was set there; `If-Match` is needed where something is. Bookings that are there stay."""
    return _set(LAB, settings, principal, database, clock, rules, response, dry_run=dry_run, if_match=if_match)


@router.delete("/rules/lab", summary="Managers: set nothing for the whole lab any more")
def remove_lab_rules(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> RuleChangeAnswer:
    """The installation's settings hold again; `If-Match` is needed."""
    return _remove(LAB, principal, database, clock, rules, dry_run=dry_run, if_match=if_match)


@router.get("/rules/class/{kind}", summary="Staff: what is set for a device class")
def get_class_rules(kind: Kind, principal: PrincipalDep, database: DatabaseDep, response: Response) -> RuleAnswer:
    """404 where nothing is set: then the lab's rules hold."""
    return _read(Target(Scope.CLASS, kind), principal, database, response)


@router.put("/rules/class/{kind}", responses=_CREATED, summary="Managers: set what holds for a device class")
def set_class_rules(
    kind: Kind,
    settings: RuleSettings,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    response: Response,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> RuleChangeAnswer:
    """Field by field narrower than the lab's; quotas add up. `If-Match` is needed where something is set."""
    target = Target(Scope.CLASS, kind)
    return _set(target, settings, principal, database, clock, rules, response, dry_run=dry_run, if_match=if_match)


@router.delete("/rules/class/{kind}", summary="Managers: set nothing for a device class any more")
def remove_class_rules(
    kind: Kind,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> RuleChangeAnswer:
    """The lab's rules hold again; `If-Match` is needed."""
    target = Target(Scope.CLASS, kind)
    return _remove(target, principal, database, clock, rules, dry_run=dry_run, if_match=if_match)


@router.get("/rules/device/{device_id}", summary="Staff: what is set for a device")
def get_device_rules(
    device_id: DeviceName, principal: PrincipalDep, database: DatabaseDep, response: Response
) -> RuleAnswer:
    """404 where nothing is set: then the rules of its class hold."""
    return _read(Target(Scope.DEVICE, device_id), principal, database, response)


@router.put("/rules/device/{device_id}", responses=_CREATED, summary="Managers: set what holds for a device")
def set_device_rules(
    device_id: DeviceName,
    settings: RuleSettings,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    response: Response,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> RuleChangeAnswer:
    """Field by field narrower than those of its class; quotas add up. `If-Match` is needed where something is set."""
    target = Target(Scope.DEVICE, device_id)
    return _set(target, settings, principal, database, clock, rules, response, dry_run=dry_run, if_match=if_match)


@router.delete("/rules/device/{device_id}", summary="Managers: set nothing for a device any more")
def remove_device_rules(
    device_id: DeviceName,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> RuleChangeAnswer:
    """The rules of its class hold again; `If-Match` is needed."""
    target = Target(Scope.DEVICE, device_id)
    return _remove(target, principal, database, clock, rules, dry_run=dry_run, if_match=if_match)


def _read(target: Target, principal: Principal, database: Database, response: Response) -> RuleAnswer:
    principal.require_staff("read what is set; ask for /api/v1/rules?device_id=… to see what holds for devices")
    with database.read() as session:
        entry = repository.find_entry(session, target)
    if entry is None:
        raise setting.unknown_entry(target)
    response.headers["ETag"] = entity_tag(entry.version)
    return RuleAnswer.of(entry)


def _set(
    target: Target,
    settings: RuleSettings,
    principal: Principal,
    database: Database,
    clock: Clock,
    rules: Rules,
    response: Response,
    *,
    dry_run: bool,
    if_match: str | None,
) -> RuleChangeAnswer:
    if dry_run:
        return _preview(target, settings, principal, database, clock, rules)
    version = _decided_on(if_match)
    entry = database.transact(
        lambda session: setting.set_rules(
            session, principal, target, settings, version=version, now=clock.now(), defaults=rules
        )
    )
    response.status_code = 200 if version is not None else 201
    response.headers["ETag"] = entity_tag(entry.version)
    return RuleChangeAnswer(entry=RuleAnswer.of(entry), effect=None)


def _remove(
    target: Target,
    principal: Principal,
    database: Database,
    clock: Clock,
    rules: Rules,
    *,
    dry_run: bool,
    if_match: str | None,
) -> RuleChangeAnswer:
    if dry_run:
        return _preview(target, None, principal, database, clock, rules)
    version = _decided_on(if_match)
    database.transact(
        lambda session: setting.remove_rules(
            session, principal, target, version=version, now=clock.now(), defaults=rules
        )
    )
    return RuleChangeAnswer(entry=None, effect=None)


def _preview(
    target: Target,
    settings: RuleSettings | None,
    principal: Principal,
    database: Database,
    clock: Clock,
    rules: Rules,
) -> RuleChangeAnswer:
    with database.read() as session:
        effect = setting.preview_rules(session, principal, target, settings, now=clock.now(), defaults=rules)
    return RuleChangeAnswer(entry=None, effect=EffectAnswer.of(effect))


def _decided_on(if_match: str | None) -> int | None:
    """The version that a change was decided on; None: nothing is said, which is right only where nothing is set."""
    if if_match is None:
        return None
    version = version_of(if_match)
    return ANY_VERSION if version is None else version
