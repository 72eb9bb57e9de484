"""Row 22 of faults.md: a backup that is taken under load comes back on an empty machine, by count and by hash."""

import hashlib
import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bookings.models import Booking
from devices.catalogue import DEFAULT_CATALOGUE, load_catalogue
from devices.service import import_catalogue
from lab.backups import Backups, back_up, backup_folder, bring_back, records_of
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.errors import SetupError
from lab.core.folder import hold_folder
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.principals import SYSTEM
from lab.pilots.documents.models import PilotDocument
from lab.pilots.documents.service import add_document, remove_document
from lab.pilots.documents.store import folder_of
from lab.pilots.service import create_pilot
from lab.record_backups import back_up_records, bring_back_records, newest_records
from telemetry.stores.duckdb import DuckDBStore
from tests.conftest import create_tables
from tests.factories import MONDAY_MORNING
from tests.integration.test_stores_damage import assert_whole, flip, refill
from tests.placed_bookings import place_booking
from tests.web_client import Town

HOUR = timedelta(hours=1)


@dataclass
class Working:
    """A lab in which people book, add and remove documents, and a machine sends, all at once."""

    settings: Settings
    clock: LabClock
    database: Database
    town: Town
    store: DuckDBStore
    pilot_id: str = ""
    bookings: list[str] = field(default_factory=list)
    """Ids, in the order in which they were committed."""
    documents: dict[str, str] = field(default_factory=dict)
    """Id → SHA-256 of those that are there and stay."""
    batches: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _faults: list[BaseException] = field(default_factory=list)

    def begin(self) -> None:
        with self.database.write() as session:
            import_catalogue(session, SYSTEM, load_catalogue(DEFAULT_CATALOGUE), now=self.clock.now())
            founder = self.town.principal("founder")
            pilot = create_pilot(
                session, founder, organisation_id=founder.organisation_id, title="Feed", question="?",
                now=self.clock.now(),
            )  # fmt: skip
            self.pilot_id = pilot.id

    def book(self, number: int) -> None:
        start = MONDAY_MORNING + number * HOUR
        made = self.database.transact(
            lambda session: (
                place_booking(session, self.town.foundry.id, Span(start, start + HOUR), "mill-1", title=f"B{number}").id
            )
        )
        self.bookings.append(made)

    def file(self, number: int) -> None:
        """Three are added, of which one is removed again: a backup may meet it in any state."""
        added = [self._add(f"{number}.{part}: " + "measured\n" * 400) for part in range(3)]
        remove_document(
            self.database, self.town.principal("manager"), self.pilot_id, added.pop(1).id, reason="wrong",
            data_dir=self.settings.data_dir, now=self.clock.now(),
        )  # fmt: skip
        self.documents |= {row.id: row.sha256 for row in added}

    def _add(self, text: str) -> PilotDocument:
        return add_document(
            self.database, self.town.principal("founder"), self.pilot_id, name="log.txt", content=text.encode(),
            caption="", data_dir=self.settings.data_dir, largest=1_000_000, now=self.clock.now(),
        )  # fmt: skip

    def sample(self, number: int) -> None:
        refill(self.store, number + 1)
        self.batches = number + 1

    def work(self, *steps: tuple[Callable[[int], None], int]) -> list[threading.Thread]:
        """Each step again and again, at most so often, until it is over."""

        def run(step: Callable[[int], None], most: int) -> None:
            try:
                for number in itertools.takewhile(lambda _: not self._over.is_set(), range(most)):
                    step(number)
            except BaseException as fault:
                self._faults.append(fault)
                raise

        threads = [threading.Thread(target=run, args=step) for step in steps]
        for thread in threads:
            thread.start()
        return threads

    def end(self, threads: list[threading.Thread]) -> None:
        self._over.set()
        for thread in threads:
            thread.join()
        assert self._faults == []


@pytest.fixture
def working(tmp_path: Path) -> Iterator[Working]:
    settings = Settings(data_dir=tmp_path / "here", backup_dir=tmp_path / "elsewhere")
    settings.data_dir.mkdir()
    clock, database = LabClock(MONDAY_MORNING), Database(settings.sqlalchemy_url)
    create_tables(database)
    store = DuckDBStore(settings.duckdb_path)
    lab = Working(settings, clock, database, Town(database, clock), store)
    lab.begin()
    yield lab
    store.close()
    database.close()


def assert_documents_are_whole(database: Database, data_dir: Path, pilot_id: str) -> dict[str, str]:
    """Every document that a database knows of has its content; gives id → SHA-256."""
    with database.read() as session:
        rows = session.scalars(sa.select(PilotDocument).where(PilotDocument.removed_at.is_(None))).all()
    folder = folder_of(data_dir, pilot_id)
    for row in rows:
        content = (folder / row.sha256).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row.bytes, row.sha256)
    return {row.id: row.sha256 for row in rows}


def test_a_backup_taken_under_load_comes_back_on_an_empty_machine(working: Working, tmp_path: Path) -> None:
    with hold_folder(working.settings.data_dir):
        backups = Backups(working.store, working.settings, working.clock)
        threads = working.work((working.book, 5000), (working.file, 60), (working.sample, 400))
        threads += working.work((lambda _: backups.round(), 10**9))
        while len(working.bookings) < 30 or len(working.documents) < 8 or working.batches < 5:
            assert not working._faults
            working._over.wait(0.01)
        bookings, documents, batches = list(working.bookings), dict(working.documents), working.batches
        made = back_up(working.settings, working.clock)
        working.end(threads)
    empty = Settings(data_dir=tmp_path / "there", backup_dir=working.settings.backup_dir)
    assert bring_back(empty, None) == made
    database = Database(empty.sqlalchemy_url)
    with database.read() as session:
        assert session.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"
        assert session.execute(sa.text("PRAGMA foreign_key_check")).all() == []
        back = set(session.scalars(sa.select(Booking.id)))
    found = assert_documents_are_whole(database, empty.data_dir, working.pilot_id)
    database.close()
    assert set(bookings) <= back <= set(working.bookings)
    assert len(documents) <= len(found)
    assert documents.items() <= found.items()
    store = DuckDBStore(empty.duckdb_path)
    assert batches <= store.watermark("s") <= working.batches
    assert_whole(store, store.watermark("s"))
    store.close()


def test_what_has_not_changed_takes_no_room_twice_and_old_backups_go(working: Working) -> None:
    working.file(1)
    settings, clock = working.settings, working.clock
    backups = Backups(working.store, settings, clock)
    for days in range(3):
        clock.jump_to(MONDAY_MORNING + timedelta(days=days))
        backups.make()
    newest, older = newest_records(backup_folder(settings))
    assert (newest.made_at - older.made_at) == timedelta(days=1)
    name = next(file.path for file in newest.files if file.path.startswith("pilots/"))
    assert (newest.path / name).samefile(older.path / name)
    assert not (newest.path / name).samefile(settings.data_dir / name)


def test_a_lab_that_is_there_keeps_its_bookings_when_samples_come_back(working: Working) -> None:
    Backups(working.store, working.settings, working.clock).make()
    working.store.close()
    working.book(1)
    bring_back(working.settings, None)
    with working.database.read() as session:
        assert session.scalars(sa.select(Booking.id)).all() == working.bookings


def test_a_changed_file_is_found_before_anything_is_put_in_place(working: Working, tmp_path: Path) -> None:
    working.file(1)
    made = Backups(working.store, working.settings, working.clock).make()
    records = records_of(working.settings, made)
    assert records is not None
    flip(next(records.path / file.path for file in records.files if file.path.startswith("pilots/")), 7)
    with pytest.raises(SetupError, match="has been changed"):
        bring_back(Settings(data_dir=tmp_path / "there", backup_dir=working.settings.backup_dir), None)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["pilotlab.lock"]


def test_a_document_that_is_lost_does_not_keep_the_rest_from_being_backed_up(working: Working) -> None:
    working.file(1)
    lost, *others = working.documents.values()
    (folder_of(working.settings.data_dir, working.pilot_id) / lost).unlink()
    made = Backups(working.store, working.settings, working.clock).make()
    records = records_of(working.settings, made)
    assert records is not None
    kept = {file.sha256 for file in records.files}
    assert set(others) <= kept
    assert lost not in kept


def test_an_attempt_that_was_cut_short_is_no_backup_and_goes(working: Working, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "records-20260101T000000Z.coming").mkdir(parents=True)
    (folder / "records-20260102T000000Z").mkdir()
    assert newest_records(folder) == []
    made = Backups(working.store, working.settings, working.clock).make()
    assert [one.made_at for one in newest_records(folder)] == [made.made_at]
    assert not list(folder.glob("*.coming"))


def test_the_database_of_a_server_is_left_to_the_server(working: Working, tmp_path: Path) -> None:
    working.file(1)
    made = back_up_records(working.settings.data_dir, tmp_path / "kept", database=None, now=working.clock.now())
    assert not made.has_database
    shutil.rmtree(working.settings.data_dir / "pilots")
    with pytest.raises(SetupError, match=r"has pilotlab\.sqlite already"):
        bring_back_records(made, working.settings.data_dir)
    assert_documents_are_whole(working.database, made.path, working.pilot_id)
