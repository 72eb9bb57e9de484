"""What the tests of the whole product need from the machine."""

from pathlib import Path

import pytest

from tests.conftest import have
from tests.services.programs import installed_program


@pytest.fixture(scope="session")
def mosquitto_program() -> Path:
    """The installed Mosquitto, which the product starts as its child."""
    return have(lambda: installed_program("mosquitto"))
