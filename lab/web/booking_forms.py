"""What somebody types to book, as they type it: which machines or abilities, when, and what for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from bookings.schemas import BookingRequest
from bookings.search.service import FoundSlot
from bookings.search.wishes import SlotWish
from bookings.series.schemas import SeriesRequest
from lab.core.time import Span
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import field_time, read_field_time

LENGTHS_MINUTES = (30, 60, 90, 120, 180, 240, 360, 480)
PROPOSALS = 6
MOST_WEEKS = 52
WINDOWS = {
    "exact": N_("exactly this time"),
    "day": N_("any time on this day"),
    "week": N_("any time in the seven days from then"),
}
"""When a slot would be welcome, as people choose it."""
_MOST_CHOSEN = 20
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class BookingForm:
    """What somebody has typed, as they typed it."""

    device_ids: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    minutes: str = "60"
    earliest: str = ""
    start: str = ""
    end: str = ""
    title: str = ""
    pilot_id: str = ""
    organisation_id: str = ""
    supervised: bool = False
    times: str = "1"
    """How many weeks."""

    @classmethod
    def from_query(cls, query: QueryParams) -> "BookingForm":
        """From an address such as `?device=mill-1&start=2026-11-24T09:00`."""
        given = {name: query.get(name, "")[:_LONGEST_TEXT] for name in ("earliest", "start", "end", "title")}
        return cls(
            device_ids=[*query.getlist("device"), *query.getlist("device_ids")][:_MOST_CHOSEN],
            capabilities=query.getlist("capability")[:_MOST_CHOSEN],
            minutes=query.get("minutes", "60"),
            pilot_id=query.get("pilot_id", query.get("pilot", "")),
            organisation_id=query.get("organisation_id", ""),
            supervised=query.get("supervised") == "yes",
            times=query.get("times", "1")[:_LONGEST_TEXT],
            **given,
        )

    def address(self, *, place: str = "/bookings/new", **changes: Any) -> str:
        """The address of the form with this in it, or of another page that reads it."""
        form = replace(self, **changes)
        pairs = [("device", one) for one in form.device_ids] + [("capability", one) for one in form.capabilities]
        texts = ("minutes", "earliest", "start", "end", "title", "pilot_id", "organisation_id")
        pairs += [(name, getattr(form, name)) for name in texts if getattr(form, name)]
        pairs += [("supervised", "yes")] if form.supervised else []
        pairs += [("times", form.times)] if form.weeks() != 1 else []
        return f"{place}?{urlencode(pairs)}"

    def taking(self, slot: FoundSlot, zone: str) -> str:
        """The address of the form with a proposed slot taken."""
        return self.address(
            device_ids=[device.id for device in slot.devices],
            capabilities=[],
            start=field_time(slot.span.start, zone),
            end=field_time(slot.span.end, zone),
            supervised=slot.supervised,
        )

    def length(self) -> timedelta:
        """How long the slot shall be; what is no number is an hour."""
        return timedelta(
            minutes=int(self.minutes)
            if self.minutes.isascii() and self.minutes.isdigit() and len(self.minutes) < 6
            else 60
        )

    def weeks(self) -> int | None:
        """How many weeks in a row; `None`: not a number, or too many."""
        known = self.times.isascii() and self.times.isdigit() and len(self.times) < 4
        return int(self.times) if known and 1 <= int(self.times) <= MOST_WEEKS else None

    def series(self, zone: str) -> SeriesRequest:
        """What is meant by a series.

        Raises:
            LabTimeError: a time that cannot be read.
            ValidationError: a field of a wrong form.
        """
        return SeriesRequest(rrule=f"FREQ=WEEKLY;COUNT={self.weeks()}", **self.request(zone).model_dump())

    def span(self, zone: str) -> Span:
        """When it shall be.

        Raises:
            LabTimeError: a time that cannot be read.
            InvalidError: an end that is not after its start.
        """
        return Span(read_field_time(self.start, zone, field="start"), read_field_time(self.end, zone, field="end"))

    def search(self, zone: str, **limits: Any) -> SlotWish:
        """What a search for free times asks.

        Raises:
            LabTimeError: an earliest day that cannot be read.
        """
        earliest = read_field_time(self.earliest, zone, field="earliest day") if self.earliest else None
        given: Mapping[str, Any] = {"size": self.length(), "start": earliest, "count": PROPOSALS, **limits}
        return SlotWish(
            device_ids=tuple(self.device_ids),
            capabilities=tuple(self.capabilities),
            supervised=self.supervised,
            organisation_id=self.organisation_id or None,
            pilot_id=self.pilot_id or None,
            **given,
        )

    def request(self, zone: str) -> BookingRequest:
        """What is meant.

        Raises:
            LabTimeError: a time that cannot be read.
            ValidationError: a field of a wrong form.
        """
        return BookingRequest(
            device_ids=self.device_ids,
            start=read_field_time(self.start, zone, field="start"),
            end=read_field_time(self.end, zone, field="end"),
            title=self.title,
            pilot_id=self.pilot_id or None,
            organisation_id=self.organisation_id or None,
            supervised=self.supervised,
        )


def with_times(form: BookingForm, start: datetime, end: datetime, zone: str) -> BookingForm:
    """The form with a span in it, as fields show it."""
    return replace(form, start=field_time(start, zone), end=field_time(end, zone))
