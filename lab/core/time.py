"""Time inside the product: aware UTC, half-open spans, int64 nanoseconds for samples (I7)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from lab.core.errors import InvalidError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class NaiveTimeError(InvalidError):
    """A time without a zone: nobody can know which instant is meant."""


class TimeOutOfRangeError(InvalidError):
    """A time that lies outside the years 1 to 9999 once it is told in UTC."""


class EmptySpanError(InvalidError):
    """A span that ends before or at its start."""


def aware_utc(instant: datetime, *, field: str = "time") -> datetime:
    """Return `instant` in UTC.

    Raises:
        NaiveTimeError: if it has no zone.
        TimeOutOfRangeError: if UTC has no year for it.
    """
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise NaiveTimeError(
            f"{field} {instant.isoformat()} has no time zone; write it as {instant.isoformat()}Z or with an offset",
            field=field,
            rule="aware-time",
        )
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise TimeOutOfRangeError(
            f"{field} {instant.isoformat()} is outside the years 1 to 9999", field=field, rule="time-in-range"
        ) from error


def to_microseconds(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant; exact."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC instant of microseconds since 1970; exact."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_nanoseconds(instant: datetime) -> int:
    """Nanoseconds since 1970 of an aware instant; exact (a datetime resolves microseconds)."""
    return to_microseconds(instant) * 1000


def from_nanoseconds(nanoseconds: int) -> datetime:
    """The aware UTC instant of nanoseconds since 1970, cut to the microsecond below."""
    return from_microseconds(nanoseconds // 1000)


def in_zone(instant: datetime, zone: str) -> datetime:
    """`instant` as the wall clock of an IANA zone shows it; for edges only (pages, mails, opening hours)."""
    return instant.astimezone(ZoneInfo(zone))


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A half-open span of time `[start, end)`, aware UTC, never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", aware_utc(self.start, field="start"))
        object.__setattr__(self, "end", aware_utc(self.end, field="end"))
        if self.end <= self.start:
            raise EmptySpanError(
                f"the end {self.end.isoformat()} is not after the start {self.start.isoformat()}",
                field="end",
                rule="end-after-start",
            )

    @property
    def length(self) -> timedelta:
        """How long the span is."""
        return self.end - self.start

    def overlaps(self, other: "Span") -> bool:
        """Whether the two share an instant; spans that touch do not."""
        return self.start < other.end and other.start < self.end

    def contains(self, instant: datetime) -> bool:
        """Whether the instant lies in `[start, end)`."""
        return self.start <= instant < self.end

    def widened(self, *, before: timedelta, after: timedelta) -> "Span":
        """The span with buffers added at both ends."""
        return Span(self.start - before, self.end + after)
