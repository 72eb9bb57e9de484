"""What became of a pilot: its follow-ups, and how digital its company is over time."""

import re
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from lab.core.errors import InvalidError, NotFoundError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.time import in_zone
from lab.people.endpoints import PrincipalDep
from lab.pilots.maturity.schemas import MaturityRequest, MaturityScores, overall
from lab.pilots.maturity.service import assessments, write_assessment
from lab.pilots.service import get_pilot
from lab.reports.afterwards import service
from lab.reports.afterwards.schemas import FollowUpRequest
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import one_line, sentence

router = APIRouter(prefix="/pilots/{pilot_id}")

_DONE = {
    "told": N_("Thank you, it is noted."),
    "assessed": N_("The assessment is noted."),
}
_FAULTS = {
    "invested": N_("Please say yes, no or not yet."),
    "amount_cents": N_("Please give the amount in euros, such as 12500 or 12500.50."),
    "source": N_("Please say how this is known."),
    "assessed_on": N_("Please give the day of the assessment."),
}
_FAULT = N_("Please check what you have typed.")
DIMENSIONS = {
    "strategy": N_("Digital business strategy"),
    "readiness": N_("Digital readiness"),
    "people": N_("Human-centric digitalisation"),
    "data": N_("Data management and security"),
    "automation": N_("Automation and artificial intelligence"),
    "green": N_("Green digitalisation"),
}
STAGES = {
    "T0": N_("before the pilot"),
    "T1": N_("after the report"),
    "T2": N_("a year later"),
}
"""When an assessment was made, as people say it; programs say T0, T1 and T2."""
_TOLD_BY_COMPANY = "told by the company on its page"
_GROUPED = re.compile(r"[0-9]{1,3}(?:[ .,\u00a0\u202f][0-9]{3})+|[0-9]+")
_AMOUNT_IS_NONE = -1
Line = Annotated[str, Form(max_length=400)]
Months = Annotated[int, Path(ge=1, le=120)]


@router.get("/afterwards")
def show_afterwards(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    done: str = "",
) -> Response:
    """The questions with their answers, and the assessments."""
    told = _(_DONE[done]) if done in _DONE else ""
    return _page(request, pilot_id, principal, database, clock, settings, done=told)


@router.post("/follow-ups/{months}")
def submit_follow_up(
    request: Request,
    pilot_id: str,
    months: Months,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    invested: Line = "",
    amount: Line = "",
    funding: Line = "",
    source: Line = "",
    comment: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """What became of it; it can be told again."""
    typed = {"invested": invested, "amount": amount, "funding": funding, "source": source, "comment": comment}
    typed = {name: one_line(text) for name, text in typed.items()}
    try:
        wish = FollowUpRequest.model_validate(
            {
                "invested": typed["invested"],
                "amount_cents": read_euros(typed["amount"]) if typed["amount"] else None,
                "funding": typed["funding"] or None,
                "source": typed["source"] or (None if principal.is_staff else _TOLD_BY_COMPANY),
                "comment": typed["comment"] or None,
            }
        )
        database.transact(
            lambda session: service.answer_follow_up(session, principal, pilot_id, months, wish, now=clock.now())
        )
    except ValidationError as error:
        problem = _(_FAULTS.get(str(error.errors()[0]["loc"][0]), _FAULT))
    except InvalidError as error:
        problem = sentence(error.message, settings.time_zone)
    else:
        return RedirectResponse(f"/pilots/{pilot_id}/afterwards?done=told", 303)
    return _page(
        request, pilot_id, principal, database, clock, settings, problem=problem, typed={f"follow-up-{months}": typed}
    )


@router.post("/maturity")
def submit_assessment(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    stage: Line = "",
    assessed_on: Line = "",
    source: Line = "",
    strategy: Line = "",
    readiness: Line = "",
    people: Line = "",
    data: Line = "",
    automation: Line = "",
    green: Line = "",
) -> Response:
    """How digital the company is; it can be written again."""
    scores = {
        "strategy": strategy, "readiness": readiness, "people": people, "data": data, "automation": automation,
        "green": green,
    }  # fmt: skip
    typed = {"stage": stage, "assessed_on": assessed_on, "source": source, **scores}
    typed = {name: one_line(text) for name, text in typed.items()}
    facts = {name: text.replace(",", ".") if name in scores else text for name, text in typed.items()}
    chosen = facts.pop("stage")
    try:
        if chosen not in STAGES:
            raise NotFoundError("there is no such stage")
        wish = MaturityRequest.model_validate(facts)
        database.transact(
            lambda session: write_assessment(session, principal, pilot_id, chosen, wish, now=clock.now())  # type: ignore[arg-type]
        )
    except ValidationError as error:
        problem = _fault_of_assessment(str(error.errors()[0]["loc"][0]))
    except InvalidError as error:
        problem = sentence(error.message, settings.time_zone)
    else:
        return RedirectResponse(f"/pilots/{pilot_id}/afterwards?done=assessed#maturity", 303)
    return _page(request, pilot_id, principal, database, clock, settings, problem=problem, typed={"maturity": typed})


def read_euros(typed: str) -> int:
    """Cents of an amount as people in this country and elsewhere type it: `12500`, `12 500,50`, `1,234.5`, `1.234`.

    Returns:
        −1 where it is no amount, which nothing takes.
    """
    text = typed.strip().removeprefix("€").removesuffix("€").removesuffix("EUR").strip()
    cents = re.search(r"[.,]([0-9]{1,2})$", text)
    whole = text[: cents.start()] if cents else text
    if not _GROUPED.fullmatch(whole) or len(whole) > 20:
        return _AMOUNT_IS_NONE
    euros = int(re.sub(r"\D", "", whole))
    return euros * 100 + (int(cents[1].ljust(2, "0")) if cents else 0)


def _fault_of_assessment(field: str) -> str:
    if field in DIMENSIONS:
        return _("Please give a number from 0 to 100: %(name)s.", name=_(DIMENSIONS[field]))
    return _(_FAULTS.get(field, _FAULT))


def _page(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    *,
    done: str = "",
    problem: str = "",
    typed: dict[str, dict[str, str]] | None = None,
) -> Response:
    now = clock.now()
    today: date = in_zone(now, settings.time_zone).date()
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
        rows, missing = assessments(session, principal, pilot_id, now=now)
        return page(
            request,
            "afterwards.html",
            title=_("What became of %(number)s", number=pilot.number),
            principal=principal,
            status=422 if problem else 200,
            pilot=pilot,
            follow_ups=service.follow_ups(session, principal, pilot_id),
            assessments=rows,
            overall={row.stage: overall(row) for row in rows},
            missing=missing,
            stages={key: _(words) for key, words in STAGES.items()},
            dimensions={name: _(DIMENSIONS[name]) for name in MaturityScores.model_fields},
            today=today.isoformat(),
            typed=typed or {},
            done=done,
            problem=problem,
            here=f"/pilots/{pilot.id}/afterwards",
        )
