"""Everything a search has to know, read in a constant number of statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings import repository as calendar
from bookings.entitlements import weeks_of
from bookings.errors import DevicesRetiredError, RuleBrokenError, UnknownDevicesError
from bookings.outages.service import outages_within
from bookings.rulebook.book import Rulebook
from bookings.rulebook.repository import trainings_of
from bookings.rules import MOST_DEVICES, Quota, Rules
from bookings.search import repository
from bookings.search.availability import NEVER_ALONE, Lane, Question, alone_until
from bookings.search.capabilities import read_capabilities, require_devices
from bookings.search.choosing import Group, Option
from bookings.search.errors import SearchInvalidError
from bookings.search.quotas import quota_layers
from bookings.search.reasons import Layer
from bookings.search.requirements import Requirement
from bookings.search.stretches import ALWAYS, Stretch, covered_by
from bookings.search.wishes import length_refusal
from devices.models import Device
from lab.core.time import MICROSECOND, Span
from lab.people.principals import Principal


@dataclass(frozen=True, slots=True)
class Cast:
    """The devices in play, with the rules for each.

    Attributes:
        devices: by id.
        rules: by device id.
        fixed: the named devices with everything that must be booked with them.
        groups: the requirements with the devices that meet them.
    """

    devices: Mapping[str, Device]
    rules: Mapping[str, Rules]
    fixed: frozenset[str]
    groups: tuple[Group, ...]


def gather_cast(
    session: Session,
    book: Rulebook,
    device_ids: Sequence[str],
    requirements: Sequence[tuple[Requirement, int]],
    *,
    size: timedelta,
) -> Cast:
    """Find who can take part.

    Args:
        session: to read in.
        book: the rules.
        device_ids: named devices.
        requirements: what devices must do, each with how many of them.
        size: length of the booking: who is never booked for so long is left out.

    Raises:
        UnknownDevicesError, DevicesRetiredError: a named device, or one that it needs, cannot be booked.
        CapabilityUnknownError, CapabilityUnmetError: nothing can do what is asked for.
        RuleBrokenError: nobody can be booked for so long.
        SearchInvalidError: more devices than a booking holds.
    """
    known = _Known(session, book, everything=bool(requirements))
    fixed: set[str] = set()
    for device_id in device_ids:
        fixed |= known.closure(device_id, size)
    if len(fixed) > MOST_DEVICES:
        raise SearchInvalidError(
            f"a booking holds {MOST_DEVICES} devices at most, these need {len(fixed)}",
            field="device_id",
            rule="most-devices",
            limit=MOST_DEVICES,
        )
    listed = read_capabilities({one.id: one.capabilities for one in known.devices.values() if one.retired_at is None})
    groups = []
    for requirement, count in requirements:
        options = _options(known, require_devices(requirement, listed, count=count), count, size)
        groups.append(Group(str(requirement), count, options))
    in_play = fixed.union(*(option.closure for group in groups for option in group.options))
    devices = {device_id: known.devices[device_id] for device_id in sorted(in_play)}
    return Cast(devices, {one: known.rules_of(one) for one in devices}, frozenset(fixed), tuple(groups))


def _options(known: "_Known", device_ids: Sequence[str], count: int, size: timedelta) -> tuple[Option, ...]:
    found, refused = [], []
    for device_id in device_ids:
        try:
            found.append(Option(device_id, known.closure(device_id, size)))
        except (RuleBrokenError, UnknownDevicesError, DevicesRetiredError) as error:
            refused.append(error)
    if len(found) < count:
        raise refused[0]
    return tuple(found)


class _Known:
    """Devices and rules as far as they have been looked up."""

    def __init__(self, session: Session, book: Rulebook, *, everything: bool) -> None:
        self._session, self._book = session, book
        self._rules: dict[str, Rules] = {}
        self._asked: set[str] = set()
        self.devices: dict[str, Device] = {}
        if everything:
            self.devices = {device.id: device for device in repository.devices_in_service(session)}

    def rules_of(self, device_id: str) -> Rules:
        """What holds for a device."""
        if device_id not in self._rules:
            self._rules[device_id] = self._book.rules_of(device_id, self.devices[device_id].kind)
        return self._rules[device_id]

    def closure(self, device_id: str, size: timedelta) -> frozenset[str]:
        """A device with everything that must be booked with it.

        Raises:
            UnknownDevicesError, DevicesRetiredError: one of them cannot be booked.
            RuleBrokenError: one of them is never booked for so long.
        """
        found: set[str] = set()
        wanted = {device_id}
        while wanted:
            self._look_up(wanted)
            for one in sorted(wanted):
                self._require_bookable(one, device_id)
                refusal = length_refusal(one, size, self.rules_of(one))
                if refusal is not None:
                    raise refusal
            found |= wanted
            wanted = set().union(*(self.rules_of(one).needs for one in wanted)) - found
        return frozenset(found)

    def _look_up(self, device_ids: set[str]) -> None:
        missing = device_ids - self.devices.keys() - self._asked
        if missing:
            self._asked |= missing
            self.devices.update({device.id: device for device in repository.find_devices(self._session, missing)})

    def _require_bookable(self, device_id: str, asked: str) -> None:
        whose = "" if device_id == asked else f"{asked} needs it"
        if device_id not in self.devices:
            fact = f"there is no device {device_id[:60]}" + (f", but {whose}" if whose else "")
            raise UnknownDevicesError(fact, field="device_id", rule="known-device", devices=[device_id])
        if self.devices[device_id].retired_at is not None:
            fact = f"{device_id}: no longer in service" + (f", but {whose}" if whose else "")
            raise DevicesRetiredError(fact, field="device_id", rule="device-in-service", devices=[device_id])


def gather_lanes(
    session: Session,
    principal: Principal,
    book: Rulebook,
    cast: Cast,
    question: Question,
    *,
    organisation_id: str,
    pilot_id: str | None,
) -> dict[str, Lane]:
    """What is held of the devices in play, what is out of service, and what the company may.

    Args:
        session: to read in.
        principal: who asks.
        book: the rules.
        cast: the devices.
        question: when, and how long.
        organisation_id: for whom.
        pilot_id: for which pilot.
    """
    buffers = {device_id: book.buffers(device) for device_id, device in cast.devices.items()}
    before = max(one.setup for one in buffers.values())
    after = max(one.cleanup for one in buffers.values())
    window = question.window.widened(before=before, after=after)
    ids = list(cast.devices)
    gaps = repository.device_gaps(
        session,
        ids,
        window,
        least=question.size + min(one.setup + one.cleanup for one in buffers.values()),
        except_bookings=repository.lapsed_requests(session, now=question.now),
    )
    outages = outages_within(session, ids, window, zone=book.defaults.zone)
    quotas = _quota_layers(session, cast.rules, question, organisation_id, pilot_id)
    trainings: dict[str, datetime | None] = {}
    if not principal.is_staff and any(rules.qualifications for rules in cast.rules.values()):
        trainings = trainings_of(session, principal.account_id)
    return {
        device_id: Lane(
            device_id,
            rules,
            buffers[device_id],
            gaps[device_id],
            [outage for outage in outages if outage.device_id in (None, device_id)],
            [layer for quota in rules.quotas for layer in quotas[quota]],
            ALWAYS if principal.is_staff else _alone(rules, trainings, question.size),
        )
        for device_id, rules in cast.rules.items()
    }


def gather_engineers(session: Session, question: Question) -> list[Stretch]:
    """The starts at which an engineer is free."""
    engineers = calendar.engineer_ids(session)
    if not engineers:
        return []
    size = question.size // MICROSECOND
    gaps = repository.engineer_gaps(session, engineers, question.window, least=question.size)
    return covered_by(
        [[(begin, until - size) for begin, until in free if until - begin >= size] for free in gaps.values()], 1
    )


def _alone(rules: Rules, trainings: Mapping[str, datetime | None], size: timedelta) -> Stretch:
    """When whoever asks may use a device without an engineer."""
    if rules.supervision or not rules.qualifications <= trainings.keys():
        return NEVER_ALONE
    spans = [alone_until(trainings[name], size) for name in rules.qualifications]
    return min(spans, default=ALWAYS, key=lambda stretch: stretch[1])


def _quota_layers(
    session: Session, rules: Mapping[str, Rules], question: Question, organisation_id: str, pilot_id: str | None
) -> dict[Quota, list[Layer]]:
    quotas = dict.fromkeys(quota for one in rules.values() for quota in one.quotas)
    if not quotas:
        return {}
    zone = next(iter(rules.values())).zone
    weeks = weeks_of(question.window, zone)
    held = calendar.held_slots(
        session,
        organisation_id,
        window=Span(weeks[0].start, weeks[-1].end),
        pilot_id=pilot_id,
        now=question.now,
    )
    return {
        quota: list(
            quota_layers(
                quota, held, question.size, window=question.window, zone=zone, pilot_id=pilot_id, now=question.now
            )
        )
        for quota in quotas
    }
