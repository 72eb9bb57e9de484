"""When the broker counts as away."""

from telemetry.absence import AWAY_SECONDS, Absence

SECOND = 1_000_000_000
LASTS = int(AWAY_SECONDS)


def test_a_restart_of_the_broker_is_no_absence() -> None:
    told: list[tuple[int, int | None]] = []
    absence = Absence(lambda *said: told.append(said))
    for restart in (100, 200):
        for second in range(restart, restart + LASTS):
            absence.look(second * SECOND)
        absence.end((restart + LASTS) * SECOND)
    assert told == []


def test_an_absence_is_told_once_from_its_beginning_and_once_more_when_it_is_over() -> None:
    told: list[tuple[int, int | None]] = []
    absence = Absence(lambda *said: told.append(said))
    for second in range(100, 100 + 3 * LASTS):
        absence.look(second * SECOND)
    assert told == [(100 * SECOND, None)]
    absence.end(500 * SECOND)
    absence.end(600 * SECOND)
    assert told == [(100 * SECOND, None), (100 * SECOND, 500 * SECOND)]


def test_an_absence_that_a_restart_of_the_recorder_interrupts_is_the_same_one() -> None:
    told: list[tuple[int, int | None]] = []
    absence = Absence(lambda *said: told.append(said), told_since_ns=100 * SECOND)
    absence.look(900 * SECOND)
    absence.look(990 * SECOND)
    assert told == []
    absence.end(1000 * SECOND)
    assert told == [(100 * SECOND, 1000 * SECOND)]
