"""What figures look like over HTTP."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from bookings.figures.counting import Figures, Group, Grouping
from bookings.figures.service import Utilisation

_HOUR = timedelta(hours=1)


class FiguresAnswer(BaseModel):
    """Sums; hours are those of devices: one hour of a booking with three devices is three."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    open_hours: float
    """The lab is open and the device in service; the same for every company."""
    booked_hours: float
    """Used, idle, no-show and ahead together, without buffers."""
    used_hours: float
    """From check-in to check-out, or as the machine says."""
    idle_hours: float
    """Booked, over and not used."""
    no_show_hours: float
    """Held for somebody who did not come."""
    ahead_hours: float
    """Booked and not over yet."""
    bookings: int
    """That begin in the window."""
    no_shows: int
    cancelled: int
    utilisation: float | None
    """Booked per open time; null where it never was open."""

    @staticmethod
    def numbers(figures: Figures) -> dict[str, float | int | None]:
        """The fields, in their order."""
        share = figures.utilisation
        return {
            "open_hours": _hours(figures.open),
            "booked_hours": _hours(figures.booked),
            "used_hours": _hours(figures.used),
            "idle_hours": _hours(figures.idle),
            "no_show_hours": _hours(figures.no_show),
            "ahead_hours": _hours(figures.ahead),
            "bookings": len(figures.bookings),
            "no_shows": len(figures.no_shows),
            "cancelled": len(figures.cancelled),
            "utilisation": None if share is None else round(share, 4),
        }


class FiguresRow(FiguresAnswer):
    """Sums of one group; what the figures are not told apart by is null."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    device_id: str | None
    device: str | None
    """Its name."""
    organisation_id: str | None
    company: str | None
    """Its name."""
    week: str | None
    """ISO week by the lab's clock, such as `2026-W48`."""

    @classmethod
    def of(cls, group: Group, figures: Figures, found: Utilisation) -> "FiguresRow":
        """Translate one group."""
        return cls.model_validate({**names_of(group, found), **cls.numbers(figures)})


class UtilisationAnswer(BaseModel):
    """Figures of a window `[from, to)`, by week, device and company."""

    start: datetime
    end: datetime
    time_zone: str
    by: list[Grouping]
    rows: list[FiguresRow]
    total: FiguresAnswer

    @classmethod
    def of(cls, found: Utilisation, by: frozenset[Grouping], zone: str) -> "UtilisationAnswer":
        """Translate all groups."""
        return cls(
            start=found.window.start,
            end=found.window.end,
            time_zone=zone,
            by=sorted(by),
            rows=[FiguresRow.of(group, figures, found) for group, figures in found.groups.items()],
            total=FiguresAnswer.model_validate(FiguresAnswer.numbers(found.total)),
        )


def names_of(group: Group, found: Utilisation) -> dict[str, str | None]:
    """What a group is of, by field."""
    return {
        "device_id": group.device_id,
        "device": None if group.device_id is None else found.devices.get(group.device_id),
        "organisation_id": group.organisation_id,
        "company": None if group.organisation_id is None else found.organisations.get(group.organisation_id),
        "week": group.week,
    }


def _hours(length: timedelta) -> float:
    return round(length / _HOUR, 4)
