"""`pilotlab devices check NAME`: whether a machine is connected as it should be, and what to do where it is not.

It looks at the database, twice with some seconds in between, so that it can tell how fast messages come; and at the
samples, where the store can be read from here (DuckDB belongs to the process that records).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from devices.messages.topics import topic
from devices.models import Device, DeviceBirth
from devices.service import get_birth, get_device
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.core.findings import Finding
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from lab.people.principals import SYSTEM
from telemetry.discovery import service as discovery
from telemetry.letters import service as letters
from telemetry.sequences import highest_received
from telemetry.stores.interface import SampleStore
from telemetry.times import service as times

SECONDS = 5.0
LOOKED_AT = timedelta(minutes=5)
SILENT_AFTER = timedelta(minutes=1)
_RATE_ENOUGH = 0.9
_OFFSET_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Look:
    """What the database knew of a device at one moment."""

    at: datetime
    boot: str | None
    seq: int | None


def examine_device(
    settings: Settings,
    database: Database,
    clock: Clock,
    name: str,
    *,
    store: SampleStore | None = None,
    seconds: float = SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> list[Finding]:
    """Every line about one device, in the order in which a connection is made.

    Args:
        settings: of the installation.
        database: the installation's.
        clock: the lab's.
        name: the device's short name.
        store: of samples; `None`: it cannot be read from here.
        seconds: between the two looks.
        pause: waits so long.

    Raises:
        DeviceUnknownError: if the lab owns none of this name, and nothing was heard of one.
    """
    with database.read() as session:
        try:
            device = get_device(session, name)
        except PilotLabError:
            heard = discovery.list_heard(session, SYSTEM, device=name)
            if not heard:
                raise
            return list(_heard_lines(name, len(heard), unknown=True))
        first = _look(session, name, clock.now())
    pause(seconds)
    now = clock.now()
    with database.read() as session:
        device = get_device(session, name)
        second = _look(session, name, now)
        lines = [
            *_credential_lines(settings, device),
            *_life_lines(settings, device, get_birth(session, name)),
            *_message_lines(settings, name, first, second),
            *_clock_lines(session, name, now),
            *_letter_lines(session, name, now),
            *_heard_lines(name, len(discovery.list_heard(session, SYSTEM, device=name)), unknown=False),
        ]
    return [*lines, *_signal_lines(store, device, now)]


def _look(session: Session, name: str, now: datetime) -> Look:
    birth = get_birth(session, name)
    found = highest_received(session, name, birth.boot if birth is not None else None)
    return Look(now, None, None) if found is None else Look(now, *found)


def _credential_lines(settings: Settings, device: Device) -> Iterator[Finding]:
    if device.retired_at is not None:
        yield Finding("wrong", "catalogue", f"{device.id} is retired", "nothing that it says is stored")
    if device.mqtt_password_hash is None:
        yield Finding(
            "wrong",
            "credentials",
            f"{device.id} cannot sign in at the broker",
            f"`pilotlab devices credentials {device.id}` makes a password",
        )
    else:
        fact = f"signs in as {device.id} and may write {topic(settings.lab, device.id, '…')}"
        yield Finding("good", "credentials", fact)


def _life_lines(settings: Settings, device: Device, birth: DeviceBirth | None) -> Iterator[Finding]:
    if birth is None:
        yield Finding(
            "wrong",
            "birth",
            "it has never said that it has started",
            f"publish a birth, retained, on {topic(settings.lab, device.id, 'birth')} whenever it connects",
        )
        return
    said = f"boot {birth.boot} on {birth.born_at:%Y-%m-%d %H:%M:%S} UTC"
    if birth.died_at is None:
        yield Finding("good", "birth", f"online, {said}")
    else:
        yield Finding(
            "wrong", "birth", f"gone since {birth.died_at:%Y-%m-%d %H:%M:%S} UTC, {said}", "start it, or its network"
        )
    unknown = sorted(set(birth.signals) - {signal.name for signal in device.signals})
    if unknown:
        listed = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        yield Finding("mind", "birth", f"announces {listed}, which the catalogue does not know", "adopt them")


def _message_lines(settings: Settings, name: str, first: Look, second: Look) -> Iterator[Finding]:
    if second.seq is None:
        where = topic(settings.lab, name, "data")
        yield Finding("wrong", "messages", "none was ever stored", f"publish on {where} with QoS 1; see dead letters")
        return
    seconds = (second.at - first.at) / timedelta(seconds=1)
    came = second.seq - first.seq if second.boot == first.boot and first.seq is not None else second.seq + 1
    fact = f"{came / seconds:.1f} a second, the last one is {second.seq} of boot {second.boot}"
    if came > 0:
        yield Finding("good", "messages", fact)
    else:
        yield Finding("mind", "messages", f"none within {seconds:.0f} s; {fact}", "see whether the machine is sending")


def _clock_lines(session: Session, name: str, now: datetime) -> Iterator[Finding]:
    for boot in times.clocks_of(session, SYSTEM, name, limit=1):
        lost = sum(last - first + 1 for first, last in boot.gaps)
        if lost:
            gaps = f"{len(boot.gaps)} gap{'s' if len(boot.gaps) > 1 else ''}"
            fact = f"{lost} message{'s' if lost > 1 else ''} in {gaps} of boot {boot.boot.boot} never came"
            yield Finding("mind", "gaps", fact, "send with QoS 1 and keep what is not confirmed")
        point = boot.points[-1] if boot.points else None
        if point is None:
            continue
        offset_ms = point.offset_ns / 1e6
        if point.uncertain:
            yield Finding(
                "wrong",
                "clock",
                f"nobody knows how it stands ({point.reason}); what is stored is for the staff only",
                "let it send for ten seconds; then give it NTP, or assign a time",
            )
        elif abs(offset_ms) > _OFFSET_MS:
            yield Finding("mind", "clock", f"is off by {-offset_ms / 1000:.1f} s and is corrected", "give it NTP")
        else:
            yield Finding("good", "clock", "is right")
        if now - boot.boot.last_received_at > SILENT_AFTER:
            yield Finding(
                "mind", "clock", f"was seen last at {boot.boot.last_received_at:%Y-%m-%d %H:%M:%S} UTC", "let it send"
            )


def _letter_lines(session: Session, name: str, now: datetime) -> Iterator[Finding]:
    counts = letters.count_letters(session, SYSTEM, device=name)
    recent = [one for one in counts if now - one.last_at < timedelta(hours=1) and one.kept + one.beyond]
    for count in recent[:5]:
        which = f" of {count.signal}" if count.signal else ""
        often = "once" if count.kept + count.beyond == 1 else f"{count.kept + count.beyond} times"
        fact = f"{count.reason}{which}: {often}, last {count.last_at:%H:%M:%S} UTC"
        todo = f"see page /manage/letters?device={name}; mend the cause, then have them read again there"
        yield Finding("wrong", "dead letters", fact, todo)
    if not recent:
        yield Finding("good", "dead letters", "none within the last hour")


def _heard_lines(name: str, count: int, *, unknown: bool) -> Iterator[Finding]:
    if unknown:
        fact = f"the catalogue has no {name}, but somebody speaks under that name ({count} signals)"
        yield Finding(
            "wrong", "catalogue", fact, "adopt it on page /manage/heard, or write it and `pilotlab devices import`"
        )
    elif count:
        fact = f"{count} name{'' if count == 1 else 's'} that the catalogue does not know"
        yield Finding("mind", "unknown signals", fact, "see page /manage/heard, and adopt what is wanted")


def _signal_lines(store: SampleStore | None, device: Device, now: datetime) -> Iterator[Finding]:
    if store is None:
        fact = "the samples belong to the Pilot Lab that runs; it can say at which rate each signal comes"
        yield Finding("mind", "signals", fact, f"ask it: /api/v1/devices/{device.id}/check, or see the device's page")
        return
    end_ns = to_nanoseconds(now)
    start_ns = end_ns - LOOKED_AT // timedelta(microseconds=1) * 1000
    names = [signal.name for signal in device.signals]
    found = store.coverage(device.id, names, [(start_ns, end_ns)], longest_gap_ns=end_ns - start_ns, uncertain=True)
    counts: dict[str, int] = {}
    for row in found.to_pylist():
        counts[row["signal"]] = counts.get(row["signal"], 0) + int(row["count"])
    seconds = LOOKED_AT / timedelta(seconds=1)
    for signal in device.signals:
        came = counts.get(signal.name, 0)
        if signal.expected_interval_ms is None:
            yield Finding("good" if came else "mind", signal.name, f"{came} values within {seconds / 60:.0f} minutes")
            continue
        wanted = seconds * 1000 / signal.expected_interval_ms
        fact = f"{came / seconds:.2f} a second, {wanted / seconds:.2f} are expected"
        if came >= _RATE_ENOUGH * wanted:
            yield Finding("good", signal.name, fact)
        else:
            yield Finding("wrong", signal.name, fact, "let it send at the catalogue's rate, or correct the catalogue")
