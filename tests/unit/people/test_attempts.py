"""How often somebody may try a password."""

import pytest

from lab.people.attempts import FAILURES_PER_ADDRESS, FAILURES_PER_NAME, WINDOW_SECONDS, FailedAttempts
from lab.people.errors import TooManyAttemptsError


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def attempts(watch: Stopwatch) -> FailedAttempts:
    return FailedAttempts(watch)


def fail(attempts: FailedAttempts, times: int, name: str = "anna", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        attempts.check(name, address)
        attempts.note_failure(name, address)


def test_after_five_failures_one_waits_and_is_told_how_long(attempts: FailedAttempts, watch: Stopwatch) -> None:
    fail(attempts, FAILURES_PER_NAME)
    watch.seconds += 60
    with pytest.raises(TooManyAttemptsError, match="4 minutes") as refusal:
        attempts.check("anna", "10.0.0.1")
    assert refusal.value.facts["retry_after_seconds"] == WINDOW_SECONDS - 60
    watch.seconds += WINDOW_SECONDS - 60
    attempts.check("anna", "10.0.0.1")


def test_nobody_locks_somebody_out_from_another_place(attempts: FailedAttempts) -> None:
    fail(attempts, FAILURES_PER_NAME, address="10.9.9.9")
    attempts.check("anna", "10.0.0.1")


def test_trying_many_names_from_one_address_ends_too(attempts: FailedAttempts) -> None:
    for number in range(FAILURES_PER_ADDRESS):
        fail(attempts, 1, name=f"name{number}")
    with pytest.raises(TooManyAttemptsError):
        attempts.check("another", "10.0.0.1")
    attempts.check("another", "10.0.0.2")


def test_a_success_wipes_the_slips_of_the_finger_away(attempts: FailedAttempts) -> None:
    fail(attempts, FAILURES_PER_NAME - 1)
    attempts.forget("anna", "10.0.0.1")
    fail(attempts, FAILURES_PER_NAME - 1)
    attempts.check("anna", "10.0.0.1")


def test_memory_is_given_back_when_a_flood_is_over(attempts: FailedAttempts, watch: Stopwatch) -> None:
    for number in range(6000):
        attempts.note_failure(f"name{number}", f"10.0.{number % 200}.1")
    watch.seconds += WINDOW_SECONDS + 1
    for number in range(6000):
        attempts.note_failure(f"other{number}", "10.1.1.1")
    assert len(attempts._failures) <= 10_001
