"""`pilotlab backup` and `pilotlab restore`, with a running system and without."""

import threading
from pathlib import Path

import pytest

from lab.backups import Backups, back_up, backup_folder, bring_back
from lab.core.clock import LabClock
from lab.core.errors import SetupError
from lab.core.folder import FolderInUseError, hold_folder
from lab.core.settings import Settings
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.duckdb.backups import newest_first
from telemetry.stores.errors import BackupUnusableError
from tests.factories import MONDAY_MORNING
from tests.integration.test_stores_damage import assert_whole, flip, refill

CLOCK = LabClock(MONDAY_MORNING)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def store_of(settings: Settings) -> DuckDBStore:
    return DuckDBStore(settings.duckdb_path, backups=backup_folder(settings))


def fill(settings: Settings, last: int) -> None:
    store = store_of(settings)
    refill(store, last)
    store.close()


def test_a_backup_comes_back_and_the_rest_is_drained_again(settings: Settings) -> None:
    fill(settings, 5)
    made = back_up(settings, CLOCK)
    fill(settings, 9)
    assert bring_back(settings, None) == made
    store = store_of(settings)
    assert store.watermark("s") == 5
    assert_whole(store, 5)
    refill(store, 9)
    assert_whole(store, 9)
    store.close()
    assert (settings.data_dir / f"{settings.duckdb_path.name}.replaced-1").exists()


def test_a_running_system_is_asked_for_the_backup(settings: Settings) -> None:
    with hold_folder(settings.data_dir):
        store = store_of(settings)
        refill(store, 3)
        backups, done = Backups(store, settings, CLOCK), threading.Event()

        def rounds() -> None:
            while not done.wait(0.05):
                backups.round()

        thread = threading.Thread(target=rounds)
        thread.start()
        made = back_up(settings, CLOCK)
        done.set()
        thread.join()
        assert made.watermarks == {"s": 3}
        assert newest_first(backup_folder(settings)) == [made]
        with pytest.raises(FolderInUseError):
            bring_back(settings, None)
        store.close()


def test_a_backup_that_was_changed_is_refused_and_nothing_is_touched(settings: Settings) -> None:
    fill(settings, 3)
    made = back_up(settings, CLOCK)
    flip(made.path, 5000)
    with pytest.raises(BackupUnusableError, match="has been changed"):
        bring_back(settings, made.path.name)
    with pytest.raises(BackupUnusableError, match="no backup"):
        bring_back(settings, "samples-20200101T000000Z.duckdb")
    store = store_of(settings)
    assert_whole(store, 3)
    store.close()


def test_what_cannot_be_backed_up_is_said(settings: Settings) -> None:
    with pytest.raises(SetupError, match="there is no backup"):
        bring_back(settings, None)
    elsewhere = settings.model_copy(update={"store": "influxdb"})
    with pytest.raises(SetupError, match="influx backup"):
        back_up(elsewhere, CLOCK)
