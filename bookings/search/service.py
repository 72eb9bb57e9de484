"""Slot search: the first spans in which everything that is needed is free under all rules.

Whatever is proposed passes `bookings.service.book_devices` as long as nobody is faster, and nothing earlier would have,
on the grid of starts: full five minutes, the steps that a device's rules ask for, and, where a free stretch has none of
these, its beginning. Everything is decided on stretches of starts (`bookings.search.availability`), which all rules,
outages, quotas and reservations only cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from bookings import repository as calendar
from bookings.errors import NotYourBookingError, PilotUnfitError
from bookings.ground import unknown_organisation
from bookings.prices.rules import Quote
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules
from bookings.search import repository
from bookings.search.availability import Lane, Question
from bookings.search.capabilities import CapabilityRange, ranges_of, read_capabilities
from bookings.search.choosing import Party, Proposal, possible_starts, propose
from bookings.search.explaining import Refused, explain
from bookings.search.gathering import Cast, gather_cast, gather_engineers, gather_lanes
from bookings.search.money import Money
from bookings.search.preferences import preferred_starts, starts_on
from bookings.search.stretches import ALWAYS, Stretch, common, covered_by
from bookings.search.wishes import (
    SlotWish,
    read_preferences,
    read_requirements,
    read_weekdays,
    require_sensible,
    window_of,
)
from bookings.service import CompanyOfPilot, no_pilots, require_may_book
from devices.models import Device
from lab.core.time import MICROSECOND, Span, from_microseconds, to_microseconds
from lab.people.principals import Principal


@dataclass(frozen=True, slots=True)
class FoundSlot:
    """A span that can be booked.

    Attributes:
        span: when.
        devices: sorted by id.
        meeting: by requirement, the ids of the devices that meet it.
        added: ids of devices that others need.
        preferred: whether it lies in the preferred hours.
        supervised: whether an engineer is booked with it; one is free then.
        supervised_because: `wish`, `rule` or `training`; None: not supervised.
        needs_approval: whether it would be a request first.
        quote: what it costs.
    """

    span: Span
    devices: tuple[Device, ...]
    meeting: tuple[tuple[str, tuple[str, ...]], ...]
    added: frozenset[str]
    preferred: bool
    supervised: bool
    supervised_because: str | None
    needs_approval: bool
    quote: Quote


@dataclass(frozen=True, slots=True)
class FoundSlots:
    """What a search found.

    Attributes:
        slots: those in preferred hours first, each kind by time.
        window: where was looked.
        organisation_id: for whom.
        refused: why earlier starts were refused; None: nobody asked.
        left_off: whether `refused` is only the beginning.
    """

    slots: tuple[FoundSlot, ...]
    window: Span
    organisation_id: str
    refused: tuple[Refused, ...] | None = None
    left_off: bool = False


def list_capabilities(session: Session) -> list[CapabilityRange]:
    """What the devices in service can do, for everybody who is signed in, as is the list of devices."""
    return ranges_of(read_capabilities(repository.capabilities_in_service(session)))


def find_slots(
    session: Session,
    principal: Principal,
    wish: SlotWish,
    *,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot = no_pilots,
) -> FoundSlots:
    """The first spans in which everything that is needed is free.

    Args:
        session: to read in.
        principal: who asks: whoever may book.
        wish: what for.
        now: the present instant.
        rules: `Rules.from_settings`.
        company_of_pilot: knows whose a pilot is.

    Raises:
        NotYourBookingError, PilotUnfitError, UnknownOrganisationError: not for these.
        SearchInvalidError, PreferenceUnreadableError, RequirementUnreadableError: it makes no sense.
        CapabilityUnknownError, CapabilityUnmetError, UnknownDevicesError, DevicesRetiredError: the lab has no such
            devices.
        RuleBrokenError: a rule forbids such a booking at any time.
        SupportCeilingError: the programme's public support is used up.
    """
    require_sensible(wish)
    preferred_hours, weekdays = read_preferences(wish.prefer), read_weekdays(wish.weekdays)
    requirements = read_requirements(wish.capabilities)
    organisation_id = _company_of(session, principal, wish, company_of_pilot)
    book = load_rulebook(session, rules)
    cast = gather_cast(session, book, wish.device_ids, requirements, size=wish.size)
    question = Question(window_of(wish, now=now, rules=list(cast.rules.values())), wish.size, now)
    money = Money(session, cast.devices, organisation_id, question)
    groups = money.affordable(cast, supervised=wish.supervised)
    lanes = gather_lanes(
        session, principal, book, cast, question, organisation_id=organisation_id, pilot_id=wish.pilot_id
    )
    needed = wish.supervised or any(lane.alone != ALWAYS for lane in lanes.values())
    engineers = gather_engineers(session, question) if needed else []
    days = starts_on(weekdays, question.window, rules.zone) if weekdays else [ALWAYS]
    party = Party(
        fixed=cast.fixed,
        groups=groups,
        lanes=lanes,
        starts={one: _starts(lane, question, engineers, days, wish.supervised) for one, lane in lanes.items()},
        costs={device_id: money.market_value((device_id,), supervised=False) for device_id in cast.devices},
        supervised=wish.supervised,
        supervision_cost=money.market_value((), supervised=True),
        size=wish.size // MICROSECOND,
        accept=money.fits,
    )
    possible = possible_starts(party)
    preferred = None
    if preferred_hours:
        preferred = preferred_starts(preferred_hours, party.size, question.window, rules.zone)
    proposals = propose(party, possible, count=wish.count, preferred=preferred)
    slots = tuple(_slot(principal, wish, cast, money, proposal) for proposal in proposals)
    found = FoundSlots(slots, question.window, organisation_id)
    if not wish.explain:
        return found
    all_found = len(proposals) == wish.count
    until = max(one.start for one in proposals) if all_found else to_microseconds(question.window.end) - party.size + 1
    refused, left_off = explain(party, question, possible, until=until, engineers=engineers, days=days)
    return replace(found, refused=tuple(refused), left_off=left_off)


def _starts(
    lane: Lane, question: Question, engineers: Sequence[Stretch], days: Sequence[Stretch], supervised: bool
) -> list[Stretch]:
    """Where a device may be booked, with an engineer where one is wanted."""
    accompanied = engineers if supervised else covered_by([[lane.alone], engineers], 1)
    return common(common(lane.starts(question), accompanied), days)


def _slot(principal: Principal, wish: SlotWish, cast: Cast, money: Money, proposal: Proposal) -> FoundSlot:
    choice = proposal.choice
    start = from_microseconds(proposal.start)
    rules = [cast.rules[device_id] for device_id in choice.device_ids]
    asked = set(wish.device_ids).union(*(devices for _, devices in choice.meeting))
    because = None
    if choice.supervised:
        because = "wish" if wish.supervised else "rule" if any(one.supervision for one in rules) else "training"
    return FoundSlot(
        span=Span(start, start + wish.size),
        devices=tuple(cast.devices[device_id] for device_id in choice.device_ids),
        meeting=choice.meeting,
        added=frozenset(choice.device_ids) - asked,
        preferred=proposal.preferred,
        supervised=choice.supervised,
        supervised_because=because,
        needs_approval=not principal.is_staff and any(one.approval for one in rules),
        quote=money.quote(choice.device_ids, choice.supervised),
    )


def _company_of(session: Session, principal: Principal, wish: SlotWish, company_of_pilot: CompanyOfPilot) -> str:
    """For whom is searched."""
    require_may_book(principal)
    wanted = wish.organisation_id or principal.organisation_id
    if not principal.owns(wanted):
        raise NotYourBookingError(
            "you search for your own company only; leave organisation_id out",
            field="organisation_id",
            rule="own-company",
        )
    if wish.pilot_id is not None and company_of_pilot(session, wish.pilot_id) != wanted:
        raise PilotUnfitError(
            "the company that this search is for has no such pilot; choose one of its own or leave pilot_id out",
            field="pilot_id",
            rule="own-pilot",
        )
    if not calendar.hold_organisation(session, wanted, alone=False):
        raise unknown_organisation()
    return wanted
