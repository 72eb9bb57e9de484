"""Whether machines are connected, as the pages say it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from devices.models import Device, DeviceBirth
from devices.service import list_births
from lab.web.languages import gettext as _
from telemetry.times.service import last_heard

SILENT_AFTER = timedelta(minutes=10)
"""A machine that says nothing of its own life is taken for silent when nothing has come from it for so long."""


def device_states(session: Session, devices: Iterable[Device], now: datetime) -> dict[str, tuple[str, str]]:
    """Id of each device → a key for the style sheet, and the words.

    A machine need not say when it starts and stops, many only send values: such a one is judged by what comes from it.
    """
    births, heard = list_births(session), last_heard(session)
    return {device.id: _state(births.get(device.id), heard.get(device.id), now) for device in devices}


def _state(birth: DeviceBirth | None, heard: datetime | None, now: datetime) -> tuple[str, str]:
    if birth is not None:
        return ("online", _("online")) if birth.died_at is None else ("offline", _("offline"))
    if heard is None:
        return "unknown", _("not connected yet")
    return ("online", _("sending")) if now - heard < SILENT_AFTER else ("offline", _("silent"))
