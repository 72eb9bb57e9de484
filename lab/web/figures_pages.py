"""How much the machines were used, in any span of days: by machine, by company, and week by week."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from bookings.endpoints import RulesDep
from bookings.figures.counting import Group, Grouping
from bookings.figures.errors import FiguresInvalidError
from bookings.figures.service import LONGEST_WINDOW, Utilisation, read_window, utilisation
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.time import in_zone
from lab.people.endpoints import PrincipalDep
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import lab_date

router = APIRouter(prefix="/manage/figures")

_NO_DAYS = N_("Please choose two days.")
_WEEKS = 8
_DAY = timedelta(days=1)
_LAST_YEAR = 9998
Day = Annotated[str, Query(max_length=40)]


@router.get("")
def show_figures(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    first: Day = "",
    last: Day = "",
) -> Response:
    """The last weeks, this one included, or the days that somebody asks for; both days are counted."""
    principal.require_staff("see the figures")
    zone, now, problem = settings.time_zone, clock.now(), ""
    usual = _usual_days(in_zone(now, zone).date())
    try:
        days = _read(first) or usual[0], _read(last) or usual[1]
        window = read_window(days[0], days[1] + _DAY, zone)
    except ValueError:
        problem = _(_NO_DAYS)
    except FiguresInvalidError as error:
        problem = {
            "end-after-start": _("The first day comes after the last one. Please choose them the other way round."),
            "longest-window": _("Please ask for %(days)s days at most, then for the rest.", days=LONGEST_WINDOW.days),
        }.get(str(error.facts["rule"]), _(_NO_DAYS))
    if problem:
        days, window = usual, read_window(usual[0], usual[1] + _DAY, zone)
    with database.read() as session:
        found = {
            one: utilisation(session, principal, window, by=frozenset({one}), now=now, defaults=rules)
            for one in Grouping
        }
    return page(
        request,
        "figures.html",
        title=_("Use of the machines"),
        principal=principal,
        status=422 if problem else 200,
        problem=problem,
        days=days,
        after=days[1] + _DAY,
        tables=[
            (_("Machines"), _("Machine"), _named(found[Grouping.DEVICE])),
            (_("Companies"), _("Company"), _named(found[Grouping.COMPANY])),
            (_("Week by week"), _("Week"), _named(found[Grouping.WEEK])),
        ],
        total=found[Grouping.DEVICE].total,
    )


def _usual_days(today: date) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday())
    return monday - timedelta(weeks=_WEEKS - 1), monday + timedelta(days=6)


def _read(text: str) -> date | None:
    """A day as the field sends it; None: the field is empty.

    Raises:
        ValueError: it is no day, or too far away for a calendar.
    """
    if not text.strip():
        return None
    day = date.fromisoformat(text.strip())
    if day.year > _LAST_YEAR:
        raise ValueError(text)
    return day


def _named(found: Utilisation) -> list[tuple[str, object]]:
    return [(_name(found, group), figures) for group, figures in found.groups.items()]


def _name(found: Utilisation, group: Group) -> str:
    if group.device_id is not None:
        return found.devices.get(group.device_id, group.device_id)
    if group.organisation_id is not None:
        return found.organisations.get(group.organisation_id, group.organisation_id)
    year, _w, week = (group.week or "").partition("-W")
    return _("from %(day)s", day=lab_date(date.fromisocalendar(int(year), int(week), 1), ""))
