"""What people read when something becomes of a booking: plain words in the present language, by the lab's wall clock.

Pure, but for the catalogues in `locales/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from babel.dates import format_date

from bookings.language import marked as N_  # noqa: N812
from bookings.language import present_language, state_text
from bookings.language import say as _
from lab.core.time import Span, in_zone


class Notice(StrEnum):
    """What became of a booking."""

    CREATED = "created"
    REQUESTED = "requested"
    APPROVED = "approved"
    DECLINED = "declined"
    LAPSED = "lapsed"
    MOVED = "moved"
    EXTENDED = "extended"
    CANCELLED = "cancelled"
    STARTED = "started"
    FINISHED = "finished"
    NO_SHOW = "no-show"
    OFFERED = "offered"
    OUTAGE_HIT = "outage-hit"
    REINSTATED = "reinstated"


class Reader(StrEnum):
    """What the reader of a mail has to do with the booking."""

    BOOKER = "booker"
    """Booked it."""
    ENGINEER = "engineer"
    """Supervises it."""
    RELIEVED = "relieved"
    """Supervised it until this change."""
    MANAGER = "manager"
    """Decides on requests."""


@dataclass(frozen=True, slots=True)
class OutageNews:
    """What is out of service, when and why."""

    what: str | None
    """The machine; None: the whole lab."""
    span: Span
    ends: bool
    """Whether anybody knows when."""
    reason: str


@dataclass(frozen=True, slots=True)
class News:
    """One change of a booking, with names instead of ids."""

    what: Notice
    title: str
    company: str
    devices: Sequence[str]
    engineers: Sequence[str]
    span: Span
    """After the change."""
    before: Span | None = None
    """Before the change; None of a new booking."""
    by: str | None = None
    """Who did it; None: nobody, it came by itself."""
    reason: str | None = None
    """In that person's own words."""
    lapses_at: datetime | None = None
    now_stands: tuple[str, Span] | None = None
    """State, or what it ended as, and span as they are now, if it was changed again since."""
    outage: OutageNews | None = None
    proposals: Sequence[Span] = ()
    """Other times that are free."""


_HEADINGS: dict[Notice, str] = {
    Notice.CREATED: N_("Booking confirmed"),
    Notice.REQUESTED: N_("Request received"),
    Notice.APPROVED: N_("Booking approved"),
    Notice.DECLINED: N_("Request declined"),
    Notice.LAPSED: N_("Slot not kept"),
    Notice.MOVED: N_("Booking moved"),
    Notice.EXTENDED: N_("Booking ends at another time"),
    Notice.CANCELLED: N_("Booking cancelled"),
    Notice.NO_SHOW: N_("Nobody came"),
    Notice.OFFERED: N_("A slot is free for you"),
    Notice.OUTAGE_HIT: N_("Out of service during your booking"),
    Notice.REINSTATED: N_("Booking valid again"),
}
_SENTENCES: dict[Notice, str] = {
    Notice.CREATED: N_("your booking is confirmed."),
    Notice.REQUESTED: N_(
        "the lab has your request. The slot is held for you until {until}; the lab decides before then."
    ),
    Notice.APPROVED: N_("the lab has approved your booking."),
    Notice.DECLINED: N_("the lab has declined your request. The slot is free for others again."),
    Notice.LAPSED: N_("this slot was not confirmed in time, so it is free for others again."),
    Notice.MOVED: N_("your booking has been moved."),
    Notice.EXTENDED: N_("your booking has another end."),
    Notice.CANCELLED: N_("your booking is cancelled."),
    Notice.NO_SHOW: N_("nobody checked in, so what was left of the slot has been given to others."),
    Notice.OFFERED: N_(
        "a slot that you are waiting for is free. It is held for you until {until}; accept it before then, "
        "or the next one in line gets it."
    ),
    Notice.OUTAGE_HIT: N_("a machine that you have booked will not be available."),
    Notice.REINSTATED: N_("your booking is valid again: the slot was still free."),
}
_ENGINEER_SENTENCES: dict[Notice, str] = {
    Notice.CREATED: N_("you are booked to supervise this slot."),
    Notice.REQUESTED: N_("you would supervise this slot. It still waits for the lab's approval."),
    Notice.APPROVED: N_("this slot is approved, and you are booked to supervise it."),
    Notice.DECLINED: N_("this slot, which you would have supervised, was declined."),
    Notice.LAPSED: N_("this slot, which you would have supervised, was not confirmed in time."),
    Notice.MOVED: N_("a slot that you supervise has been moved."),
    Notice.EXTENDED: N_("a slot that you supervise has another end."),
    Notice.CANCELLED: N_("a slot that you were to supervise is cancelled."),
    Notice.NO_SHOW: N_(
        "nobody checked in to a slot that you supervise, so what was left of it has been given to others."
    ),
    Notice.OFFERED: N_("this slot is offered to a company that waits for it. If it is accepted, you supervise it."),
    Notice.OUTAGE_HIT: N_("a machine of a slot that you supervise will not be available."),
    Notice.REINSTATED: N_("a slot that you supervise is valid again."),
}


def subject_of(news: News, reader: Reader, *, zone: str) -> str:
    """One line: what it is about, and when."""
    heading = _(_HEADINGS[news.what])
    if reader is Reader.MANAGER:
        heading = _("Please decide on a request")
    elif reader is Reader.RELIEVED:
        heading = _("You no longer supervise")
    elif reader is Reader.ENGINEER and news.what is Notice.OUTAGE_HIT:
        heading = _("Out of service during a slot that you supervise")
    start = in_zone(news.span.start, zone)
    return f"{heading}: {one_line(news.title)}, {_date(start, 'd MMMM y')} {start:%H:%M}"


def text_of(news: News, reader: Reader, *, name: str, lab: str, zone: str, page: str | None) -> str:
    """The mail.

    Args:
        news: what became of it.
        reader: what the reader has to do with it.
        name: of the reader.
        lab: name of the lab.
        zone: IANA name of the lab's zone.
        page: where the booking can be seen.
    """
    parts = [_("Hello {name},", name=one_line(name)), _sentence(news, reader, zone), "\n".join(_facts(news, zone))]
    if news.proposals:
        times = "\n".join(f"  {span_text(span, zone)}" for span in news.proposals)
        parts.append(_("These times are free instead, as far as is known now:") + f"\n{times}")
    if news.now_stands is not None:
        state, span = news.now_stands
        stands = {"state": state_text(state), "span": span_text(span, zone)}
        parts.append(_("It has been changed again since then. Now it is {state}: {span}.", **stands))
    if page is not None:
        parts.append(_("See it here: {page}", page=page))
    closing = _("This mail was written by the lab's booking system; answers to it are not read.")
    parts.append(f"{lab}\n{closing}")
    return "\n\n".join(parts) + "\n"


def _sentence(news: News, reader: Reader, zone: str) -> str:
    if reader is Reader.RELIEVED:
        return _("you no longer supervise this slot.")
    until = _("its start") if news.lapses_at is None else instant_text(news.lapses_at, zone)
    if reader is Reader.MANAGER:
        return _(
            "{company} asks for a slot. Please approve or decline it by {until}; then it lapses.",
            company=one_line(news.company),
            until=until,
        )
    sentences = _ENGINEER_SENTENCES if reader is Reader.ENGINEER else _SENTENCES
    return _(sentences[news.what], until=until)


def _facts(news: News, zone: str) -> list[str]:
    facts = [(_("What"), news.title), (_("Company"), news.company), (_("Machines"), ", ".join(news.devices))]
    facts.append((_("When"), span_text(news.span, zone)))
    if news.before is not None and news.before != news.span:
        facts.append((_("Before"), span_text(news.before, zone)))
    if news.engineers:
        facts.append((_("Supervised by"), ", ".join(news.engineers)))
    if news.outage is not None:
        until = span_text(news.outage.span, zone)
        if not news.outage.ends:
            start = instant_text(news.outage.span.start, zone)
            until = _("from {start} until further notice", start=start)
        what = news.outage.what if news.outage.what is not None else _("the whole lab")
        facts += [(_("Out of service"), f"{what}, {until}"), (_("Reason"), news.outage.reason)]
    if news.by is not None:
        facts.append((_("Done by"), news.by))
    if news.reason:
        facts.append((_("Reason"), news.reason))
    return [f"{label + ':':<15} {one_line(fact)}" for label, fact in facts]


def instant_text(instant: datetime, zone: str) -> str:
    """Such as `Monday 23 November 2026, 09:00 (Europe/Warsaw, UTC+1)`."""
    wall = in_zone(instant, zone)
    return f"{_day(wall)}, {wall:%H:%M} ({zone}, {_offset(wall)})"


def span_text(span: Span, zone: str) -> str:
    """Such as `Monday 23 November 2026, 09:00–12:00 (Europe/Warsaw, UTC+1)`; with two offsets where clocks change."""
    start, end = in_zone(span.start, zone), in_zone(span.end, zone)
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{_day(end)}, {end:%H:%M}"
    if start.utcoffset() == end.utcoffset():
        dash = "–" if end.date() == start.date() else " – "
        return f"{_day(start)}, {start:%H:%M}{dash}{until} ({zone}, {_offset(start)})"
    return f"{_day(start)}, {start:%H:%M} ({_offset(start)}) – {until} ({_offset(end)}), {zone}"


def one_line(text: str) -> str:
    """Without line ends and other control characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _day(wall: datetime) -> str:
    return _date(wall, "EEEE d MMMM y")


def _date(wall: datetime, form: str) -> str:
    return str(format_date(wall, form, locale=present_language()))


def _offset(wall: datetime) -> str:
    minutes = (wall.utcoffset() or timedelta()) // timedelta(minutes=1)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
