"""What the tests of the whole product need from the machine."""

from pathlib import Path

import pytest

from tests.conftest import have
from tests.services.programs import ServiceMissingError, find_program


@pytest.fixture(scope="session")
def mosquitto_program() -> Path:
    """The installed Mosquitto, which the product starts as its child."""

    def find() -> Path:
        found = find_program("mosquitto")
        if found is None:
            raise ServiceMissingError("Mosquitto is not installed")
        return found

    return have(find)
