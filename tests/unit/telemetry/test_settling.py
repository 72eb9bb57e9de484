"""When a sample was really taken: what the recorder believes, and what it says against it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.settling import (
    DAY_NS,
    SECOND_NS,
    Arrival,
    BootClock,
    ChangePoint,
    is_impossible,
    settle,
)
from telemetry.stores.interface import Flag

NOON = 1_795_000_000 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS


def live(received_ns: int, *, waited_s: float = 1.0) -> Arrival:
    return Arrival(received_ns, received_ns - int(waited_s * SECOND_NS), vouches=True)


def unvouched(received_ns: int) -> Arrival:
    return Arrival(received_ns, received_ns - SECOND_NS, vouches=False)


def test_a_clock_that_is_right_within_a_second_is_not_corrected() -> None:
    clock = BootClock()

    assert clock.observe(NOON - 900_000_000, live(NOON), seq=0) == ChangePoint(NOON - 900_000_000, 0, uncertain=False)
    assert clock.observe(NOON + SECOND_NS, live(NOON + SECOND_NS // 2), seq=1) is None


@pytest.mark.parametrize("error_ns", [HOUR_NS, -HOUR_NS, 5 * SECOND_NS, -5 * SECOND_NS])
def test_a_clock_that_is_off_gets_one_constant_offset(error_ns: int) -> None:
    clock = BootClock()
    for seq in range(100):
        real = NOON + seq * SECOND_NS
        clock.observe(real + error_ns, live(real + 20_000_000), seq=seq)

    assert [(point.offset_ns, point.uncertain) for point in clock.points] == [(-error_ns, False)]


def test_what_waited_while_the_recorder_was_away_is_late_and_not_skewed() -> None:
    clock = BootClock()
    waited = Arrival(NOON + 600 * SECOND_NS, NOON - SECOND_NS, vouches=True)

    assert clock.observe(NOON, waited, seq=0) == ChangePoint(NOON, 0, uncertain=False)
    settled = settle(NOON, clock.points[0], waited.received_ns, buffered=False)
    assert settled == (NOON, Flag.LATE)


def test_a_device_that_started_unseen_with_a_wrong_clock_is_uncertain() -> None:
    clock = BootClock()
    waited = Arrival(NOON + 600 * SECOND_NS, NOON, vouches=True)

    point = clock.observe(NOON - HOUR_NS, waited, seq=0)
    assert point is not None
    assert point.uncertain


def test_messages_of_an_outage_do_not_move_the_clock() -> None:
    clock = BootClock()
    clock.observe(NOON, live(NOON), seq=0)
    for seq in range(1, 300):  # sent one by one, delivered together five minutes later
        assert clock.observe(NOON + seq * SECOND_NS, live(NOON + 300 * SECOND_NS), seq=seq) is None


def test_a_backlog_taken_for_a_slow_clock_is_found_out() -> None:
    clock = BootClock()
    received = NOON + 1800 * SECOND_NS
    clock.observe(NOON, live(received), seq=0)
    for seq in range(1, 1801):
        clock.observe(NOON + seq * SECOND_NS, live(received + seq * 1_000_000), seq=seq)
    clock.observe(received + 5 * SECOND_NS, live(received + 5 * SECOND_NS), seq=1801)

    assert len(clock.points) <= 3
    assert clock.offset_at(NOON + 900 * SECOND_NS) == ChangePoint(NOON + 2 * SECOND_NS, 0, uncertain=True)
    assert clock.points[-1].uncertain is False  # delivery has caught up, and the clock agrees with ours


def test_a_jump_is_a_change_point_and_uncertain() -> None:
    clock = BootClock()
    clock.observe(NOON, live(NOON), seq=0)

    ahead = clock.observe(NOON + HOUR_NS, live(NOON + SECOND_NS), seq=1)
    assert ahead == ChangePoint(NOON + HOUR_NS, SECOND_NS - HOUR_NS, uncertain=True)
    back = clock.observe(NOON - 2 * HOUR_NS, live(NOON + 2 * SECOND_NS), seq=2)
    assert back is not None
    assert back.uncertain


def test_a_clock_that_is_set_right_is_believed_again() -> None:
    clock = BootClock()
    clock.observe(NOON - HOUR_NS, live(NOON), seq=0)

    assert clock.observe(NOON + SECOND_NS, live(NOON + SECOND_NS), seq=1) == ChangePoint(
        NOON + SECOND_NS, 0, uncertain=False
    )


def test_slow_drift_is_followed_and_stays_certain() -> None:
    clock = BootClock()
    for minute in range(10_000):
        real = NOON + minute * 60 * SECOND_NS
        clock.observe(real + minute * 1_200_000, live(real), seq=minute)  # 20 ppm fast

    assert 2 < len(clock.points) < 25
    assert not any(point.uncertain for point in clock.points)


def test_a_device_that_lost_the_date_is_uncertain_and_does_not_spoil_what_comes_after() -> None:
    clock = BootClock()
    lost = clock.observe(3 * SECOND_NS, live(NOON), seq=0)
    assert lost == ChangePoint(3 * SECOND_NS, NOON - 3 * SECOND_NS, uncertain=True)

    right = clock.observe(NOON + SECOND_NS, live(NOON + SECOND_NS), seq=1)
    assert right == ChangePoint(NOON + SECOND_NS, 0, uncertain=False)
    assert clock.offset_at(4 * SECOND_NS) == lost


def test_milliseconds_sent_as_nanoseconds_settle_near_their_receipt() -> None:
    clock = BootClock()
    for seq in range(600):
        received = NOON + seq * SECOND_NS
        device_ns = received // 1_000_000
        clock.observe(device_ns, live(received), seq=seq)
        point = clock.offset_at(device_ns)
        assert point is not None
        assert point.uncertain
        assert 0 <= received - settle(device_ns, point, received, buffered=False).settled_ns <= 61 * SECOND_NS
    assert len(clock.points) < 20


def test_buffered_messages_estimate_nothing() -> None:
    clock = BootClock()
    assert clock.observe(NOON - HOUR_NS, unvouched(NOON), seq=0) == ChangePoint(NOON - HOUR_NS, 0, uncertain=True)

    assert clock.observe(NOON - 3 * HOUR_NS, live(NOON + SECOND_NS), seq=1) == ChangePoint(
        NOON - 3 * HOUR_NS, 3 * HOUR_NS + SECOND_NS, uncertain=False
    )


def test_a_slow_first_message_does_not_make_the_faster_ones_late() -> None:
    clock = BootClock()
    for seq, delay_ns in enumerate([90_000_000, 1_000_000, 0]):
        received = NOON + seq * SECOND_NS + delay_ns
        clock.observe(NOON + seq * SECOND_NS + HOUR_NS, live(received), seq=seq)
        settled = settle(NOON + seq * SECOND_NS + HOUR_NS, clock.points[0], received, buffered=False)
        assert settled == (NOON + seq * SECOND_NS, Flag.SKEWED)


def test_far_future_is_impossible() -> None:
    assert is_impossible(NOON + 2 * DAY_NS, NOON)
    assert not is_impossible(NOON + HOUR_NS, NOON)


device_times = st.integers(min_value=-(2**62), max_value=NOON + DAY_NS)
arrivals = st.builds(
    lambda received, waited, vouches: Arrival(received, received - waited, vouches),
    st.integers(NOON, NOON + DAY_NS),
    st.integers(0, DAY_NS),
    st.booleans(),
)
histories = st.lists(st.tuples(device_times, arrivals, st.integers(0, 50)), min_size=1, max_size=30)


@given(histories)
def test_every_sample_settles_and_never_after_its_receipt(history: list[tuple[int, Arrival, int]]) -> None:
    clock = BootClock()
    for device_ns, arrival, seq in history:
        clock.observe(device_ns, arrival, seq=seq)
        point = clock.offset_at(device_ns)
        assert point is not None
        assert settle(device_ns, point, arrival.received_ns, buffered=False).settled_ns <= arrival.received_ns


@given(histories)
def test_stored_change_points_are_only_ever_added(history: list[tuple[int, Arrival, int]]) -> None:
    clock = BootClock()
    stored: list[ChangePoint] = []
    for device_ns, arrival, seq in history:
        found = clock.observe(device_ns, arrival, seq=seq)
        if found is not None:
            assert found.from_device_ns not in {point.from_device_ns for point in stored}
            stored.append(found)
        assert sorted(stored) == clock.points


@given(
    st.lists(st.tuples(st.integers(0, 900_000_000), st.integers(0, 50)), min_size=1, max_size=50), st.integers(-5, 5)
)
def test_a_replay_settles_to_the_same_times(delays: list[tuple[int, int]], error_hours: int) -> None:
    messages = [
        (NOON + number * SECOND_NS + error_hours * HOUR_NS, live(NOON + number * SECOND_NS + delay), number)
        for number, (delay, _) in enumerate(delays)
    ]
    first = BootClock()
    times = []
    for device_ns, arrival, seq in messages:
        first.observe(device_ns, arrival, seq=seq)
        point = first.offset_at(device_ns)
        assert point is not None
        times.append(settle(device_ns, point, arrival.received_ns, buffered=False))

    again = BootClock(list(first.points))
    for (device_ns, arrival, seq), before in zip(messages, times, strict=True):
        assert again.observe(device_ns, arrival, seq=seq) is None
        point = again.offset_at(device_ns)
        assert point is not None
        assert settle(device_ns, point, arrival.received_ns, buffered=False) == before
