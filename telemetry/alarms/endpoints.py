"""Alarms over HTTP. The staff sees all, a company those that were raised in its own time (I4)."""

from typing import Annotated, cast

from fastapi import APIRouter, Query, Request, Response

from devices.messages.times import format_time
from lab.core.etags import IfMatch, entity_tag, version_of
from lab.core.http import ClockDep, DatabaseDep, PageDep, say_next
from lab.core.time import from_nanoseconds
from lab.people.endpoints import PrincipalDep
from telemetry.alarms import service
from telemetry.alarms.schemas import (
    AlarmAnswer,
    AlarmHistory,
    AlarmList,
    AlarmNoteAnswer,
    AlarmRuleAnswer,
    AlarmRuleChange,
    AlarmRuleList,
    AlarmRuleRequest,
    ReasonRequest,
    WordsRequest,
)
from telemetry.granting import GrantDep

router = APIRouter(prefix="/api/v1", tags=["alarms"])


@router.get("/alarms", summary="Alarms, the newest first")
def list_alarms(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    page: PageDep,
    device: Annotated[str | None, Query(max_length=40, description="only of this device")] = None,
    only_open: Annotated[bool, Query(alias="open", description="only those that have not cleared")] = False,
) -> AlarmList:
    """The staff sees all, with those first that could not be written down yet; a company those of its own time."""
    with database.read() as session:
        found = service.list_alarms(session, principal, grant, page, device_id=device, only_open=only_open)
        answers = [AlarmAnswer.of(alarm, staff=principal.is_staff) for alarm in found.rows]
    unwritten = cast("service.Unwritten | None", getattr(request.app.state, "unwritten_alarms", None))
    if principal.is_staff and page.cursor is None and unwritten is not None and device is None:
        answers[:0] = [_unwritten_answer(*one) for one in unwritten()]
    return AlarmList(alarms=answers, next=say_next(request, response, found))


@router.get("/alarms/{alarm_id}", summary="One alarm with its history")
def get_alarm(alarm_id: str, principal: PrincipalDep, grant: GrantDep, database: DatabaseDep) -> AlarmHistory:
    """For the staff, and for the company in whose time it was raised."""
    with database.read() as session:
        alarm = service.get_alarm(session, principal, grant, alarm_id)
        notes = service.history_of(session, principal, alarm)
    staff = principal.is_staff
    return AlarmHistory(
        **AlarmAnswer.of(alarm, staff=staff).model_dump(),
        notes=[AlarmNoteAnswer.of(note, staff=staff) for note in notes],
    )


@router.post("/alarms/{alarm_id}/acknowledge", summary="Say that somebody takes care")
def acknowledge_alarm(
    alarm_id: str, words: ReasonRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> AlarmAnswer:
    """For the staff."""
    return database.transact(
        lambda session: AlarmAnswer.of(
            service.acknowledge_alarm(session, principal, alarm_id, text=words.text, now=clock.now()), staff=True
        )
    )


@router.post("/alarms/{alarm_id}/comment", summary="Say something about an alarm")
def comment_alarm(
    alarm_id: str,
    words: WordsRequest,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> AlarmAnswer:
    """For everybody who sees it."""
    return database.transact(
        lambda session: AlarmAnswer.of(
            service.comment_alarm(session, principal, grant, alarm_id, text=words.text, now=clock.now()),
            staff=principal.is_staff,
        )
    )


@router.post("/alarms/{alarm_id}/clear", summary="Say that it is over")
def clear_alarm(
    alarm_id: str, words: ReasonRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> AlarmAnswer:
    """For the staff. It is raised again when the cause comes again."""
    return database.transact(
        lambda session: AlarmAnswer.of(
            service.clear_by_hand(session, principal, alarm_id, text=words.text, now=clock.now()), staff=True
        )
    )


@router.get("/alarm-rules", summary="When alarms are raised")
def list_rules(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    page: PageDep,
    device: Annotated[str | None, Query(max_length=40, description="only of this device")] = None,
    ended: Annotated[bool, Query(description="also those that have ended")] = False,
) -> AlarmRuleList:
    """For the staff."""
    with database.read() as session:
        found = service.list_rules(session, principal, page, device_id=device, ended=ended)
        rules = [AlarmRuleAnswer.of(rule) for rule in found.rows]
    return AlarmRuleList(rules=rules, next=say_next(request, response, found))


@router.post("/alarm-rules", status_code=201, summary="Watch something from now on")
def create_rule(
    wanted: AlarmRuleRequest, response: Response, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> AlarmRuleAnswer:
    """For the staff."""
    answer = database.transact(
        lambda session: AlarmRuleAnswer.of(
            service.create_rule(
                session,
                principal,
                device_id=wanted.device,
                signal=wanted.signal,
                severity=wanted.severity,
                definition=wanted.definition,
                now=clock.now(),
            )
        )
    )
    response.headers["Location"] = f"/api/v1/alarm-rules/{answer.id}"
    response.headers["ETag"] = entity_tag(answer.version)
    return answer


@router.patch("/alarm-rules/{rule_id}", summary="Watch by another definition")
def change_rule(
    rule_id: str,
    change: AlarmRuleChange,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> AlarmRuleAnswer:
    """For the staff; an open alarm of the rule clears. Stop criteria of a plan do not change."""
    answer = database.transact(
        lambda session: AlarmRuleAnswer.of(
            service.change_rule(
                session,
                principal,
                rule_id,
                severity=change.severity,
                definition=change.definition,
                version=version_of(if_match),
                reason=change.reason,
                now=clock.now(),
            )
        )
    )
    response.headers["ETag"] = entity_tag(answer.version)
    return answer


@router.post("/alarm-rules/{rule_id}/end", summary="Watch no longer by this rule")
def end_rule(
    rule_id: str,
    words: ReasonRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> AlarmRuleAnswer:
    """For the staff; the rule is kept, for the alarms that it raised."""
    return database.transact(
        lambda session: AlarmRuleAnswer.of(
            service.end_rule(
                session, principal, rule_id, version=version_of(if_match), reason=words.text, now=clock.now()
            )
        )
    )


def _unwritten_answer(rule: service.RuleFacts, text: str, at_ns: int) -> AlarmAnswer:
    return AlarmAnswer(
        id=None,
        rule=rule.id,
        kind=rule.kind,
        severity=rule.severity,
        device=rule.device_id or None,
        signal=rule.signal,
        text=text,
        value=None,
        raised=format_time(at_ns),
        raised_at=from_nanoseconds(at_ns),
        acknowledged_at=None,
        cleared_at=None,
        booking=None,
        run=rule.run_id,
    )
