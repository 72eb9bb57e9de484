"""How an engineer makes known what was heard; its dead letters are read again. The caller owns the transaction."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from devices.adopting import add_alias, add_device, add_signal
from devices.catalogue import DeviceEntry, SignalEntry
from lab.core.errors import NotFoundError
from lab.people.principals import Principal
from telemetry.discovery import repository
from telemetry.letters.service import ask_replay
from telemetry.models import HeardSignal, ReplayRequest

MOST_HEARD = 1000


class HeardUnknownError(NotFoundError):
    """Nothing is said under this name, or it is in the catalogue. Facts: `field`, `rule`."""


def list_heard(
    session: Session, principal: Principal, *, device: str | None = None, limit: int = MOST_HEARD
) -> list[HeardSignal]:
    """What is said under names that the catalogue does not know, the latest first.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
    """
    principal.require_staff("look at what was heard")
    return repository.list_heard(session, device=device, limit=limit)


def get_heard(session: Session, principal: Principal, device: str, name: str) -> HeardSignal:
    """What is said under one name.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        HeardUnknownError: if nothing is, or it is adopted already.
    """
    principal.require_staff("look at what was heard")
    row = repository.find_heard(session, device, name)
    if row is None or row.adopted_at is not None:
        raise HeardUnknownError(
            "nothing is heard under this name, or it is adopted already", field="heard", rule="known-heard"
        )
    return row


def adopt_signal(
    session: Session, principal: Principal, *, device: str, heard: str, entry: SignalEntry, now: datetime
) -> ReplayRequest:
    """Take a signal of a known device into the catalogue, under its own name or another.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        DeviceUnknownError: if the lab owns none of this name.
        SignalKnownError: if the device has a signal of the entry's name.
    """
    add_signal(session, principal, device, entry, heard=heard, now=now)
    return _adopted(session, principal, device, heard, now=now)


def adopt_alias(
    session: Session, principal: Principal, *, device: str, heard: str, signal: str, now: datetime
) -> ReplayRequest:
    """Say that a device calls a signal of the catalogue by another name.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        DeviceUnknownError: if the lab owns none of this name.
        SignalUnknownError: if the device has no such signal.
        SignalKnownError: if what was heard is the name of another signal, or of another alias.
    """
    add_alias(session, principal, device, heard=heard, signal=signal, now=now)
    return _adopted(session, principal, device, heard, now=now)


def adopt_device(
    session: Session,
    principal: Principal,
    entry: DeviceEntry,
    *,
    names: Mapping[str, str] | None = None,
    now: datetime,
) -> ReplayRequest:
    """Take a device that was heard into the catalogue, by its name in the topics.

    Args:
        session: a write session.
        principal: the lab's staff.
        entry: as it shall stand in the catalogue.
        names: signals that the device calls otherwise: as heard, and as the entry names them.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        DeviceKnownError: if the lab owns, or owned, one of this name.
        SignalUnknownError, SignalKnownError: if `names` do not fit the entry's signals.
    """
    add_device(session, principal, entry, now=now)
    for heard, signal in (names or {}).items():
        add_alias(session, principal, entry.id, heard=heard, signal=signal, now=now)
    for said_as in (entry.id, *entry.addresses):
        for heard in (*(signal.name for signal in entry.signals), *(names or ())):
            repository.note_adopted(session, said_as, heard, now=now)
    for address in entry.addresses:
        ask_replay(session, principal, device=address, signal=None, now=now)
    return ask_replay(session, principal, device=entry.id, signal=None, now=now)


def _adopted(session: Session, principal: Principal, device: str, heard: str, *, now: datetime) -> ReplayRequest:
    repository.note_adopted(session, device, heard, now=now)
    return ask_replay(session, principal, device=device, signal=heard, now=now)
