r"""Calendars and invitations as text (RFC 5545, RFC 5546).

`icalendar` takes 2.8 s for 10,000 events and makes a line break of the letters `\N` in a title, so events are written
here, line by line, in a tenth of the time. The frame around them is left to it, and tests read everything with it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Calendar, vText

from bookings.feeds.calendar import Entry, Place, times_of, transparency_of, years_of
from bookings.feeds.zones import zone_of

PRODUCT = "-//Pilot Lab//Bookings//EN"
REFRESH = "PT15M"
"""How often readers should look again."""

_LONGEST_LINE = 75
"""Octets, without the line break (RFC 5545 §3.1)."""
_END = "END:VCALENDAR\r\n"
_LINE_BREAKS = ("\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
"""What some reader or other takes for the end of a line."""
_ESCAPES = str.maketrans(
    {
        **{chr(number): None for number in (*range(0x20), *range(0x7F, 0xA0)) if number != 9},
        **dict.fromkeys(_LINE_BREAKS, "\\n"),
        "\\": "\\\\",
        ";": "\\;",
        ",": "\\,",
    }
)


def calendar_bytes(name: str, entries: Sequence[Entry], *, place: Place, now: datetime) -> bytes:
    """A calendar with its zone and events, UTF-8; the same bytes as long as the entries are the same.

    Args:
        name: as people read it in their list of calendars.
        entries: its events, in order.
        place: the lab.
        now: the present instant; only its year counts, for the zone.
    """
    frame = _frame()
    frame.add("NAME", name)
    frame.add("X-WR-CALNAME", name)
    frame.add("X-WR-TIMEZONE", place.zone)
    frame.add("REFRESH-INTERVAL", vText(REFRESH), parameters={"VALUE": "DURATION"})
    frame.add("X-PUBLISHED-TTL", REFRESH)
    return _filled(frame, entries, place=place, now=now).encode()


def invitation(entry: Entry, *, place: Place, method: str, organizer: str, attendee: str) -> str:
    """An iCalendar object to send with a mail (RFC 5546, RFC 6047).

    Whoever gets it asked for the slot or is booked with it, so it says "accepted" and asks for no answer.

    Args:
        entry: the booking as it is now.
        place: the lab.
        method: REQUEST, also for a change, or CANCEL.
        organizer: e-mail address of the lab.
        attendee: e-mail address of who gets it.
    """
    frame = _frame()
    frame.add("METHOD", method)
    people = (
        f"ORGANIZER:mailto:{_address(organizer)}",
        f"ATTENDEE;PARTSTAT=ACCEPTED;ROLE=REQ-PARTICIPANT;RSVP=FALSE:mailto:{_address(attendee)}",
    )
    return _filled(frame, [entry], place=place, now=entry.start, more=people)


def event_text(entry: Entry, zone: ZoneInfo, more: Sequence[str] = ()) -> str:
    """One VEVENT.

    Args:
        entry: what happens.
        zone: of the lab.
        more: further lines, not folded yet.
    """
    start, end = times_of(entry, zone)
    stamp = _utc(entry.stamp)
    lines = [
        "BEGIN:VEVENT",
        _folded(f"UID:{entry.uid}"),
        f"SEQUENCE:{entry.sequence}",
        f"DTSTAMP:{stamp}",
        f"DTSTART{_time(start)}",
        f"DTEND{_time(end)}",
        _text("SUMMARY", entry.summary),
        f"STATUS:{entry.status}",
        "CLASS:PRIVATE" if entry.private else "CLASS:PUBLIC",
        f"TRANSP:{transparency_of(entry)}",
    ]
    if entry.created is not None:
        lines.append(f"CREATED:{_utc(entry.created)}")
    if entry.changed is not None:
        lines.append(f"LAST-MODIFIED:{stamp if entry.changed == entry.stamp else _utc(entry.changed)}")
    if entry.description is not None:
        lines.append(_text("DESCRIPTION", entry.description))
    if entry.location is not None:
        lines.append(_text("LOCATION", entry.location))
    if entry.url is not None:
        lines.append(_folded(f"URL:{entry.url}"))
    lines += [_folded(line) for line in more]
    lines.append("END:VEVENT\r\n")
    return "\r\n".join(lines)


def _frame() -> Calendar:
    frame = Calendar()
    frame.add("VERSION", "2.0")
    frame.add("PRODID", PRODUCT)
    frame.add("CALSCALE", "GREGORIAN")
    return frame


def _filled(frame: Calendar, entries: Sequence[Entry], *, place: Place, now: datetime, more: Sequence[str] = ()) -> str:
    frame.add_component(zone_of(place.zone, *years_of(entries, now)))
    zone = ZoneInfo(place.zone)
    head = frame.to_ical().decode().removesuffix(_END)
    return "".join([head, *(event_text(entry, zone, more) for entry in entries), _END])


def _utc(instant: datetime) -> str:
    return _digits(instant.astimezone(UTC)) + "Z"


def _time(instant: datetime) -> str:
    zone = instant.tzinfo
    return f";TZID={zone.key}:{_digits(instant)}" if isinstance(zone, ZoneInfo) else f":{_utc(instant)}"


def _digits(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")[:19].replace("-", "").replace(":", "")


@lru_cache(maxsize=4096)  # places, machines and companies come again and again
def _text(name: str, text: str) -> str:
    """A property of type TEXT as RFC 5545 §3.3.11 writes it, without control characters."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _folded(f"{name}:{text.translate(_ESCAPES)}")


def _address(mail: str) -> str:
    """Without whatever could end the line or begin a parameter."""
    return "".join(character for character in mail if character.isprintable() and character not in ' ";,')


def _folded(line: str) -> str:
    """The line in parts of at most 75 octets, never cut within a character."""
    octets = line.encode()
    if len(octets) <= _LONGEST_LINE:
        return line
    parts, start, room = [], 0, _LONGEST_LINE
    while len(octets) - start > room:
        end = start + room
        while octets[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        parts.append(octets[start:end])
        start, room = end, _LONGEST_LINE - 1  # a continued line begins with a blank
    return b"\r\n ".join([*parts, octets[start:]]).decode()
