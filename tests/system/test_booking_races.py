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
from tests.system.installation import wait_until
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
    succeeded: int = 0
    refused: int = 0
    mistakes: int = 0
    """5xx, and requests without an answer."""
    line: int = 0
    """Slots that went to the waitlist."""
    collided: int = 0
    deadlocks: int = 0

    def note(self, replies: Sequence[Reply]) -> None:
        """A round was run."""
        self.rounds += 1
        self.collided += collided(replies)
        self.succeeded += sum(200 <= reply.status < 300 for reply in replies)
        self.refused += sum(400 <= reply.status < 500 for reply in replies)
        self.mistakes += sum(reply.status >= 500 or reply.status == 0 for reply in replies)

    def cells(self) -> list[str]:
        return [str(getattr(self, one.name)) for one in fields(self)]


HEADINGS = (
    "database",
    "scenario",
    "users",
    "rounds",
    "one winner",
    "2xx",
    "4xx",
    "5xx",
    "line",
    "collided",
    "deadlocks",
)


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
        evidence = Evidence(database.url)
        yield Place(request.param, Arena(database, web), evidence)
        assert [trouble for trouble in web.troubles() if trouble["event"] != "mail not sent"] == []
        assert evidence.deadlocks() == 0
    finally:
        web.kill_all()
        database.close()
        if cluster is not None:
            cluster.drop_database(url)


def play(place: Place, tally: list[Counts], scenario: str, *, users: int, rounds: int) -> Counts:
    """Run the rounds of a scenario, and hold each against the database."""
    arena, evidence = place.arena, place.evidence
    counts = Counts(place.name, scenario, users)
    tally.append(counts)
    order = random.Random(f"{scenario} {users}")  # who is sent first differs from round to round
    before, title = evidence.deadlocks(), arena.name(scenario)
    for one in SCENARIOS[scenario](arena, title, users, rounds):
        before_it = evidence.counted(title)
        shots = [*one.shots, *([one.aside] if one.aside else [])]
        order.shuffle(shots)
        replies = fire(shots)
        racers = [reply for shot, reply in zip(shots, replies, strict=True) if shot is not one.aside]
        assert all(reply.status == 200 for reply in replies if reply not in racers)
        counts.note(racers)
        require_one_winner(one, racers)
        require_in_database(place, one, racers, title, before_it)
        counts.one_winner += 1
        counts.line += not winner_of(racers)
        if one.give_back:
            for booking_id in ids_in(winner_of(racers)):
                arena.cancel(booking_id)
    counts.deadlocks = evidence.deadlocks() - before
    assert evidence.faults() == NO_FAULTS
    return counts


def winner_of(replies: Sequence[Reply]) -> dict[str, Any]:
    """What the winner was told; nothing, if the line has won."""
    return next((reply.body for reply in replies if reply.status in {200, 201}), {})


def ids_in(body: Mapping[str, Any]) -> frozenset[str]:
    """The bookings that an answer names."""
    if "results" in body:
        return frozenset(result["booking"]["id"] for result in body["results"])
    named = body.get("booking") or body  # an entry of the waitlist names the booking that it led to
    return frozenset([named["id"]]) if "id" in named else frozenset()


def require_one_winner(one: Round, replies: Sequence[Reply]) -> None:
    """One request has succeeded; all others are told what is in the way, and where else it is free."""
    others = [reply for reply in replies if reply.status not in {200, 201}]
    told = [(reply.status, reply.problem, reply.body.get("detail")) for reply in others]
    assert len(others) == len(replies) - 1 or (one.line and len(others) == len(replies)), told
    for reply in others:
        assert reply.status in one.status, (reply.status, reply.body)
        assert reply.problem in one.losing, (reply.status, reply.body)
        if reply.problem in {"device-busy", "engineers-busy", "nothing-free"}:
            assert len(reply.body["alternatives"]) == 3, reply.body


def require_in_database(
    place: Place, one: Round, replies: Sequence[Reply], title: str, before: tuple[int, int]
) -> None:
    """What was wished is held by whoever was told so, and a refused wish has left nothing behind."""
    evidence, won = place.evidence, winner_of(replies)
    holders = one.holders or ids_in(won)
    if one.line:
        wait_until(lambda: evidence.line_is_looked_through(NOW), "the line is looked through", seconds=120)
    active = evidence.active(one.devices, one.span)
    assert len(active) == one.rows, active
    if one.line and not won:
        holders = frozenset(booking for booking, _ in active)
        assert all(evidence.offered(booking) for booking in holders)
    assert {booking for booking, _ in active} <= holders
    bookings, rows = before
    if one.line or "booking" in won or any(reply.status == 201 for reply in replies):
        bookings, rows = bookings + len(holders), rows + (one.written or one.rows)
    assert evidence.counted(title) == (bookings, rows)


def require_collisions(counts: Counts) -> None:
    """Else the rounds have shown nothing."""
    assert counts.collided >= COLLIDING_SHARE * counts.rounds, counts


@pytest.mark.faults
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_of_ten_users_wins_each_round(place: Place, tally: list[Counts], scenario: str) -> None:
    counts = play(place, tally, scenario, users=USERS, rounds=FEW.get(scenario, FEWEST))
    require_collisions(counts)


@pytest.mark.faults_long
@pytest.mark.parametrize("users", [2, USERS])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_user_wins_each_of_sixty_rounds(place: Place, tally: list[Counts], scenario: str, users: int) -> None:
    counts = play(place, tally, scenario, users=users, rounds=ROUNDS)
    assert (counts.one_winner, counts.mistakes) == (ROUNDS, 0)
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
    arena.web.start()  # those that were killed before
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
