"""One served lab and one browser for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from lab.core.database import Database
from tests.conftest import create_tables, have
from tests.pages.looks import axe_source
from tests.pages.stage import Stage, served_stage
from tests.pages.tour import opened_chromium


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A lab in the middle of a working day; what a test changes, the next one finds changed."""
    folder = tmp_path_factory.mktemp("stage")
    database = Database(f"sqlite:///{folder / 'lab.sqlite'}")
    create_tables(database)
    with served_stage(database, folder) as stage:
        yield stage
    database.close()


@pytest.fixture(scope="module")
def chrome(chromium: Path) -> Iterator[Browser]:
    """The browser."""
    with opened_chromium(chromium) as browser:
        yield browser


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, a checker of accessibility."""
    return have(lambda: axe_source(tmp_path_factory.mktemp("axe")))
