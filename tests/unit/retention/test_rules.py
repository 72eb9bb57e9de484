"""What is old enough to be deleted."""

from hypothesis import given
from hypothesis import strategies as st

from lab.retention.rules import DAY_NS, PilotTime, is_shorter, spans_to_delete
from telemetry.grants import BEGINNING_NS, END_NS

NOW = 100
"""Today, in days."""


def gone(
    *times: tuple[str, int, int],
    lab: int | None = None,
    pilots: dict[str, int] | None = None,
    needed: tuple[tuple[int, int], ...] = (),
) -> list[tuple[int, int]]:
    """The same in whole days; the beginning is -1000."""
    found = spans_to_delete(
        NOW * DAY_NS,
        lab_days=lab,
        pilot_days=pilots or {},
        times=[PilotTime(name, start * DAY_NS, end * DAY_NS) for name, start, end in times],
        needed=[(start * DAY_NS, end * DAY_NS) for start, end in needed],
    )
    return [(-1000 if start == BEGINNING_NS else start // DAY_NS, end // DAY_NS) for start, end in found]


def test_without_a_rule_everything_is_kept() -> None:
    assert gone(("p", 1, 2)) == []


def test_what_is_older_than_the_labs_rule_goes() -> None:
    assert gone(("p", 1, 2), lab=30) == [(-1000, 70)]


def test_the_time_of_a_pilot_with_a_longer_rule_stays_until_its_own_end() -> None:
    assert gone(("p", 20, 40), lab=30, pilots={"p": 90}) == [(-1000, 20), (40, 70)]
    assert gone(("p", 20, 40), lab=30, pilots={"p": 70}) == [(-1000, 30), (40, 70)]


def test_the_time_of_a_pilot_with_a_shorter_rule_goes_earlier() -> None:
    assert gone(("p", 80, 99), lab=30, pilots={"p": 5}) == [(-1000, 70), (80, 95)]
    assert gone(("p", 80, 99), pilots={"p": 5}) == [(80, 95)]


def test_what_a_run_needs_stays() -> None:
    assert gone(("p", 80, 99), lab=30, pilots={"p": 5}, needed=((50, 85),)) == [(-1000, 50), (85, 95)]
    running = spans_to_delete(200, lab_days=0, pilot_days={}, times=[], needed=[(100, END_NS)])
    assert running == [(BEGINNING_NS, 100)]


def test_for_ever_is_longer_than_anything() -> None:
    assert is_shorter(5, None)
    assert is_shorter(5, 6)
    assert not is_shorter(6, 5)
    assert not is_shorter(None, 5)
    assert not is_shorter(None, None)


days = st.integers(0, 110)
times = st.lists(st.tuples(st.sampled_from("pqr"), days, days).filter(lambda one: one[1] < one[2]), max_size=5)


@given(
    times=times,
    lab=st.none() | st.integers(1, 120),
    pilots=st.dictionaries(st.sampled_from("pq"), st.integers(1, 120)),
    needed=st.lists(st.tuples(days, days), max_size=3),
)
def test_each_day_goes_or_stays_as_its_rules_say(
    times: list[tuple[str, int, int]], lab: int | None, pilots: dict[str, int], needed: list[tuple[int, int]]
) -> None:
    found = gone(*times, lab=lab, pilots=pilots, needed=tuple(needed))
    for day in range(111):
        ruled = [pilots[name] for name, start, end in times if name in pilots and start <= day < end]
        kept_for = max(ruled) if ruled else lab
        too_old = kept_for is not None and day < NOW - kept_for
        is_needed = any(start <= day < end for start, end in needed)
        assert any(start <= day < end for start, end in found) == (too_old and not is_needed), day
