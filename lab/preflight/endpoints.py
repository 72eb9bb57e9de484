"""The check before a booking over HTTP; for the staff."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.mqtt import BrokerAddress
from lab.people.endpoints import PrincipalDep
from lab.preflight.broker import BrokerTrial
from lab.preflight.schemas import PreflightAnswer
from lab.preflight.service import Parts, preflight

router = APIRouter(prefix="/api/v1", tags=["bookings"])


def parts_of(request: Request, settings: SettingsDep) -> Parts:
    """What is looked at; the broker is tried once in some minutes, whoever asks."""
    state = request.app.state
    address = cast(BrokerAddress | None, state.broker_address)
    if address is not None and getattr(state, "broker_trial", None) is None:
        state.broker_trial = BrokerTrial(address)
    return Parts(settings, state.store, getattr(state, "broker_trial", None))


PartsDep = Annotated[Parts, Depends(parts_of)]


@router.get("/bookings/{booking_id}/preflight", summary="What has to be right before a booking, and what to do")
def get_preflight(
    booking_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, parts: PartsDep
) -> PreflightAnswer:
    """For the staff. Machines online, planned signals at their rate, clocks, broker, recorder, disk, open alarms.

    The broker's limits are tried with a few thousand small messages of its own, which takes a second or two.
    """
    now = clock.now()
    with database.read() as session:
        booking, lines = preflight(session, principal, booking_id, parts=parts, now=now)
        return PreflightAnswer.of(booking.id, lines, now=now)
