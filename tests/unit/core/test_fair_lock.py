"""Writers on SQLite come one at a time, in the order in which they asked."""

import threading
from collections.abc import Callable

import pytest

from lab.core.database import FairLock
from tests.services import wait_until


def _in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_waiters_get_the_lock_in_the_order_in_which_they_asked() -> None:
    lock, order, threads = FairLock(), [], []
    with lock:
        for number in range(8):

            def work(number: int = number) -> None:
                with lock:
                    order.append(number)

            threads.append(_in_thread(work))
            wait_until(lambda asked=number + 1: len(lock._waiting) == asked)
    for thread in threads:
        thread.join(5)
    assert order == list(range(8))


def test_only_one_holds_the_lock() -> None:
    lock, inside, most = FairLock(), [], []

    def work() -> None:
        for _ in range(200):
            with lock:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [_in_thread(work) for _ in range(4)]
    for thread in threads:
        thread.join(10)
    assert len(most) == 800
    assert max(most) == 1


def test_asking_twice_in_one_thread_is_refused_instead_of_waiting_for_ever() -> None:
    lock = FairLock()
    with lock, pytest.raises(RuntimeError, match="open already"), lock:
        pass
    with lock:
        pass


def test_error_inside_gives_the_lock_back() -> None:
    lock = FairLock()
    with pytest.raises(KeyError), lock:
        raise KeyError
    with lock:
        pass


class _Interrupted(threading.Event):
    """Ctrl-C arrives while its thread waits."""

    def wait(self, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt


def test_waiter_that_is_interrupted_leaves_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FairLock()
    held, enough = threading.Event(), threading.Event()

    def work() -> None:
        with lock:
            held.set()
            enough.wait(5)

    holder = _in_thread(work)
    held.wait(5)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Event", _Interrupted)
        with pytest.raises(KeyboardInterrupt), lock:
            pass
    enough.set()
    holder.join(5)
    with lock:
        pass
