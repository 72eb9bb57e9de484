"""The analysis plan on pages: the staff write it, staff or company lock it, the staff correct a locked one."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from devices.models import Device
from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots import service
from lab.pilots.amending import amend_plan
from lab.pilots.errors import PlanMissingError
from lab.pilots.models import Pilot, Plan
from lab.pilots.plans import plan_sha256, read_plan
from lab.web import measure_forms, plan_forms
from lab.web.languages import gettext as _
from lab.web.plan_words import design_text
from lab.web.refusals import said
from lab.web.rendering import page
from lab.web.rule_pages import Typed
from lab.web.wording import plain_words, sentence

router = APIRouter(prefix="/pilots/{pilot_id}/plan")

_FINISHED = {"sealed", "reported"}
_DEED = "write plans"
_MOST_OTHERS = 20
_GROUPS = {"arms": "label", "kpis": "label", "factors": "label", "stop": "signal"}
"""Rows of the form → the field without which a row counts as empty."""


class _ChangedMeanwhileError(ConflictError):
    """The plan is not the one that was looked at; the message is in the language of the page."""


@router.get("")
def show_plan(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    like: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The whole plan on a form; `like` takes that of another pilot as a beginning."""
    principal.require_staff(_DEED)
    with database.read() as session:
        pilot = service.get_pilot(session, principal, pilot_id)
        row = _newest(session, principal, pilot.id)
        if row is not None:
            typed = plan_forms.typed_of(read_plan(row.document))
        else:
            typed = _begun_like(session, principal, like, pilot.id) or plan_forms.blank_form(pilot.id)
        return _page(request, session, principal, pilot, row, typed)


@router.post("")
def submit_plan(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    typed: Typed,
) -> Response:
    """Keep the plan, put a new version in the place of a locked one, or only show the form with one more row."""
    principal.require_staff(_DEED)
    problem = ""
    if not typed.get("more"):
        try:
            amended = database.transact(lambda session: _keep(session, principal, pilot_id, typed, clock))
        except _ChangedMeanwhileError as error:
            problem = error.message
            with database.read() as session:
                typed["seen"] = seen_plan(_newest(session, principal, pilot_id))
        except ValidationError as error:
            problem = plan_forms.wrong_place(error)
        except (InvalidError, ConflictError) as error:
            problem = sentence(plan_forms.with_labels(said(error.message)), settings.time_zone)
        else:
            return RedirectResponse(f"/pilots/{pilot_id}?done={'amended' if amended else 'written'}#plan", 303)
    with database.read() as session:
        pilot = service.get_pilot(session, principal, pilot_id)
        row = _newest(session, principal, pilot.id)
        return _page(request, session, principal, pilot, row, typed, problem=problem)


@router.post("/lock")
def submit_lock(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    seen: Annotated[str, Form(max_length=64)],
) -> Response:
    """Lock the plan as it was looked at; its runs are laid out and the company gets its fingerprint by mail."""

    def lock(session: Session) -> None:
        row = service.get_plan(session, principal, pilot_id)
        if plan_sha256(row.document) != seen:
            raise _ChangedMeanwhileError("the plan is not the one that was looked at", field="plan", rule="seen")
        service.lock_plan(session, principal, pilot_id, now=clock.now())

    try:
        database.transact(lock)
    except _ChangedMeanwhileError:
        return RedirectResponse(f"/pilots/{pilot_id}?done=changed#plan", 303)
    except PlanMissingError:
        return RedirectResponse(f"/pilots/{pilot_id}#plan", 303)
    return RedirectResponse(f"/pilots/{pilot_id}?done=locked#plan", 303)


def seen_plan(row: Plan | None) -> str:
    """What a form says of the plan that it was made from; empty: there was none."""
    return "" if row is None else plan_sha256(row.document)


def _keep(session: Session, principal: Principal, pilot_id: str, typed: Mapping[str, str], clock: ClockDep) -> bool:
    """Whether it is a new version of a locked plan."""
    row = _newest(session, principal, pilot_id)
    if seen_plan(row) != typed.get("seen", ""):
        raise _ChangedMeanwhileError(
            _(
                "Somebody has changed this plan meanwhile. What you have typed is still here: look at the plan as it "
                "stands now, then keep yours in its place, or leave it."
            ),
            field="plan",
            rule="seen",
        )
    if row is None or row.locked_at is None:
        service.write_plan(session, principal, pilot_id, plan_forms.read_plan_form(typed), now=clock.now())
        return False
    plan = plan_forms.read_plan_form(typed, layout_of=read_plan(row.document))
    reason = plain_words(typed.get("reason", ""))[:2000]
    amend_plan(session, principal, pilot_id, plan, reason=reason, now=clock.now())
    return True


def _newest(session: Session, principal: Principal, pilot_id: str) -> Plan | None:
    try:
        return service.get_plan(session, principal, pilot_id)
    except PlanMissingError:
        return None


def _begun_like(session: Session, principal: Principal, like: str, pilot_id: str) -> dict[str, str] | None:
    """The plan of another pilot, with an order of its own and nothing confessed; `None`: there is none."""
    row = _newest(session, principal, like) if like else None
    if row is None:
        return None
    typed = plan_forms.typed_of(read_plan(row.document))
    return typed | {
        "seed": str(plan_forms.seed_of(pilot_id)), "written_after_data": "", "demonstration_only": "",
    }  # fmt: skip


def _page(
    request: Request,
    session: Session,
    principal: Principal,
    pilot: Pilot,
    row: Plan | None,
    typed: dict[str, str],
    *,
    problem: str = "",
) -> Response:
    locked = read_plan(row.document) if row is not None and row.locked_at is not None else None
    if locked is not None:
        laid_out = plan_forms.typed_of(locked)
        typed = {name: value for name, value in typed.items() if not plan_forms.is_layout(name)} | {
            name: value for name, value in laid_out.items() if plan_forms.is_layout(name)
        }
    more = typed.get("more", "")
    rows = {group: plan_forms.rows_of(typed, group, needed) for group, needed in _GROUPS.items()}
    for group in rows:
        if more == group or (not rows[group] and group in {"arms", "kpis"}):
            rows[group].append(max(rows[group], default=-1) + 1)
    devices = list_devices(session)
    return page(
        request,
        "plan-form.html",
        title=_("Correct the plan") if locked is not None else _("Write the plan"),
        principal=principal,
        status=422 if problem else 200,
        here=f"/pilots/{pilot.id}",
        pilot=pilot,
        row=row,
        locked=locked,
        over=pilot.state in _FINISHED,
        tried=design_text(locked, with_seed=True) if locked is not None else "",
        typed=typed,
        rows=rows,
        more=more,
        seen=typed.get("seen", seen_plan(row)),
        problem=problem,
        devices=devices,
        signals=_signals(devices),
        forms=plan_forms,
        measures=measure_forms,
        others=_others(session, principal, pilot) if row is None and not more and not problem else [],
    )


def _signals(devices: Sequence[Device]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """By machine: (as the form names it, label, unit) of every signal that is a number."""
    return [
        (
            device.name,
            [
                (f"{device.id}.{signal.name}", signal.label, signal.unit or "")
                for signal in device.signals
                if signal.type == "number"
            ],
        )
        for device in devices
    ]


def _others(session: Session, principal: Principal, pilot: Pilot) -> list[Pilot]:
    """Some pilots that have a plan, those of the same company first."""
    every = sorted(
        service.list_pilots(session, principal), key=lambda one: one.organisation_id != pilot.organisation_id
    )
    with_plan = (one for one in every if one.id != pilot.id and _newest(session, principal, one.id) is not None)
    return list(islice(with_plan, _MOST_OTHERS))
