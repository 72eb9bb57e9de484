"""Long lists in pages, read from the real databases: every row once, in order, whatever happens meanwhile."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from lab.core.audit import NEWEST_FIRST, AuditEntry, changes_of, note_change
from lab.core.database import Database
from lab.core.paging import Keyset, PageWish, after, cursor_of, read_page
from lab.people.models import Account
from tests.factories import MONDAY_MORNING, make_account, make_organisation

OLDEST_FIRST = Keyset("audit-up", (AuditEntry.at, AuditEntry.id))
BY_ID = Keyset("audit-id", (AuditEntry.id,), descending=True)
BY_NAME = Keyset("accounts", (Account.name, Account.id))


def instants() -> list[datetime]:
    """25 of them, several at one instant, some a microsecond apart, some before 1970."""
    steps = [
        0,
        0,
        0,
        0,
        1,
        1,
        2,
        10**6,
        10**6,
        3600 * 10**6,
        -(10**15),
        -(2 * 10**15),
        5,
        5,
        5,
        5,
        5,
        5,
        5,
        5,
        6,
        7,
        7,
        8,
        8,
    ]
    return [MONDAY_MORNING + timedelta(microseconds=step * (2 if step < 0 else 1)) for step in steps]


def note(database: Database, at: datetime, subject_id: str = "bkg_1") -> None:
    with database.write() as session:
        note_change(session, "booking", subject_id, "moved", by="acc_1", at=at)


@pytest.fixture
def filled(each_database: Database) -> Database:
    with each_database.write() as session:
        for number, at in enumerate(instants()):
            note_change(session, "booking", f"bkg_{number}", "moved", by="acc_1", at=at)
    return each_database


def pages(database: Database, keyset: Keyset, limit: int) -> Iterator[list[AuditEntry]]:
    wish = PageWish(limit)
    while True:
        with database.read() as session:
            page = read_page(session, sa.select(AuditEntry), keyset, wish)
        yield list(page.rows)
        if page.next is None:
            return
        wish = PageWish(limit, page.next)


@pytest.mark.parametrize("limit", [1, 2, 5, 24, 25, 26])
@pytest.mark.parametrize("keyset", [NEWEST_FIRST, OLDEST_FIRST, BY_ID], ids=lambda keyset: keyset.name)
def test_pages_together_are_the_list(filled: Database, keyset: Keyset, limit: int) -> None:
    found = list(pages(filled, keyset, limit))
    assert all(len(page) == limit for page in found[:-1])
    assert 0 < len(found[-1]) <= limit  # no empty page at the end
    rows = [row for page in found for row in page]
    by_key = sorted(rows, key=lambda row: [getattr(row, column.key) for column in keyset.columns])
    assert [row.id for row in rows] == [row.id for row in (by_key[::-1] if keyset.descending else by_key)]
    assert len({row.id for row in rows}) == len(instants())


def test_a_list_that_is_empty_is_one_empty_page(each_database: Database) -> None:
    assert list(pages(each_database, NEWEST_FIRST, 10)) == [[]]


def test_what_is_new_meanwhile_neither_repeats_nor_hides_a_row(filled: Database) -> None:
    reading = pages(filled, NEWEST_FIRST, 10)
    seen = [row.id for row in next(reading)]
    note(filled, MONDAY_MORNING + timedelta(days=1))
    seen += [row.id for page in reading for row in page]
    assert sorted(seen) == list(range(1, len(instants()) + 1))


def test_a_page_is_one_statement_however_long_the_list(filled: Database) -> None:
    said: list[str] = []
    event.listen(filled.engine, "before_cursor_execute", lambda *facts: said.append(facts[2]))
    with filled.read() as session:
        read_page(session, sa.select(AuditEntry), NEWEST_FIRST, PageWish(3))
    assert len([statement for statement in said if statement.startswith("SELECT")]) == 1


def test_names_in_any_script_are_paged_as_the_database_sorts_them(each_database: Database) -> None:
    names = ["Żaneta", "anna", "Anna", "Ærøskøbing", "O'Brien; DROP TABLE accounts", "%", "_", "日本", "Anna", "🦊"]
    with each_database.write() as session:
        organisation = make_organisation(session)
        for name in names:
            make_account(session, organisation=organisation, name=name)
        wanted = list(session.scalars(sa.select(Account.id).order_by(Account.name, Account.id)))
    found, wish = [], PageWish(1)
    with each_database.read() as session:
        for _ in names:
            page = read_page(session, sa.select(Account), BY_NAME, wish)
            found += [row.id for row in page.rows]
            wish = PageWish(1, page.next)
    assert found == wanted
    assert page.next is None


@pytest.mark.parametrize(
    "at", [datetime.fromisoformat("0001-01-01T00:00:00Z"), datetime.fromisoformat("9999-12-31T23:59:59.999999Z")]
)
@pytest.mark.parametrize("number", [-(2**31), 2**31 - 1])
def test_the_farthest_cursors_are_questions_the_database_can_answer(
    filled: Database, at: datetime, number: int
) -> None:
    with filled.read() as session:
        query = after(sa.select(AuditEntry), OLDEST_FIRST, cursor_of(OLDEST_FIRST, (at, number)))
        assert len(session.scalars(query).all()) in {0, len(instants())}


def test_the_history_of_one_thing_begins_with_the_oldest(each_database: Database) -> None:
    for minutes in (3, 1, 2, 2):
        note(each_database, MONDAY_MORNING + timedelta(minutes=minutes))
    note(each_database, MONDAY_MORNING, "bkg_2")
    with each_database.read() as session:
        assert [change.id for change in changes_of(session, "booking", "bkg_1")] == [2, 3, 4, 1]
        assert changes_of(session, "outage", "bkg_1") == []
