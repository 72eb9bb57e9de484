"""The whole way: a machine says too much, the alarm is there, its machine is asked to stop, and it clears."""

from pathlib import Path

import sqlalchemy as sa

from devices.commanding import Sender, stop_device
from lab.core.settings import Settings
from lab.people.principals import SYSTEM
from lab.post.models import Mail
from lab.system import System, running
from telemetry.alarms import service
from telemetry.alarms.definitions import LimitDefinition, SilenceDefinition
from telemetry.alarms.models import Alarm
from tests.factories import make_account, make_organisation
from tests.integration.recording import Publisher, add_mill
from tests.services.programs import free_port, wait_until


def alarms(system: System, kind: str) -> list[Alarm]:
    with system.database.read() as session:
        return list(session.scalars(sa.select(Alarm).where(Alarm.kind == kind)))


def test_what_a_machine_says_raises_tells_and_clears(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker="mosquitto", broker_port=free_port(), low_disk_bytes=0)
    with running(settings, recorder=True, web=True, jobs=True) as system:
        add_mill(system.database)
        with system.database.write() as session:
            make_account(
                session, "engineer", organisation=make_organisation(session, kind="lab"), sign_in="e@lab.example"
            )
            for definition in (
                LimitDefinition(kind="limit", high=2.0),
                SilenceDefinition(kind="silence", after_s=2.0),
            ):
                service.create_rule(
                    session,
                    SYSTEM,
                    device_id="mill-1",
                    signal="spindle_power_kw",
                    severity="warning",
                    definition=definition,
                    now=system.clock.now(),
                )
        publisher = Publisher(system.address)
        seq = iter(range(1, 1000))

        def raised() -> bool:
            publisher.send_value(next(seq), 3.0)
            return bool(alarms(system, "limit"))

        wait_until(raised, what="the alarm is raised", timeout=20)
        publisher.send_value(next(seq), 1.0)
        wait_until(lambda: alarms(system, "limit")[0].cleared_at is not None, what="the alarm clears")
        wait_until(lambda: bool(alarms(system, "silence")), what="silence is noticed", timeout=20)

        def mailed() -> bool:
            with system.database.read() as session:
                return len(list(session.scalars(sa.select(Mail)))) == 2

        wait_until(mailed, what="the engineer is told")
        sender = Sender(system.address, settings.lab, system.clock)
        assert stop_device(system.database, sender, SYSTEM, "mill-1", reason="test").result == "no-answer"
        publisher.close()
