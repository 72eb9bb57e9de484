"""Where a device is heard besides its own topics: said in the catalogue, or when it is adopted."""

from typing import Any

import pytest
from pydantic import ValidationError

from devices.adopting import add_device
from devices.catalogue import Catalogue, DeviceEntry
from devices.repository import device_addresses
from devices.service import import_catalogue
from lab.core.database import Database
from lab.people.principals import SYSTEM
from tests.factories import MONDAY_MORNING


def entry(device: str, *addresses: str) -> DeviceEntry:
    signal: dict[str, Any] = {"name": "power", "label": "Power", "type": "number", "unit": "kW"}
    return DeviceEntry.model_validate(
        {
            "id": device,
            "name": device,
            "kind": "press",
            "price_eur_per_hour": 1,
            "signals": [signal],
            "addresses": addresses,
        }
    )


def addresses(database: Database) -> dict[str, str]:
    with database.read() as session:
        return device_addresses(session)


def test_the_catalogue_says_where_a_device_is_heard(database: Database) -> None:
    first = Catalogue(devices=[entry("press-1", "sparkplug:g/n", "sparkplug:g/n", "sparkplug:g/n/d"), entry("press-2")])
    with database.write() as session:
        import_catalogue(session, SYSTEM, first, now=MONDAY_MORNING)
    assert addresses(database) == {"sparkplug:g/n": "press-1", "sparkplug:g/n/d": "press-1"}
    with database.write() as session:
        assert import_catalogue(session, SYSTEM, first, now=MONDAY_MORNING).updated == []
    moved = Catalogue(devices=[entry("press-2", "sparkplug:g/n/d")])
    with database.write() as session:
        assert import_catalogue(session, SYSTEM, moved, now=MONDAY_MORNING).updated == ["press-2"]
    assert addresses(database) == {"sparkplug:g/n": "press-1", "sparkplug:g/n/d": "press-2"}


def test_an_adopted_device_is_known_by_its_address(database: Database) -> None:
    with database.write() as session:
        add_device(session, SYSTEM, entry("press-3", "sparkplug:g/m"), now=MONDAY_MORNING)
    assert addresses(database) == {"sparkplug:g/m": "press-3"}


@pytest.mark.parametrize("address", ["", "g/n", "sparkplug:g", "sparkplug:g/n/d/e", "sparkplug:g/+", "sparkplug:a|b/n"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        entry("press-1", address)
