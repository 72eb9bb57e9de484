"""The header `Idempotency-Key`: which keys there are, and when a request is the same again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.idempotency import IdempotencyKeyInvalidError, digest, parse_key

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=200)


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(PRINTABLE)
def test_any_printable_key_is_understood_in_quotes(key: str) -> None:
    assert parse_key([quoted(key)]) == key


@given(PRINTABLE.filter(lambda key: key == key.strip() and not key.startswith('"')))
def test_any_printable_key_is_understood_as_it_is_and_means_the_same(key: str) -> None:
    assert parse_key([key]) == parse_key([quoted(key)]) == key


def test_no_header_is_no_key() -> None:
    assert parse_key([]) is None


@pytest.mark.parametrize(
    "values",
    [
        [""],
        ["  "],
        ['""'],
        ['"'],
        ['"open'],
        ['"a" "b"'],
        ['"a";x=1'],
        ['"bad \\escape"'],
        ["x" * 201],
        [quoted("x" * 201)],
        ["tab\tin"],
        ["Schlüssel"],
        ["nul\0"],
        ["a", "b"],
        ["a", "a"],
    ],
)
def test_what_cannot_be_a_key_is_refused_by_name(values: list[str]) -> None:
    with pytest.raises(IdempotencyKeyInvalidError) as refused:
        parse_key(values)
    assert (refused.value.facts["field"], refused.value.facts["rule"]) == ("Idempotency-Key", "idempotency-key")


def test_a_request_is_the_same_only_with_the_same_method_target_and_body() -> None:
    requests = [
        ("POST", "/bookings?", b"{}"),
        ("PUT", "/bookings?", b"{}"),
        ("POST", "/bookings?dry=1", b"{}"),
        ("POST", "/outages?", b"{}"),
        ("POST", "/bookings?", b"{ }"),
        ("POST", "/bookings?", b""),
        ("POST", "/bookings?\n", b"{}"),
    ]
    digests = [digest(*request) for request in requests]
    assert len(set(digests)) == len(requests)
    assert digests == [digest(*request) for request in requests]
