"""A first sketch of a pilot's plan in plain words: how many runs and minutes follow from what a company hopes for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from devices.units import code_of_symbol
from lab.core.errors import InvalidError
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.pilots.models import Pilot
from lab.pilots.notes.schemas import NoteRequest
from lab.pilots.notes.service import write_note
from lab.pilots.power import MOST_RUNS, RANDOMISED_LAYOUT, BookingTime, booking_time, get_ready, runs_for
from lab.pilots.service import get_pilot
from lab.pilots.sketches import SketchedPlan, draft_plan, plan_of
from lab.reports.spread import KnownSpread, Spread
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.sketch_earlier import earlier_sentence, is_taken, known_spreads, offers_of
from lab.web.wording import bare_number, minutes_long, one_line, quantity

router = APIRouter(prefix="/pilots/{pilot_id}")

TEXTS = ("better", "unit")
NUMBERS = {
    "pays": N_("From which saving on would it pay?"),
    "hope": N_("What do you hope for?"),
    "differ": N_("How much do two parts differ that were made in the same way?"),
    "run_minutes": N_("How many minutes does one part take?"),
    "reset_minutes": N_("How many minutes until the next one can begin?"),
    "setup_minutes": N_("How many minutes to set up, each time?"),
    "longest_hours": N_("How many hours at a time at most?"),
}
_MEASURED = {"pays", "hope", "differ"}
"""Answers in the unit of what should get better."""
_OPTIONAL = {"differ", "reset_minutes", "setup_minutes"}
_DEFAULTS = {"longest_hours": "4", "reset_minutes": "0", "setup_minutes": "0"}
_MOST = 1e9
_MOST_MINUTES = 1440.0
_LONGEST = 200


class SketchError(InvalidError):
    """What was typed gives no pilot; the message is in the language of the page."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What follows from the answers."""

    runs_a_way: int
    """Of each of the two ways of working."""
    time: BookingTime
    differ_known: bool
    """Whether the company has said how much parts differ."""
    earlier: Spread | None
    """Where what was said is what earlier trials of the company tell."""
    pays: float
    """Saving from which on it pays, in the company's unit."""
    hope: float

    @property
    def runs(self) -> int:
        """Of both."""
        return 2 * self.runs_a_way


@router.get("/sketch")
def show_sketch(request: Request, pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> Response:
    """The questions, and what follows from the answers as far as they are there."""
    if not _answered(typed := _typed(request.query_params)):
        get_ready()
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
        known = known_spreads(session, pilot.organisation_id, typed)
    return _page(request, principal, pilot, typed, known)


async def _form(request: Request) -> dict[str, str]:
    return _typed(await request.form())


@router.post("/sketch")
def submit_sketch(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    typed: Annotated[dict[str, str], Depends(_form)],
) -> Response:
    """Hand the answers to the lab: a note on the pilot, and the draft of a plan where people have written none yet."""
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
        known = known_spreads(session, pilot.organisation_id, typed)
    try:
        sketch = sketch_of(typed, known)
        wish = NoteRequest(text=_note(typed, sketch))
        drafted = _drafted(typed, sketch)
        plan_of(drafted, seed=0)
    except (SketchError, ValidationError):
        return _page(request, principal, pilot, typed, known, status=422)

    def hand_in(session: Session) -> bool:
        write_note(session, principal, pilot.id, wish, now=clock.now())
        return draft_plan(session, principal, pilot.id, drafted, now=clock.now()) is not None

    done = "drafted" if database.transact(hand_in) else "sketched"
    return RedirectResponse(f"/pilots/{pilot.id}/documents?done={done}#notes", 303)


def sketch_of(typed: dict[str, str], earlier: Sequence[KnownSpread] = ()) -> Sketch:
    """Runs and minutes from the answers, by the rule of the plan: Invest needs an improvement above what pays.

    Args:
        typed: the answers.
        earlier: what earlier trials of the company tell of how parts differ; what was taken from them is reckoned
            with as unsure as their runs were few.

    Raises:
        SketchError: naming the first answer that is missing or makes no sense.
    """
    if not typed["better"]:
        raise SketchError(_("Please say what should get better."), field="better")
    found = {name: _number(name, typed[name]) for name in NUMBERS}
    gain = found["hope"] - found["pays"]
    if gain <= 0:
        raise SketchError(
            _("What you hope for must be more than what just pays; otherwise no trial could tell you to invest."),
            field="hope",
        )
    spread = Spread(found["differ"]) if found["differ"] > 0 else None
    if spread is not None:
        same = (one.spread for one in earlier if is_taken(typed["differ"], one.spread.sd))
        spread = next(same, spread)
    size = runs_for(gain=gain, sd=spread.reckoned if spread else gain, layout=RANDOMISED_LAYOUT)
    if size.runs_per_arm is None:
        raise SketchError(
            _(
                "More than %(most)s parts of each kind would be needed: parts differ too much for so small a "
                "difference. Hope for more, or make parts steadier.",
                most=MOST_RUNS,
            ),
            field="differ",
        )
    time = booking_time(
        2 * size.runs_per_arm,
        run_minutes=found["run_minutes"],
        reset_minutes=found["reset_minutes"],
        setup_minutes=found["setup_minutes"],
        longest_minutes=round(60 * found["longest_hours"]),
    )
    taken = spread if spread is not None and spread.trials else None
    return Sketch(size.runs_per_arm, time, spread is not None, taken, found["pays"], found["hope"])


def _number(name: str, typed: str) -> float:
    text = typed or ("0" if name in _OPTIONAL else "")
    most = _MOST_MINUTES if name.endswith("minutes") else 24.0 if name == "longest_hours" else _MOST
    plain = bare_number(text)
    if not (plain.isascii() and plain.replace(".", "", 1).isdigit()):
        raise SketchError(_("Please answer with a number: %(question)s", question=_(NUMBERS[name])), field=name)
    value = float(plain)
    least = 0.0 if name in _OPTIONAL else 1e-6
    if not least <= value <= most:
        raise SketchError(
            _(
                "Please give a number above 0, %(most)s at most: %(question)s",
                most=f"{most:.0f}",
                question=_(NUMBERS[name]),
            ),
            field=name,
        )
    return value


def _answered(typed: dict[str, str]) -> bool:
    return any(typed[name] for name in ("better", "pays", "hope", "run_minutes"))


def _typed(given: object) -> dict[str, str]:
    get = given.get  # type: ignore[attr-defined]
    asked = {name: get(name, _DEFAULTS.get(name, "")) for name in (*TEXTS, *NUMBERS)}
    return {name: one_line(text)[:_LONGEST] if isinstance(text, str) else "" for name, text in asked.items()}


def _note(typed: dict[str, str], sketch: Sketch) -> str:
    """The questions with their answers, and what follows, as people read it."""
    lines = [f"{_('What should get better?')} {typed['better']} ({typed['unit']})"]
    lines += [f"{_(question)} {typed[name] or '–'}" for name, question in NUMBERS.items()]
    return "\n".join([_("Sketch of the plan"), *lines, *_follows(typed, sketch)])


def _drafted(typed: dict[str, str], sketch: Sketch) -> SketchedPlan:
    """A unit that the lab does not know stands in the name of what is measured, and an engineer puts it right."""
    unit = code_of_symbol(typed["unit"])
    better = typed["better"] if unit is not None else f"{typed['better']} ({typed['unit']})"[:_LONGEST]
    return SketchedPlan(
        better=better,
        unit=unit or "1",
        pays=sketch.pays,
        hope=sketch.hope,
        runs_per_arm=sketch.runs_a_way,
        objective=_("See whether “%(better)s” gets better by enough to pay.", better=better),
        hypothesis=_(
            "The new way saves %(hope)s; it pays from %(pays)s on.",
            hope=quantity(sketch.hope, unit or "1"),
            pays=quantity(sketch.pays, unit or "1"),
        ),
        today=_("as today"),
        tried=_("the new way"),
    )


def _follows(typed: dict[str, str], sketch: Sketch) -> list[str]:
    time = sketch.time
    earlier = [] if sketch.earlier is None else [earlier_sentence(typed, sketch.earlier)]
    return [
        _(
            "%(runs)s parts in all, %(each)s in each of the two ways, in random order.",
            runs=sketch.runs,
            each=sketch.runs_a_way,
        ),
        _(
            "Time on the machine: %(sessions)s × %(length)s, 15 %% in reserve.",
            sessions=time.sessions,
            length=minutes_long(time.minutes_a_session),
        ),
        *earlier,
    ]


def _page(
    request: Request,
    principal: PrincipalDep,
    pilot: Pilot,
    typed: dict[str, str],
    known: Sequence[KnownSpread],
    *,
    status: int = 200,
) -> Response:
    sketch, problem, field = None, "", ""
    if _answered(typed):
        try:
            sketch = sketch_of(typed, known)
        except SketchError as error:
            problem, field = error.message, str(error.facts["field"])
    elif status != 200:
        problem, field = _("Please say what should get better."), "better"
    facts = {"pilot_id": pilot.id, "minutes": str(sketch.time.minutes_a_session), "find": "yes"} if sketch else {}
    return page(
        request,
        "sketch.html",
        title=_("Sketch the plan of %(number)s", number=pilot.number),
        principal=principal,
        status=status,
        pilot=pilot,
        typed=typed,
        questions={name: _(question) for name, question in NUMBERS.items()},
        measured=_MEASURED,
        sketch=sketch,
        follows=_follows(typed, sketch) if sketch else [],
        offers=offers_of(known, typed),
        problem=problem,
        field=field,
        slots=f"/bookings/new?{urlencode(facts)}" if facts else "",
        here=f"/pilots/{pilot.id}/sketch",
    )
