"""Device time on the wire: RFC 3339 text or integer nanoseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

EARLIEST_NS = -(2**62)
LATEST_NS = 2**63 - 1


class TimeFormatError(ValueError):
    """Not a time: neither RFC 3339 with a zone nor integer nanoseconds."""


def parse_time(value: str | int) -> int:
    """Nanoseconds since 1970 of a time on the wire; digits beyond the ninth are cut.

    Raises:
        TimeFormatError: if it is no time, has no zone, or does not fit into 64 bits.
    """
    if isinstance(value, int):
        if not EARLIEST_NS <= value <= LATEST_NS:
            raise TimeFormatError("an integer that does not fit into 64 bits is no time in nanoseconds")
        return value
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise TimeFormatError(f"'{value[:60]}' is not RFC 3339 with a zone, such as 2026-11-22T09:30:00.125Z")
    date, clock, fraction, zone = match.groups()
    try:
        whole = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
        seconds = (whole - _EPOCH) // _SECOND
    except (ValueError, OverflowError) as error:
        raise TimeFormatError(f"'{value[:60]}': {error}") from error
    nanoseconds = seconds * 1_000_000_000 + (int(fraction.ljust(9, "0")) if fraction else 0)
    if not EARLIEST_NS <= nanoseconds <= LATEST_NS:
        raise TimeFormatError(f"'{value}' is outside 1823 to 2262")
    return nanoseconds


def format_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC with as many digits as needed (none, 3, 6 or 9); the inverse of `parse_time`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if rest:
        digits = f"{rest:09d}"
        for length in (3, 6, 9):
            if not digits[length:].strip("0"):
                digits = digits[:length]
                break
        text += "." + digits
    return text + "Z"
