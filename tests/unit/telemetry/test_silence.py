"""A dead connection is noticed within one and a half times the keep-alive, and a pause of ours is not taken for one."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry.silence import Silence

KEEP_ALIVE_S = 20.0
steps = st.lists(st.tuples(st.floats(0.01, 0.3), st.booleans(), st.booleans()), max_size=400)


def test_a_full_disk_for_an_hour_is_no_dead_connection() -> None:
    silence, pings = Silence(KEEP_ALIVE_S, now=0), 0
    for second in range(1, 3600):
        silence.look(now=second, listening=False, heard=False)
        pings += silence.ping_is_due(now=second)
        assert not silence.dead
    assert pings >= 3600 / (1.5 * KEEP_ALIVE_S), "else the broker would take us for dead"


def test_silence_while_we_listen_is_noticed_in_time() -> None:
    silence, now = Silence(KEEP_ALIVE_S, now=0), 0.0
    pings = 0
    while not silence.dead:
        now += 0.25
        silence.look(now=now, listening=True, heard=False)
        pings += silence.ping_is_due(now=now)
    assert now < 1.5 * KEEP_ALIVE_S
    assert pings >= 1, "a quiet broker is asked first"


def test_a_connection_that_is_dead_one_way_only_is_noticed_in_time_although_messages_come() -> None:
    silence, now, asked = Silence(KEEP_ALIVE_S, now=0), 0.0, False
    while not silence.dead:
        now += 0.25
        silence.look(now=now, listening=True, heard=True, answered=not asked)
        asked |= silence.ping_is_due(now=now)
    assert now < 1.5 * KEEP_ALIVE_S


def test_an_answer_that_waits_while_we_do_not_listen_is_no_dead_connection() -> None:
    silence = Silence(KEEP_ALIVE_S, now=0)
    for second in range(1, 3600):
        silence.look(now=second, listening=False, heard=False, answered=False)
    silence.look(now=3600, listening=True, heard=True, answered=False)
    assert not silence.dead


@given(steps)
def test_only_silence_while_listening_counts(given_steps: list[tuple[float, bool, bool]]) -> None:
    silence, now, expected = Silence(KEEP_ALIVE_S, now=0), 0.0, 0.0
    for step, listening, heard in given_steps:
        now += step
        silence.look(now=now, listening=listening, heard=heard and listening)
        expected = 0.0 if heard and listening else expected + step * listening
        assert abs(silence.seconds - expected) < 1e-6
