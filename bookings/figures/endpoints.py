"""Figures over HTTP."""

import re
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response

from bookings.figures.counting import Grouping
from bookings.figures.errors import FiguresInvalidError
from bookings.figures.schemas import UtilisationAnswer
from bookings.figures.service import read_window, utilisation
from bookings.figures.sheets import write_sheet
from bookings.rules import Rules
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.time import in_zone
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["figures"])

_CSV = "text/csv"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*")


@router.get(
    "/utilisation",
    response_model=UtilisationAnswer,
    responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
    summary="How much the devices were open, booked, used, idle, and held for nobody",
)
def get_utilisation(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    start: Annotated[
        str,
        Query(
            alias="from", description="day of the lab's calendar, or instant", examples=["2026-11-01"], max_length=40
        ),
    ],
    end: Annotated[
        str,
        Query(alias="to", description="the first one that is not counted", examples=["2026-12-01"], max_length=40),
    ],
    by: Annotated[list[Grouping] | None, Query(description="repeat it; default: device", max_length=3)] = None,
    form: Annotated[Literal["json", "csv"] | None, Query(alias="format", description="default: by Accept")] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """For the staff; two years at most. Times count where they fall, numbers where the booking begins."""
    principal.require_staff("see the figures")
    window = read_window(_edge(start, "from"), _edge(end, "to"), settings.time_zone)
    groupings = frozenset(by or [Grouping.DEVICE])
    defaults = Rules.from_settings(settings)
    with database.read() as session:
        found = utilisation(session, principal, window, by=groupings, now=clock.now(), defaults=defaults)
    if form == "csv" or (form is None and _prefers_csv(accept)):
        first, last = (in_zone(edge, settings.time_zone) for edge in (window.start, window.end))
        name = f'attachment; filename="utilisation-{first:%Y-%m-%d}-{last:%Y-%m-%d}.csv"'
        headers = {"Content-Disposition": name, "Vary": "Accept"}
        return Response(write_sheet(found, groupings), media_type=_CSV, headers=headers)
    answer = UtilisationAnswer.of(found, groupings, settings.time_zone)
    return Response(answer.model_dump_json(), media_type="application/json", headers={"Vary": "Accept"})


def _prefers_csv(accept: str | None) -> bool:
    """Whether CSV is named, and JSON is not named before it."""
    named = [part.split(";")[0].strip().lower() for part in (accept or "").split(",")]
    return _CSV in named and "application/json" not in named[: named.index(_CSV)]


def _edge(text: str, field: str) -> date:
    """A day, or an instant, as it is written."""
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise FiguresInvalidError(
        "write a day such as 2026-11-01, or a time as RFC 3339, such as 2026-11-01T00:00:00+01:00",
        field=field,
        rule="day-or-time",
    )
