"""When a sample was really taken: what the recorder believes, and what it says against it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.boot_clock import MOST_POINTS, BootClock
from telemetry.settling import DAY_NS, SECOND_NS, Arrival, ChangePoint, is_impossible, settle
from telemetry.stores.interface import Flag

NOON = 1_795_000_000 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS


def live(received_ns: int, *, waited_s: float = 1.0) -> Arrival:
    return Arrival(received_ns, received_ns - int(waited_s * SECOND_NS), vouches=True)


def unvouched(received_ns: int) -> Arrival:
    return Arrival(received_ns, received_ns - SECOND_NS, vouches=False)


def feed(clock: BootClock, messages: list[tuple[int, int]], *, first_seq: int = 0) -> list[ChangePoint]:
    """Live messages (device time, time of receipt) with a fresh echo; returns what was learned."""
    found = [
        clock.observe(device_ns, live(received_ns), seq=seq)
        for seq, (device_ns, received_ns) in enumerate(messages, first_seq)
    ]
    return [point for point in found if point is not None]


def steadily(
    start_ns: int, *, error_ns: int = 0, seconds: float = 7, every_ns: int = SECOND_NS // 2
) -> list[tuple[int, int]]:
    """A device that sends what it measures, 20 ms on the way."""
    return [
        (start_ns + step * every_ns + error_ns, start_ns + step * every_ns + 20_000_000)
        for step in range(int(seconds * SECOND_NS / every_ns) + 1)
    ]


def test_a_clock_that_is_right_within_a_second_is_not_corrected() -> None:
    clock = BootClock()

    assert clock.observe(NOON - 900_000_000, live(NOON), seq=0) == ChangePoint(NOON - 900_000_000, 0, False, 0)
    assert clock.observe(NOON + SECOND_NS, live(NOON + SECOND_NS // 2), seq=1) is None


@pytest.mark.parametrize("error_ns", [HOUR_NS, -HOUR_NS, 5 * SECOND_NS, -5 * SECOND_NS])
def test_a_clock_that_is_off_gets_one_constant_offset_at_its_birth(error_ns: int) -> None:
    clock = BootClock()
    clock.observe(NOON + error_ns, live(NOON), seq=-1)
    feed(clock, steadily(NOON + SECOND_NS, error_ns=error_ns, seconds=100))

    assert [(point.offset_ns, point.uncertain) for point in clock.points] == [(-error_ns, False)]


@pytest.mark.parametrize("error_ns", [HOUR_NS, -HOUR_NS, 5 * SECOND_NS, -5 * SECOND_NS])
def test_without_a_birth_a_clock_that_is_off_is_believed_after_some_seconds_and_the_start_confirmed(
    error_ns: int,
) -> None:
    clock = BootClock()
    feed(clock, steadily(NOON, error_ns=error_ns, seconds=10))

    first, steady = clock.points
    assert first.uncertain
    assert (steady.uncertain, steady.reason) == (False, "steady")
    (confirmed,) = clock.take_confirmed()
    assert confirmed.offset_ns == steady.offset_ns
    start = clock.point_for(NOON + error_ns, 0, buffered=False)
    assert (start.uncertain, abs(start.offset_ns + error_ns) <= SECOND_NS // 5) == (False, True)


def test_what_had_waited_in_the_device_is_not_taken_for_a_slow_clock() -> None:
    clock = BootClock()
    waited = [(NOON + step * SECOND_NS, NOON + 60 * SECOND_NS + step * 1_000_000) for step in range(60)]
    feed(clock, waited)
    assert clock.point_for(NOON, 0, buffered=False).uncertain

    feed(clock, steadily(NOON + 60 * SECOND_NS), first_seq=60)
    for seq in range(60):
        assert clock.point_for(NOON + seq * SECOND_NS, seq, buffered=False)[1:3] == (0, False)


def test_what_waited_while_the_recorder_was_away_waits_for_the_clock_to_be_seen_and_is_late_then() -> None:
    clock = BootClock()
    received = NOON + 600 * SECOND_NS
    for seq in range(600):  # the device started meanwhile; its clock may say anything
        clock.observe(NOON + seq * SECOND_NS, Arrival(received + seq * 1000, NOON - SECOND_NS, vouches=True), seq=seq)
        assert clock.point_for(NOON + seq * SECOND_NS, seq, buffered=False).uncertain
    feed(clock, steadily(received), first_seq=600)

    (confirmed,) = clock.take_confirmed()
    assert (confirmed.from_device_ns <= NOON + SECOND_NS * confirmed.from_seq, confirmed.offset_ns) == (True, 0)
    assert confirmed.from_seq <= 1
    point = clock.point_for(NOON + 5 * SECOND_NS, 5, buffered=False)
    assert settle(NOON + 5 * SECOND_NS, point, received, buffered=False) == (NOON + 5 * SECOND_NS, Flag.LATE)


def test_a_device_that_started_unseen_with_a_wrong_clock_gets_its_true_times() -> None:
    clock = BootClock()
    received = NOON + 600 * SECOND_NS
    for seq in range(600):
        arrival = Arrival(received + seq * 1000, NOON - SECOND_NS, vouches=True)
        clock.observe(NOON - HOUR_NS + seq * SECOND_NS, arrival, seq=seq)
    feed(clock, steadily(received, error_ns=-HOUR_NS), first_seq=600)

    point = clock.point_for(NOON - HOUR_NS + 300 * SECOND_NS, 300, buffered=False)
    assert (point.offset_ns, point.uncertain) == (HOUR_NS, False)


def test_a_clock_that_was_set_while_nobody_watched_leaves_what_was_before_to_a_person() -> None:
    clock = BootClock()
    received = NOON + 600 * SECOND_NS
    for seq in range(600):
        wrong = -HOUR_NS if seq < 300 else 0
        clock.observe(NOON + wrong + seq * SECOND_NS, Arrival(received + seq * 1000, NOON, vouches=True), seq=seq)
    feed(clock, steadily(received), first_seq=600)

    assert clock.point_for(NOON - HOUR_NS + 100 * SECOND_NS, 100, buffered=False).uncertain
    assert not clock.point_for(NOON + 400 * SECOND_NS, 400, buffered=False).uncertain


def test_messages_of_an_outage_do_not_move_the_clock() -> None:
    clock = BootClock()
    clock.observe(NOON, live(NOON), seq=0)
    received = NOON + 300 * SECOND_NS
    for seq in range(1, 3000):  # sent one by one, delivered together five minutes later
        assert clock.observe(NOON + seq * SECOND_NS // 10, Arrival(received, NOON, vouches=True), seq=seq) is None


def late(received_ns: int, *, waited_s: float) -> Arrival:
    """While the recorder was away, no echo came either."""
    return Arrival(received_ns, received_ns - int((waited_s + 10) * SECOND_NS), vouches=True)


def test_a_device_that_speaks_seldom_is_not_doubted_for_that_after_a_restart() -> None:
    clock = BootClock()
    feed(clock, steadily(NOON, seconds=40, every_ns=4 * SECOND_NS))
    again = BootClock(clock.points, last=clock.last)
    for seq, step in enumerate((44, 48, 52), 11):  # they waited for the recorder
        arrival = late(NOON + 60 * SECOND_NS, waited_s=60 - step)
        assert again.observe(NOON + step * SECOND_NS, arrival, seq=seq) is None

    assert len(again.points) == 1


def test_a_pause_before_the_present_is_no_reason_for_doubt_when_the_message_has_just_come_in() -> None:
    clock = BootClock()
    feed(clock, steadily(NOON, seconds=10))
    for seq in range(21, 24):  # they waited
        clock.observe(NOON + seq * SECOND_NS // 2, late(NOON + 20 * SECOND_NS, waited_s=8), seq=seq)
    there = NOON + 25 * SECOND_NS

    assert clock.observe(there, live(there + 20_000_000, waited_s=0.9), seq=24) is None
    assert [point.uncertain for point in clock.points] == [False]


def test_a_clock_that_was_believed_is_believed_again_after_two_seconds_and_what_waited_gets_its_time() -> None:
    clock = BootClock()
    feed(clock, steadily(NOON, seconds=10))
    paused_ns = NOON + 15 * SECOND_NS
    doubt = clock.observe(paused_ns, late(NOON + 30 * SECOND_NS, waited_s=15), seq=21)
    assert doubt is not None
    assert (doubt.uncertain, doubt.reason) == (True, "gap")
    feed(clock, steadily(NOON + 31 * SECOND_NS, seconds=2.5), first_seq=22)

    (confirmed,) = clock.take_confirmed()
    assert confirmed.offset_ns == 0
    assert not clock.point_for(paused_ns, 21, buffered=False).uncertain


def test_a_device_that_catches_up_slowly_is_not_taken_for_a_slow_clock() -> None:
    """A tenth faster than time passes: over some seconds that looks even, where messages are late by chance as well."""
    clock = BootClock()
    feed(clock, steadily(NOON, seconds=10))
    for step in range(600):
        measured_ns = NOON + 11 * SECOND_NS + step * SECOND_NS // 2
        received_ns = NOON + 71 * SECOND_NS + step * SECOND_NS * 9 // 20 + (step * 7919 % 150) * 1_000_000
        clock.observe(measured_ns, live(received_ns, waited_s=0.5), seq=21 + step)
        assert clock.points[-1].offset_ns == 0, step

    assert clock.points[1].reason == "delayed"


def test_a_jump_is_a_change_point_and_uncertain() -> None:
    clock = BootClock()
    clock.observe(NOON, live(NOON), seq=0)

    ahead = clock.observe(NOON + HOUR_NS, live(NOON + SECOND_NS), seq=1)
    assert ahead is not None
    assert ahead[1:] == (SECOND_NS - HOUR_NS, True, 1, "jump")
    assert NOON < ahead.from_device_ns <= NOON + HOUR_NS
    back = clock.observe(NOON - 2 * HOUR_NS, live(NOON + 2 * SECOND_NS), seq=2)
    assert back is not None
    assert (back.uncertain, back.reason) == (True, "jump-back")


def test_a_jump_back_across_a_restart_of_the_recorder_is_noticed() -> None:
    before = BootClock()
    feed(before, steadily(NOON))
    after = BootClock(before.points, last=before.last)

    stale = Arrival(NOON + 60 * SECOND_NS, NOON, vouches=True)
    found = after.observe(NOON - HOUR_NS, stale, seq=before.last[0] + 1)
    assert found is not None
    assert (found.uncertain, found.reason) == (True, "jump-back")


def test_a_clock_that_is_set_right_is_believed_again() -> None:
    clock = BootClock()
    clock.observe(NOON - HOUR_NS, live(NOON), seq=-1)
    found = feed(clock, steadily(NOON + SECOND_NS))

    assert [(point.offset_ns, point.uncertain, point.reason) for point in found] == [
        (0, True, "set-right"),
        (0, False, "steady"),
    ]
    assert not clock.point_for(NOON + SECOND_NS, 0, buffered=False).uncertain


def test_slow_drift_is_followed_and_stays_certain() -> None:
    for ppm in (20, -20):
        clock = BootClock()
        for minute in range(10_000):
            real = NOON + minute * 60 * SECOND_NS
            clock.observe(real + minute * 60_000 * ppm, live(real), seq=minute)

        assert 2 < len(clock.points) < 25
        assert not any(point.uncertain for point in clock.points)


def test_a_clock_that_falls_behind_is_followed() -> None:
    clock = BootClock()
    for second in range(20_000):  # a second lost in a thousand
        real = NOON + second * SECOND_NS
        device_ns = real - second * 1_000_000
        clock.observe(device_ns, live(real), seq=second)
        point = clock.point_for(device_ns, second, buffered=False)
        assert (point.uncertain, abs(device_ns + point.offset_ns - real) < 1.3 * SECOND_NS) == (False, True)


def test_a_hiccup_of_the_network_changes_nothing() -> None:
    clock = BootClock()
    feed(clock, steadily(NOON, every_ns=SECOND_NS // 10))
    seq = clock.last[0] + 1
    for step in range(20):
        device_ns = clock.last[1] + SECOND_NS // 10
        assert clock.observe(device_ns, live(NOON + 9_900_000_000 + step * 1_000_000), seq=seq + step) is None
    assert len(clock.points) == 1


def test_a_device_that_lost_the_date_is_uncertain_and_does_not_spoil_what_comes_after() -> None:
    clock = BootClock()
    lost = clock.observe(3 * SECOND_NS, live(NOON), seq=0)
    assert lost == ChangePoint(3 * SECOND_NS, NOON - 3 * SECOND_NS, True, 0, "no-date")

    right = clock.observe(NOON + SECOND_NS, live(NOON + SECOND_NS), seq=1)
    assert right == ChangePoint(NOON + SECOND_NS, 0, False, 1)
    assert clock.point_for(4 * SECOND_NS, 0, buffered=False) == lost


def test_milliseconds_sent_as_nanoseconds_settle_near_their_receipt() -> None:
    clock = BootClock()
    for seq in range(600):
        received = NOON + seq * SECOND_NS
        device_ns = received // 1_000_000
        clock.observe(device_ns, live(received), seq=seq)
        point = clock.point_for(device_ns, seq, buffered=False)
        assert point.uncertain
        assert 0 <= received - settle(device_ns, point, received, buffered=False).settled_ns <= 61 * SECOND_NS
    assert len(clock.points) < 20


def test_what_a_device_recorded_before_anybody_saw_its_clock_is_uncertain() -> None:
    clock = BootClock()
    clock.observe(NOON, live(NOON), seq=-1)
    assert clock.observe(NOON - HOUR_NS, unvouched(NOON), seq=0) is None

    assert clock.point_for(NOON - HOUR_NS, 0, buffered=True).uncertain


def test_what_a_device_recorded_between_two_times_it_was_seen_is_certain_when_it_is_seen_again() -> None:
    clock = BootClock()
    feed(clock, steadily(NOON))
    seq = clock.last[0] + 1
    found = clock.observe(NOON + HOUR_NS, unvouched(NOON + HOUR_NS), seq=seq)
    assert found is not None
    assert (found.uncertain, found.reason) == (True, "buffered")
    assert clock.point_for(NOON + HOUR_NS // 2, seq, buffered=True).uncertain
    assert not clock.point_for(NOON + 3 * SECOND_NS, seq, buffered=True).uncertain

    feed(clock, steadily(NOON + HOUR_NS + SECOND_NS), first_seq=seq + 1)
    assert clock.point_for(NOON + HOUR_NS // 2, seq, buffered=True)[1:3] == (0, False)


def test_a_slow_first_message_does_not_make_the_faster_ones_late() -> None:
    clock = BootClock()
    for seq, delay_ns in enumerate([90_000_000, 1_000_000, 0], -1):
        received = NOON + seq * SECOND_NS + delay_ns
        clock.observe(NOON + seq * SECOND_NS + HOUR_NS, live(received), seq=seq)
        settled = settle(NOON + seq * SECOND_NS + HOUR_NS, clock.points[0], received, buffered=False)
        assert settled == (NOON + seq * SECOND_NS, Flag.SKEWED)


def test_a_clock_that_never_rests_costs_a_bounded_number_of_change_points() -> None:
    clock = BootClock()
    for seq in range(10_000):
        clock.observe(NOON - seq * HOUR_NS, live(NOON + seq * SECOND_NS), seq=seq)
    assert len(clock.points) <= MOST_POINTS
    assert clock.points[-1].uncertain


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
        point = clock.point_for(device_ns, seq, buffered=not arrival.vouches)
        assert settle(device_ns, point, arrival.received_ns, buffered=False).settled_ns <= arrival.received_ns


@given(histories)
def test_stored_change_points_are_only_ever_added(history: list[tuple[int, Arrival, int]]) -> None:
    clock = BootClock()
    stored: list[ChangePoint] = []
    for device_ns, arrival, seq in history:
        found = clock.observe(device_ns, arrival, seq=seq)
        if found is not None:
            keys = {(point.from_seq, point.from_device_ns) for point in stored}
            assert (found.from_seq, found.from_device_ns) not in keys
            stored.append(found)
        assert set(stored) == set(clock.points)


@given(histories)
def test_a_replay_settles_to_the_same_times(history: list[tuple[int, Arrival, int]]) -> None:
    first = BootClock()
    said = []
    for device_ns, arrival, seq in history:
        first.observe(device_ns, arrival, seq=seq)
        said.append(first.point_for(device_ns, seq, buffered=not arrival.vouches))

    again = BootClock(first.points, first.assignments, last=first.last)
    for (device_ns, arrival, seq), before in zip(history, said, strict=True):
        assert again.observe(device_ns, arrival, seq=seq) is None
        point = again.point_for(device_ns, seq, buffered=not arrival.vouches)
        assert point == before or (before.uncertain and not point.uncertain)
