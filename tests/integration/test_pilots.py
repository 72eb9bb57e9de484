"""Pilots on SQLite and PostgreSQL: who may do what, the lock, and the life of a run."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bookings.models import Booking, BookingDevice
from lab.core.errors import ForbiddenError
from lab.people.principals import Role
from lab.pilots import service
from lab.pilots.designs import randomised_order
from lab.pilots.errors import (
    BookingUnfitError,
    PilotNumberTakenError,
    PilotUnknownError,
    PlanAlteredError,
    PlanLockedError,
    PlanMissingError,
    ReasonMissingError,
    RunStateError,
    RunUnknownError,
    UnitMismatchError,
)
from lab.pilots.examples import demo_plan
from lab.pilots.models import Plan, Run
from lab.pilots.plans import plan_sha256
from tests.factories import MONDAY_MORNING, make_account, make_device, make_organisation, principal

NOW = MONDAY_MORNING
PLAN = demo_plan(runs_per_arm=2)


class World:
    """A company with a pilot and a booking, another company, and the lab's engineer."""

    def __init__(self, database):
        self.database = database
        with database.write() as session:
            company, other = make_organisation(session), make_organisation(session)
            account = make_account(session, organisation=company)
            make_device(session, "mill-1", signals={"feed_mm_s": "mm/s"})
            make_device(session, "meter-1", signals={"active_power_kw": "kW"})
            self.company_id, self.other_id = company.id, other.id
            self.member = principal(Role.MEMBER, company.id, account_id=account.id)
        self.stranger = principal(Role.MEMBER, self.other_id)
        self.engineer = principal(Role.ENGINEER, "org_lab")
        self.pilot_id = self.do(
            service.create_pilot, self.member, organisation_id=self.company_id, title="T", question="Q?"
        ).id

    def do(self, work, *args, now=NOW, **facts):
        return self.database.transact(lambda session: work(session, *args, now=now, **facts))

    def book(self, *, organisation_id=None, devices=("meter-1", "mill-1"), **facts):
        given = {
            "id": f"bkg_{len(devices)}_{organisation_id or 'own'}_{len(facts)}",
            "organisation_id": organisation_id or self.company_id,
            "pilot_id": None,
            "booked_by": "acc_1",
            "title": "",
            "start_at": NOW,
            "end_at": NOW + timedelta(hours=2),
            "state": "confirmed",
            "version": 1,
            "created_at": NOW,
            "cancelled_at": None,
        }
        with self.database.write() as session:
            booking = Booking(**{**given, **facts})
            active = booking.state in {"confirmed", "in_use", "done"}
            booking.devices = [
                BookingDevice(
                    device_id=device, reserved_start=booking.start_at, reserved_end=booking.end_at, active=active
                )
                for device in devices
            ]
            session.add(booking)
            return booking.id

    def lock(self):
        self.do(service.write_plan, self.member, self.pilot_id, PLAN)
        return self.do(service.lock_plan, self.member, self.pilot_id)

    def runs(self):
        with self.database.read() as session:
            return service.planned_runs(session, self.pilot_id)


@pytest.fixture
def world(each_database):
    """Everything a pilot needs."""
    return World(each_database)


def test_pilots_are_numbered_through_the_year(world):
    second = world.do(service.create_pilot, world.engineer, organisation_id=world.other_id, title="T", question="Q?")
    assert second.number == "PL-2026-002"
    with pytest.raises(PilotNumberTakenError):
        world.do(
            service.create_pilot,
            world.engineer,
            organisation_id=world.other_id,
            title="T",
            question="Q",
            number="PL-2026-002",
        )


def test_pilots_opened_at_the_same_moment_get_numbers_of_their_own(world):
    def open_one(_):
        return world.do(
            service.create_pilot, world.engineer, organisation_id=world.other_id, title="T", question="Q"
        ).number

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(open_one, range(8)))
    assert sorted(numbers) == [f"PL-2026-{number:03d}" for number in range(2, 10)]


def test_a_pilot_needs_a_known_company(world):
    for unknown in ("org_guessed", "a\x00b"):
        with pytest.raises(PilotUnknownError, match="no such organisation"):
            world.do(service.create_pilot, world.engineer, organisation_id=unknown, title="T", question="Q")


def test_another_companys_pilot_does_not_exist(world):
    with world.database.read() as session:
        assert [pilot.id for pilot in service.list_pilots(session, world.member)] == [world.pilot_id]
        assert service.list_pilots(session, world.stranger) == []
        assert service.list_pilots(session, principal(Role.RECIPIENT, world.company_id)) == []
        for nobody in (world.stranger, principal(Role.RECIPIENT, world.company_id)):
            with pytest.raises(PilotUnknownError):
                service.get_pilot(session, nobody, world.pilot_id)
    with pytest.raises(PilotUnknownError):
        world.do(service.write_plan, world.stranger, world.pilot_id, PLAN)
    with pytest.raises(PilotUnknownError):
        world.do(service.lock_plan, world.stranger, world.pilot_id)
    with pytest.raises(PilotUnknownError):
        world.do(service.create_pilot, world.stranger, organisation_id=world.company_id, title="T", question="Q")


def test_a_plan_that_does_not_fit_the_catalogue_is_not_written(world):
    wrong = PLAN.model_copy(update={"kpis": (PLAN.kpis[0].model_copy(update={"unit": "s"}), *PLAN.kpis[1:])})
    with pytest.raises(UnitMismatchError):
        world.do(service.write_plan, world.member, world.pilot_id, wrong)
    with pytest.raises(PlanMissingError):
        world.do(service.lock_plan, world.member, world.pilot_id)


def test_locking_fixes_time_hash_and_order(world):
    world.do(service.write_plan, world.member, world.pilot_id, demo_plan())
    plan = world.lock()  # written again before the lock: allowed
    assert (plan.locked_at, plan.locked_by) == (NOW, world.member.account_id)
    assert plan.sha256 == plan_sha256(PLAN.model_dump(mode="json"))
    assert [run.arm for run in world.runs()] == list(randomised_order(PLAN))
    assert [run.number for run in world.runs()] == [1, 2, 3, 4]


def test_locking_again_changes_nothing(world):
    first = world.lock()
    again = world.do(service.lock_plan, world.engineer, world.pilot_id, now=NOW + timedelta(hours=1))
    assert (again.locked_at, again.locked_by) == (first.locked_at, first.locked_by)
    assert len(world.runs()) == 4


def test_a_locked_plan_is_not_written_again(world):
    world.lock()
    with pytest.raises(PlanLockedError) as refused:
        world.do(service.write_plan, world.engineer, world.pilot_id, demo_plan(break_even_kwh=0.001))
    assert refused.value.facts["sha256"]


def test_the_database_itself_keeps_a_locked_plan_and_every_run(world):
    plan_id = world.lock().id
    for statement in (
        sa.update(Plan).where(Plan.id == plan_id).values(document={}),
        sa.update(Plan).where(Plan.id == plan_id).values(locked_at=None),
        sa.delete(Plan).where(Plan.id == plan_id),
        sa.delete(Run).where(Run.plan_id == plan_id),
    ):
        with pytest.raises(DBAPIError, match="pilotlab a"), world.database.write() as session:
            session.execute(statement)
    with world.database.read() as session:
        assert service.locked_plan(session, world.pilot_id)[1] == PLAN


def test_a_plan_altered_behind_the_lock_is_noticed(database):
    world = World(database)
    world.lock()
    with world.database.write() as session:
        for name in ("plans_locked_update", "plans_locked_delete"):
            session.execute(sa.text(f"DROP TRIGGER {name}"))
        session.execute(sa.update(Plan).values(document=demo_plan(break_even_kwh=0.001).model_dump(mode="json")))
    with world.database.read() as session, pytest.raises(PlanAlteredError):
        service.locked_plan(session, world.pilot_id)


def test_runs_start_and_stop_in_the_lab(world):
    world.lock()
    booking = world.book()
    run = world.do(service.start_run, world.engineer, world.pilot_id, 2, booking)
    assert (run.executed_order, run.started_at, run.booking_id) == (1, NOW, booking)
    with pytest.raises(RunStateError, match="run 2 is still going"):
        world.do(service.start_run, world.engineer, world.pilot_id, 1, booking)
    later = NOW + timedelta(minutes=4)
    said = {"mill-1": {"boot": "b", "first_seq": 1, "last_seq": 9}}
    world.do(
        service.stop_run, world.engineer, world.pilot_id, 2, result={"finished": True}, completeness=said, now=later
    )
    second = world.do(service.start_run, world.engineer, world.pilot_id, 1, booking, now=later)
    assert second.executed_order == 2
    found = world.runs()[1]
    assert (found.ended_at, found.result, found.completeness) == (later, {"finished": True}, said)


def test_a_run_is_started_and_stopped_once(world):
    world.lock()
    booking = world.book()
    with pytest.raises(RunStateError, match="not going"):
        world.do(service.stop_run, world.engineer, world.pilot_id, 1, result={}, completeness={})
    world.do(service.start_run, world.engineer, world.pilot_id, 1, booking)
    with pytest.raises(RunStateError, match="cannot end before"):
        world.do(service.stop_run, world.engineer, world.pilot_id, 1, result={}, completeness={})
    later = NOW + timedelta(minutes=1)
    world.do(service.stop_run, world.engineer, world.pilot_id, 1, result={}, completeness={}, now=later)
    with pytest.raises(RunStateError, match="started already"):
        world.do(service.start_run, world.engineer, world.pilot_id, 1, booking, now=later)
    with pytest.raises(RunUnknownError):
        world.do(service.start_run, world.engineer, world.pilot_id, 5, booking, now=later)


def test_only_the_staff_runs_runs(world):
    world.lock()
    booking = world.book()
    with pytest.raises(ForbiddenError):
        world.do(service.start_run, world.member, world.pilot_id, 1, booking)
    with pytest.raises(ForbiddenError):
        world.do(service.stop_run, world.member, world.pilot_id, 1, result={}, completeness={})
    with pytest.raises(ForbiddenError):
        world.do(service.exclude_run, world.member, world.pilot_id, 1, reason="r")


def test_no_run_before_the_lock(world):
    with pytest.raises(PlanMissingError):
        world.do(service.start_run, world.engineer, world.pilot_id, 1, world.book())


def test_a_run_needs_a_booking_of_its_company_time_and_devices(world):
    world.lock()
    bookings = {
        "own-booking": world.book(
            organisation_id=world.other_id, start_at=NOW + timedelta(hours=4), end_at=NOW + timedelta(hours=5)
        ),
        "now-inside": world.book(start_at=NOW + timedelta(hours=6), end_at=NOW + timedelta(hours=7)),
        "devices-booked": world.book(devices=("mill-1",)),
    }
    for rule, booking in bookings.items():
        with pytest.raises(BookingUnfitError) as refused:
            world.do(service.start_run, world.engineer, world.pilot_id, 1, booking)
        assert refused.value.facts["rule"] == rule
    with pytest.raises(BookingUnfitError):
        world.do(service.start_run, world.engineer, world.pilot_id, 1, "bkg_guessed")


def test_an_excluded_run_is_kept_with_its_reason(world):
    world.lock()
    world.do(service.exclude_run, world.engineer, world.pilot_id, 3, reason=" coolant hose burst ")
    assert world.runs()[2].excluded == "coolant hose burst"
    with pytest.raises(RunStateError, match="excluded already"):
        world.do(service.exclude_run, world.engineer, world.pilot_id, 3, reason="again")
    with pytest.raises(ReasonMissingError):
        world.do(service.exclude_run, world.engineer, world.pilot_id, 2, reason="  ")
