"""Passwords and tokens as they are kept."""

import pytest

from lab.people import passwords
from lab.people.passwords import hash_password, hash_token, new_token, verify_password


def test_a_password_is_kept_as_an_argon2id_hash_with_its_own_salt() -> None:
    first, second = hash_password("correct horse battery"), hash_password("correct horse battery")
    assert first.startswith("$argon2id$")
    assert first != second
    assert verify_password("correct horse battery", first)
    assert not verify_password("Correct horse battery", first)


def test_nobody_can_sign_in_with_an_account_that_has_no_password() -> None:
    assert not verify_password("!", "!")
    assert not verify_password("", "")


def test_an_unknown_name_costs_the_same_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = passwords._HASHING.verify
    monkeypatch.setattr(
        passwords, "_HASHING", type("Watched", (), {"verify": lambda _, p, h: seen.append(h) or real(p, h)})()
    )
    monkeypatch.setattr(passwords, "_hash_of_nobody", lambda: hash_of_nobody)
    assert not verify_password("a password that belongs to nobody", None)
    assert seen == [hash_of_nobody]


hash_of_nobody = hash_password("a password that belongs to nobody")


def test_tokens_are_long_different_and_only_their_hash_can_be_kept() -> None:
    tokens = {new_token("plt") for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("plt_") and len(token) >= 47 for token in tokens)
    assert len(hash_token(tokens.pop())) == 64
