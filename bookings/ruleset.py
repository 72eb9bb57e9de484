"""What holds for bookings, as values: the rules of one device, and of several together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache

from bookings.opening import HoursSettings, OpeningHours
from bookings.slots import common_spans
from lab.core.time import Span

_NOTHING = timedelta(0)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one company may book of some devices.

    Attributes:
        scope: lab, class or device: what is counted together.
        name: of the class or the device; empty for the lab.
        week: time of bookings in one ISO week.
        pilot: time of bookings for one pilot, whenever.
        concurrent: how many bookings may overlap.
        open: how many bookings may be ahead or running.
    """

    scope: str
    name: str
    week: timedelta | None = None
    pilot: timedelta | None = None
    concurrent: int | None = None
    open: int | None = None

    def counts(self, device_id: str, kind: str) -> bool:
        """Whether a device is one of those."""
        return self.scope == "lab" or self.name == (kind if self.scope == "class" else device_id)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a booking of a device, or of several together (`joined`)."""

    calendars: tuple[OpeningHours, ...]
    """All must be open."""
    horizon: timedelta = timedelta(days=180)
    """A booking ends no later than this from now."""
    lead: timedelta = _NOTHING
    """A booking starts no sooner than this from now."""
    shortest: timedelta = _NOTHING
    longest: timedelta = timedelta(hours=24)
    granularity: timedelta = _NOTHING
    """Start and end lie on multiples of this after midnight, by the lab's clock; 0: anywhere."""
    setup: timedelta | None = None
    """Time a device needs before each use; None: as the catalogue says."""
    cleanup: timedelta | None = None
    approval: bool = False
    """A company's booking is a request until somebody of the staff approves it."""
    approval_lapses: timedelta = timedelta(hours=48)
    """After this a request gives the slot back."""
    supervision: bool = False
    """An engineer must be booked with it."""
    qualifications: frozenset[str] = frozenset()
    """Trainings that whoever books without an engineer must have."""
    needs: frozenset[str] = frozenset()
    """Devices that must be booked with it."""
    gone: frozenset[str] = frozenset()
    """Those of `needs` that are no longer in service."""
    cancel_deadline: timedelta = _NOTHING
    """Companies cancel no later than this before the start."""
    check_in: timedelta | None = None
    """Who has not begun this long after the start has not shown up; None: nobody asks."""
    quotas: tuple[Quota, ...] = ()

    @classmethod
    def from_settings(cls, settings: HoursSettings) -> "Rules":
        """What holds where no manager has set anything.

        Raises:
            OpeningHoursError: if the opening hours cannot be read.
        """
        return _defaults(OpeningHours.from_settings(settings))

    @property
    def zone(self) -> str:
        """The lab's time zone."""
        return self.calendars[0].zone

    def openings(self, span: Span, *, days: int = 0) -> list[Span]:
        """When all are open, on the days that `span` touches and as many `days` before and after."""
        found = self.calendars[0].openings_around(span, days=days)
        for calendar in self.calendars[1:]:
            found = common_spans(found, calendar.openings_around(span, days=days))
        return found


@lru_cache(maxsize=64)
def _defaults(calendar: OpeningHours) -> Rules:
    return Rules((calendar,))


def joined(several: Sequence[Rules]) -> Rules:
    """What holds for several devices in one booking: of each rule the strictest. Buffers stay each device's own."""
    first = several[0]
    if all(rules is first for rules in several):
        return first
    check_ins = [rules.check_in for rules in several if rules.check_in is not None]
    return replace(
        first,
        calendars=tuple(dict.fromkeys(calendar for rules in several for calendar in rules.calendars)),
        horizon=min(rules.horizon for rules in several),
        lead=max(rules.lead for rules in several),
        shortest=max(rules.shortest for rules in several),
        longest=min(rules.longest for rules in several),
        granularity=_MINUTE * math.lcm(*(rules.granularity // _MINUTE for rules in several if rules.granularity))
        if any(rules.granularity for rules in several)
        else _NOTHING,
        approval=any(rules.approval for rules in several),
        approval_lapses=min(rules.approval_lapses for rules in several),
        supervision=any(rules.supervision for rules in several),
        qualifications=frozenset().union(*(rules.qualifications for rules in several)),
        needs=frozenset().union(*(rules.needs for rules in several)),
        gone=frozenset().union(*(rules.gone for rules in several)),
        cancel_deadline=max(rules.cancel_deadline for rules in several),
        check_in=min(check_ins) if check_ins else None,
        quotas=tuple(dict.fromkeys(quota for rules in several for quota in rules.quotas)),
    )
