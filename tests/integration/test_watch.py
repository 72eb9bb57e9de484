"""The lab's own watch: who is told of an alarm, what a plan's criterion stops, and what is noticed by itself."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from bookings.models import Booking
from devices import commanding
from devices.commanding import Sender
from devices.models import DeviceBirth, DeviceCommand
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Worker
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.core.time import Span, to_nanoseconds
from lab.people.principals import SYSTEM
from lab.pilots import service as pilots
from lab.pilots.errors import PlanFormError, UnitMismatchError, UnknownSignalError
from lab.pilots.examples import demo_plan
from lab.pilots.models import Plan
from lab.pilots.plans import AnalysisPlan, SignalReference, StopCriterion
from lab.post.models import Mail, Webhook, WebhookDelivery
from lab.watch.jobs import watch_handlers
from lab.watch.looking import LabWatch
from telemetry.alarms import repository, service
from telemetry.alarms.definitions import UnbookedDefinition
from telemetry.alarms.keeping import AlarmKeeper
from telemetry.alarms.models import Alarm, AlarmNote, AlarmRule
from telemetry.alarms.service import RuleFacts
from telemetry.alarms.watching import AlarmWatch
from telemetry.models import MachineEvent, RecorderLease
from telemetry.repository import note_boots
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device
from tests.integration.test_alarm_watching import Told
from tests.placed_bookings import place_booking
from tests.services import Mosquitto
from tests.telemetry_lab import samples
from tests.web_client import Town

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
GIB = 1024**3


class Lab:
    """A mill and a meter, booked by the foundry for an hour, and everything that watches them."""

    def __init__(self, database: Database, clock: LabClock, folder: Path, address: BrokerAddress) -> None:
        self.database, self.clock = database, clock
        self.settings = Settings(data_dir=folder, public_url="https://lab.example")
        self.town = Town(database, clock)
        with database.write() as session:
            make_device(session, "mill-1", signals={"spindle_power_kw": "kW"})
            make_device(session, "meter-1", signals={"active_power_kw": "kW"})
            for name, address_of in (("engineer", "eve@lab.example"), ("founder", "anna@foundry.example")):
                session.merge(self.town.accounts[name]).sign_in = address_of
            span = Span(MONDAY_MORNING, MONDAY_MORNING + HOUR)
            founder = self.town.accounts["founder"].id
            self.booking = place_booking(
                session, self.town.foundry.id, span, "mill-1", "meter-1", booked_by=founder, before=5, after=5
            ).id
        self.keeper = AlarmKeeper(database, clock)
        self.sender = Sender(address, "gliwice", clock)
        handlers = watch_handlers(database, clock, self.settings, self.sender, self.keeper)
        self.worker = Worker(database, clock, handlers)
        self.free = 100 * GIB
        self.store = DuckDBStore(folder / "samples.duckdb")
        self.restart()

    def restart(self) -> None:
        self.watch = LabWatch(
            self.database, self.store, self.clock, self.settings, self.keeper, free_bytes=lambda: self.free
        )

    def store_samples(self, rows: pa.Table) -> None:
        self.store.write(rows, watermark=1)

    def alarms(self, kind: str | None = None) -> list[Alarm]:
        with self.database.read() as session:
            found = session.scalars(sa.select(Alarm).order_by(Alarm.raised_at, Alarm.id)).all()
            return [alarm for alarm in found if kind in (None, alarm.kind)]

    def notes(self, alarm: Alarm) -> list[str]:
        with self.database.read() as session:
            found = session.scalars(sa.select(AlarmNote).where(AlarmNote.alarm_id == alarm.id).order_by(AlarmNote.id))
            return [note.what for note in found]

    def mails(self) -> list[tuple[str, str]]:
        with self.database.read() as session:
            return sorted((mail.recipient, mail.subject) for mail in session.scalars(sa.select(Mail)))

    def look(self, minutes: float = 0) -> list[tuple[str, bool]]:
        """Look every 20 seconds for so long; what is there then, and whether it is open."""
        for _ in range(round(minutes * 3)):
            self.clock.advance(timedelta(seconds=20))
            self.watch.round()
        if not minutes:
            self.watch.round()
        return [(alarm.kind, alarm.cleared_at is None) for alarm in self.alarms()]

    def sends(self, *, device: str = "mill-1") -> None:
        """A message of which only the time counts."""
        now = self.clock.now()
        with self.database.write() as session:
            note_boots(session, {(device, "b"): (to_nanoseconds(now), to_nanoseconds(now))}, now=now)

    def says(self, item_state: str, *, device: str = "mill-1", seq: int = 1, born: bool = True) -> None:
        now, now_ns = self.clock.now(), to_nanoseconds(self.clock.now())
        with self.database.write() as session:
            if born:
                session.merge(DeviceBirth(device_id=device, boot="b", signals=[], born_at=now, died_at=None))
            times = {"device_ns": now_ns, "settled_ns": now_ns, "received_ns": now_ns}
            fields = {"item_state": item_state}
            session.add(
                MachineEvent(device_id=device, boot="b", seq=seq, kind="state", flags=0, fields=fields, **times)
            )


@pytest.fixture
def lab(each_database: Database, lab_clock: LabClock, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(each_database, lab_clock, tmp_path, BrokerAddress("127.0.0.1", 1))
    yield lab
    lab.store.close()


# Telling


def raise_one(
    lab: Lab, *, minutes: float, since: float | None = None, rule: str = "r1", severity: str = "warning"
) -> Alarm:
    at_ns = to_nanoseconds(MONDAY_MORNING + minutes * MINUTE)
    from_ns = None if since is None else to_nanoseconds(MONDAY_MORNING + since * MINUTE)
    facts = RuleFacts(rule, "mill-1", "limit", severity, "spindle_power_kw")
    lab.keeper.raised(facts, "spindle_power_kw of Mill 1 is 3 kW, above 2 kW", at_ns=at_ns, from_ns=from_ns, value=3.0)
    lab.worker.run_due()
    return lab.alarms()[-1]


def test_engineers_and_who_booked_are_told_by_mail(lab: Lab) -> None:
    alarm = raise_one(lab, minutes=5)
    assert lab.mails() == [("anna@foundry.example", "Alarm: Mill 1"), ("eve@lab.example", "Alarm: Mill 1")]
    with lab.database.read() as session:
        text = session.scalars(sa.select(Mail.text)).first() or ""
    assert "above 2 kW" in text
    assert f"https://lab.example/alarms/{alarm.id}" in text
    assert (alarm.booking_id, alarm.organisation_id) == (lab.booking, lab.town.foundry.id)
    assert lab.notes(alarm) == ["raised", "told"]


def test_outside_its_own_time_a_company_is_told_nothing(lab: Lab) -> None:
    alarm = raise_one(lab, minutes=62)  # clean-up
    assert lab.mails() == [("eve@lab.example", "Alarm: Mill 1")]
    assert (alarm.booking_id, alarm.organisation_id) == (None, None)


def test_of_a_rate_that_is_taken_against_a_value_before_its_slot_a_company_is_told_nothing(lab: Lab) -> None:
    alarm = raise_one(lab, minutes=1, since=-1)
    assert lab.mails() == [("eve@lab.example", "Alarm: Mill 1")]
    assert (alarm.booking_id, alarm.organisation_id) == (None, None)


def test_an_alarm_that_comes_and_goes_is_mailed_once_in_ten_minutes_and_a_note_never(lab: Lab) -> None:
    raise_one(lab, minutes=62, rule="r0", severity="info")
    assert lab.mails() == []
    for minute in (61, 62, 63):
        raise_one(lab, minutes=minute)
        lab.keeper.cleared(RuleFacts("r1", "mill-1", "limit", "warning"), "over")
        lab.worker.run_due()
    assert len(lab.mails()) == 1
    assert ["told" in lab.notes(alarm) for alarm in lab.alarms()[:3]] == [True, False, False]


def test_webhooks_are_told_within_the_same_bounds(lab: Lab) -> None:
    with lab.database.write() as session:
        for name in ("lab", "foundry", "joinery"):
            session.add(
                Webhook(
                    id=f"whk_{name}",
                    organisation_id=getattr(lab.town, name).id,
                    url="https://hooks.example/x",
                    secret="s" * 40,
                    events=[],
                    created_by="acc",
                    created_at=MONDAY_MORNING,
                    disabled_at=None,
                )
            )
    inside = raise_one(lab, minutes=5)
    outside = raise_one(lab, minutes=62, rule="r2")
    with lab.database.read() as session:
        told = {
            (row.webhook_id, row.event, row.payload["alarm"]["id"])
            for row in session.scalars(sa.select(WebhookDelivery))
        }
    assert told == {
        ("whk_lab", "alarm.raised", inside.id),
        ("whk_foundry", "alarm.raised", inside.id),
        ("whk_lab", "alarm.raised", outside.id),
    }


# Stopping


CRITERION = StopCriterion(
    signal=SignalReference(device="mill-1", signal="spindle_power_kw"), high=2.0, stops=("mill-1",)
)


def begin_run(lab: Lab, plan: AnalysisPlan) -> str:
    founder, engineer = lab.town.principal("founder"), lab.town.principal("engineer")

    def work(session: Any) -> str:
        now = lab.clock.now()
        pilot = pilots.create_pilot(
            session, founder, organisation_id=lab.town.foundry.id, title="T", question="Q?", now=now
        )
        pilots.write_plan(session, founder, pilot.id, plan, now=now)
        pilots.lock_plan(session, founder, pilot.id, now=now)
        pilots.start_run(session, engineer, pilot.id, 1, lab.booking, now=now)
        return pilot.id

    return lab.database.transact(work)


def demo_with(*criteria: StopCriterion) -> AnalysisPlan:
    return demo_plan(runs_per_arm=2).model_copy(update={"stop": criteria})


def beyond(lab: Lab) -> Alarm:
    """The criterion's limit is passed."""
    with lab.database.read() as session:
        rule = session.scalars(sa.select(AlarmRule).where(AlarmRule.ended_at.is_(None))).one()
    lab.keeper.raised(RuleFacts.of(rule), "too much power", at_ns=to_nanoseconds(lab.clock.now()), value=3.0)
    lab.worker.run_due()
    return lab.alarms("limit")[-1]


def commands(lab: Lab) -> list[DeviceCommand]:
    with lab.database.read() as session:
        return list(session.scalars(sa.select(DeviceCommand)))


def test_a_criterion_is_watched_while_its_run_goes_and_no_longer(lab: Lab) -> None:
    pilot = begin_run(lab, demo_with(CRITERION))
    with lab.database.read() as session:
        (rule,) = repository.rules_in_force(session, ("limit",))
        assert (rule.source, rule.settings["stops"], rule.severity) == (f"plan:{pilot}", ["mill-1"], "critical")
    alarm = beyond(lab)
    engineer = lab.town.principal("engineer")
    lab.clock.advance(MINUTE)
    lab.database.transact(
        lambda session: pilots.stop_run(session, engineer, pilot, 1, result={}, completeness={}, now=lab.clock.now())
    )
    with lab.database.read() as session:
        assert repository.rules_in_force(session, ("limit",)) == []
    assert alarm.run_id is not None
    assert all(one.cleared_at is not None for one in lab.alarms("limit"))


def test_the_mill_is_stopped_and_its_answer_is_noted(
    mosquitto: Mosquitto, database: Database, lab_clock: LabClock, tmp_path: Path
) -> None:
    from simulators.connection import Broker
    from simulators.protocol import Operator

    lab = Lab(database, lab_clock, tmp_path, BrokerAddress(mosquitto.host, mosquitto.port))
    mill = Operator(Broker(mosquitto.host, mosquitto.port), lab="gliwice", seed=1, ended=threading.Event())
    anchor = lab_clock.anchor
    mill.do({"do": "clock", "real_ns": anchor.real_ns, "lab_ns": anchor.lab_ns, "rate": 0})
    assert mill.do({"do": "start", "device": "mill-1"})["ok"]
    try:
        begin_run(lab, demo_with(CRITERION))
        watch = AlarmWatch(lab.database, lab.clock, lab.keeper)
        watch(Told([("spindle_power_kw", 0, 1.9, 0)]))
        lab.worker.run_due()
        assert commands(lab) == []
        watch(Told([("spindle_power_kw", 1, 2.1, 0)]))
        lab.worker.run_due()
        (alarm,), (command,) = lab.alarms("limit"), commands(lab)
        assert (command.command, command.result, command.asked_by) == ("stop", "done", "system")
        assert (command.alarm_id, command.run_id) == (alarm.id, alarm.run_id)
        assert command.reason == "stop criterion: Spindle power kw of Mill 1 is 2.1 kW, above 2 kW"
        assert "stop-done" in lab.notes(alarm)
        assert lab.alarms("stop") == []
    finally:
        mill.leave()
        lab.store.close()


def test_a_stop_that_nobody_confirms_is_an_alarm_of_the_highest_severity(lab: Lab) -> None:
    begin_run(lab, demo_with(CRITERION))
    alarm = beyond(lab)
    (unconfirmed,) = lab.alarms("stop")
    assert (unconfirmed.severity, unconfirmed.device_id) == ("critical", "mill-1")
    assert "go to the machine" in unconfirmed.text
    assert "stop-unanswered" in lab.notes(alarm)
    assert ("eve@lab.example", "CRITICAL ALARM: Mill 1") in lab.mails()
    assert len(commands(lab)) == 1


def test_after_its_run_a_criterion_stops_nothing(lab: Lab) -> None:
    pilot = begin_run(lab, demo_with(CRITERION))
    with lab.database.read() as session:
        rule = session.scalars(sa.select(AlarmRule)).one()
    engineer = lab.town.principal("engineer")
    lab.clock.advance(MINUTE)
    lab.database.transact(
        lambda session: pilots.stop_run(session, engineer, pilot, 1, result={}, completeness={}, now=lab.clock.now())
    )
    lab.keeper.raised(RuleFacts.of(rule), "late", at_ns=to_nanoseconds(lab.clock.now()))
    lab.worker.run_due()
    assert commands(lab) == []
    assert "stop-refused" in lab.notes(lab.alarms("limit")[-1])


def test_a_plan_that_was_altered_stops_nothing(lab: Lab) -> None:
    begin_run(lab, demo_with(CRITERION))
    with lab.database.write() as session:
        if lab.database.is_sqlite:
            for name in session.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                session.execute(sa.text(f"DROP TRIGGER {name}"))
        else:
            session.execute(sa.text("ALTER TABLE plans DISABLE TRIGGER ALL"))
        plan = session.scalars(sa.select(Plan)).one()
        plan.document = {**plan.document, "objective": "another"}
    beyond(lab)
    assert commands(lab) == []


def test_a_command_expires_with_the_booking(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_run(lab, demo_with(CRITERION))
    lab.clock.advance(HOUR - timedelta(seconds=3))
    beyond(lab)
    (command,) = commands(lab)
    assert command.expires_at == MONDAY_MORNING + HOUR
    assert timedelta(seconds=3) < commanding.VALID_FOR


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"signal": SignalReference(device="mill-1", signal="nothing")}, UnknownSignalError),
        ({"signal": SignalReference(device="mill-9", signal="nothing")}, UnknownSignalError),
        ({"stops": ("mill-9",)}, UnknownSignalError),
        ({"high": None}, PlanFormError),
        ({"low": 3.0}, PlanFormError),
        ({"signal": SignalReference(device="mill-1", signal="step")}, UnitMismatchError),
    ],
)
def test_a_criterion_that_makes_no_sense_is_refused_by_name(change: dict[str, Any], error: type[Exception]) -> None:
    from lab.pilots.rules import check_plan

    units = {"mill-1": {"spindle_power_kw": "kW", "step": None}, "meter-1": {"active_power_kw": "kW"}}
    with pytest.raises(error):
        check_plan(demo_with(CRITERION.model_copy(update=change)), units)
    check_plan(demo_with(CRITERION), units)


# Looking


def test_a_machine_that_works_unbooked_is_noticed_after_a_minute(lab: Lab) -> None:
    lab.clock.advance(2 * HOUR)
    lab.says("Executing")
    assert lab.look(0.66) == []
    assert lab.look(1) == [("unbooked", True)]
    assert lab.alarms()[0].text == "Mill 1 works although nobody has booked it"
    lab.restart()
    lab.says("NotExecuting", seq=2)
    assert lab.look(0.66) == [("unbooked", True)]
    assert lab.look(1) == [("unbooked", False)]


def test_machines_whose_long_names_begin_alike_are_watched_apart(lab: Lab) -> None:
    names = [f"vertical-machining-centre-hall-a-{place}" for place in ("left", "right")]
    with lab.database.write() as session:
        for name in names:
            make_device(session, name, signals={})
    for name in names:
        lab.says("Executing", device=name)
    lab.look(minutes=2)
    assert sorted(alarm.device_id for alarm in lab.alarms("unbooked")) == names
    lab.says("NotExecuting", device=names[0], seq=2)
    lab.look(minutes=2)
    assert [alarm.device_id for alarm in lab.alarms("unbooked") if alarm.cleared_at is None] == names[1:]


def test_set_up_and_clean_up_are_no_unbooked_work(lab: Lab) -> None:
    lab.clock.advance(HOUR)
    lab.says("Executing")
    assert [one for one in lab.look(4) if one[0] == "unbooked"] == []
    assert ("unbooked", True) in lab.look(3)


def test_a_machine_that_has_gone_does_not_work(lab: Lab) -> None:
    lab.clock.advance(2 * HOUR)
    lab.says("Executing")
    with lab.database.write() as session:
        session.get_one(DeviceBirth, "mill-1").died_at = lab.clock.now()
    assert lab.look(3) == []


def test_power_is_work_too_where_a_rule_says_so(lab: Lab) -> None:
    lab.clock.advance(2 * HOUR)
    lab.database.transact(
        lambda session: service.create_rule(
            session,
            SYSTEM,
            device_id="mill-1",
            signal="spindle_power_kw",
            severity="warning",
            definition=UnbookedDefinition(kind="unbooked", above=0.5, after_s=0),
            now=lab.clock.now(),
        )
    )
    assert lab.look() == []
    second = 2 * 3600
    lab.store_samples(samples((second - 10, 0.2), (second - 5, 0.9)))
    assert lab.look() == [("unbooked", True)]


def test_a_booked_machine_that_rests_is_noticed_and_nobody_is_mailed(lab: Lab) -> None:
    assert lab.look(14) == []
    assert lab.look(2) == [("idle", True), ("idle", True)]
    lab.worker.run_due()
    assert lab.mails() == []
    lab.says("Executing")
    assert sorted(lab.look(2)) == [("idle", False), ("idle", True)]
    with lab.database.read() as session:
        assert session.get_one(Booking, lab.booking).state == "confirmed"


def test_a_machine_that_never_says_that_it_has_started_works_while_it_sends(lab: Lab) -> None:
    lab.says("Executing", born=False)
    for _ in range(20):
        lab.sends()
        lab.sends(device="meter-1")  # sends, and tells no state: whether it does nothing, nobody knows
        assert lab.look(1) == []
    assert lab.look(22) == [("idle", True), ("idle", True)]  # both are silent now


def test_a_machine_that_never_says_that_it_has_started_is_noticed_at_work_without_a_booking(lab: Lab) -> None:
    lab.clock.advance(2 * HOUR)
    lab.says("Executing", born=False)
    assert lab.look(2) == []
    lab.sends()
    assert lab.look(2) == [("unbooked", True)]
    assert lab.look(6) == [("unbooked", False)]  # silent for five minutes


def health(lab: Lab, **facts: Any) -> None:
    well = {"connected": True, "lag_seconds": 0.1, "problem": None, "disk_free_bytes": 100 * GIB}
    lease = RecorderLease(
        name="recorder/gliwice",
        holder="h",
        epoch=1,
        beat=1,
        spool_id="s",
        health={**well, **facts},
        health_at=lab.clock.now(),
    )
    with lab.database.write() as session:
        session.merge(lease)


def test_a_low_disk_is_told_at_once_whoever_sees_it(lab: Lab) -> None:
    health(lab)
    assert lab.look() == []
    health(lab, disk_free_bytes=GIB)
    assert lab.look() == [("disk", True)]
    health(lab)
    lab.clock.advance(timedelta(seconds=61))
    health(lab)
    lab.watch.round()
    lab.clock.advance(timedelta(seconds=61))
    health(lab)
    assert lab.look() == [("disk", False)]
    lab.free = GIB
    assert lab.look() == [("disk", False), ("disk", True)]


def test_a_full_disk_is_told_also_when_nothing_can_be_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OperationalError("INSERT", {}, Exception("database or disk is full"))

    def fail(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(lab.database, "transact", fail)
        patch.setattr(lab.database, "read", fail)
        lab.free = 1000
        lab.watch.round()
        assert [rule.kind for rule, _, _ in lab.keeper.unwritten()] == ["disk"]
    assert lab.look() == [("disk", True)]
    assert list(lab.keeper.unwritten()) == []


def test_a_recorder_that_is_silent_or_late_is_told_after_half_a_minute(lab: Lab) -> None:
    health(lab, connected=False)
    assert lab.look(0.34) == []
    health(lab, connected=False)
    assert lab.look(1) == [("recorder", True)]
    lab.restart()
    for _ in range(5):
        health(lab)
        lab.look(0.34)
    assert [kind for kind in lab.look() if kind[0] == "recorder"] == [("recorder", False)]
    assert ("recorder", True) in lab.look(3)
    assert "said nothing" in lab.alarms("recorder")[-1].text


def test_a_steered_clock_makes_no_recorder_late(lab: Lab) -> None:
    health(lab)
    lab.settings = lab.settings.model_copy(update={"steered_clock": Path("clock.json")})
    lab.restart()
    lab.clock.advance(HOUR)
    assert [kind for kind, _ in lab.look(3) if kind == "recorder"] == []
