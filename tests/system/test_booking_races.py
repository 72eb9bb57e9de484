"""A slot cannot be booked twice: four web processes, users at the same moment, and the database's own word for it.

The normal suite runs a few rounds. `make faults` runs 60 of each, with 2 and with 10 users, and prints what it counted.
"""

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from lab.core.clock import ClockAnchor
from lab.core.database import Database
from lab.core.time import to_nanoseconds
from tests.services import PostgresCluster
from tests.system.race_arena import NOW, SETTINGS, USERS, Arena, target
from tests.system.race_evidence import Evidence
from tests.system.race_scenarios import SCENARIOS, Round
from tests.system.web_processes import Reply, WebProcesses, collided, fire

ROUNDS = 60
FEW = {"create": 6, "move": 6, "create-three-devices": 6, "reinstate": 6}
"""Rounds in the normal suite; of the other scenarios:"""
FEWEST = 2
COLLIDING_SHARE = 0.8
"""Of the rounds, so many at least had all requests on their way at one moment."""
NO_FAULTS = dict.fromkeys(
    [
        "overlapping",
        "engineer twice",
        "partly active",
        "without devices",
        "not in the log",
        "not announced",
        "keys without answer",
    ],
    0,
)


@dataclass
class Counts:
    """What came of the rounds of one scenario."""

    database: str
    scenario: str
    users: int
    rounds: int = 0
    one_winner: int = 0
    winners: int = 0
    refused: int = 0
    mistakes: int = 0
    """5xx, and requests without an answer."""
    collided: int = 0
    deadlocks: int = 0

    def cells(self) -> list[str]:
        return [str(getattr(self, one.name)) for one in fields(self)]


HEADINGS = ("database", "scenario", "users", "rounds", "one winner", "2xx", "4xx", "5xx", "collided", "deadlocks")


@dataclass
class Place:
    """One database with its web processes."""

    name: str
    arena: Arena
    evidence: Evidence


@pytest.fixture(scope="module")
def tally() -> Iterator[list[Counts]]:
    """What was counted; printed at the end."""
    counted: list[Counts] = []
    yield counted
    rows = [HEADINGS, *(tuple(one.cells()) for one in counted)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Four web processes on one SQLite file, then four on one PostgreSQL database."""
    folder = tmp_path_factory.mktemp(f"races-{request.param}")
    (folder / "data").mkdir()
    clock = folder / "clock.json"
    ClockAnchor(0, to_nanoseconds(NOW), 0.0).write_to(clock)
    settings: dict[str, object] = {**SETTINGS, "steered_clock": clock}
    cluster: PostgresCluster | None = None
    if request.param == "sqlite":
        path = folder / "data" / "pilotlab.sqlite"
        shutil.copyfile(request.getfixturevalue("_sqlite_with_tables"), path)
        url = f"sqlite:///{path}"
    else:
        cluster = request.getfixturevalue("postgres_cluster")
        url = cluster.create_database(template=request.getfixturevalue("_postgres_with_tables"))
        settings["database_url"] = url
    web, database = WebProcesses(folder, **settings), Database(url)
    try:
        web.start()
        yield Place(request.param, Arena(database, web), Evidence(database.url))
    finally:
        web.stop()
        database.close()
        if cluster is not None:
            cluster.drop_database(url)


def play(place: Place, scenario: str, *, users: int, rounds: int) -> Counts:
    """Run the rounds of a scenario, and hold each against the database."""
    arena, evidence = place.arena, place.evidence
    counts = Counts(place.name, scenario, users)
    order = random.Random(f"{scenario} {users}")  # who is sent first differs from round to round
    before, title = evidence.deadlocks(), arena.name(scenario)
    for one in SCENARIOS[scenario](arena, title, users, rounds):
        bookings, rows = evidence.counted(title)
        shots = list(one.shots)
        order.shuffle(shots)
        replies = fire(shots)
        counts.rounds += 1
        counts.collided += collided(replies)
        won = require_one_winner(one, replies)
        counts.winners += len(won)
        counts.refused += sum(400 <= reply.status < 500 for reply in replies)
        counts.mistakes += sum(reply.status >= 500 or reply.status == 0 for reply in replies)
        active = evidence.active(one.devices, one.span)
        assert {booking for booking, _ in active} <= (one.holders or ids_in(won[0].body))
        assert len(active) == one.rows
        if won[0].status == 201:
            bookings, rows = bookings + len(ids_in(won[0].body)), rows + (one.written or one.rows)
        assert evidence.counted(title) == (bookings, rows), "a refused wish has left something behind"
        counts.one_winner += 1
        if one.give_back:
            for booking_id in ids_in(won[0].body):
                arena.cancel(booking_id)
    counts.deadlocks = evidence.deadlocks() - before
    assert evidence.faults() == NO_FAULTS
    return counts


def ids_in(body: Mapping[str, Any]) -> frozenset[str]:
    """The bookings that an answer names."""
    if "results" in body:
        return frozenset(result["booking"]["id"] for result in body["results"])
    return frozenset([body["id"]]) if "id" in body else frozenset()


def require_one_winner(one: Round, replies: Sequence[Reply]) -> list[Reply]:
    """One request has succeeded; all others are told what is in the way, and where else it is free."""
    won = [reply for reply in replies if reply.status in {200, 201}]
    others = [(reply.status, reply.problem, reply.body.get("detail")) for reply in replies if reply not in won]
    assert len(won) == 1, others
    for reply in replies:
        if reply is won[0]:
            continue
        assert reply.status in one.status, (reply.status, reply.body)
        assert reply.problem in one.losing, (reply.status, reply.body)
        if reply.problem in {"device-busy", "engineers-busy"}:
            assert len(reply.body["alternatives"]) == 3, reply.body
    return won


def require_collisions(counts: Counts) -> None:
    """Else the rounds have shown nothing."""
    assert counts.collided >= COLLIDING_SHARE * counts.rounds, counts


@pytest.mark.faults
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_of_ten_users_wins_each_round(place: Place, tally: list[Counts], scenario: str) -> None:
    counts = play(place, scenario, users=USERS, rounds=FEW.get(scenario, FEWEST))
    tally.append(counts)
    require_collisions(counts)


@pytest.mark.faults_long
@pytest.mark.parametrize("users", [2, USERS])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_user_wins_each_of_sixty_rounds(place: Place, tally: list[Counts], scenario: str, users: int) -> None:
    counts = play(place, scenario, users=users, rounds=ROUNDS)
    tally.append(counts)
    assert (counts.one_winner, counts.winners, counts.mistakes) == (ROUNDS, ROUNDS, 0)
    require_collisions(counts)


def burst(place: Place, *, killed: int, after: int) -> int:
    """Twenty users book three devices, four of them each slot; a process is killed, and who got no answer asks again.

    Args:
        place: where.
        killed: which process.
        after: how many answers.

    Returns:
        How many got no answer.
    """
    arena, evidence = place.arena, place.evidence
    title = arena.name("kill")
    devices = arena.devices(title, 3, setup_minutes=10)
    shots = [
        arena.create(
            user + slot,
            arena.companies[2 * user + slot % 2],
            target(slot),
            *(devices if user % 2 else devices[::-1]),
            title=title,
            Idempotency_Key=f"{title} {slot} {user}",
        )
        for slot in range(5)
        for user in range(4)
    ]
    replies = fire(shots, then=lambda answers: arena.web.kill(killed) if answers == after else None)
    unanswered = [shot for shot, reply in zip(shots, replies, strict=True) if reply.status == 0]
    assert all(shot.port == arena.web.ports[killed] for shot in unanswered)
    survivor = arena.web.ports[(killed + 1) % len(arena.web.ports)]
    again = fire([replace(shot, port=survivor) for shot in unanswered])
    arena.web.start(killed)
    answered = [reply for reply in [*replies, *again] if reply.status]
    assert {reply.status for reply in answered} <= {201, 409}, [reply.body for reply in answered]
    holders = []
    for slot in range(5):
        active = evidence.active(devices, target(slot))
        assert [device for _, device in active] == devices
        assert len({booking for booking, _ in active}) == 1
        holders.append(active[0][0])
    assert {reply.body["id"] for reply in answered if reply.status == 201} == set(holders)
    assert evidence.counted(title) == (5, 15)
    assert evidence.faults() == NO_FAULTS
    return len(unanswered)


@pytest.mark.faults
def test_a_process_killed_while_it_books_leaves_no_half_booking(place: Place) -> None:
    assert burst(place, killed=1, after=2) > 0


@pytest.mark.faults_long
@pytest.mark.parametrize("seed", range(20))
def test_a_process_killed_at_any_moment_leaves_no_half_booking(place: Place, seed: int) -> None:
    chance = random.Random(seed)
    killed, after = chance.randrange(4), chance.randrange(16)
    unanswered = burst(place, killed=killed, after=after)
    print(f"{place.name} seed {seed}: process {killed} killed after {after} of 20 answers, {unanswered} got none")


@pytest.mark.faults
def test_no_process_had_trouble_with_any_of_it(place: Place) -> None:
    assert [trouble for trouble in place.arena.web.troubles() if trouble["event"] != "mail not sent"] == []
    assert place.evidence.deadlocks() == 0
