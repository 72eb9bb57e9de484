"""The slot search against the gate, on random calendars under random rules: what it proposes passes, no more does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from bookings.outages.models import Outage
from bookings.rulebook.models import Qualification, RuleEntry
from bookings.schemas import BookingRequest
from bookings.search.service import FoundSlot, FoundSlots, find_slots
from bookings.search.wishes import SlotWish
from bookings.service import book_devices
from bookings.states import BookingState
from lab.core.database import Database
from lab.core.errors import InvalidError, PilotLabError
from lab.core.ids import new_id
from lab.core.time import EPOCH, Span
from lab.people.principals import Principal, Role
from tests.booking_lab import RULES
from tests.factories import MONDAY_MORNING, make_account, make_device, make_organisation
from tests.placed_bookings import place_booking

NOW = MONDAY_MORNING + timedelta(minutes=2)
"""Monday 08:02 in Gliwice."""
QUARTER = timedelta(minutes=15)
FIVE = timedelta(minutes=5)
BUFFERS = {"mill-1": (10, 5), "mill-2": (0, 20), "meter-1": (0, 0), "meter-2": (0, 0), "robot-1": (0, 0)}
KINDS = {"mill-1": "cnc-mill", "mill-2": "cnc-mill", "meter-1": "meter", "meter-2": "meter", "robot-1": "robot"}
WISHES: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("mill-1",), ()),
    (("mill-1", "meter-1"), ()),
    ((), ("milling",)),
    ((), ("milling", "milling")),
    ((), ("milling(axes>=3)", "energy metering")),
    (("robot-1",), ("energy-metering",)),
    (("mill-2",), ("milling", "energy-metering")),
    ((), ("energy-metering", "milling(axes>=5)", "handling")),
]
OPTIONS = {
    "milling": ["mill-1", "mill-2"],
    "milling(axes>=3)": ["mill-1", "mill-2"],
    "milling(axes>=5)": ["mill-2"],
    "energy metering": ["meter-1", "meter-2"],
    "energy-metering": ["meter-1", "meter-2"],
    "handling": ["robot-1"],
}
CAPABILITIES: dict[str, list[dict[str, Any]]] = {
    "mill-1": [{"name": "milling", "axes": 3}],
    "mill-2": [{"name": "milling", "axes": 5}, {"name": "engraving"}],
    "meter-1": [{"name": "Energy metering"}],
    "meter-2": [{"name": "energy-metering"}],
    "robot-1": [{"name": "handling"}],
}


@dataclass(frozen=True)
class Scene:
    """A calendar with rules, and a wish."""

    held: list[tuple[str, int, int, str]]
    """(device, first quarter of an hour, quarters, whose)."""
    supervised: list[tuple[int, int]]
    """When the only engineer is busy."""
    outages: list[tuple[str | None, tuple[int, int]]]
    rules: dict[tuple[str, str], dict[str, Any]]
    trained_until: int | None
    """In quarters of an hour; None: not trained."""
    lapsed: int
    """How many of the bookings are requests whose time is over."""
    staff: bool
    wish: SlotWish = field(default_factory=lambda: SlotWish(QUARTER))


def quarter(number: int) -> datetime:
    return MONDAY_MORNING + number * QUARTER


minutes = st.sampled_from
rule_settings = st.fixed_dictionaries(
    {},
    optional={
        "granularity_minutes": minutes([0, 5, 15, 20, 30, 60]),
        "lead_minutes": minutes([0, 30, 95, 240]),
        "horizon_days": minutes([1, 2, 3]),
        "shortest_minutes": minutes([15, 45]),
        "longest_minutes": minutes([60, 180, 600]),
        "opening_hours": st.sampled_from(
            [{"mon": "08:00-12:00,13:00-20:00", "tue": "06:00-24:00", "wed": "00:00-24:00"}]
        ),
        "setup_minutes": minutes([0, 25]),
        "cleanup_minutes": minutes([0, 15]),
        "supervision": st.booleans(),
        "qualifications": st.sampled_from([[], ["cnc"]]),
        "approval": st.booleans(),
        "week_quota_minutes": minutes([120, 300, 600]),
        "most_concurrent": minutes([1, 2]),
        "most_open": minutes([1, 3, 10]),
    },
)
scopes = st.sampled_from(
    [("lab", ""), ("class", "cnc-mill"), ("device", "mill-1"), ("device", "mill-2"), ("device", "meter-1")]
)
stretches = st.tuples(st.integers(-4, 60), st.integers(1, 12))


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    rules = draw(st.dictionaries(scopes, rule_settings, max_size=3))
    if draw(st.booleans()):
        owner = draw(st.sampled_from([("class", "cnc-mill"), ("device", "mill-2"), ("device", "robot-1")]))
        rules.setdefault(owner, {})
        rules[owner]["needs_devices"] = draw(st.sampled_from([["meter-1"], ["meter-1", "meter-2"]]))
    device_ids, capabilities = draw(st.sampled_from(WISHES))
    first = draw(st.integers(0, 24))
    return Scene(
        held=draw(
            st.lists(
                st.tuples(
                    st.sampled_from(["mill-1", "mill-1", "mill-2", "meter-1", "robot-1"]),
                    st.integers(-4, 60),
                    st.integers(1, 8),
                    st.sampled_from(["own", "other"]),
                ),
                min_size=4,
                max_size=24,
            )
        ),
        supervised=draw(st.lists(stretches, max_size=5)),
        outages=draw(st.lists(st.tuples(st.sampled_from([None, *BUFFERS]), stretches), max_size=2)),
        rules=rules,
        trained_until=draw(st.none() | st.integers(0, 60)),
        lapsed=draw(st.sampled_from([0, 0, 3])),
        staff=draw(st.sampled_from([False, False, True])),
        wish=SlotWish(
            size=draw(st.sampled_from([1, 2, 3, 4, 6, 8, 16])) * QUARTER,
            device_ids=device_ids,
            capabilities=capabilities,
            start=draw(st.sampled_from([None, quarter(first)])),
            end=draw(st.sampled_from([None, quarter(first + 16), quarter(first + 60)])),
            supervised=draw(st.sampled_from([False, False, True])),
            count=draw(st.integers(1, 4)),
        ),
    )


@dataclass
class Stage:
    """A scene in a database."""

    session: Session
    principal: Principal
    scene: Scene

    def search(self, **changes: Any) -> FoundSlots:
        return find_slots(self.session, self.principal, replace(self.scene.wish, **changes), now=NOW, rules=RULES)

    def refusal(self, device_ids: list[str], start: datetime, supervised: bool) -> PilotLabError | None:
        """What the gate says to a booking, which is not kept; None: it is accepted."""
        request = BookingRequest(
            device_ids=device_ids, start=start, end=start + self.scene.wish.size, title="Trial", supervised=supervised
        )
        savepoint = self.session.begin_nested()
        try:
            book_devices(self.session, self.principal, request, now=NOW, rules=RULES)
            if self.session.get_bind().dialect.name == "postgresql":
                self.session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        except PilotLabError as error:
            return error
        finally:
            savepoint.rollback()
            self.session.expire_all()
        return None


@contextmanager
def staged(database: Database, scene: Scene) -> Iterator[Stage]:
    """Everything that is written is gone again afterwards."""
    if database.is_sqlite:
        with database._write_lock, database._write() as session:
            yield _staged(session, scene)
    else:
        with database._write() as session:
            yield _staged(session, scene)


def _staged(session: Session, scene: Scene) -> Stage:
    for device_id, (setup, cleanup) in BUFFERS.items():
        make_device(
            session,
            device_id,
            kind=KINDS[device_id],
            setup_minutes=setup,
            cleanup_minutes=cleanup,
            capabilities=CAPABILITIES[device_id],
            price_cents_per_hour={"mill-1": 9_000, "meter-1": 600}.get(device_id, 5_000),
            signals={},
        )
    company, other, lab = (make_organisation(session) for _ in range(3))
    member = make_account(session, Role.MEMBER, organisation=company)
    engineer = make_account(session, Role.ENGINEER, organisation=lab)
    if scene.trained_until is not None:
        session.add(
            Qualification(
                id=new_id("qua"),
                account_id=member.id,
                name="cnc",
                granted_by=engineer.id,
                granted_at=NOW,
                expires_at=quarter(scene.trained_until),
                revoked_at=None,
            )
        )
    for (scope, name), facts in scene.rules.items():
        session.add(RuleEntry(scope=scope, name=name, settings=facts, version=1, changed_by="acc", changed_at=NOW))
    for device_id, (first, length) in scene.outages:
        session.add(
            Outage(
                id=new_id("out"),
                device_id=device_id,
                kind="planned",
                start_at=quarter(first),
                end_at=quarter(first + length),
                last_end_at=quarter(first + length),
                rrule=None,
                reason="new belt",
                declared_by="acc",
                declared_at=NOW,
                version=1,
            )
        )
    _place(session, scene, {"own": company.id, "other": other.id}, engineer.id)
    session.flush()
    who = engineer if scene.staff else member
    return Stage(session, Principal(who.id, who.organisation_id, Role(who.role), who.name), scene)


def _place(session: Session, scene: Scene, companies: dict[str, str], engineer: str) -> None:
    taken: list[tuple[str, Span]] = []

    def place(device_id: str, first: int, length: int, whose: str, **facts: Any) -> None:
        before, after = BUFFERS[device_id]
        span = Span(quarter(first), quarter(first + length))
        reserved = span.widened(before=timedelta(minutes=before), after=timedelta(minutes=after))
        if not any(held == device_id and span.overlaps(reserved) for held, span in taken):
            taken.append((device_id, reserved))
            place_booking(session, companies[whose], span, device_id, before=before, after=after, **facts)

    for number, (device_id, first, length, whose) in enumerate(scene.held):
        over = {"state": BookingState.REQUESTED.value, "lapses_at": NOW} if number < scene.lapsed else {}
        place(device_id, first, length, whose, **over)
    supervising: list[Span] = []
    for first, length in scene.supervised:
        span = Span(quarter(first), quarter(first + length))
        if not any(span.overlaps(other) for other in supervising):
            supervising.append(span)
            make_device(session, f"dummy-{len(supervising)}", signals={}, capabilities=[])
            place_booking(session, companies["other"], span, f"dummy-{len(supervising)}", engineer=engineer)


def device_sets(stage: Stage) -> list[list[str]]:
    """Every set of devices that meets the wish, with what they need."""
    wish, found = stage.scene.wish, []
    for chosen in product(*(OPTIONS[name] for name in wish.capabilities)):
        alike = [(name, device) for name, device in zip(wish.capabilities, chosen, strict=True)]
        if len(set(alike)) < len(alike):
            continue  # the same requirement twice: two devices
        devices = {*wish.device_ids, *chosen}
        while True:
            needed = {need for device in devices for need in needs_of(stage.scene, device)}
            if needed <= devices:
                break
            devices |= needed
        if sorted(devices) not in found:
            found.append(sorted(devices))
    return found


def needs_of(scene: Scene, device_id: str) -> list[str]:
    found: list[str] = []
    for scope in (("lab", ""), ("class", KINDS[device_id]), ("device", device_id)):
        found = scene.rules.get(scope, {}).get("needs_devices", found)
    return found


def starts_passed_over(found: FoundSlots, wish: SlotWish) -> list[datetime]:
    """Full five minutes before each proposal and after the one before, and to the end if there are too few."""
    edges = [*(slot.span for slot in found.slots)]
    begins = [found.window.start, *(span.end for span in edges)]
    ends = [*(span.start for span in edges)]
    if len(edges) < wish.count:
        ends.append(found.window.end - wish.size + FIVE)
    starts = []
    for begin, end in zip(begins, ends, strict=False):
        start = begin + (EPOCH - begin) % FIVE
        while start < end:
            starts.append(start)
            start += FIVE
    return starts


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(scene=scenes(), data=st.data())
def test_what_is_proposed_can_be_booked_and_nothing_earlier_can(
    each_database: Database, scene: Scene, data: st.DataObject
) -> None:
    with staged(each_database, scene) as stage:
        try:
            found = stage.search()
        except InvalidError as error:
            event(f"refused: {error.facts['rule']}")
            assume(False)
        event(f"found {len(found.slots)}")
        for slot in found.slots:
            _require_bookable(stage, slot)
        passed_over = starts_passed_over(found, scene.wish)
        edges = [start for start in passed_over if start + FIVE not in passed_over]
        drawn = data.draw(st.lists(st.sampled_from(passed_over), max_size=6)) if passed_over else []
        for start in {*edges[:4], *drawn}:
            for devices in device_sets(stage):
                for supervised in (True,) if scene.wish.supervised else (False, True):
                    refusal = stage.refusal(devices, start, supervised)
                    assert refusal is not None, f"{devices} at {start}, supervised {supervised}, was left out"


def _require_bookable(stage: Stage, slot: FoundSlot) -> None:
    ids = [device.id for device in slot.devices]
    refusal = stage.refusal(ids, slot.span.start, slot.supervised)
    assert refusal is None, f"{ids} at {slot.span}: {refusal}, {refusal.facts if refusal else ''}"
    for devices in device_sets(stage):
        cost = sum(device.price_cents_per_hour for device in slot.devices)
        less = sum(9_000 if one == "mill-1" else 600 if one == "meter-1" else 5_000 for one in devices)
        if less < cost:
            refusals = [stage.refusal(devices, slot.span.start, supervised) for supervised in {slot.supervised, True}]
            assert all(refusals), f"{devices} would have been cheaper than {ids} at {slot.span}"
