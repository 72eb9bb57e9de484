"""Passwords of devices."""

import pytest

from devices.credentials import hash_mqtt_password, mqtt_password_matches, new_device_password
from devices.errors import WeakPasswordError


def test_a_hash_has_the_form_of_mosquittos_password_file() -> None:
    stored = hash_mqtt_password("correct horse", iterations=101, salt=b"twelve bytes")
    assert stored.startswith("$7$101$dHdlbHZlIGJ5dGVz$")
    assert ":" not in stored
    assert len(stored) < 300


def test_the_right_password_matches_and_no_other() -> None:
    stored = hash_mqtt_password("zażółć gęślą jaźń")
    assert mqtt_password_matches("zażółć gęślą jaźń", stored)
    assert not mqtt_password_matches("zazolc gesla jazn", stored)
    assert stored != hash_mqtt_password("zażółć gęślą jaźń")


@pytest.mark.parametrize("password", ["", "1234567", "x" * 501, "with\nnewline", "with\x00nul"])
def test_a_password_that_cannot_be_one_is_refused(password: str) -> None:
    with pytest.raises(WeakPasswordError):
        hash_mqtt_password(password)


@pytest.mark.parametrize(
    "stored", ["", "x", "$6$a$b", "$7$x$y$z", "$7$101$dHdlbHZlIGJ5dGVz$%", "$7$0$dHdl$dHdl", "$7$1$$"]
)
def test_what_is_no_hash_matches_nothing(stored: str) -> None:
    assert not mqtt_password_matches("correct horse", stored)


def test_made_passwords_are_long_and_differ() -> None:
    made = {new_device_password() for _ in range(20)}
    assert len(made) == 20
    assert all(len(password) >= 32 for password in made)
