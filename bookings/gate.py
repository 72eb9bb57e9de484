"""The one gate through which every reservation passes (I1).

The devices are locked in the order of their ids; then come the rules, what a company may, the outages, the engineers
and what is held already. The database's own constraint has the last word at the commit: a transaction that breaks it
is run again (`lab.core.database`), and then finds here what is in the way.

Locks are taken in one order everywhere: bookings, organisations, devices, engineers, each by id.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings import repository
from bookings.conflicts import busy_error
from bookings.entitlements import (
    Wish,
    missing_devices,
    missing_qualifications,
    missing_supervision,
    quota_refusals,
    weeks_of,
)
from bookings.errors import (
    DevicesRetiredError,
    EngineersBusyError,
    EngineerUnknownError,
    OverrideRefusedError,
    UnknownDevicesError,
    UnknownOrganisationError,
)
from bookings.ground_facts import obstacles, standing_facts
from bookings.outages.rules import OutageFacts, outage_spans
from bookings.outages.service import outages_within
from bookings.prices.repository import Pricing
from bookings.pricing import hold_undertaking
from bookings.repository import Reservation
from bookings.rulebook.book import Rulebook
from bookings.rulebook.repository import trainings_of
from bookings.rulebook.service import load_rulebook, read_rulebook
from bookings.rules import (
    Refusal,
    Rules,
    free_openings,
    outage_refusals,
    refusals,
    require_allowed,
    require_device_ids,
    require_none,
    span_facts,
    stepped,
)
from bookings.slots import (
    FIVE_MINUTES,
    Buffers,
    Starts,
    Steps,
    common_starts,
    either_starts,
    free_starts,
    nearest_spans,
)
from devices.models import Device
from lab.core.time import Span
from lab.people.principals import Principal

_NEAR_DAYS = 14
"""Alternatives are looked for this far around the wish first, and up to the horizon only if there are too few."""
_QUOTA_WEEKS = timedelta(days=63)
"""How far ahead of the wish what a company holds is looked at: a later week with room is proposed."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a decision at the gate stands on: the devices, locked and sorted, and the rules for them."""

    devices: tuple[Device, ...]
    book: Rulebook
    rules: Rules
    """Of these devices in one booking."""
    pricing: Pricing | None = None
    """Prices and programme that count; None: nobody asked."""

    @property
    def agreed(self) -> Pricing:
        """Prices and programme that count; for those who have asked for them."""
        assert self.pricing is not None
        return self.pricing

    @property
    def device_ids(self) -> list[str]:
        """Sorted."""
        return [device.id for device in self.devices]

    def buffers(self) -> dict[str, Buffers]:
        """Set-up and clean-up time, by device."""
        return {device.id: self.book.buffers(device) for device in self.devices}

    def reserved(self, span: Span) -> dict[str, Span]:
        """What a booking of this span reserves, by device."""
        return {device_id: buffers.around(span) for device_id, buffers in self.buffers().items()}

    def wish(self, span: Span, organisation_id: str, *, pilot_id: str | None, supervised: bool) -> Wish:
        """A wish for these devices."""
        kinds = tuple((device.id, device.kind) for device in self.devices)
        return Wish(span, kinds, organisation_id, pilot_id, supervised)


@dataclass(frozen=True, slots=True)
class Passed:
    """What may be written."""

    reserved: dict[str, Span]
    """By device, buffers included."""
    engineer_id: str | None
    """Who supervises."""
    overridden: tuple[str, ...]
    """Rules that the staff has set aside."""


def prepare(
    session: Session, device_ids: Sequence[str], defaults: Rules, *, organisation_id: str, agreed_at: datetime
) -> Ground:
    """Lock these devices, sorted, and look up the rules and prices for them.

    Args:
        session: of a write transaction.
        device_ids: each once, sorted.
        defaults: `Rules.from_settings`.
        organisation_id: for whom; locked first if a quota counts what it holds.
        agreed_at: when the booking was or is made, whose prices count.

    Raises:
        UnknownDevicesError, DevicesRetiredError: not all of them can be booked.
        UnknownOrganisationError: there is no such organisation.
    """
    standing = standing_facts(session, organisation_id, now=agreed_at)
    book = read_rulebook(session, standing.rule_texts, defaults)
    # The organisations that share a ceiling of support come first, and all at once by id: else two wait in a circle.
    hold_undertaking(session, organisation_id, standing.pricing)
    if book.has_quotas:
        repository.hold_organisation(session, organisation_id, alone=True)
    if not standing.organisation_known:
        raise unknown_organisation()
    devices = require_bookable(repository.lock_devices(session, device_ids), device_ids)
    return Ground(tuple(devices), book, book.joint(devices), standing.pricing)


def pass_gate(
    session: Session,
    principal: Principal,
    ground: Ground,
    wish: Wish,
    *,
    now: datetime,
    except_bookings: Collection[str] = (),
    running: bool = False,
    engineer_id: str | None = None,
    preferred_engineer: str | None = None,
    override: str | None = None,
) -> Passed:
    """Judge a wish; what it gives may be written in this transaction.

    Args:
        session: of a write transaction in which `ground` was prepared.
        principal: who wishes.
        ground: the locked devices and their rules.
        wish: what is wished.
        now: the present instant.
        except_bookings: do not count as held (they are being moved).
        running: the booking has begun, only its end is wished.
        engineer_id: who shall supervise; None: whoever is free.
        preferred_engineer: who supervises if free; else somebody else.
        override: the reason for which the staff sets rules aside; None: all rules hold.

    Raises:
        RuleBrokenError: a rule says no; with the nearest allowed choice.
        OverrideRefusedError: somebody who is not of the staff wants to set rules aside.
        EngineersBusyError, EngineerUnknownError: nobody can supervise then.
        DeviceBusyError: with the conflicts as this principal may know them, and alternatives.
    """
    if override is not None and not principal.is_staff:
        raise OverrideRefusedError(
            "only the lab's staff sets rules aside; leave override_reason out",
            field="override_reason",
            rule="staff-only",
        )
    found = refusals(wish.span, now=now, rules=ground.rules, running=running)
    kept = [refusal for refusal in found if _never_set_aside(refusal, wish.span, now)]
    if kept or (override is None and any(refusal.rule in _FAR for refusal in found)):
        require_none(kept or found, ground.rules.zone)  # no calendar, and no sum of hours, reaches there
    reserved = ground.reserved(wish.span)
    window = Span(min(span.start for span in reserved.values()), max(span.end for span in reserved.values()))
    in_the_way = obstacles(session, reserved, window, except_bookings=except_bookings)
    found += _out_of_service(session, ground, wish, reserved, window, in_the_way.outages, now)
    found += _other_refusals(session, principal, ground, wish, now, except_bookings)
    overridden = tuple(refusal.rule for refusal in found) if override is not None else ()
    if override is None:
        require_none(found, ground.rules.zone)
    engineer = None
    if wish.supervised:
        free = _free_engineers(session, ground, wish, now, except_bookings, engineer_id)
        engineer = preferred_engineer if preferred_engineer in free else free[0]
    held = _held(session, reserved, now, except_bookings) if in_the_way.taken else []
    if held:
        alternatives = _alternatives(
            session, ground, wish.span, now=now, except_bookings=except_bookings, supervised=wish.supervised, wish=wish
        )
        raise busy_error(principal, list(reserved), held, alternatives)
    return Passed(reserved, engineer, overridden)


_FAR = frozenset({"longest-booking", "horizon"})
_FURTHEST = timedelta(days=3660)


def _never_set_aside(refusal: Refusal, span: Span, now: datetime) -> bool:
    """Whether not even the staff may set it aside: what is over is over, and ten years are a mistake."""
    return refusal.rule == "not-in-the-past" or (refusal.rule in _FAR and span.end > now + _FURTHEST)


def _out_of_service(
    session: Session,
    ground: Ground,
    wish: Wish,
    reserved: Mapping[str, Span],
    window: Span,
    near: Sequence[OutageFacts],
    now: datetime,
) -> list[Refusal]:
    found, rules = missing_devices(wish, ground.rules), ground.rules
    if near and outage_spans(near, window, zone=rules.zone):
        wider = window.widened(before=timedelta(days=_NEAR_DAYS), after=timedelta(days=_NEAR_DAYS))
        outages = outages_within(session, ground.device_ids, wider, zone=rules.zone)
        found += outage_refusals(dict(reserved), wish.span, outages, now=now, rules=rules)
    return found


def _other_refusals(
    session: Session,
    principal: Principal,
    ground: Ground,
    wish: Wish,
    now: datetime,
    except_bookings: Collection[str],
) -> list[Refusal]:
    rules = ground.rules
    found = []
    if not principal.is_staff or wish.organisation_id != principal.organisation_id:
        found += missing_supervision(wish, rules)
    if rules.qualifications and not principal.is_staff:
        trainings = trainings_of(session, principal.account_id)
        found += missing_qualifications(wish, rules, trainings, now=now)
    if rules.quotas:
        weeks = weeks_of(wish.span, rules.zone)
        held = repository.held_slots(
            session,
            wish.organisation_id,
            window=Span(weeks[0].start, weeks[-1].end + _QUOTA_WEEKS),
            pilot_id=wish.pilot_id,
            now=now,
            except_bookings=except_bookings,
        )
        found += quota_refusals(wish, rules, held, now=now)
    return found


def _held(
    session: Session, reserved: Mapping[str, Span], now: datetime, except_bookings: Collection[str]
) -> list[Reservation]:
    """What is in the way; requests whose time is over give way at once."""
    held = repository.find_conflicts(session, reserved, except_bookings=except_bookings)
    over = {one.booking.id for one in held if one.booking.lapses_at is not None and one.booking.lapses_at <= now}
    if not over:
        return held
    from bookings.timekeeping import lapse_requests  # which itself passes freed slots on through this gate

    lapse_requests(session, over, now=now)
    return repository.find_conflicts(session, reserved, except_bookings=except_bookings)


def _free_engineers(
    session: Session,
    ground: Ground,
    wish: Wish,
    now: datetime,
    except_bookings: Collection[str],
    wanted: str | None,
) -> list[str]:
    engineers = repository.lock_engineers(session)
    if wanted is not None and wanted not in engineers:
        raise EngineerUnknownError("there is no such engineer", field="engineer_id", rule="known-engineer")
    busy = {who for who, _ in repository.engineers_reserved(session, wish.span, except_bookings=except_bookings)}
    free = [who for who in engineers if who not in busy and wanted in (None, who)]
    if free:
        return free
    alternatives = _alternatives(
        session, ground, wish.span, now=now, except_bookings=except_bookings, supervised=True, wish=wish
    )
    advice = "see alternatives for times near it" if alternatives else "ask the lab's staff"
    raise EngineersBusyError(
        f"no engineer is free to supervise at that time; {advice}",
        field="supervised",
        rule="engineer-free",
        alternatives=[span_facts(span) for span in alternatives],
    )


def free_alternatives(
    session: Session,
    device_ids: Sequence[str],
    span: Span,
    *,
    now: datetime,
    rules: Rules,
    count: int = 3,
    except_bookings: Collection[str] = (),
    supervised: bool = False,
) -> list[Span]:
    """Spans as long as the wish in which all these devices are free under all rules of time, the nearest first.

    Args:
        session: to read in.
        device_ids: all needed at once.
        span: the wish; it is the first answer if it is free.
        now: the present instant.
        rules: `Rules.from_settings`.
        count: how many at most; fewer only if there are not so many up to the horizon.
        except_bookings: do not count as held (they are being moved).
        supervised: whether an engineer must be free as well.

    Raises:
        RuleBrokenError, UnknownDevicesError, DevicesRetiredError: no span like this can be booked.
    """
    wanted = require_device_ids(device_ids)
    devices = require_bookable(repository.find_devices(session, wanted), wanted)
    book = load_rulebook(session, rules)
    ground = Ground(tuple(devices), book, book.joint(devices))
    require_allowed(span, now=now, rules=ground.rules)
    return _alternatives(
        session, ground, span, now=now, count=count, except_bookings=except_bookings, supervised=supervised
    )


def _alternatives(
    session: Session,
    ground: Ground,
    span: Span,
    *,
    now: datetime,
    count: int = 3,
    except_bookings: Collection[str] = (),
    supervised: bool = False,
    wish: Wish | None = None,
) -> list[Span]:
    rules, buffers = ground.rules, ground.buffers()
    found: list[Span] = []
    for days in (_NEAR_DAYS, rules.horizon.days + 1):
        openings = free_openings(span, days=days, now=now, rules=rules)
        if openings:
            window = _widest(buffers.values()).around(Span(openings[0].start, openings[-1].end))
            held = repository.reserved_spans(session, ground.device_ids, window, except_bookings=except_bookings)
            reserved = [(taken, buffers[device_id]) for device_id, taken in held]
            for outage in outages_within(session, ground.device_ids, window, zone=rules.zone):
                hit = [outage.device_id] if outage.device_id is not None else ground.device_ids
                reserved += [(outage.span, buffers[device_id]) for device_id in hit]
            starts = free_starts(span.length, reserved=reserved, openings=openings)
            if supervised:
                engineers = _engineers_free(session, span.length, openings, except_bookings)
                starts = common_starts(starts, engineers)
            found = nearest_spans(
                span,
                starts,
                count=count,
                steps=steps_of(rules),
                accept=_within_quotas(
                    session, ground, wish, Span(openings[0].start, openings[-1].end), now, except_bookings
                ),
            )
        if len(found) >= count:
            break
    return found


def _engineers_free(
    session: Session, length: timedelta, openings: Sequence[Span], except_bookings: Collection[str]
) -> list[Starts]:
    """Where at least one engineer is free."""
    window = Span(openings[0].start, openings[-1].end)
    busy = repository.engineers_reserved(session, window, except_bookings=except_bookings)
    return either_starts(
        free_starts(length, reserved=[(taken, Buffers()) for who, taken in busy if who == engineer], openings=openings)
        for engineer in repository.engineer_ids(session)
    )


def _within_quotas(
    session: Session,
    ground: Ground,
    wish: Wish | None,
    window: Span,
    now: datetime,
    except_bookings: Collection[str],
) -> Callable[[Span], bool]:
    if wish is None or not ground.rules.quotas:
        return lambda span: True
    held = repository.held_slots(
        session,
        wish.organisation_id,
        window=window.widened(before=timedelta(days=7), after=_QUOTA_WEEKS),
        pilot_id=wish.pilot_id,
        now=now,
        except_bookings=except_bookings,
    )
    return lambda span: not quota_refusals(replace(wish, span=span), ground.rules, held, now=now)


def steps_of(rules: Rules) -> Steps:
    """Where bookings may start: on the rules' steps, else on full five minutes where one fits."""
    if not rules.granularity:
        return FIVE_MINUTES
    return Steps(lambda instant: stepped(instant, rules), lambda instant: stepped(instant, rules, down=True))


def require_bookable(devices: list[Device], device_ids: Sequence[str]) -> list[Device]:
    """These devices, sorted.

    Raises:
        UnknownDevicesError, DevicesRetiredError: not all of the ids can be booked.
    """
    known = {device.id for device in devices}
    unknown = [device_id for device_id in device_ids if device_id not in known]
    if unknown:
        raise UnknownDevicesError(
            f"there is no device {', '.join(unknown)}", field="device_ids", rule="known-device", devices=unknown
        )
    retired = [device.id for device in devices if device.retired_at is not None]
    if retired:
        raise DevicesRetiredError(
            f"{', '.join(retired)}: no longer in service", field="device_ids", rule="device-in-service", devices=retired
        )
    return sorted(devices, key=lambda device: device.id)


def unknown_organisation() -> UnknownOrganisationError:
    """There is nobody to book for."""
    return UnknownOrganisationError(
        "there is no such organisation to book for", field="organisation_id", rule="known-organisation"
    )


def _widest(buffers: Iterable[Buffers]) -> Buffers:
    every = list(buffers)
    return Buffers(max(one.setup for one in every), max(one.cleanup for one in every))
