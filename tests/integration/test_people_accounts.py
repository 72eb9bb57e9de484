"""Organisations, accounts, sign-ins and tokens on real databases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.audit import AuditEntry, changes_of
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.errors import ForbiddenError
from lab.people import service
from lab.people.errors import (
    AccountUnknownError,
    LastManagerError,
    NotSignedInError,
    OrganisationFactError,
    OrganisationNameTakenError,
    OrganisationUnknownError,
    PasswordTooShortError,
    SignInNameTakenError,
    SignInRefusedError,
    TokenInvalidError,
    TokenUnknownError,
)
from lab.people.models import Account, ApiToken, WebSession
from lab.people.principals import SYSTEM, Role
from lab.people.rules import SESSION_LENGTH
from tests.factories import MONDAY_MORNING
from tests.web_client import PASSWORD, Town

NOW = MONDAY_MORNING


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> Town:
    return Town(each_database, lab_clock)


def new_account(town: Town, **facts: object) -> dict[str, object]:
    given = {"organisation_id": town.foundry.id, "sign_in": "Eva@Foundry.example", "name": "Eva", "role": "member"}
    return {**given, "password": PASSWORD, "now": NOW, **facts}


def test_a_fresh_account_can_sign_in_whatever_the_case_of_the_name(town: Town) -> None:
    town.database.transact(
        lambda session: service.create_account(session, town.principal("manager"), **new_account(town))
    )
    token = town.database.transact(
        lambda session: service.sign_in(session, sign_in=" EVA@foundry.EXAMPLE ", password=PASSWORD, now=NOW)
    )
    with town.database.read() as session:
        who = service.principal_of_session(session, token, NOW)
    assert (who.name, who.role, who.organisation_id, who.scopes) == ("Eva", Role.MEMBER, town.foundry.id, None)


def test_neither_cookies_nor_tokens_nor_passwords_are_kept(town: Town) -> None:
    def work(session: Session) -> tuple[str, str]:
        cookie = service.sign_in(session, sign_in="founder", password=PASSWORD, now=NOW)
        _, secret = service.create_api_token(session, town.principal("founder"), name="x", scopes=["read"], now=NOW)
        return cookie, secret

    cookie, secret = town.database.transact(work)
    with town.database.read() as session:
        kept = [*session.scalars(sa.select(WebSession.token_hash)), *session.scalars(sa.select(ApiToken.token_hash))]
        hashes = list(session.scalars(sa.select(Account.password_hash)))
    assert len(kept) == 2
    assert not any(part in " ".join(kept + hashes) for part in (cookie, secret, PASSWORD))


@pytest.mark.parametrize(("name", "password"), [("founder", "wrong password"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(town: Town, name: str, password: str) -> None:
    with town.database.read() as session, pytest.raises(SignInRefusedError) as refusal:
        service.authenticate(session, sign_in=name, password=password)
    assert refusal.value.message == "sign-in name and password do not belong together; please try again"
    assert refusal.value.facts == {}


def test_a_session_ends_after_a_working_day_and_is_swept_away(town: Town) -> None:
    first = town.database.transact(
        lambda session: service.sign_in(session, sign_in="founder", password=PASSWORD, now=NOW)
    )
    later = NOW + SESSION_LENGTH
    with town.database.read() as session:
        service.principal_of_session(session, first, later - timedelta(seconds=1))
        with pytest.raises(NotSignedInError):
            service.principal_of_session(session, first, later)
    town.database.transact(lambda session: service.sign_in(session, sign_in="founder", password=PASSWORD, now=later))
    with town.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(WebSession)) == 1


def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(town: Town) -> None:
    token = town.database.transact(
        lambda session: service.sign_in(session, sign_in="founder", password=PASSWORD, now=NOW)
    )
    for _ in range(2):
        town.database.transact(lambda session: service.sign_out(session, token))
    with town.database.read() as session, pytest.raises(NotSignedInError):
        service.principal_of_session(session, token, NOW)


def test_a_closed_account_is_out_at_once_everywhere(town: Town) -> None:
    founder = town.principal("founder")
    cookie = town.database.transact(
        lambda session: service.sign_in(session, sign_in="founder", password=PASSWORD, now=NOW)
    )
    _, secret = town.database.transact(
        lambda session: service.create_api_token(session, founder, name="x", scopes=["read"], now=NOW)
    )
    town.database.transact(
        lambda session: service.disable_account(session, town.principal("manager"), founder.account_id, now=NOW)
    )
    with town.database.read() as session:
        with pytest.raises(NotSignedInError):
            service.principal_of_session(session, cookie, NOW)
        with pytest.raises(TokenInvalidError):
            service.principal_of_token(session, secret, NOW)
        with pytest.raises(SignInRefusedError):
            service.authenticate(session, sign_in="founder", password=PASSWORD)


def test_the_last_manager_stays(town: Town) -> None:
    manager = town.principal("manager")
    with pytest.raises(LastManagerError):
        town.database.transact(lambda session: service.disable_account(session, manager, manager.account_id, now=NOW))


def test_a_reset_password_ends_sessions_and_tokens_of_that_account_only(town: Town) -> None:
    founder, joiner = town.principal("founder"), town.principal("joiner")

    def work(session: Session) -> tuple[str, str, str]:
        cookie = service.sign_in(session, sign_in="founder", password=PASSWORD, now=NOW)
        _, mine = service.create_api_token(session, founder, name="x", scopes=["read"], now=NOW)
        _, others = service.create_api_token(session, joiner, name="x", scopes=["read"], now=NOW)
        service.reset_password(session, SYSTEM, sign_in="founder", password="another long one", now=NOW)
        return cookie, mine, others

    cookie, mine, others = town.database.transact(work)
    with town.database.read() as session:
        with pytest.raises(NotSignedInError):
            service.principal_of_session(session, cookie, NOW)
        with pytest.raises(TokenInvalidError):
            service.principal_of_token(session, mine, NOW)
        assert service.principal_of_token(session, others, NOW).account_id == joiner.account_id
        assert service.authenticate(session, sign_in="founder", password="another long one").id == founder.account_id


def test_one_changes_ones_own_password_knowing_the_old_one(town: Town) -> None:
    founder = town.principal("founder")
    with pytest.raises(SignInRefusedError):
        town.database.transact(
            lambda session: service.change_password(session, founder, old="wrong", new="another long one")
        )
    with pytest.raises(PasswordTooShortError):
        town.database.transact(lambda session: service.change_password(session, founder, old=PASSWORD, new="short"))
    town.database.transact(
        lambda session: service.change_password(session, founder, old=PASSWORD, new="another long one")
    )
    with town.database.read() as session:
        service.authenticate(session, sign_in="founder", password="another long one")


def test_names_are_taken_once_whatever_their_case(town: Town) -> None:
    manager = town.principal("manager")
    with pytest.raises(SignInNameTakenError):
        town.database.transact(
            lambda session: service.create_account(session, manager, **new_account(town, sign_in="FOUNDER"))
        )
    with pytest.raises(OrganisationNameTakenError):
        town.database.transact(lambda session: service.create_organisation(session, manager, name=" foundry ", now=NOW))


def test_accounts_are_opened_by_managers_for_organisations_that_fit(town: Town) -> None:
    def open_account(who: str, **facts: object) -> Account:
        return town.database.transact(
            lambda session: service.create_account(session, town.principal(who), **new_account(town, **facts))
        )

    for who in ("engineer", "founder", "reader"):
        with pytest.raises(ForbiddenError):
            open_account(who)
    with pytest.raises(OrganisationUnknownError):
        open_account("manager", organisation_id="org_nowhere")
    with pytest.raises(OrganisationFactError):
        open_account("manager", role="engineer")
    with pytest.raises(AccountUnknownError):
        town.database.transact(
            lambda session: service.reset_password(session, SYSTEM, sign_in="nobody", password=PASSWORD, now=NOW)
        )


def log_of(town: Town, name: str) -> list[tuple[str, str, object, object]]:
    """What the log says of somebody's account: what, by whom, before, after."""
    with town.database.read() as session:
        found = changes_of(session, "account", town.accounts[name].id)
    return [(one.what, one.by, one.before, one.after) for one in found]


def test_every_change_of_an_account_by_the_lab_stands_in_the_log(town: Town) -> None:
    manager, founder = town.principal("manager"), town.accounts["founder"].id
    changes: list[dict[str, str]] = [
        {"role": "recipient"},
        {"role": "recipient"},  # nothing new: no line
        {"organisation_id": town.joinery.id, "role": "member"},
    ]
    for facts in changes:
        town.database.transact(
            lambda session, facts=facts: service.change_account(session, manager, founder, facts, now=NOW)
        )
    town.database.transact(
        lambda session: service.reset_password(
            session, manager, sign_in="founder", password="another long one", now=NOW
        )
    )
    town.database.transact(lambda session: service.disable_account(session, manager, founder, now=NOW))
    by = manager.account_id
    assert log_of(town, "founder") == [
        ("changed", by, {"role": "member"}, {"role": "recipient"}),
        (
            "changed",
            by,
            {"role": "recipient", "organisation_id": town.foundry.id},
            {"role": "member", "organisation_id": town.joinery.id},
        ),
        ("password-reset", by, None, None),
        ("closed", by, None, None),
    ]
    eva = town.database.transact(lambda session: service.create_account(session, manager, **new_account(town)))
    with town.database.read() as session:
        [opened] = changes_of(session, "account", eva.id)
        everything = str([(one.before, one.after, one.reason) for one in session.scalars(sa.select(AuditEntry))])
    assert opened.after == {
        "sign_in": "eva@foundry.example",
        "name": "Eva",
        "role": "member",
        "organisation_id": town.foundry.id,
    }
    assert "another long one" not in everything
    assert PASSWORD not in everything


def test_a_changed_person_acts_as_what_they_are_now_and_old_tokens_end(town: Town) -> None:
    manager, founder = town.principal("manager"), town.principal("founder")

    def work(session: Session) -> tuple[str, str]:
        cookie = service.sign_in(session, sign_in="founder", password=PASSWORD, now=NOW)
        return cookie, service.create_api_token(session, founder, name="x", scopes=["write"], now=NOW)[1]

    cookie, token = town.database.transact(work)
    facts = {"organisation_id": town.lab.id, "role": "engineer"}
    town.database.transact(lambda session: service.change_account(session, manager, founder.account_id, facts, now=NOW))
    with town.database.read() as session:
        assert service.principal_of_session(session, cookie, NOW).role is Role.ENGINEER
        with pytest.raises(TokenInvalidError):
            service.principal_of_token(session, token, NOW)


def test_accounts_are_changed_by_managers_only_and_to_what_fits(town: Town) -> None:
    def change(who: str, whom: str, **facts: str) -> None:
        account_id = town.accounts[whom].id if whom in town.accounts else whom
        town.database.transact(
            lambda session: service.change_account(session, town.principal(who), account_id, facts, now=NOW)
        )

    for who in ("engineer", "founder", "reader"):
        with pytest.raises(ForbiddenError):
            change(who, "founder", role="recipient")
    with pytest.raises(OrganisationFactError):
        change("manager", "founder", role="manager")
    with pytest.raises(OrganisationUnknownError):
        change("manager", "founder", organisation_id="org_nowhere")
    with pytest.raises(AccountUnknownError):
        change("manager", "acc_nobody", role="member")
    with pytest.raises(LastManagerError):
        change("manager", "manager", role="engineer")
    assert log_of(town, "founder") == log_of(town, "manager") == []


def test_companies_see_themselves_and_nobody_else(town: Town) -> None:
    with town.database.read() as session:
        for name in ("founder", "reader"):
            who = town.principal(name)
            assert [found.id for found in service.list_organisations(session, who)] == [town.foundry.id]
            assert {found.organisation_id for found in service.list_accounts(session, who)} == {town.foundry.id}
            with pytest.raises(OrganisationUnknownError):
                service.get_organisation(session, who, town.joinery.id)
        assert len(service.list_organisations(session, town.principal("engineer"))) == 3


def test_a_token_acts_with_its_scopes_until_it_ends_or_is_revoked(town: Town) -> None:
    founder, joiner = town.principal("founder"), town.principal("joiner")
    ends = NOW + timedelta(days=1)
    token, secret = town.database.transact(
        lambda session: service.create_api_token(
            session, founder, name="script", scopes=["read"], expires_at=ends, now=NOW
        )
    )
    with town.database.read() as session:
        assert service.principal_of_token(session, secret, NOW).scopes == {"read"}
        with pytest.raises(TokenInvalidError):
            service.principal_of_token(session, secret, ends)
    with pytest.raises(TokenUnknownError):
        town.database.transact(lambda session: service.revoke_api_token(session, joiner, token.id, now=NOW))
    for _ in range(2):
        town.database.transact(lambda session: service.revoke_api_token(session, founder, token.id, now=NOW))
    with town.database.read() as session, pytest.raises(TokenInvalidError):
        service.principal_of_token(session, secret, NOW)


def test_only_somebody_with_an_account_has_tokens(town: Town) -> None:
    with pytest.raises(AccountUnknownError):
        town.database.transact(
            lambda session: service.create_api_token(session, SYSTEM, name="x", scopes=["read"], now=NOW)
        )
