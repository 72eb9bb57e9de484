"""What somebody searches for, and what of it makes no sense; pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bookings.errors import RuleBrokenError
from bookings.opening import WEEKDAYS
from bookings.rules import MOST_DEVICES, Rules, length, wall
from bookings.search.errors import PreferenceUnreadableError, SearchInvalidError
from bookings.search.preferences import MOST_PREFERENCES, PreferredHours, read_preference
from bookings.search.requirements import Requirement, read_requirement
from lab.core.time import Span, aware_utc

LONGEST_WINDOW = timedelta(days=366)
MOST_SLOTS = 20
LONGEST_MINUTES = 31 * 24 * 60
"""More than any rule allows."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SlotWish:
    """A search.

    Attributes:
        device_ids: named devices, all needed.
        capabilities: requirements as people write them; the same one n times asks for n different devices.
        size: length of the booking.
        start: the window's; None: now.
        end: the window's; None: as far as bookings are open.
        supervised: an engineer is wanted in any case; else one is only where the rules want one.
        prefer: hours by the lab's clock; spans in them come first.
        weekdays: only these days (mon … sun); none: any.
        count: how many spans at most.
        explain: whether to tell why earlier starts were refused.
        organisation_id: for whom; None: one's own.
        pilot_id: for which of its pilots.
    """

    size: timedelta
    device_ids: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    supervised: bool = False
    prefer: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    count: int = 3
    explain: bool = False
    organisation_id: str | None = None
    pilot_id: str | None = None


def require_sensible(wish: SlotWish) -> None:
    """Refuse what no calendar is needed to refuse.

    Raises:
        SearchInvalidError: naming the field.
    """
    if not wish.device_ids and not wish.capabilities:
        raise _invalid(
            "name at least one device (device_id) or say what a device must do (capability)",
            "device_id",
            "at-least-one-device",
        )
    wanted = len(wish.device_ids) + len(wish.capabilities)
    if wanted > MOST_DEVICES:
        field = "device_id" if len(wish.device_ids) >= len(wish.capabilities) else "capability"
        raise _invalid(
            f"a booking holds {MOST_DEVICES} devices at most, this search asks for {wanted}",
            field,
            "most-devices",
            limit=MOST_DEVICES,
        )
    twice = sorted(name for name, times in Counter(wish.device_ids).items() if times > 1)
    if twice:
        raise _invalid(f"{', '.join(twice)}: named more than once", "device_id", "each-device-once", devices=twice)
    if wish.size <= timedelta() or wish.size > _MINUTE * LONGEST_MINUTES:
        raise _invalid(
            f"a booking lasts from 1 to {LONGEST_MINUTES} minutes",
            "duration_minutes",
            "sensible-duration",
            limit=LONGEST_MINUTES,
        )
    if not 1 <= wish.count <= MOST_SLOTS:
        raise _invalid(f"from 1 to {MOST_SLOTS} spans are found at once", "count", "sensible-count", limit=MOST_SLOTS)


def read_preferences(texts: Sequence[str]) -> list[PreferredHours]:
    """The preferred hours.

    Raises:
        PreferenceUnreadableError: too many, or no hours.
    """
    if len(texts) > MOST_PREFERENCES:
        raise PreferenceUnreadableError(
            f"{MOST_PREFERENCES} preferred hours at most",
            field="prefer",
            rule="most-preferences",
            limit=MOST_PREFERENCES,
        )
    return [read_preference(text) for text in texts]


def read_weekdays(names: Sequence[str]) -> list[str]:
    """The wished days, each once.

    Raises:
        PreferenceUnreadableError: something that is no day.
    """
    for name in names:
        if name not in WEEKDAYS:
            raise PreferenceUnreadableError(
                f"weekday '{name[:20]}' is none of {', '.join(WEEKDAYS)}", field="weekday", rule="known-weekday"
            )
    return list(dict.fromkeys(names))


def read_requirements(texts: Sequence[str]) -> list[tuple[Requirement, int]]:
    """The requirements, each with how many different devices are to meet it.

    Raises:
        RequirementUnreadableError: one cannot be read.
    """
    return list(Counter(read_requirement(text) for text in texts).items())


def window_of(wish: SlotWish, *, now: datetime, rules: Sequence[Rules]) -> Span:
    """Where to look: from now at the earliest, to where bookings are open at the latest.

    Args:
        wish: the search.
        now: the present instant.
        rules: of all devices in play.

    Raises:
        NaiveTimeError, TimeOutOfRangeError: times without zone, or outside the calendar.
        SearchInvalidError: a window that is reversed, empty, too long, over, or shorter than the booking.
        RuleBrokenError: it begins after the horizon.
    """
    start = None if wish.start is None else aware_utc(wish.start, field="from")
    end = None if wish.end is None else aware_utc(wish.end, field="to")
    if start is not None and end is not None:
        if end <= start:
            raise _invalid("the window ends (to) before it begins (from)", "to", "window-not-empty")
        if end - start > LONGEST_WINDOW:
            raise _invalid(
                f"a search looks at {LONGEST_WINDOW.days} days at most; choose a shorter window",
                "to",
                "longest-window",
                limit=LONGEST_WINDOW.days,
            )
    zone = rules[0].zone
    if end is not None and end <= now:
        raise _invalid(f"the window is over, it is {wall(now, zone)}", "to", "not-in-the-past")
    horizon = max(one.horizon for one in rules)
    begin = now if start is None else max(start, now)
    if begin >= now + horizon:
        until = wall(now + horizon, zone)
        raise RuleBrokenError(
            f"bookings are open for {horizon.days} days ahead, until {until}; search before that",
            field="from",
            rule="horizon",
            nearest=None,
        )
    open_until = min(now + horizon, begin + LONGEST_WINDOW)
    close = open_until if end is None else min(end, open_until)
    if close - begin < wish.size:
        raise _invalid(
            f"a booking of {length(wish.size)} does not fit between {wall(begin, zone)} and {wall(close, zone)}",
            "duration_minutes",
            "fits-window",
        )
    return Span(begin, close)


def length_refusal(name: str, size: timedelta, rules: Rules) -> RuleBrokenError | None:
    """Why a device is never booked for this length; None: it is."""
    step = rules.granularity
    if size > rules.longest:
        rule, fact, nearest = "longest-booking", f"lasts {length(rules.longest)} at most", [rules.longest]
    elif size < rules.shortest:
        rule, fact, nearest = "shortest-booking", f"lasts {length(rules.shortest)} at least", [rules.shortest]
    elif step and timedelta(days=1) % step == timedelta() and size % step:
        rule, fact = "granularity", f"lasts a multiple of {length(step)}"
        nearest = [one for one in (size - size % step, size - size % step + step) if timedelta() < one <= rules.longest]
    else:
        return None
    return RuleBrokenError(
        f"a booking of {name} {fact}, not {length(size)}",
        field="duration_minutes",
        rule=rule,
        nearest=None,
        instead={"duration_minutes": [one // _MINUTE for one in nearest]},
    )


def _invalid(fact: str, field: str, rule: str, **facts: Any) -> SearchInvalidError:
    return SearchInvalidError(fact, field=field, rule=rule, **facts)
