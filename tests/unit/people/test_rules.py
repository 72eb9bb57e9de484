"""Rules about people, pure."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.errors import ForbiddenError, InvalidError
from lab.people.errors import (
    BlankNameError,
    OrganisationFactError,
    PasswordIsNameError,
    PasswordTooLongError,
    PasswordTooShortError,
    ScopeMissingError,
    ScopeUnknownError,
    SignInNameError,
    TokenLifeError,
)
from lab.people.principals import Role
from lab.people.rules import (
    LONGEST_TOKEN_LIFE,
    SHORTEST_PASSWORD,
    check_at_browser,
    check_organisation,
    check_password,
    check_role_fits,
    check_scope,
    check_token_life,
    checked_name,
    checked_scopes,
    checked_sign_in,
)
from tests.factories import MONDAY_MORNING, principal


@pytest.mark.parametrize("name", ["Anna", " anna.nowak@example.org ", "e-mail+x@lab.example", "a", "7"])
def test_a_sign_in_name_is_kept_in_lower_case(name: str) -> None:
    assert checked_sign_in(name) == name.strip().lower()


@pytest.mark.parametrize("name", ["", " ", "a b", "@x", "x@", "ä@b", "a\nb", ".a", "a" * 300, "<script>"])
def test_a_wrong_sign_in_name_is_refused_with_its_field(name: str) -> None:
    with pytest.raises(SignInNameError) as refusal:
        checked_sign_in(name)
    assert refusal.value.facts["field"] == "sign_in"


@given(st.text(max_size=SHORTEST_PASSWORD - 1))
def test_every_short_password_is_refused_and_the_limit_is_said(password: str) -> None:
    with pytest.raises(PasswordTooShortError, match=str(SHORTEST_PASSWORD)) as refusal:
        check_password(password, sign_in="somebody")
    assert refusal.value.facts["limit"] == SHORTEST_PASSWORD


@given(st.text(min_size=SHORTEST_PASSWORD, max_size=256))
def test_any_long_password_will_do_whatever_it_is_made_of(password: str) -> None:
    check_password(password, sign_in="somebody")


def test_a_password_is_not_the_sign_in_name_and_not_a_book() -> None:
    with pytest.raises(PasswordIsNameError):
        check_password("Anna.Nowak@Example.org", sign_in="anna.nowak@example.org")
    with pytest.raises(PasswordTooLongError):
        check_password("x" * 257, sign_in="anna")


@pytest.mark.parametrize(
    ("fact", "value"),
    [("kind", "shop"), ("size_class", "huge"), ("nace", "metal"), ("region", "pl22a"), ("region", "PL22A1")],
)
def test_a_wrong_fact_about_an_organisation_is_named(fact: str, value: str) -> None:
    right = {"kind": "company", "size_class": None, "nace": None, "region": None}
    check_organisation(**right)
    check_organisation(kind="company", size_class="micro", nace="C25.62", region="PL22A")
    with pytest.raises(OrganisationFactError) as refusal:
        check_organisation(**{**right, fact: value})
    assert refusal.value.facts["field"] == fact


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_a_name_is_one_line_of_some_letters(name: str) -> None:
    with pytest.raises(BlankNameError):
        checked_name(name)


def test_scopes_are_known_and_each_kept_once() -> None:
    assert checked_scopes(["write", "read", "read"]) == ["read", "write"]
    for wrong in ([], ["admin"], ["read", "admin"]):
        with pytest.raises(ScopeUnknownError):
            checked_scopes(wrong)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "anything"])
@pytest.mark.parametrize("scopes", [frozenset({"read"}), frozenset({"write"}), frozenset({"read", "write"})])
def test_a_token_reads_with_read_and_changes_with_write_only(method: str, scopes: frozenset[str]) -> None:
    somebody = principal(Role.MANAGER, scopes=scopes)
    needed = "read" if method in {"GET", "HEAD"} else "write"
    if needed in scopes:
        check_scope(somebody, method)
    else:
        with pytest.raises(ScopeMissingError) as refusal:
            check_scope(somebody, method)
        assert refusal.value.facts["scope"] == needed


def test_a_person_at_a_browser_has_no_scopes_to_miss() -> None:
    check_scope(principal(), "DELETE")
    check_at_browser(principal(), "open accounts")
    with pytest.raises(ForbiddenError, match="may not open accounts"):
        check_at_browser(principal(scopes=frozenset({"read", "write"})), "open accounts")


def test_a_token_lives_from_now_for_a_year_at_most() -> None:
    now = MONDAY_MORNING
    check_token_life(None, now=now)
    check_token_life(now + LONGEST_TOKEN_LIFE, now=now)
    for wrong in (now, now - timedelta(days=1), now + LONGEST_TOKEN_LIFE + timedelta(seconds=1)):
        with pytest.raises(TokenLifeError):
            check_token_life(wrong, now=now)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", ["lab", "company", "partner"])
def test_staff_belong_to_the_lab_and_nobody_else_does(role: Role, kind: str) -> None:
    if (role in {Role.ENGINEER, Role.MANAGER}) == (kind == "lab"):
        check_role_fits(role, kind)
    else:
        with pytest.raises(InvalidError, match="belong to"):
            check_role_fits(role, kind)
