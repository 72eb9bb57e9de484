"""What the tests of the whole product need from the machine."""

from pathlib import Path

import pytest

from tests.conftest import have
from tests.services.programs import ServiceMissingError, find_program

_RECORDING = Path(__file__).resolve().parents[3] / "shared" / "data" / "umich_cnc_mill"


@pytest.fixture(scope="session")
def mosquitto_program() -> Path:
    """The installed Mosquitto, which the product starts as its child."""

    def find() -> Path:
        found = find_program("mosquitto")
        if found is None:
            raise ServiceMissingError("Mosquitto is not installed")
        return found

    return have(find)


@pytest.fixture(scope="session")
def recording() -> Path:
    """The real recording, which lies beside the project and is never copied into it."""

    def find() -> Path:
        if not _RECORDING.is_dir():
            raise ServiceMissingError("the recording is not there (../shared/data/umich_cnc_mill)")
        return _RECORDING

    return have(find)
