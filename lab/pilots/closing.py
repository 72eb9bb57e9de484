"""Whether all that the devices sent during a run has arrived: asked for at its end, while they still know.

At the start it is noted how far each device's numbering has come; at the end the device is asked for its last number,
or, when it does not answer, the highest one received stands for it. A device that started anew in between, or was never
heard, leaves the run's completeness unknown, and the run says so.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from sqlalchemy.orm import Session

from devices.commanding import LastSeq, Sender, reported_seq, send_command
from devices.errors import CommandNotSentError
from devices.messages.native import Command
from devices.service import list_births
from lab.core.database import Database
from lab.core.ids import new_id
from lab.people.principals import Principal
from lab.pilots import repository
from lab.pilots.errors import PlanMissingError
from lab.pilots.models import Run
from lab.pilots.service import get_pilot, locked_plan
from telemetry.sequences import highest_received

log = structlog.get_logger(__name__)

ASKED, RECEIVED, UNKNOWN = "device", "received", "unknown"
REPLY_SECONDS = 2.0
_AT_ONCE = 8


def numbers_now(session: Session, devices: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How far the numbering of each device has come, as far as it was received: {"boot": …, "first_seq": next one}."""
    births = list_births(session)
    found: dict[str, dict[str, Any]] = {}
    for device in sorted(devices):
        birth = births.get(device)
        last = highest_received(session, device, birth.boot if birth is not None else None)
        if last is not None:
            found[device] = {"boot": last[0], "first_seq": last[1] + 1}
    return found


def claims_at_start(session: Session, pilot_id: str) -> dict[str, dict[str, Any]]:
    """What a starting run notes of its plan's devices; nothing while there is no locked plan."""
    try:
        _, plan = locked_plan(session, pilot_id)
    except PlanMissingError:
        return {}
    return numbers_now(session, plan.devices())


def claims_at_end(
    database: Database,
    sender: Sender | None,
    principal: Principal,
    pilot_id: str,
    number: int,
    said: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """What the devices of a run say that they sent; what the caller knows already is taken over.

    Args:
        database: where the plan and the received numbers are.
        sender: the way to the devices; `None`: there is none, and what was received stands for it.
        principal: the staff.
        pilot_id: the pilot.
        number: of the run that ends.
        said: by device, {"boot": …, "first_seq": …, "last_seq": …}.

    Returns:
        By device, {"boot", "first_seq", "last_seq", "asked"}; `asked` is device, received or unknown, and then the
        numbers are absent.

    Raises:
        ForbiddenError: for anybody but the staff.
        PilotUnknownError: if there is no such pilot.
        PlanMissingError: if its plan is not locked.
    """
    principal.require_staff("stop runs")
    with database.read() as session:
        get_pilot(session, principal, pilot_id)
        _, plan = locked_plan(session, pilot_id)
        run = next((run for run in repository.list_runs(session, pilot_id) if run.number == number), None)
        began = dict(run.completeness or {}) if run is not None else {}
    unsaid = sorted(plan.devices() - set(said))
    answers = _ask_all(sender, unsaid)
    with database.read() as session:
        births = list_births(session)
        received = {
            device: highest_received(session, device, births[device].boot if device in births else None)
            for device in unsaid
        }
    claims = {device: dict(claim) for device, claim in said.items()}
    for device in unsaid:
        claims[device] = _claim(began.get(device), answers.get(device), received[device])
    return claims


def unproven_devices(run: Run) -> list[str]:
    """The devices of an ended run that did not say themselves how much they sent."""
    if run.ended_at is None:
        return []
    return sorted(device for device, claim in (run.completeness or {}).items() if claim.get("asked", ASKED) != ASKED)


def _claim(began: Mapping[str, Any] | None, answer: LastSeq | None, received: tuple[str, int] | None) -> dict[str, Any]:
    last = (answer.boot, answer.seq) if answer is not None else received
    if last is None or began is None or began.get("boot") != last[0]:
        return {"asked": UNKNOWN}
    asked = ASKED if answer is not None else RECEIVED
    return {"boot": last[0], "first_seq": began["first_seq"], "last_seq": last[1], "asked": asked}


def _ask_all(sender: Sender | None, devices: list[str]) -> dict[str, LastSeq]:
    if sender is None or not devices:
        return {}
    with ThreadPoolExecutor(min(_AT_ONCE, len(devices))) as pool:
        answers = dict(zip(devices, pool.map(lambda device: _ask(sender, device), devices), strict=True))
    return {device: answer for device, answer in answers.items() if answer is not None}


def _ask(sender: Sender, device: str) -> LastSeq | None:
    command = Command(
        id=new_id("cmd"),
        command="report_seq",
        reason="a run has ended",
        expires=sender.clock.now_ns() + int(REPLY_SECONDS * 1e9),
    )
    try:
        reply = send_command(sender.address, sender.lab, device, command, timeout_s=REPLY_SECONDS)
    except CommandNotSentError as error:
        log.warning("a device could not be asked for its last number", device=device, problem=error.message)
        return None
    return reported_seq(reply)
