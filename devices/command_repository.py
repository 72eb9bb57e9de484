"""Every query on commands."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from devices.models import DeviceCommand
from lab.core.paging import Keyset, Page, PageWish, read_page

NEWEST_FIRST = Keyset("device-commands", (DeviceCommand.asked_at, DeviceCommand.id), descending=True)


def find_command(session: Session, command_id: str, *, lock: bool = False) -> DeviceCommand | None:
    """A command that was asked for."""
    query = select(DeviceCommand).where(DeviceCommand.id == command_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def page_of_commands(session: Session, device_id: str, page: PageWish) -> Page[DeviceCommand]:
    """Commands of a device, the newest first."""
    return read_page(session, select(DeviceCommand).where(DeviceCommand.device_id == device_id), NEWEST_FIRST, page)
