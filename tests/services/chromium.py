"""The browser for tests of pages."""

import os
from pathlib import Path

from tests.services.programs import ServiceMissingError, find_program


def chromium_program() -> Path:
    """Where Chromium is: `TEST_CHROMIUM`, else the installed one.

    Raises:
        ServiceMissingError: when there is none.
    """
    given = os.environ.get("TEST_CHROMIUM")
    if given:
        return Path(given)
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := find_program(name):
            return found
    raise ServiceMissingError("Chromium: TEST_CHROMIUM is not set and no chromium is installed")
