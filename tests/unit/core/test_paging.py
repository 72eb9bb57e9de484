"""Cursors: what comes back is what was given, and nothing else is taken."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.audit import NEWEST_FIRST
from lab.core.paging import CursorInvalidError, Keyset, cursor_of, key_of
from lab.people.models import Account
from tests.factories import MONDAY_MORNING

BY_NAME = Keyset("accounts", (Account.name, Account.id))


def coded(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-(2**31), 2**31 - 1))
def test_a_cursor_names_the_instant_and_number_it_was_made_of(at: datetime, number: int) -> None:
    assert key_of(NEWEST_FIRST, cursor_of(NEWEST_FIRST, (at, number))) == (at, number)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100))
def test_a_cursor_names_the_text_it_was_made_of_and_fits_an_address(name: str) -> None:
    cursor = cursor_of(BY_NAME, (name, "acc_1"))
    assert key_of(BY_NAME, cursor) == (name, "acc_1")
    assert cursor.replace("-", "").replace("_", "").isalnum()


GOOD = cursor_of(NEWEST_FIRST, (MONDAY_MORNING, 7))


def refuse(cursor: str, keyset: Keyset = NEWEST_FIRST) -> None:
    with pytest.raises(CursorInvalidError) as refused:
        key_of(keyset, cursor)
    assert (refused.value.facts["field"], refused.value.facts["rule"]) == ("cursor", "known-cursor")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "rubbish",
        "ü",
        "\ud800",
        GOOD + "=",
        GOOD + "\n",
        GOOD[:-1],
        " " + GOOD,
        "x" * 1001,
        coded("["),
        coded("[" * 700),
        coded("{}"),
        coded("null"),
        coded([]),
        coded([1, "audit"]),
        coded([1, "audit", 0]),
        coded([1, "audit", 0, 1, 2]),
        coded([2, "audit", 0, 1]),
        coded('[true,"audit",0,1]'),
        coded('[1, "audit", 0, 1]'),
        coded([1, "accounts", 0, 1]),
        coded([1, "audit", "0", 1]),
        coded([1, "audit", 0.5, 1]),
        coded([1, "audit", 0, True]),
        coded([1, "audit", None, 1]),
        coded([1, "audit", [0], 1]),
        coded([1, "audit", 10**18, 1]),
        coded([1, "audit", 0, 2**31]),
        coded([1, "audit", 0, "1; DROP TABLE audit_entries"]),
        coded('[1,"audit",NaN,1]'),
        coded('[1,"audit",Infinity,1]'),
    ],
)
def test_a_cursor_that_was_never_given_is_refused_by_name(cursor: str) -> None:
    refuse(cursor)


@pytest.mark.parametrize("parts", ['"a\\u0000","b"', '"\\ud800","b"', '1,"b"', '{"a":1},"b"'])
def test_a_text_that_no_database_could_look_for_is_refused(parts: str) -> None:
    refuse(coded(f'[1,"accounts",{parts}]'), BY_NAME)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_rubbish_is_refused_and_never_a_crash(cursor: str) -> None:
    refuse(cursor)
