"""Every part of a process hears of its end at once, and none takes the time of another."""

import threading
import time

import pytest

from lab import ending as ends
from lab.ending import Ending


def test_what_must_end_at_once_does_not_wait_for_its_turn() -> None:
    ending, done = Ending(), threading.Event()
    wait = ending.at_once(done.set, name="at-once")
    assert not done.wait(0.05)
    ending.begin()
    wait()
    assert done.is_set()
    assert ending.asked.is_set()


def test_all_parts_share_one_time_however_many_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "SECONDS", 0.4)
    ending, healed = Ending(), threading.Event()

    def hang() -> None:
        healed.wait(20)

    hanging = [ending.at_once(hang, name=f"hangs-{number}") for number in range(8)]
    started = time.monotonic()
    for wait in hanging:
        wait()
        assert ending.left() <= 0.4
    assert ending.left() == 0
    assert time.monotonic() - started < 10, "each of them alone would have been given as long as all together"
    healed.set()


def test_whoever_asks_for_the_time_that_is_left_begins_the_end() -> None:
    """A start that fails ends what has been started so far."""
    ending = Ending()
    assert 0 < ending.left() <= ends.SECONDS
    assert ending.asked.is_set()


def test_what_comes_after_the_end_has_begun_ends_at_once() -> None:
    ending, done = Ending(), threading.Event()
    ending.begin()
    wait = ending.at_once(done.set, name="late")
    wait()
    assert done.is_set()
