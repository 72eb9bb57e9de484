"""The lab's own watch, every few seconds: machines that work unbooked, booked ones that idle, disk and recorder."""

import hashlib
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from devices.models import Device
from devices.repository import all_births, all_devices
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import UnavailableError
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from lab.watch import repository
from lab.watch.rules import Held, disk_problem, recorder_problem
from telemetry.alarms.definitions import ACTIVITY_KINDS, IdleDefinition, UnbookedDefinition, read_definition
from telemetry.alarms.keeping import AlarmKeeper
from telemetry.alarms.models import AlarmRule
from telemetry.alarms.repository import rules_in_force, rules_with_open_alarm
from telemetry.alarms.service import RuleFacts, instant_ns
from telemetry.leases import lease_name
from telemetry.models import RecorderLease
from telemetry.stores.interface import SampleStore
from telemetry.times.service import last_heard

log = structlog.get_logger(__name__)

AT_ONCE = timedelta(0)
RECORDER_PATIENCE = timedelta(seconds=30)
"""A recorder may be without broker or store for so long before somebody is told: both are restarted now and then."""
_POWER_NS = 30 * 1_000_000_000
"""How old a value may be that says that a machine works."""
_SILENT_AFTER = timedelta(minutes=5)
"""How old the newest message of a machine may be that never says that it has started, and works all the same."""
_EXECUTING = "Executing"
LONGEST_RULE_ID = 40
"""As the column takes it; a device's short name may be as long by itself."""
DISK, RECORDER = "lab:disk", "lab:recorder"


class LabWatch:
    """Looks once at a time; several processes may do so at once.

    Args:
        database: where bookings, events and alarms are.
        store: where values are, for machines that say by their power that they work.
        clock: the lab's clock.
        settings: of the installation.
        keeper: writes down what becomes of alarms.
        free_bytes: of the disk that the data folder is on.
    """

    def __init__(
        self,
        database: Database,
        store: SampleStore | None,
        clock: Clock,
        settings: Settings,
        keeper: AlarmKeeper,
        *,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._settings = settings
        self._keeper = keeper
        self._free_bytes = free_bytes or (lambda: shutil.disk_usage(settings.data_dir).free)
        self._held: dict[str, Held] = {}
        self._opened: set[str] | None = None

    def round(self) -> None:
        """Look at everything once; what cannot be looked at now is looked at next time."""
        now = self._clock.now()
        lease: RecorderLease | None = None
        try:
            with self._database.read() as session:
                if self._opened is None:
                    self._opened = rules_with_open_alarm(session)
                lease = session.get(RecorderLease, lease_name(self._settings.lab))
                self._look_at_machines(session, now)
        except (SQLAlchemyError, UnavailableError) as error:
            log.warning("the lab cannot be watched just now", problem=f"{type(error).__name__}: {error}"[:300])
        self._look_at_recording(lease, now)
        self._keeper.write()

    def _look_at_recording(self, lease: RecorderLease | None, now: datetime) -> None:
        health = lease.health if lease is not None else {}
        said = health.get("disk_free_bytes")
        free = [said] if isinstance(said, int) else []
        try:
            free.append(self._free_bytes())
        except OSError as error:
            log.warning("the free space of the disk is not known", problem=str(error))
        disk = disk_problem(min(free, default=None), low_bytes=self._settings.low_disk_bytes)
        self._see(RuleFacts(DISK, "", "disk", "critical"), disk, now, AT_ONCE)
        if (
            lease is not None and self._settings.steered_clock is None
        ):  # how late something is, a steered clock mistakes
            problem = recorder_problem(health, age=now - lease.health_at)
            self._see(RuleFacts(RECORDER, "", "recorder", "critical"), problem, now, RECORDER_PATIENCE)

    def _look_at_machines(self, session: Session, now: datetime) -> None:
        rules = {(rule.device_id, rule.kind): rule for rule in rules_in_force(session, ACTIVITY_KINDS)}
        reserved, births = repository.reserved_now(session, now), all_births(session)
        heard = last_heard(session)
        for device in all_devices(session):
            birth = births.get(device.id)
            sends = device.id in heard and now - heard[device.id] < _SILENT_AFTER
            online = sends if birth is None else birth.died_at is None
            state = repository.last_item_state(session, device.id, to_nanoseconds(now))
            executes = online and state == _EXECUTING
            holder = reserved.get(device.id)
            unbooked, definition = _rule(rules.get((device.id, "unbooked")), device, "unbooked")
            if isinstance(definition, UnbookedDefinition) and definition.enabled:
                works = executes or self._draws_power(device, unbooked.signal, definition.above, now)
                text = f"{device.name} works although nobody has booked it" if works and holder is None else None
                self._see(unbooked, text, now, timedelta(seconds=definition.after_s))
            idle, definition = _rule(rules.get((device.id, "idle")), device, "idle")
            if isinstance(definition, IdleDefinition) and definition.enabled:
                # Of what sends and has never told its state, a meter for one, nobody knows whether it does nothing.
                known = not sends or state is not None or idle.signal is not None
                booked = known and holder is not None and holder.inside
                rests = booked and not (executes or self._draws_power(device, idle.signal, definition.above, now))
                text = f"{device.name} is booked and does nothing" if rests else None
                self._see(idle, text, now, timedelta(seconds=definition.after_s))

    def _draws_power(self, device: Device, signal: str | None, above: float | None, now: datetime) -> bool:
        if signal is None or above is None or self._store is None:
            return False
        now_ns = to_nanoseconds(now)
        found = self._store.read(device.id, [signal], [(now_ns - _POWER_NS, now_ns + 1)])
        if not found.num_rows:
            return False
        value = found.column("value")[-1].as_py()
        return value is not None and value > above

    def _see(self, rule: RuleFacts, problem: str | None, now: datetime, after: timedelta) -> None:
        held = self._held.get(rule.id)
        if held is None:
            held = self._held[rule.id] = Held(raised=rule.id in (self._opened or ()))
        became = held.see(problem is not None, now=now, after=after)
        if became == "raised" and problem is not None:
            self._keeper.raised(rule, problem, at_ns=instant_ns(now))
        elif became == "cleared":
            self._keeper.cleared(rule, "it is over")


def lab_rule_id(kind: str, device_id: str) -> str:
    """Names the lab's own rule for a machine, for which nobody has made one; another one for every machine."""
    plain = f"lab:{kind}:{device_id}"
    if len(plain) <= LONGEST_RULE_ID:
        return plain
    return f"lab:{kind}:{hashlib.sha256(device_id.encode()).hexdigest()[:24]}"


def _rule(
    row: AlarmRule | None, device: Device, kind: str
) -> tuple[RuleFacts, UnbookedDefinition | IdleDefinition | None]:
    """The rule somebody has made for the machine, or the lab's own."""
    if row is None:
        default = UnbookedDefinition(kind="unbooked") if kind == "unbooked" else IdleDefinition(kind="idle")
        severity = "warning" if kind == "unbooked" else "info"
        return RuleFacts(lab_rule_id(kind, device.id), device.id, kind, severity), default
    definition = read_definition(row)
    return RuleFacts.of(row), definition if isinstance(definition, UnbookedDefinition | IdleDefinition) else None
