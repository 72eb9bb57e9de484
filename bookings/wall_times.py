"""Times as people write them, by the clock on the lab's wall: those that it skips or shows twice are told by name.

Over HTTP a time carries an offset or `Z`, and then it is an instant. Two things are refused here before anything else
looks at it, because a person meant the clock on the wall and nobody can know what was meant:

* a time without offset, in the hour that spring skips (`time-does-not-exist`) or in the one that autumn repeats
  (`time-exists-twice`), with the two instants to choose from; any other time without offset is refused as such
  (`aware-time`), as everywhere;
* a time with an offset that the lab's zone uses around the change, whose reading the clock on the wall never shows:
  `2026-03-29T02:30:00+01:00` is an instant, but Warsaw calls it 03:30+02:00. Somebody has put the usual offset behind a
  time that is not there.

A time in UTC (`Z`, `+00:00`) is an instant and stays one, also where the lab's own zone uses that offset.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bookings.recurrence import DOES_NOT_EXIST, EXISTS_TWICE
from lab.core.errors import InvalidError
from lab.core.time import Span

_FIRST_YEAR, _LAST_YEAR = 2, 9998
"""Beyond, the calendar has no room for a zone, and no clock changes."""


class WallTimeError(InvalidError):
    """A time that the lab's clock skips or shows twice. Facts: `field`, `rule`, `choices` (instants)."""


def clear_span(start: datetime, end: datetime, *, zone: str) -> Span:
    """The span between two times that somebody wrote.

    Raises:
        WallTimeError: the lab's clock skips one of them or shows it twice.
        NaiveTimeError, EmptySpanError, TimeOutOfRangeError: they make no span.
    """
    require_clear_times(start, end, zone=zone)
    return Span(start, end)


def require_clear_times(start: datetime, end: datetime, *, zone: str) -> None:
    """`require_clear_time` for both ends of a wish, whatever else may be wrong with it.

    Raises:
        WallTimeError: the lab's clock skips one of them or shows it twice.
    """
    require_clear_time(start, zone=zone, field="start")
    require_clear_time(end, zone=zone, field="end")


def require_clear_time(written: datetime, *, zone: str, field: str) -> None:
    """Refuse a time that the lab's clock skips or, where no offset says which is meant, shows twice.

    Args:
        written: with the offset that it was written with, or without one.
        zone: IANA zone of the lab.
        field: what it is called in the request.

    Raises:
        WallTimeError: naming what is wrong, and the two instants that may be meant.
    """
    if not _FIRST_YEAR <= written.year <= _LAST_YEAR:
        return
    reading, offset, clock = written.replace(tzinfo=None), written.utcoffset(), ZoneInfo(zone)
    one, other = (reading.replace(tzinfo=clock, fold=fold).astimezone(UTC) for fold in (0, 1))
    if one == other:
        return
    exists = one.astimezone(clock).replace(tzinfo=None) == reading
    if offset is None:
        rule = EXISTS_TWICE if exists else DOES_NOT_EXIST
    elif not exists and offset and offset in _offsets(one, other, clock):
        rule = DOES_NOT_EXIST
    else:
        return
    what = "comes twice" if exists else "does not exist"
    choices = [at.astimezone(clock).isoformat() for at in sorted((one, other))]
    raise WallTimeError(
        f"{field}: {reading:%H:%M} on {reading:%Y-%m-%d} {what} in {zone}, because the clocks change; write "
        f"{' or '.join(choices)}",
        field=field,
        rule=rule,
        choices=choices,
    )


def _offsets(one: datetime, other: datetime, clock: ZoneInfo) -> set[timedelta | None]:
    return {at.astimezone(clock).utcoffset() for at in (one, other)}
