"""What people race for. Each scenario prepares a round and says what may come of it: one winner, whoever it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bookings.models import Booking
from lab.core.time import Span
from tests.system.race_arena import BY_REQUEST, HALF, HOUR, NOW, OVEN, Arena, place, target, told
from tests.system.web_processes import Shot

TAKEN = frozenset({"device-busy"})
SMALL_HOURS = timedelta(hours=3)


@dataclass(frozen=True)
class Round:
    """One race.

    Attributes:
        shots: the requests.
        devices: what is looked at afterwards: all that the racers want,
        span: in this time.
        rows: reservations that are there then.
        written: reservations that a winner writes who books anew; None: those that are there then.
        holders: the bookings that hold them; None: the winner's.
        losing: problems that the others may be told.
        status: of a refusal.
        aside: a request that is sent among them and succeeds.
        line: whether the slot may go to the waitlist instead, so that none of the racers wins.
        give_back: whether the winner's booking is cancelled afterwards, so that there is room for the next round.
    """

    shots: Sequence[Shot]
    devices: Sequence[str]
    span: Span
    rows: int = 1
    written: int | None = None
    holders: frozenset[str] | None = None
    losing: frozenset[str] = TAKEN
    status: frozenset[int] = frozenset({409})
    aside: Shot | None = None
    line: bool = False
    give_back: bool = False


Scenario = Callable[[Arena, str, int, int], Iterator[Round]]
"""(arena, its name, users, rounds) → the rounds, each prepared when it is asked for."""


def creating(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """One slot, a company each."""
    (device,) = arena.devices(name, setup_minutes=10, cleanup_minutes=5)
    for number in range(rounds):
        span = target(number)
        shots = [arena.create(user, arena.companies[user], span, device, title=name) for user in range(users)]
        yield Round(shots, [device], span)


def overlapping(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Slots that begin at different times and all contain one instant, which buffers make wider still."""
    (device,) = arena.devices(name, setup_minutes=10, cleanup_minutes=5)
    for number in range(rounds):
        span = target(number)
        wishes = [
            span.widened(before=timedelta(minutes=5 * user), after=-timedelta(minutes=3 * user))
            for user in range(users)
        ]
        shots = [
            arena.create(user, arena.companies[user], wish, device, title=name) for user, wish in enumerate(wishes)
        ]
        yield Round(shots, [device], span)


def three_devices(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Three devices at once, named in different orders."""
    devices = arena.devices(name, 3, setup_minutes=10)
    for number in range(rounds):
        span = target(number)
        orders = [devices[user % 3 :] + devices[: user % 3] for user in range(users)]
        orders = [order if user % 2 else order[::-1] for user, order in enumerate(orders)]
        shots = [
            arena.create(user, arena.companies[user], span, *order, title=name) for user, order in enumerate(orders)
        ]
        yield Round(shots, devices, span, rows=3)


def moving(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Bookings of two devices each that all want the slot that is free."""
    devices = arena.devices(name, 2, cleanup_minutes=5)
    for number in range(rounds):
        span = target(number)
        homes = [(arena.companies[user], place(number, user)) for user in range(users)]
        mine = arena.book_each(homes, *devices, title=name)
        shots = [arena.move(user, arena.companies[user], booking, span) for user, booking in enumerate(mine)]
        yield Round(shots, devices, span, rows=2)


def moving_and_creating(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Half of them move to the slot, the others book it."""
    (device,) = arena.devices(name)
    for number in range(rounds):
        span = target(number)
        shots = []
        for user in range(users):
            person = arena.companies[user]
            if user % 2:
                booking = arena.book(person, place(number, user), device, title=name)
                shots.append(arena.move(user, person, booking, span))
            else:
                shots.append(arena.create(user, person, span, device, title=name))
        yield Round(shots, [device], span)


def approving(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Managers who all approve one request; every other one names the version that was looked at."""
    (device,) = arena.devices(name, kind=BY_REQUEST)
    for number in range(rounds):
        span = target(number)
        asked = arena.book(arena.companies[0], span, device, title=name)
        shots = [
            arena.shot(user, arena.managers[user], f"/bookings/{asked.id}/approve", {}, **_at_version(user))
            for user in range(users)
        ]
        losing = frozenset({"no-request", "booking-changed"})
        yield Round(shots, [device], span, losing=losing, status=frozenset({409, 412}))


def _at_version(user: int) -> dict[str, str]:
    return {"If_Match": '"1"'} if user % 2 else {}


def deciding(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Requests of different companies for one slot that were declined: each is reinstated by another manager."""
    (device,) = arena.devices(name, kind=BY_REQUEST, setup_minutes=10)
    for number in range(rounds):
        span = target(number)
        asked = arena.ask_and_decline(arena.companies[:users], span, device, title=name)
        shots = [
            arena.shot(user, arena.managers[user], f"/bookings/{booking.id}/reinstate", {})
            for user, booking in enumerate(asked)
        ]
        yield Round(shots, [device], span)


def lapsing(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """A request whose time is over and that still holds the slot: it is reinstated while others book."""
    (device,) = arena.devices(name, kind=BY_REQUEST)
    for number in range(rounds):
        span = target(number)
        asked = arena.book(arena.companies[0], span, device, title=name, earlier=SMALL_HOURS)
        shots = [arena.shot(0, arena.managers[0], f"/bookings/{asked.id}/reinstate", {})]
        shots += [arena.create(user, arena.companies[user], span, device, title=name) for user in range(1, users)]
        yield Round(shots, [device], span)


def extending(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """The gap between two bookings: one is extended into it, the other moved, and whoever else there is books it."""
    (device,) = arena.devices(name)
    for number in range(rounds):
        gap = target(number)
        before, after = Span(gap.start - HOUR, gap.start), Span(gap.end, gap.end + HALF)
        first = arena.book(arena.companies[0], before, device, title=name)
        second = arena.book(arena.companies[1], after, device, title=name)
        shots = [
            arena.shot(0, arena.companies[0], f"/bookings/{first.id}/extend", {"end": gap.end.isoformat()}),
            arena.move(1, arena.companies[1], second, Span(gap.start, after.end)),
        ]
        shots += [arena.create(user, arena.companies[user], gap, device, title=name) for user in range(2, users)]
        yield Round(shots, [device], gap)


def sharing_an_engineer(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """A device each, and one engineer for all."""
    devices = arena.devices(name, users)
    for number in range(rounds):
        span = target(number)
        shots = [
            arena.create(user, arena.companies[user], span, devices[user], title=name, supervised=True)
            for user in range(users)
        ]
        yield Round(shots, devices, span, losing=frozenset({"engineers-busy"}), give_back=True)


def sharing_a_quota(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Colleagues who book a device each, of which their company may have one hour and a half a week."""
    devices = arena.devices(name, users, kind=OVEN)
    for _ in range(rounds):
        span = target(0)
        shots = [arena.create(user, arena.colleagues[user], span, devices[user], title=name) for user in range(users)]
        losing, status = frozenset({"rule-broken"}), frozenset({422})
        yield Round(shots, devices, span, losing=losing, status=status, give_back=True)


def sharing_a_ceiling(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Linked companies, a device each: the public support of one fits under the ceiling, not that of two."""
    devices = arena.devices(name, users, price_cents_per_hour=20_000_000)
    for _ in range(rounds):
        span = target(0)
        shots = [arena.create(user, arena.linked[user], span, devices[user], title=name) for user in range(users)]
        yield Round(shots, devices, span, losing=frozenset({"support-ceiling"}), give_back=True)


def booking_lists(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Lists of three bookings of a device each, in different orders, all or none."""
    devices = arena.devices(name, 3, setup_minutes=10)
    for number in range(rounds):
        span = target(number)
        shots = []
        for user in range(users):
            order = devices[user % 3 :] + devices[: user % 3]
            wishes = [{"device_ids": [device], **told(span), "title": name} for device in order]
            shots.append(arena.shot(user, arena.companies[user], "/bookings/bulk", {"bookings": wishes}))
        yield Round(shots, devices, span, rows=3)


def recurring(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Series of three days that begin on three different days and share one."""
    (device,) = arena.devices(name)
    for number in range(rounds):
        start = target(2 + number // 20 * 5).start.replace(hour=number % 20)
        shots = []
        for user in range(users):
            first = Span(start - timedelta(days=user % 3), start - timedelta(days=user % 3) + HALF)
            wish = {"device_ids": [device], **told(first), "title": name, "rrule": "FREQ=DAILY;COUNT=3"}
            shots.append(arena.shot(user, arena.companies[user], "/bookings/series", wish))
        yield Round(shots, [device], Span(start, start + HALF), written=3)


def changing_places(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """Three bookings of which every manager swaps two, as they are in the version that was looked at."""
    devices = arena.devices(name, 2)
    for number in range(rounds):
        places = [place(number, user) for user in range(3)]
        three = arena.book_each(list(zip(arena.companies, places, strict=False)), *devices, title=name)
        shots = []
        for user in range(users):
            one, other = user % 3, (user + 1) % 3
            moves = [_to(three[one], places[other]), _to(three[other], places[one])]
            shots.append(arena.shot(user, arena.managers[user], "/bookings/moves", {"moves": moves}))
        yield Round(
            shots,
            devices,
            Span(places[0].start, places[-1].end),
            rows=6,
            holders=frozenset(booking.id for booking in three),
            losing=frozenset({"booking-changed"}),
            status=frozenset({412}),
        )


def claiming(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """A slot that was given back too late to be offered: half of them claim it from the line, the others book it."""
    soon = Span(NOW + HOUR / 12, NOW + HALF)
    for number in range(rounds):
        (device,) = arena.devices(f"{name}-{number}")
        blocker = arena.book(arena.managers[0], soon, device, title=f"{name} blocked")
        shots, entries = [], []
        for user in range(users):
            person = arena.companies[user]
            if user % 2:
                shots.append(arena.create(user, person, soon, device, title=name))
            else:
                entries.append(arena.wait(person, soon, device, title=name))
                shots.append(arena.shot(user, person, f"/waitlist/{entries[-1].id}/claim", {}))
        arena.cancel(blocker.id)
        yield Round(shots, [device], soon, losing=frozenset({"device-busy", "nothing-free"}))
        arena.leave(entries)


def being_offered(arena: Arena, name: str, users: int, rounds: int) -> Iterator[Round]:
    """A slot that is given back in this moment: three wait for it, others try to book it before it is offered."""
    for number in range(rounds):
        span = target(number)
        (device,) = arena.devices(f"{name}-{number}")
        blocker = arena.book(arena.companies[0], span, device, title=f"{name} blocked")
        entries = [arena.wait(person, span, device, title=name) for person in arena.companies[:3]]
        cancel = arena.shot(0, arena.companies[0], f"/bookings/{blocker.id}/cancel", {})
        shots = [arena.create(user, arena.companies[user], span, device, title=name) for user in range(1, users)]
        yield Round(shots, [device], span, aside=cancel, line=True)
        arena.leave(entries)


def _to(booking: Booking, span: Span) -> dict[str, object]:
    return {"booking_id": booking.id, **told(span), "version": 1}


SCENARIOS: dict[str, Scenario] = {
    "create": creating,
    "create-overlapping": overlapping,
    "create-three-devices": three_devices,
    "move": moving,
    "move-and-create": moving_and_creating,
    "approve": approving,
    "reinstate": deciding,
    "lapse-and-create": lapsing,
    "extend-and-move": extending,
    "lists": booking_lists,
    "series": recurring,
    "swap": changing_places,
    "waitlist-claim": claiming,
    "waitlist-offer": being_offered,
    "engineer": sharing_an_engineer,
    "quota": sharing_a_quota,
    "support-ceiling": sharing_a_ceiling,
}
