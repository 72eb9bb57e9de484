"""How well the lab's devices are used; for the staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bookings.figures import repository
from bookings.figures.counting import Figures, Group, Grouping, count_figures, in_service, weeks_within
from bookings.figures.errors import FiguresInvalidError
from bookings.outages.service import outages_within
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules
from devices.models import Device
from lab.core.time import Span, aware_utc
from lab.people.principals import Principal

LONGEST_WINDOW = timedelta(days=2 * 366)
_FIRST_YEAR, _LAST_YEAR = 1971, 9000


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Figures of a window."""

    window: Span
    groups: dict[Group, Figures]
    """By week, device and name of the company."""
    total: Figures
    devices: dict[str, str]
    """Names, by id."""
    organisations: dict[str, str]
    """Names, by id; of those that are told apart."""


def utilisation(
    session: Session,
    principal: Principal,
    window: Span,
    *,
    by: frozenset[Grouping],
    now: datetime,
    defaults: Rules,
) -> Utilisation:
    """How much the devices were open, booked, used, idle, and held for nobody, in a constant number of statements.

    Args:
        session: to read in.
        principal: staff.
        window: what is counted.
        by: what to tell apart.
        now: the present instant.
        defaults: the rules where no manager has set anything.

    Raises:
        ForbiddenError: not staff.
    """
    principal.require_staff("see the figures")
    devices = repository.every_device(session)
    openings = _openings(session, devices, window, defaults)
    slots = repository.slots_within(session, window, now=now)
    weeks = weeks_within(window, defaults.zone)
    groups = count_figures(slots, openings, window, by=by, weeks=weeks, now=now)
    total = count_figures(slots, openings, window, by=frozenset(), weeks=weeks, now=now)
    companies = {group.organisation_id for group in groups if group.organisation_id is not None}
    names = repository.names_of(session, companies) if companies else {}
    in_order = sorted(groups, key=lambda group: (group.week or "", group.device_id or "", _name(group, names)))
    return Utilisation(
        window,
        {group: groups[group] for group in in_order},
        total.get(Group(), Figures()),
        {device.id: device.name for device in devices},
        names,
    )


def read_window(start: date, end: date, zone: str) -> Span:
    """The window between two instants, or days, which begin at midnight by the lab's clock.

    Args:
        start: instant or day.
        end: instant or day, which is not part of the window any more.
        zone: IANA zone of the lab.

    Raises:
        NaiveTimeError: an instant without a zone.
        FiguresInvalidError: no window, or one too long or too far away.
    """
    begins, ends = (_instant(edge, field, zone) for edge, field in ((start, "from"), (end, "to")))
    if ends <= begins:
        raise FiguresInvalidError(
            "the window ends before it begins; `to` is the first day that is not counted",
            field="to",
            rule="end-after-start",
        )
    if ends - begins > LONGEST_WINDOW:
        raise FiguresInvalidError(
            f"figures are told for {LONGEST_WINDOW.days} days at once at most; ask for less, then for the rest",
            field="to",
            rule="longest-window",
            limit=LONGEST_WINDOW.days,
        )
    return Span(begins, ends)


def _name(group: Group, names: dict[str, str]) -> str:
    return names.get(group.organisation_id or "", "")


def _instant(edge: date, field: str, zone: str) -> datetime:
    if not _FIRST_YEAR <= edge.year <= _LAST_YEAR:
        raise FiguresInvalidError(
            f"figures are told of the years {_FIRST_YEAR} to {_LAST_YEAR}", field=field, rule="time-in-range"
        )
    if isinstance(edge, datetime):
        return aware_utc(edge, field=field)
    return aware_utc(datetime.combine(edge, time(), ZoneInfo(zone)), field=field)


def _openings(session: Session, devices: Sequence[Device], window: Span, defaults: Rules) -> dict[str, list[Span]]:
    """By device, when the lab was open and the device in service."""
    book = load_rulebook(session, defaults)
    outages = outages_within(session, None, window, zone=defaults.zone)
    found: dict[str, list[Span]] = {}
    known: dict[object, list[Span]] = {}  # most devices have the lab's own hours
    for device in devices:
        owned_until = window.end if device.retired_at is None else min(window.end, device.retired_at)
        owned_from = max(window.start, device.created_at)
        if owned_from >= owned_until:  # not the lab's then
            continue
        rules = book.rules_of(device.id, device.kind)
        openings = known.setdefault(rules.calendars, [])
        if not openings:
            openings.extend(rules.openings(window))
        away = [one.span for one in outages if one.device_id in (None, device.id)]
        found[device.id] = in_service(openings, away, Span(owned_from, owned_until))
    return found
