"""How many runs a written plan needs and how long the machines are needed for them, in plain words."""

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from lab.core.errors import InvalidError
from lab.core.http import DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots import service
from lab.pilots.plans import AnalysisPlan, read_plan
from lab.reports.schemas import SizeRequest
from lab.reports.sizing import PilotSize, earlier_spread, size_pilot
from lab.reports.spread import Spread
from lab.web.languages import gettext as _
from lab.web.rendering import page
from lab.web.sketch_earlier import as_typed, is_taken, source_words
from lab.web.sketch_pages import NUMBERS
from lab.web.wording import bare_number, minutes_long, one_line, quantity

router = APIRouter(prefix="/pilots/{pilot_id}/plan/size")

_ASKED = ("differ", "run_minutes", "reset_minutes", "setup_minutes", "longest_hours")
_DEFAULTS = {"reset_minutes": "0", "setup_minutes": "0", "longest_hours": "4"}
_FIELDS = {"sd": "differ", "longest_session_minutes": "longest_hours"}
_LONGEST = 20


@router.get("")
def show_size(request: Request, pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> Response:
    """The questions, and what follows once how long a run takes is answered."""
    given = request.query_params
    typed = {name: one_line(given.get(name, _DEFAULTS.get(name, "")))[:_LONGEST] for name in _ASKED}
    with database.read() as session:
        pilot = service.get_pilot(session, principal, pilot_id)
        row = service.get_plan(session, principal, pilot_id)
        plan = read_plan(row.document)
        earlier = earlier_spread(session, principal, pilot_id)
        if not typed["differ"] and earlier is not None and "differ" not in given:
            typed["differ"] = as_typed(earlier[0].sd)
        found, problem = (None, "") if not typed["run_minutes"] else _sized(session, principal, pilot_id, typed)
        return page(
            request,
            "plan-size.html",
            title=_("How many runs?"),
            principal=principal,
            status=422 if problem else 200,
            here=f"/pilots/{pilot.id}",
            pilot=pilot,
            plan=plan,
            locked=row.locked_at is not None,
            typed=typed,
            questions={name: _(NUMBERS[name]) for name in _ASKED},
            unit=plan.primary.unit,
            source=_source(plan, typed["differ"], earlier[0]) if earlier is not None else "",
            follows=_follows(plan, found) if found is not None else [],
            enough=found is not None and found.size.runs_per_arm is not None,
            slots=_slots(pilot_id, plan, found),
            problem=problem,
        )


def _sized(
    session: Session, principal: Principal, pilot_id: str, typed: Mapping[str, str]
) -> tuple[PilotSize | None, str]:
    """What follows, or what is wrong with the answers."""
    numbers = {name: bare_number(text) for name, text in typed.items()}
    earlier = earlier_spread(session, principal, pilot_id)
    wish = {name: numbers[name] for name in ("run_minutes", "reset_minutes", "setup_minutes") if numbers[name]}
    if typed["differ"] and (earlier is None or not is_taken(typed["differ"], earlier[0].sd)):
        wish["sd"] = numbers["differ"]
    try:
        longest = round(60 * float(numbers["longest_hours"] or _DEFAULTS["longest_hours"]))
        question = SizeRequest.model_validate({**wish, "longest_session_minutes": longest}).question()
    except (ValueError, OverflowError) as error:
        place = str(error.errors()[0]["loc"][-1]) if isinstance(error, ValidationError) else "longest_hours"
        asked = _(NUMBERS[_FIELDS.get(place, place)])
        return None, _("Please answer with a number that is possible: %(question)s", question=asked)
    try:
        return size_pilot(session, principal, pilot_id, question), ""
    except InvalidError:
        return None, _(
            "No earlier trial of this company tells how much runs differ. Please say it; a few trial runs tell."
        )


def _source(plan: AnalysisPlan, differ: str, earlier: Spread) -> str:
    """What earlier trials tell, whether it is reckoned with or something else was typed."""
    if not differ or is_taken(differ, earlier.sd):
        return _(
            "How much runs differ is known from earlier trials of this company: %(source)s.",
            source=source_words(earlier),
        )
    return _(
        "In earlier trials of this company runs differed by %(differ)s, %(source)s.",
        differ=quantity(earlier.sd, plan.primary.unit),
        source=source_words(earlier),
    )


def _follows(plan: AnalysisPlan, found: PilotSize) -> list[str]:
    size, time, unit = found.size, found.time, plan.primary.unit
    spread = _(
        "Runs made in the same way differ by %(differ)s; %(most)s is reckoned with.",
        differ=quantity(found.spread.sd, unit),
        most=quantity(found.spread.reckoned, unit),
    )
    if size.runs_per_arm is None or time is None:
        return [
            spread,
            _("More runs than anybody makes would be needed. Hope for more, or make runs steadier."),
        ]
    return [
        spread,
        _(
            "Runs of each way of working: %(each)s, in all: %(runs)s. With these an effect as hoped for is shown with "
            "a probability of %(power)s %%.",
            each=size.runs_per_arm, runs=found.runs, power=f"{100 * size.power:.0f}",
        ),
        _(
            "Time on the machine: %(sessions)s × %(length)s, 15 %% in reserve.",
            sessions=time.sessions,
            length=minutes_long(time.minutes_a_session),
        ),
    ]  # fmt: skip


def _slots(pilot_id: str, plan: AnalysisPlan, found: PilotSize | None) -> str:
    """Where free times of this length are proposed."""
    if found is None or found.time is None:
        return ""
    query = [("device", device) for device in sorted(plan.devices())]
    query += [("pilot_id", pilot_id), ("minutes", str(found.time.minutes_a_session)), ("find", "yes")]
    return f"/bookings/new?{urlencode(query)}"
