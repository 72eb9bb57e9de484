"""Bookings put straight into the database, for tests of what reads them and does not care how they were made."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.states import BookingState
from lab.core.ids import new_id
from lab.core.time import Span
from tests.factories import MONDAY_MORNING


def place_booking(
    session: Session,
    organisation_id: str,
    span: Span,
    *device_ids: str,
    engineer: str | None = None,
    before: int = 0,
    after: int = 0,
    active: bool = True,
    **facts: Any,
) -> Booking:
    """A confirmed booking, unless `state` says otherwise.

    Args:
        session: a write session.
        organisation_id: for whom.
        span: when.
        device_ids: `mill-1` if none is named.
        engineer: account of who supervises it.
        before: minutes of set-up.
        after: minutes of clean-up.
        active: whether it holds its devices.
        facts: other columns of `Booking`.
    """
    reserved = span.widened(before=timedelta(minutes=before), after=timedelta(minutes=after))
    given = {
        "id": new_id("bkg"),
        "organisation_id": organisation_id,
        "booked_by": "acc_somebody",
        "title": "Feed rates",
        "start_at": span.start,
        "end_at": span.end,
        "state": BookingState.CONFIRMED.value,
        "version": 1,
        "created_at": MONDAY_MORNING,
        "changed_at": MONDAY_MORNING,
        "supervised": engineer is not None,
        "devices": [
            BookingDevice(device_id=device_id, reserved_start=reserved.start, reserved_end=reserved.end, active=active)
            for device_id in sorted(device_ids or ("mill-1",))
        ],
        "engineers": []
        if engineer is None
        else [BookingEngineer(account_id=engineer, reserved_start=span.start, reserved_end=span.end, active=active)],
    }
    booking = Booking(**{**given, **facts})
    session.add(booking)
    session.flush()
    return booking
