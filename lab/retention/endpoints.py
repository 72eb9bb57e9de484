"""Retention over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from devices.messages.times import format_time
from lab.core.etags import IfMatch, entity_tag, version_of
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.retention import repository, schemas, service
from lab.retention.repository import LAB
from lab.retention.rules import Span
from telemetry.endpoints import StoreDep
from telemetry.grants import BEGINNING_NS, END_NS

router = APIRouter(prefix="/api/v1", tags=["retention"])

Reason = Annotated[str | None, Query(max_length=1000, description="In your own words, for the log.")]


@router.get("/retention", summary="Staff: for how long samples are kept")
def get_retention(principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep) -> schemas.RetentionAnswer:
    """What managers have set, and what holds where they have set nothing."""
    principal.require_staff("read how long samples are kept")
    with database.read() as session:
        rules = [schemas.RetentionRuleAnswer.of(rule, pilot) for rule, pilot in repository.all_rules(session)]
    return schemas.RetentionAnswer(default_days=settings.retention_days, rules=rules)


@router.get("/retention/preview", summary="Staff: what would be deleted now")
def preview_retention(
    principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep, store: StoreDep, clock: ClockDep
) -> schemas.RetentionPreview:
    """A dry run: nothing is deleted."""
    principal.require_staff("see what would be deleted")
    now = clock.now()
    with database.read() as session:
        plans = service.plan_retention(session, default_days=settings.retention_days, now=now)
        ended = [schemas.DataSetTermAnswer.of(*found) for found in repository.ended_terms(session, now)]
    devices = [
        schemas.DevicePreview(
            device=plan.device_id,
            samples=store.count(plan.device_id, plan.gone, doubtful_before_ns=plan.doubtful_before_ns)
            if plan.gone
            else 0,
            spans=[_span(span) for span in plan.gone],
            needed=[_span(span) for span in plan.needed],
        )
        for plan in plans
    ]
    return schemas.RetentionPreview(at=now, devices=devices, data_sets=ended)


@router.get("/retention/lab", summary="Staff: what is set for the lab")
def get_lab_rule(principal: PrincipalDep, database: DatabaseDep, response: Response) -> schemas.RetentionRuleAnswer:
    """404 where nothing is set: then the installation's settings hold."""
    return _get(LAB, principal, database, response)


@router.put("/retention/lab", summary="Managers: set for how long samples are kept")
def set_lab_rule(
    setting: schemas.RetentionSetting,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.RetentionRuleAnswer:
    """Older ones are deleted once a day; look at the preview before. Pilots with a rule of their own keep theirs."""
    return _set(LAB, setting, principal, database, clock, response, if_match)


@router.delete("/retention/lab", status_code=204, summary="Managers: set nothing for the lab any more")
def remove_lab_rule(
    principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, reason: Reason = None, if_match: IfMatch = None
) -> Response:
    """The installation's settings hold again."""
    return _remove(LAB, principal, database, clock, reason, if_match)


@router.get("/retention/pilots/{pilot_id}", summary="Staff: what is set for a pilot")
def get_pilot_rule(
    pilot_id: str, principal: PrincipalDep, database: DatabaseDep, response: Response
) -> schemas.RetentionRuleAnswer:
    """404 where nothing is set: then the lab's rule holds."""
    return _get(pilot_id, principal, database, response)


@router.put("/retention/pilots/{pilot_id}", summary="Managers: set for how long a pilot's samples are kept")
def set_pilot_rule(
    pilot_id: str,
    setting: schemas.RetentionSetting,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.RetentionRuleAnswer:
    """Longer or shorter than the lab's: for the time that the pilot's bookings have or had on machines."""
    return _set(pilot_id, setting, principal, database, clock, response, if_match)


@router.delete("/retention/pilots/{pilot_id}", status_code=204, summary="Managers: set nothing for a pilot any more")
def remove_pilot_rule(
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    reason: Reason = None,
    if_match: IfMatch = None,
) -> Response:
    """The lab's rule holds again."""
    return _remove(pilot_id, principal, database, clock, reason, if_match)


@router.get("/data-sets", summary="Staff: sealed data sets, and until when they are kept")
def list_data_sets(
    principal: PrincipalDep, database: DatabaseDep, pilot_id: str | None = None
) -> list[schemas.DataSetTermAnswer]:
    """The newest first."""
    principal.require_staff("list sealed data sets")
    with database.read() as session:
        found = repository.data_sets_with_terms(session, pilot_id)
        return [schemas.DataSetTermAnswer.of(data_set, term) for data_set, term in found]


@router.get("/data-sets/{data_set_id}/term", summary="Until when a sealed data set is kept")
def get_term(data_set_id: str, principal: PrincipalDep, database: DatabaseDep) -> schemas.DataSetTermAnswer:
    """For its own company and the staff."""
    with database.read() as session:
        return schemas.DataSetTermAnswer.of(*service.find_term(session, principal, data_set_id))


@router.put("/data-sets/{data_set_id}/term", summary="Staff: set until when a sealed data set is kept")
def set_term(
    data_set_id: str,
    setting: schemas.TermSetting,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> schemas.DataSetTermAnswer:
    """Never shorter than before, unless a manager says why.

    After its time its files are deleted, with the data package of its report; the report itself stays.
    """
    return database.transact(
        lambda session: schemas.DataSetTermAnswer.of(
            *service.set_term(
                session,
                principal,
                data_set_id,
                keep_until=setting.keep_until,
                reason=setting.reason,
                now=clock.now(),
            )
        )
    )


def _get(scope: str, principal: PrincipalDep, database: DatabaseDep, response: Response) -> schemas.RetentionRuleAnswer:
    with database.read() as session:
        found = schemas.RetentionRuleAnswer.of(service.find_rule(session, principal, scope))
    response.headers["ETag"] = entity_tag(found.version)
    return found


def _set(
    scope: str,
    setting: schemas.RetentionSetting,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    response: Response,
    if_match: str | None,
) -> schemas.RetentionRuleAnswer:
    version = version_of(if_match)
    found = database.transact(
        lambda session: schemas.RetentionRuleAnswer.of(
            service.set_rule(
                session,
                principal,
                scope,
                days=setting.days,
                reason=setting.reason,
                version=version,
                now=clock.now(),
            )
        )
    )
    response.headers["ETag"] = entity_tag(found.version)
    return found


def _remove(
    scope: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    reason: str | None,
    if_match: str | None,
) -> Response:
    version = version_of(if_match)
    database.transact(
        lambda session: service.remove_rule(session, principal, scope, reason=reason, version=version, now=clock.now())
    )
    return Response(status_code=204)


def _span(span: Span) -> schemas.SpanAnswer:
    start, end = span
    return schemas.SpanAnswer(
        start=None if start == BEGINNING_NS else format_time(start), end=None if end == END_NS else format_time(end)
    )
