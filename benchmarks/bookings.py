"""Bookings over HTTP among 10,000 others: creates, the week, a calendar link, the slot search.

`python -m benchmarks.bookings [--quick]`. Real `pilotlab web` processes and a `pilotlab worker`, which does the notices
of the bookings meanwhile, on a PostgreSQL that syncs every commit; prepared requests of several companies, one
connection each, from a process of their own. Every create must be accepted; afterwards the bookings are counted and
looked through for overlaps. One client is served by one process, eight by two.

Beside it, in the same run: `GET /api/v1/me`, which is HTTP and signing in alone, and the same rows written by psycopg
without any check. NEMO's figures were measured elsewhere, with NEMO 8 on two cores with PostgreSQL.
"""

import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa

from benchmarks.bare_inserts import insert_all
from benchmarks.booked_lab import COMPANIES, LENGTH, BookedLab, booked_lab, rows_of_booking
from benchmarks.create_profile import profile_creates
from benchmarks.http_load import Client, Outcome, prepared, send_all
from benchmarks.measurement import Measurement, run_alone
from benchmarks.slot_search import measure_slot_search
from benchmarks.web_process import Web, web_processes, worker_process
from lab.core.database import Database
from lab.core.migration import migrate

NEMO_CREATES = {1: 41.0, 8: 82.0}
NEMO_WEEK_SECONDS = 42.8
_PROCESSES = {1: 1, 8: 2}
_WARM_UP = 64
_DRAINED_WITHIN_SECONDS = 20.0

Place = tuple[str, datetime]
"""Machine and start."""


def measure(quick: bool) -> list[Measurement]:
    """Creates, feeds and slot search, each beside its limit."""
    count, rounds, existing = (400, 2, 2_000) if quick else (1_600, 3, 10_000)
    with booked_lab(existing) as lab, tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        places = itertools.product(lab.starts(), lab.machines)
        free = ((machine, start) for start, machine in places)
        found = []
        for clients in (1, 8):
            found += creates(lab, free, Path(name), clients=clients, count=count, rounds=rounds)
        found += feeds(lab, Path(name))
        require_sound(lab)
        print(profile_creates(lab, free, count // 4))
        found += slots(lab, quick=quick)
    return found


def creates(
    lab: BookedLab, free: Iterator[Place], folder: Path, *, clients: int, count: int, rounds: int
) -> list[Measurement]:
    """So many clients who book at once; the median of the rounds."""
    ours: list[Outcome] = []
    http, bare, booked = [], [], 0
    with (
        web_processes(_PROCESSES[clients], lab.url, folder / str(clients)) as web,
        worker_process(lab.url, folder / "worker"),
    ):
        for number in range(rounds + 1):
            each = _WARM_UP // clients if number == 0 else count // clients
            looks = [prepared("GET", "/api/v1/me", lab.members[one].token) for one in range(clients)]
            looked = _send(web, [[look] * each for look in looks], 200)
            made = _send(web, [[_create(lab, one, next(free)) for _ in range(each)] for one in range(clients)], 201)
            rows = [
                [rows_of_booking(lab, lab.members[one], *next(free)) for _ in range(each)] for one in range(clients)
            ]
            written = insert_all(lab.url, rows)
            booked += 2 * each * clients
            if number:
                ours.append(made)
                http.append(looked.rate)
                bare.append(written)
        waiting = drained(lab)
    lab.existing += booked
    rate = statistics.median(one.rate for one in ours)
    middle, late = (statistics.median(one.percentile(part) for one in ours) * 1000 for part in (50, 95))
    nemo, processes = NEMO_CREATES[clients], _PROCESSES[clients]
    name = f"creates, {clients} client{'s' * (clients > 1)}, {processes} web process{'es' * (processes > 1)}"
    unit = "creates/s"
    return [
        Measurement(
            f"{name}, worker running ({middle:.1f} ms median, {late:.1f} ms p95; {waiting}); "
            "reference: NEMO, measured elsewhere",
            rate,
            unit,
            nemo,
            rate / nemo,
            f">= {5 * nemo:.0f}/s (stretch {10 * nemo:.0f}/s)",
            rate >= 5 * nemo,
        ),
        _beside(f"{name}, beside GET /api/v1/me", rate, unit, statistics.median(http)),
        _beside(f"{name}, beside the same rows by psycopg without checks", rate, unit, statistics.median(bare)),
    ]


def feeds(lab: BookedLab, folder: Path) -> list[Measurement]:
    """The full week as JSON for the staff, and as a company's calendar link."""
    with psycopg.connect(lab.url, autocommit=True) as connection:
        one_company = "UPDATE bookings SET organisation_id = %s WHERE start_at >= %s AND end_at <= %s"
        connection.execute(one_company, (lab.members[0].organisation_id, lab.week.start, lab.week.end))
        connection.execute("VACUUM ANALYZE bookings")
    start, end = (one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in (lab.week.start, lab.week.end))
    with web_processes(1, lab.url, folder / "feeds") as web:
        week = prepared("GET", f"/api/v1/calendar?start={start}&end={end}", lab.manager_token)
        link = _calendar_link(web[0], lab)
        ics = prepared("GET", link, "none")
        _send(web, [[week, ics]], 200)
        seconds = {name: _send(web, [[request] * 7], 200).percentile(50) for name, request in [("w", week), ("i", ics)]}
        events = len(json.loads(_body(web[0], week))["events"])
        entries = _body(web[0], ics).count(b"BEGIN:VEVENT")
    nemo = NEMO_WEEK_SECONDS
    return [
        Measurement(
            f"week of {events:,} events as JSON; reference: NEMO, measured elsewhere",
            seconds["w"],
            "s",
            nemo,
            seconds["w"] / nemo,
            "<= 0.3 s",
            seconds["w"] <= 0.3,
        ),
        Measurement(
            f"calendar link of a company, {entries:,} events (.ics); reference: the week as JSON",
            seconds["i"],
            "s",
            seconds["w"],
            seconds["i"] / seconds["w"],
            "for information",
            True,
        ),
    ]


def slots(lab: BookedLab, *, quick: bool) -> list[Measurement]:
    """The slot search, in a database of its own."""
    url = lab.cluster.create_database()
    database = Database(url)
    try:
        migrate(database)
        return measure_slot_search(database, quick=quick)
    finally:
        database.close()
        lab.cluster.drop_database(url)


def require_sound(lab: BookedLab) -> None:
    """Everything that was accepted is there once, and nothing overlaps.

    Raises:
        RuntimeError: else; then the speed is worth nothing.
    """
    overlapping = (
        "SELECT count(*) FROM booking_devices a JOIN booking_devices b ON a.device_id = b.device_id "
        "AND a.booking_id < b.booking_id AND a.active AND b.active "
        "AND a.reserved_start < b.reserved_end AND b.reserved_start < a.reserved_end"
    )
    with lab.database.engine.connect() as connection:
        counts = [
            connection.scalar(sa.text(query))
            for query in (
                "SELECT count(*) FROM bookings",
                "SELECT count(*) FROM booking_devices WHERE active",
                "SELECT count(*) FROM audit_entries WHERE subject = 'booking'",
                "SELECT count(*) FROM jobs WHERE kind = 'booking-notice'",
            )
        ]
        overlaps = connection.scalar(sa.text(overlapping))
    if set(counts) != {lab.existing} or overlaps:
        raise RuntimeError(f"{lab.existing} bookings expected, found {counts}, of which {overlaps} overlap")


def drained(lab: BookedLab) -> str:
    """Wait until the notices are done, and say how long that took."""
    started, left = time.monotonic(), None
    query = sa.text("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND run_at <= now()")
    while time.monotonic() - started < _DRAINED_WITHIN_SECONDS:
        with lab.database.engine.connect() as connection:
            left = connection.scalar(query)
        if not left:
            return f"notices done {time.monotonic() - started:.0f} s later"
        time.sleep(0.5)
    return f"{left} notices still waiting {_DRAINED_WITHIN_SECONDS:.0f} s later"


def _create(lab: BookedLab, client: int, place: Place) -> bytes:
    machine, start = place
    body = {
        "device_ids": [machine],
        "start": start.isoformat(),
        "end": (start + LENGTH).isoformat(),
        "title": f"Trial on {machine}",
    }
    token = lab.members[client % COMPANIES].token
    return prepared("POST", "/api/v1/bookings", token, json.dumps(body).encode())


def _send(web: Sequence[Web], requests: Sequence[list[bytes]], expected: int) -> Outcome:
    outcome = send_all([Client(web[one % len(web)].port, mine) for one, mine in enumerate(requests)])
    if set(outcome.statuses) != {expected}:
        raise RuntimeError(f"answers other than {expected}: {dict(outcome.statuses)}")
    return outcome


def _beside(name: str, ours: float, unit: str, limit: float) -> Measurement:
    return Measurement(name, ours, unit, limit, ours / limit, "for information", True)


def _calendar_link(web: Web, lab: BookedLab) -> str:
    body = {"kind": "company", "subject_id": lab.members[0].organisation_id}
    request = prepared("POST", "/api/v1/calendar-links", lab.manager_token, json.dumps(body).encode())
    url: str = json.loads(_body(web, request))["url"]
    return url[url.index("/calendars/") :]


def _body(web: Web, request: bytes) -> bytes:
    return send_all([Client(web.port, [request])], keep_last=True).last


if __name__ == "__main__":
    run_alone(measure, "bookings over HTTP beside NEMO's figures and bare limits")
