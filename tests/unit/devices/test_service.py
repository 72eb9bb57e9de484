"""What people and the recorder do with devices, on SQLite."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from devices.catalogue import DEFAULT_CATALOGUE, Catalogue, load_catalogue
from devices.credentials import mqtt_password_matches
from devices.errors import DeviceUnknownError, SignalChangedError, WeakPasswordError
from devices.messages.native import Birth, Death
from devices.service import (
    SignalFacts,
    broker_passwords,
    get_birth,
    get_device,
    import_catalogue,
    issue_credentials,
    known_signals,
    list_devices,
    record_birth,
    record_death,
)
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.errors import ForbiddenError
from lab.people.principals import SYSTEM, Principal, Role
from tests.factories import MONDAY_MORNING, make_device

ENGINEER = Principal("acc_e", "org_lab", Role.ENGINEER, "Ewa")
LATER = MONDAY_MORNING + timedelta(hours=1)


def load(session: Session, catalogue: Catalogue) -> tuple[int, int, int]:
    result = import_catalogue(session, SYSTEM, catalogue, now=MONDAY_MORNING)
    return len(result.created), len(result.updated), len(result.unchanged)


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue(DEFAULT_CATALOGUE)


def test_importing_twice_changes_nothing(each_database: Database, catalogue: Catalogue) -> None:
    with each_database.write() as session:
        assert load(session, catalogue) == (5, 0, 0)
    with each_database.write() as session:
        assert load(session, catalogue) == (0, 0, 5)
    with each_database.read() as session:
        mill = get_device(session, "mill-1")
        assert (mill.price_cents_per_hour, mill.setup_minutes, len(mill.signals)) == (8500, 15, 10)
        assert mill.capabilities[0]["axes"] == 3
        assert [device.id for device in list_devices(session)] == sorted(entry.id for entry in catalogue.devices)


def test_a_changed_catalogue_changes_only_what_it_names(database: Database, catalogue: Catalogue) -> None:
    with database.write() as session:
        load(session, catalogue)
        issue_credentials(session, SYSTEM, "mill-1", password="correct horse")
    mill = catalogue.devices[0]
    mill.name = "New mill"
    gone = mill.signals.pop()
    with database.write() as session:
        result = import_catalogue(session, SYSTEM, Catalogue(devices=[mill]), now=LATER)
        assert (result.created, result.updated, result.unchanged) == ([], ["mill-1"], [])
    with database.read() as session:
        device = get_device(session, "mill-1")
        assert device.name == "New mill"
        assert device.created_at == MONDAY_MORNING
        assert device.mqtt_password_hash is not None
        assert gone.name in {signal.name for signal in device.signals}
        assert len(list_devices(session)) == 5


def test_a_unit_cannot_change_under_what_is_stored(database: Database, catalogue: Catalogue) -> None:
    with database.write() as session:
        load(session, catalogue)
    catalogue.devices[0].signals[0].unit = "W"
    with database.write() as session, pytest.raises(SignalChangedError, match="new name"):
        load(session, catalogue)


def test_only_a_manager_imports_and_issues_credentials(database: Database, catalogue: Catalogue) -> None:
    with database.write() as session:
        make_device(session)
        with pytest.raises(ForbiddenError):
            import_catalogue(session, ENGINEER, catalogue, now=MONDAY_MORNING)
        with pytest.raises(ForbiddenError):
            issue_credentials(session, ENGINEER, "mill-1", password="correct horse")


def test_a_device_that_the_lab_does_not_own_is_unknown(database: Database) -> None:
    with database.write() as session:
        for ask in (
            lambda: get_device(session, "mill-9"),
            lambda: record_birth(session, "mill-9", Birth("a", 1), now=LATER),
            lambda: record_death(session, "mill-9", Death("a"), now=LATER),
            lambda: issue_credentials(session, SYSTEM, "mill-9", password="correct horse"),
        ):
            with pytest.raises(DeviceUnknownError):
                ask()


def test_the_broker_gets_hashes_and_never_passwords(database: Database) -> None:
    with database.write() as session:
        make_device(session)
        make_device(session, "meter-1")
        issue_credentials(session, SYSTEM, "mill-1", password="correct horse")
        with pytest.raises(WeakPasswordError):
            issue_credentials(session, SYSTEM, "meter-1", password="short")
    with database.read() as session:
        (entry,) = broker_passwords(session).items()
    assert entry[0] == "mill-1"
    assert mqtt_password_matches("correct horse", entry[1])
    assert not mqtt_password_matches("correct house", entry[1])


def test_the_recorder_learns_every_device_in_service_and_its_signals(database: Database, catalogue: Catalogue) -> None:
    with database.write() as session:
        load(session, catalogue)
        make_device(session, "bare-1", signals={})
        make_device(session, "gone-1", retired_at=MONDAY_MORNING)
    with database.read() as session:
        known = known_signals(session)
    assert known["bare-1"] == {}
    assert "gone-1" not in known
    assert known["mill-1"]["feed_mm_s"] == SignalFacts("number", 0, 25, None, 200, "mm/s")
    assert known["mill-1"]["step"].choices == {"idle", "loading", "cutting", "unloading"}


def test_a_device_is_born_and_dies(each_database: Database) -> None:
    with each_database.write() as session:
        make_device(session)
        assert not record_death(session, "mill-1", Death("a"), now=LATER)
        assert record_birth(session, "mill-1", Birth("a", "2026-11-23T07:00:00Z", "2.1", ["x"]), now=MONDAY_MORNING)
    with each_database.write() as session:
        assert record_death(session, "mill-1", Death("a"), now=LATER)
        assert not record_death(session, "mill-1", Death("a"), now=LATER + timedelta(hours=1))
    with each_database.read() as session:
        birth = get_birth(session, "mill-1")
        assert birth is not None
        assert (birth.boot, birth.firmware, birth.signals) == ("a", "2.1", ["x"])
        assert (birth.born_at, birth.died_at) == (MONDAY_MORNING, LATER)


def test_the_death_of_an_earlier_life_is_stale(database: Database, lab_clock: LabClock) -> None:
    with database.write() as session:
        make_device(session)
        record_birth(session, "mill-1", Birth("a", 1), now=lab_clock.now())
        record_birth(session, "mill-1", Birth("b", 2), now=lab_clock.now())
        assert not record_death(session, "mill-1", Death("a"), now=lab_clock.now())
        birth = get_birth(session, "mill-1")
        assert birth is not None
        assert (birth.boot, birth.died_at) == ("b", None)


def test_a_birth_that_the_broker_repeats_does_not_revive(database: Database) -> None:
    with database.write() as session:
        make_device(session)
        record_birth(session, "mill-1", Birth("a", 1), now=MONDAY_MORNING)
        record_death(session, "mill-1", Death("a"), now=LATER)
        assert not record_birth(session, "mill-1", Birth("a", 1), now=LATER)
        birth = get_birth(session, "mill-1")
        assert birth is not None
        assert birth.died_at == LATER


def test_a_device_that_found_its_connection_again_is_alive(database: Database) -> None:
    with database.write() as session:
        make_device(session)
        record_birth(session, "mill-1", Birth("a", 1), now=MONDAY_MORNING)
        record_death(session, "mill-1", Death("a"), now=LATER)
        assert record_birth(session, "mill-1", Birth("a", 2), now=LATER)
        assert not record_death(session, "mill-1", Death("nobody"), now=LATER)
        birth = get_birth(session, "mill-1")
        assert birth is not None
        assert (birth.born_at, birth.died_at) == (LATER, None)


def test_a_birth_without_a_readable_time_counts(database: Database) -> None:
    with database.write() as session:
        make_device(session)
        assert record_birth(session, "mill-1", Birth("a", "yesterday"), now=MONDAY_MORNING)
        assert not record_birth(session, "mill-1", Birth("a", "yesterday"), now=LATER)
