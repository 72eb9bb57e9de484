"""A signal that comes at any moment is heeded."""

import subprocess
import sys

ROUNDS = 1500
PROGRAM = f"""
import signal
from lab.core.stopping import StopAsked
stop = StopAsked()
signal.signal(signal.SIGALRM, lambda *_: stop.ask())
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
for _ in range({ROUNDS}):
    stop = StopAsked()
    while not stop.wait(0.00001):
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
print("heeded")
"""
ELSEWHERE = """
import os, signal, threading
from lab.core.stopping import StopAsked
stop = StopAsked()
signal.signal(signal.SIGTERM, stop.ask)
term = {signal.SIGTERM}

def send():
    # as after SIGCONT: not the main thread, but another one is interrupted
    signal.pthread_sigmask(signal.SIG_UNBLOCK, term)
    waiting.wait()
    os.kill(os.getpid(), signal.SIGTERM)

waiting = threading.Event()
signal.pthread_sigmask(signal.SIG_BLOCK, term)
threading.Thread(target=send, daemon=True).start()
threading.Timer(0.3, waiting.set).start()
stop.wait()
print("heeded")
"""


def test_a_signal_that_another_thread_gets_is_heeded() -> None:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "heeded\n"


def test_a_signal_in_the_middle_of_waiting_is_heeded_every_time() -> None:
    """With a `threading.Event` instead, the same program ends in a heap of handlers that wait for one lock."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "heeded\n"
